"""Results of HTTP health checks."""

from __future__ import annotations

import msgspec


class HttpCheck(msgspec.Struct, frozen=True, gc=False):
    """One check. ``state``: healthy, reachable (answers, but not with what was expected) or down.

    ``latency`` is seconds to the full answer; ``expires`` the unix time the TLS certificate ends; ``since``
    the unix time from which on every look of this console found this state.
    """

    name: str
    url: str
    state: str
    status: int | None
    latency: float | None
    reason: str
    at: float
    expires: float | None = None
    since: float | None = None


class HttpSnapshot(msgspec.Struct, frozen=True):
    """All checks of the configuration, in its order."""

    at: float
    checks: tuple[HttpCheck, ...]
