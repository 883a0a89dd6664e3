"""The state of a source itself: whether it answers, since when, and what to do if not."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Health(StrEnum):
    """How a source is doing."""

    DISABLED = "disabled"
    CONNECTING = "connecting"
    OK = "ok"
    LIMITED = "limited"
    DENIED = "denied"
    FAILED = "failed"


class SourceStatus(msgspec.Struct, frozen=True, gc=False):
    """A source's health, with times in unix seconds.

    ``since`` is when the present health began, ``last_ok`` when data last arrived; ``reason`` and
    ``advice`` are sentences for the screen (already cleaned and redacted).
    """

    name: str
    health: Health
    since: float
    last_ok: float | None = None
    reason: str = ""
    advice: str = ""
    address: str = ""
