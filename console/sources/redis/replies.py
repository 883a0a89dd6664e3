"""Raw RESP2 replies -> plain values. Pure functions; the client library's own parsers are not used.

They differ between its versions and an unforeseen reply makes them raise in the middle of a pipeline.
"""

from __future__ import annotations

from typing import Any

from console.model.redact import redact
from console.model.redis import SlowCommand
from console.model.text import clean


def info(reply: str) -> dict[str, str]:
    """The fields of INFO by name; sections are comments."""
    fields: dict[str, str] = {}
    for line in reply.splitlines():
        name, separator, value = line.partition(":")
        if separator and not line.startswith("#"):
            fields[name] = value
    return fields


def parts(value: str) -> dict[str, str]:
    """A composite field such as ``count=3,size=4``."""
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def pairs(reply: Any) -> dict[str, Any]:
    """A flat list of names and values; empty for an error reply."""
    return dict(zip(reply[::2], reply[1::2], strict=False)) if isinstance(reply, list) else {}


def whole(text: Any) -> int:
    """A whole number; 0 for what is missing or none."""
    try:
        return int(text)
    except (TypeError, ValueError):
        return 0


def number(text: Any) -> float | None:
    """A number, or None."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def slow_commands(reply: list[Any], own_name: str) -> tuple[SlowCommand, ...]:
    """The entries of SLOWLOG GET without those of clients named ``own_name``.

    An entry is id, unix time, microseconds, the arguments and, since 4.0, address and name of the client.
    """
    return tuple(
        SlowCommand(entry[0], float(entry[1]), entry[2] / 1000, redact(clean(" ".join(entry[3]), 200)))
        for entry in reply
        if not (len(entry) > 5 and entry[5] == own_name)
    )
