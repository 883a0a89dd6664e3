"""The servers that the other tests rest on."""

import psycopg
import pytest

from tests.services import GIVEN_POSTGRES, PostgresServer
from tests.services_redis import RedisFactory


@pytest.mark.parametrize(("fixture", "major"), [("postgres_16", 16), ("postgres_18", 18)])
@pytest.mark.skipif(bool(GIVEN_POSTGRES), reason="another PostgreSQL stands in for the wheel's")
def test_a_postgres_of_the_wheel_answers(fixture: str, major: int, request: pytest.FixtureRequest) -> None:
    server: PostgresServer = request.getfixturevalue(fixture)
    with server.connect() as connection:
        assert connection.info.server_version // 10000 == major


@pytest.mark.services
def test_the_standby_streams(postgres_machine: PostgresServer, postgres_standby: PostgresServer) -> None:
    assert postgres_standby.execute("SELECT pg_is_in_recovery()") == [(True,)]
    assert postgres_machine.execute("SELECT state FROM pg_stat_replication") == [("streaming",)]


def test_a_paused_postgres_is_silent_until_it_is_resumed(postgres_18: PostgresServer) -> None:
    postgres_18.pause()
    try:
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(postgres_18.dsn(), connect_timeout=2)
    finally:
        postgres_18.resume()
    assert postgres_18.execute("SELECT 1") == [(1,)]


def test_a_redis_answers(wheel_redis: RedisFactory) -> None:
    import redis

    server = wheel_redis.create()
    assert redis.Redis.from_url(server.url()).ping()
    server.stop()
