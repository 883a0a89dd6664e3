"""Sessions in words, for plans, evidence and verdicts. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from console.mitigations.postgres.sessions import Sessions
from console.model.plan import Hit
from console.model.postgres import Backend, blocker_tree, sessions_behind
from console.model.symptoms.words import plural, span


def who(backend: Backend) -> str:
    """User, database, application and client of a session."""
    application = f" {backend.application}" if backend.application else ""
    return f"{backend.user}@{backend.database}{application} from {backend.client or 'unknown'}"


def doing(backend: Backend, now: float) -> str:
    """State and ages: of the state, and of the transaction if one is open."""
    age = backend.age(now)
    parts = [
        f"{backend.state or backend.backend_type or 'hidden'}" + ("" if age is None else f" {span(age)}")
    ]
    if backend.xact_start is not None:
        parts.append(f"transaction {span(max(0.0, now - backend.xact_start))}")
    if backend.waits_for_lock:
        parts.append(f"waits for a lock ({backend.wait_event})")
    return ", ".join(parts)


def line(backend: Backend, now: float) -> str:
    """A session in one line."""
    return f"pid {backend.pid} {who(backend)}, {doing(backend, now)}"


def waiters_hit(seen: Sessions, victims: Iterable[Backend]) -> tuple[Hit, ...]:
    """Those that wait behind the victims, each once; nothing when there are none."""
    behind = {it.pid: it for victim in victims for it in sessions_behind(seen.backends, victim.pid)}
    if not behind:
        return ()
    return (Hit("sessions waiting behind", len(behind), tuple(line(it, seen.now) for it in behind.values())),)


def reconnecting(seen: Sessions, victims: Iterable[Backend]) -> tuple[str, ...]:
    """Which applications will open new connections in place of those that are ended."""
    applications = sorted({it.application or f"clients of {it.user}" for it in victims})
    total = {
        name: sum((it.application or f"clients of {it.user}") == name for it in seen.backends)
        for name in applications
    }
    return tuple(
        f"the pool of {name} ({plural(total[name], 'session')}) opens a new connection at its next request"
        for name in applications
    )


def evidence(seen: Sessions) -> bytes:
    """Every session and who waits for whom, as JSON."""
    document = {
        "server": seen.server,
        "at": seen.now,
        "sessions": seen.backends,
        "blockers": blocker_tree(seen.backends),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1)
