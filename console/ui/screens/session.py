"""One session of a PostgreSQL server in full: who, its state since when, what it waits for, its query."""

from __future__ import annotations

from collections.abc import Sequence

from console.model.postgres import Backend, PostgresSnapshot
from console.model.symptoms.words import plural
from console.ui.cells import Spans
from console.ui.format import age
from console.ui.widgets.page import labelled

_NAMED = 8
"""Sessions that are named before the rest is counted."""


def session_lines(shot: PostgresSnapshot, pid: int, started: str, passed: float, width: int) -> list[Spans]:
    """The session ``pid`` that began at ``started`` (as in ``Backend.backend_start_text``), ending with a
    blank line; ``passed`` is seconds since ``shot`` was taken."""
    heading: Spans = ((f" pid {pid}", "strong"),)
    found = [it for it in shot.backends if (it.pid, it.backend_start_text) == (pid, started)]
    if not found:
        return [heading, *_fact("state", "This session has ended.", width, role="warn"), ()]
    backend, now = found[0], shot.now + passed
    who = f"{backend.user or '?'}@{backend.database or '?'}"
    lines = [
        heading,
        *_fact("who", f"{who}{', a superuser' if backend.superuser else ''}", width),
        *_fact("application", backend.application or "no name", width),
        *_fact("from", backend.client or "the server's own machine", width),
        *_fact("session", f"open for {age(now - backend.backend_start)}", width),
        *_state(backend, now, width),
        *_waits(backend, shot.backends, width),
        *_blocks(backend, shot.backends, width),
    ]
    if backend.xmin_age is not None:
        old = plural(backend.xmin_age, "transaction")
        lines += _fact("snapshot", f"{old} old: VACUUM keeps what was deleted since", width)
    words = "query" if backend.state == "active" else "last query"
    lines += _fact(words, backend.query or "none to be seen", width, role="strong")
    return [*lines, ()]


def _state(backend: Backend, now: float, width: int) -> list[Spans]:
    if backend.state is None:
        return _fact("state", "hidden: the role lacks pg_monitor", width, role="warn")
    role = "warn" if backend.idle_in_transaction else "text"
    lines = _fact("state", f"{backend.state} for {age(backend.age(now))}", width, role=role)
    if backend.xact_start is not None:
        lines += _fact("transaction", f"open for {age(now - backend.xact_start)}", width)
    return lines


def _waits(backend: Backend, backends: Sequence[Backend], width: int) -> list[Spans]:
    if backend.blocked_by:
        others = [it for it in backends if it.pid in backend.blocked_by]
        unseen = sorted(set(backend.blocked_by) - {it.pid for it in others})
        named = [_name(it) for it in others] + [f"pid {pid}" for pid in unseen]
        return _fact("waits for", _list(named), width, role="warn")
    if backend.state == "active" and backend.wait_event:
        return _fact("waits for", f"{backend.wait_type}: {backend.wait_event}", width)
    return []


def _blocks(backend: Backend, backends: Sequence[Backend], width: int) -> list[Spans]:
    waiting = [_name(it) for it in backends if backend.pid in it.blocked_by]
    return _fact("blocks", _list(waiting), width, role="bad") if waiting else []


def _name(backend: Backend) -> str:
    return f"pid {backend.pid} ({backend.application or backend.user or '?'})"


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {plural(more, 'other')}" if more > 0 else "")


def _fact(label: str, text: str, width: int, *, role: str = "text") -> list[Spans]:
    return labelled(f"  {label}", text, width, role=role, indent=16)
