"""What is wrong with PostgreSQL and Redis."""

from __future__ import annotations

from collections.abc import Iterator

from console.model.postgres import Backend, Blocker, PostgresSnapshot, blocker_tree
from console.model.reading import Point
from console.model.redis import Queue, RedisSnapshot
from console.model.symptoms.finding import BoardView, Finding, Memory, Severity, above
from console.model.symptoms.words import percent, plural, size, span

CONNECTIONS_WARNING, CONNECTIONS_CRITICAL = 0.85, 0.95
IDLE_IN_TRANSACTION = 60.0
LOCK_WAIT = 5.0
"""Seconds after which a wait for a lock is more than the ordinary."""
LONG_QUERY = 60.0
REPLICATION_LAG = 64 * 1024**2
RETAINED_WAL = 1024**3
REDIS_MEMORY = 0.9
LOW_HIT_RATIO = 0.5

GROWTH_WINDOW = 120.0
GROWTH_SPAN = 20.0
GROWTH_SHARE = 0.2
GROWTH_LEAST = 50.0
"""A queue grows when it got longer by a fifth and by 50 within two minutes, over 20 s of looks at least."""


def store_findings(board: BoardView, memory: Memory) -> Iterator[Finding]:
    """All findings of all databases and caches."""
    for source, database in board.of_type(PostgresSnapshot).items():
        yield from _sessions(source, database)
        yield from _replication(source, database)
    for source, redis in board.of_type(RedisSnapshot).items():
        yield from _redis(source, redis)
        for queue in redis.queues:
            yield from _queue(source, queue, memory)


def short_name(source: str) -> str:
    """``postgres:main`` -> ``main``."""
    return source.partition(":")[2] or source


def describe(backend: Backend | None, pid: int) -> str:
    """A session in a few words."""
    if backend is None:
        return f"pid {pid}" if pid else "a prepared transaction"
    who = backend.application or backend.user or "?"
    return f"pid {pid} ({who}, {backend.state or 'state hidden'})"


def roots(snapshot: PostgresSnapshot) -> tuple[Blocker, ...]:
    """The sessions at the root of lock waits that are longer than the ordinary, most waiters first."""
    waits = [item for item in snapshot.backends if item.blocked_by and _waited(item, snapshot) > LOCK_WAIT]
    return blocker_tree(snapshot.backends) if waits else ()


def _waited(backend: Backend, snapshot: PostgresSnapshot) -> float:
    return backend.age(snapshot.now) or 0.0


