"""Rows of the statistics views -> records. Pure functions; all outside text is cleaned here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from console.model.postgres import Backend, Replica, Slot, Standby
from console.model.redact import redact
from console.model.text import clean

Row = Sequence[Any]

QUERY_LIMIT = 1000
"""Characters of a query that are kept; track_activity_query_size is 1024 bytes by default."""


@lru_cache(maxsize=4096)
def _query(text: str) -> str:
    """A query fit for the screen; cached because most sessions repeat their last one."""
    return redact(clean(text, QUERY_LIMIT))


@lru_cache(maxsize=4096)
def _name(text: str | None) -> str:
    return "" if text is None else clean(text, 120)


def backend(row: Row) -> Backend:
    """A row of queries.ACTIVITY."""
    return Backend(
        pid=row[0],
        backend_start=row[1] or 0.0,
        backend_start_text=row[2] or "",
        backend_type=_name(row[3]),
        user=_name(row[4]),
        database=_name(row[5]),
        application=_name(row[6]),
        client=_name(row[7]),
        state=row[8],
        wait_type=row[9] or "",
        wait_event=row[10] or "",
        xact_start=row[11],
        query_start=row[12],
        state_change=row[13],
        query=_query(row[14] or ""),
        blocked_by=tuple(dict.fromkeys(row[15] or ())),
        superuser=bool(row[16]),
        xmin_age=row[17],
    )


def replica(row: Row) -> Replica:
    """A row of queries.REPLICAS."""
    application, client, replay, flush, sent, seconds, state, sync_state = row
    lags = (_positive(replay), _positive(flush), _positive(sent))
    return Replica(_name(application), _name(client), *lags, seconds, state or "", sync_state or "")


def standby(row: Row) -> Standby:
    """The row of queries.STANDBY."""
    receiver, unreplayed, replay_age, paused = row
    return Standby(receiver, _positive(unreplayed), replay_age, paused)


def _positive(difference: int | None) -> int | None:
    """A distance in WAL; the two ends are not read at the same instant, so it may come out below zero."""
    return None if difference is None else max(0, difference)


def slot(row: Row) -> Slot:
    """A row of queries.SLOTS."""
    return Slot(_name(row[0]), row[1], _positive(row[2]), row[3] or "", row[4])


def by_state(clients: Iterable[Backend], own_pid: int) -> tuple[tuple[str, int], ...]:
    """Client sessions by state, most first. The reading session counts as idle, as it is between rounds."""
    return _counted("idle" if it.pid == own_pid else it.state or "hidden" for it in clients)


def by_application(clients: Iterable[Backend]) -> tuple[tuple[str, int], ...]:
    """Client sessions by application_name, or by user where that is empty, most first."""
    return _counted(it.application or f"({it.user})" for it in clients)


def _counted(names: Iterable[str]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))


def oldest(now: float, times: Iterable[float | None]) -> float | None:
    """The age in seconds of the earliest of the known times."""
    return max((max(0.0, now - time) for time in times if time is not None), default=None)
