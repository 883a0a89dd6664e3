"""A measured value that says how far it can be trusted."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class State(StrEnum):
    """What a reading is worth. Only ``OK`` carries a number fit to compare with a threshold."""

    OK = "ok"
    NO_TRAFFIC = "no_traffic"
    NO_DATA = "no_data"
    STALE = "stale"
    DENIED = "denied"
    FAILED = "failed"
    DISABLED = "disabled"


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value with its state, its time (unix seconds) and, when not ok, the reason."""

    state: State
    value: float | None = None
    at: float | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether ``value`` is a present, trustworthy number."""
        return self.state is State.OK and self.value is not None


NO_DATA = Reading(State.NO_DATA)


class Point(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One sample of a history: unix seconds and the value; ``None`` is a gap, never a zero."""

    at: float
    value: float | None
