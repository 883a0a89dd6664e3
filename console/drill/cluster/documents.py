"""YAML in and out."""

from typing import Any

import yaml  # type: ignore[import-untyped]

from console.drill.cluster.errors import bad_request


def load_yaml(data: bytes | str) -> Any:
    """Return a decoded YAML document. Raises a 400."""
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"error decoding YAML: {error}") from None


def dump_yaml(value: Any) -> str:
    """Return a value as YAML."""
    return str(yaml.safe_dump(value, sort_keys=False))
