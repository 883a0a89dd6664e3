"""One session of a PostgreSQL server in full: who, its state since when, what it waits for, its query."""

from __future__ import annotations

from collections.abc import Sequence

from console.model.postgres import Backend, PostgresSnapshot, sessions_behind
from console.model.symptoms.words import plural
from console.ui.cells import Spans
from console.ui.format import age
from console.ui.widgets.page import fact

_NAMED = 8
"""Sessions that are named before the rest is counted."""
_HIDDEN = "hidden: the role lacks pg_monitor"
_LOCAL = "local"
"""What the source calls the client of a session over the server's own socket."""


def session_lines(shot: PostgresSnapshot, pid: int, started: str, now: float, width: int) -> list[Spans]:
    """What ``shot`` knows of the session ``pid`` that began at ``started``, its ``backend_start_text``.

    ``now`` is the time on the server's clock in seconds.
    """
    heading: Spans = ((f" pid {pid}", "strong"),)
    found = [it for it in shot.backends if (it.pid, it.backend_start_text) == (pid, started)]
    if not found:
        return [heading, *fact("state", "This session has ended.", width, role="warn")]
    backend = found[0]
    who = f"{backend.user or '?'}@{backend.database or '?'}"
    lines = [
        heading,
        *fact("who", f"{who}{', a superuser' if backend.superuser else ''}", width),
        *fact("application", backend.application or "no name", width),
    ]
    if backend.backend_start_text:
        place = "the server's own machine" if backend.client in (_LOCAL, "") else backend.client
        lines += fact("from", place, width)
        lines += fact("session", f"open for {age(now - backend.backend_start)}", width)
    lines += [
        *_state(backend, now, width),
        *_waits(backend, shot.backends, width),
        *_blocks(backend, shot.backends, width),
    ]
    if backend.xmin_age is not None:
        old = plural(backend.xmin_age, "transaction")
        lines += fact("snapshot", f"{old} old: VACUUM keeps what was deleted since", width)
    words = "query" if backend.state == "active" else "last query"
    return [*lines, *fact(words, backend.query or "none to be seen", width, role="strong")]


def _state(backend: Backend, now: float, width: int) -> list[Spans]:
    if backend.state is None:
        return fact("state", _HIDDEN, width, role="warn")
    role = "warn" if backend.idle_in_transaction else "text"
    lines = fact("state", f"{backend.state} for {age(backend.age(now))}", width, role=role)
    if backend.xact_start is not None:
        lines += fact("transaction", f"open for {age(now - backend.xact_start)}", width)
    return lines


def _waits(backend: Backend, backends: Sequence[Backend], width: int) -> list[Spans]:
    if backend.blocked_by:
        known = {it.pid: it for it in backends}
        holders = [_name(known[pid]) if pid in known else _unseen(pid) for pid in backend.blocked_by]
        return fact("waits for", _list(holders), width, role="warn")
    if backend.state == "active" and backend.wait_event:
        return fact("waits for", f"{backend.wait_type}: {backend.wait_event}", width)
    return []


def _unseen(pid: int) -> str:
    """pg_blocking_pids() tells of a prepared transaction, which has no session, as 0."""
    return f"pid {pid}" if pid else "a prepared transaction"


def _blocks(backend: Backend, backends: Sequence[Backend], width: int) -> list[Spans]:
    waiting = [_name(it) for it in sessions_behind(backends, backend.pid)]
    told = f"{plural(len(waiting), 'session')}: {_list(waiting)}"
    return fact("blocks", told, width, role="bad") if waiting else []


def _name(backend: Backend) -> str:
    return f"pid {backend.pid} ({backend.application or backend.user or '?'})"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {plural(more, 'other')}" if more > 0 else "")
