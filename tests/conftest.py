"""What all tests share: the fixtures of the real servers."""

pytest_plugins = ["tests.services", "tests.services_redis", "tests.monitoring"]