def _sessions(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    yield from _slots_in_use(source, snapshot)
    yield from _idle_in_transaction(source, snapshot)
    yield from _blocked(source, snapshot)
    yield from _long_query(source, snapshot)
    if snapshot.limited:
        detail = "states and queries of other roles are hidden: grant pg_monitor"
        yield Finding("limited-view", short_name(source), "info", source, detail)


def _slots_in_use(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    if snapshot.usable <= 0:
        return
    share = snapshot.clients / snapshot.usable
    yield from above(
        Finding(
            "connections-high",
            short_name(source),
            "critical" if share > CONNECTIONS_CRITICAL else "warning",
            source,
            f"{percent(share)} ({snapshot.clients} of {snapshot.usable} usable)",
            value=share,
            threshold=CONNECTIONS_WARNING,
            limit=percent(CONNECTIONS_WARNING),
        )
    )


def _idle_in_transaction(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    idle = [item for item in snapshot.backends if item.idle_in_transaction and item.client_session]
    if not idle:
        return
    oldest = max(idle, key=lambda item: _waited(item, snapshot))
    age = _waited(oldest, snapshot)
    many = f", {len(idle)} sessions" if len(idle) > 1 else ""
    yield from above(
        Finding(
            "idle-in-transaction",
            short_name(source),
            "warning",
            source,
            f"{_whose(oldest)} for {span(age)}{many}",
            value=age,
            threshold=IDLE_IN_TRANSACTION,
            limit=span(IDLE_IN_TRANSACTION),
        )
    )


def _blocked(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    trees = roots(snapshot)
    if trees:
        waiting = sum(tree.behind for tree in trees)
        behind = describe(trees[0].backend, trees[0].pid)
        detail = f"{plural(waiting, 'waits', 'wait')} behind {behind}"
        yield Finding(
            "sessions-blocked", short_name(source), "critical", source, detail, value=float(waiting)
        )


def _long_query(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    active = [
        item
        for item in snapshot.backends
        if item.client_session and item.state == "active" and not item.blocked_by
    ]
    if not active:
        return
    longest = max(active, key=lambda item: _waited(item, snapshot))
    age = _waited(longest, snapshot)
    yield from above(
        Finding(
            "query-long",
            short_name(source),
            "warning",
            source,
            f"{_whose(longest)} for {span(age)}",
            value=age,
            threshold=LONG_QUERY,
            limit=span(LONG_QUERY),
        )
    )


def _whose(backend: Backend) -> str:
    return f"pid {backend.pid} of {backend.application or backend.user or '?'}"


def _replication(source: str, snapshot: PostgresSnapshot) -> Iterator[Finding]:
    name = short_name(source)
    if snapshot.standby is not None and snapshot.standby.receiver is False:
        detail = "no WAL receiver runs: this standby is cut off from its primary"
        yield Finding("replication-broken", name, "critical", source, detail)
    for replica in snapshot.replicas:
        if replica.replay_lag is not None:
            yield from above(
                Finding(
                    "replication-lag",
                    f"{name}/{replica.application or replica.client}",
                    "warning",
                    source,
                    size(replica.replay_lag),
                    value=float(replica.replay_lag),
                    threshold=float(REPLICATION_LAG),
                    limit=size(REPLICATION_LAG),
                )
            )
    for slot in snapshot.slots:
        lost = slot.wal_status in ("unreserved", "lost")
        if lost or (not slot.active and (slot.retained or 0) > RETAINED_WAL):
            kept = "" if slot.retained is None else f" and keeps {size(slot.retained)} of WAL"
            state = f"is {slot.wal_status}" if lost else "has no reader"
            severity: Severity = "critical" if lost else "warning"
            yield Finding("slot-retains-wal", f"{name}/{slot.name}", severity, source, f"{state}{kept}")


def _redis(source: str, snapshot: RedisSnapshot) -> Iterator[Finding]:
    name = short_name(source)
    room, what = snapshot.limit or snapshot.system_memory, "maxmemory" if snapshot.limit else "the machine"
    if room:
        share = snapshot.used / room
        yield from above(
            Finding(
                "redis-memory-high",
                name,
                "warning",
                source,
                percent(share),
                value=share,
                threshold=REDIS_MEMORY,
                limit=f"{percent(REDIS_MEMORY)} of {what}",
            )
        )
    for symptom, rate, severity, text in (
        ("redis-oom-errors", snapshot.oom_errors, "critical", "writes a second refused for memory"),
        ("redis-evictions", snapshot.evictions, "warning", "keys a second evicted"),
        ("redis-rejected", snapshot.rejected, "critical", "connections a second rejected"),
    ):
        if rate:
            level: Severity = "critical" if severity == "critical" else "warning"
            yield Finding(symptom, name, level, source, f"{rate:.3g} {text}", value=rate)
    if snapshot.state not in ("ready", "readonly"):  # a replica is read-only by trade
        yield Finding("redis-not-ready", name, "critical", source, f"the server is {snapshot.state}")
    if not snapshot.rdb_ok or (snapshot.aof_enabled and not snapshot.aof_ok):
        part = "the last snapshot" if not snapshot.rdb_ok else "the last append-only write"
        yield Finding("redis-persistence", name, "warning", source, f"{part} failed")
    if snapshot.role in ("slave", "replica") and snapshot.link not in ("up", ""):
        yield Finding(
            "redis-link-down", name, "warning", source, f"the link to its master is {snapshot.link}"
        )
    ratio = snapshot.hit_ratio
    if ratio.ok and ratio.value is not None and ratio.value < LOW_HIT_RATIO:
        yield Finding("cache-misses", name, "info", source, f"hit ratio {percent(ratio.value)}", ratio.value)


def _queue(source: str, queue: Queue, memory: Memory) -> Iterator[Finding]:
    points = memory.depths.get(f"{source}/{queue.name}", ())
    recent = [point for point in points if point.at >= points[-1].at - GROWTH_WINDOW]
    if not queue.depth.ok or len(recent) < 3 or recent[-1].at - recent[0].at < GROWTH_SPAN:
        return
    depths = [point.value or 0.0 for point in recent]
    grown = depths[-1] - depths[0]
    if grown >= max(GROWTH_LEAST, GROWTH_SHARE * depths[0]) and depths[-1] >= 0.95 * max(depths):
        pace = grown / (recent[-1].at - recent[0].at) * 60
        detail = f"{depths[-1]:,.0f} waiting, {pace:+,.0f} a minute"
        yield Finding("queue-growing", queue.name, "warning", source, detail, value=depths[-1])


def remembered_depths(board: BoardView, memory: Memory) -> dict[str, tuple[Point, ...]]:
    """The depths of all queues over the last minutes, this round included."""
    depths = dict(memory.depths)
    for source, snapshot in board.of_type(RedisSnapshot).items():
        for queue in snapshot.queues:
            key = f"{source}/{queue.name}"
            known = depths.get(key, ())
            if queue.depth.ok and (not known or known[-1].at < snapshot.at):
                kept = (point for point in known if point.at >= snapshot.at - GROWTH_WINDOW)
                depths[key] = (*kept, Point(snapshot.at, queue.depth.value))
    return depths
