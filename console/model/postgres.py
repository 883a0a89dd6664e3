"""PostgreSQL as the console knows it. Times are unix seconds of the server's clock, sizes bytes."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from console.model.reading import Reading, State

CLIENT = "client backend"
"""The backend_type of an application's session; everything else is the server's own."""

READER = "warroom"
"""The application_name of the sessions with which consoles read."""

ACTOR = "warroom-act"
"""The application_name of the sessions with which consoles act."""


class Backend(msgspec.Struct, frozen=True, gc=False):
    """One row of pg_stat_activity; ``pid`` with ``backend_start`` is its identity.

    ``backend_start_text`` is backend_start in UTC with microseconds, fit to be matched in SQL; it is empty
    and ``backend_type`` too where the role may not see them. ``state`` is None for background processes
    and where the role may not see it. ``xmin_age`` is how many transactions old the oldest snapshot is
    that the session holds back from VACUUM.
    """

    pid: int
    backend_start: float
    backend_start_text: str
    backend_type: str
    user: str
    database: str
    application: str
    client: str
    state: str | None
    wait_type: str
    wait_event: str
    xact_start: float | None
    query_start: float | None
    state_change: float | None
    query: str
    blocked_by: tuple[int, ...] = ()
    superuser: bool = False
    xmin_age: int | None = None

    @property
    def client_session(self) -> bool:
        """Whether it is an application's session; where the type is hidden, it has a user and a database."""
        return self.backend_type == CLIENT or (
            not self.backend_type and bool(self.user) and bool(self.database)
        )

    @property
    def idle_in_transaction(self) -> bool:
        """Whether it holds a transaction open and does nothing, also when that transaction has failed."""
        return self.state in ("idle in transaction", "idle in transaction (aborted)")

    @property
    def waits_for_lock(self) -> bool:
        """Whether it waits for a lock; other wait events are I/O, clients and the like."""
        return self.wait_type == "Lock"

    def age(self, now: float) -> float | None:
        """Seconds in the present state: of the query when active, else since the state was entered."""
        since = self.query_start if self.state == "active" else self.state_change
        return None if since is None else max(0.0, now - since)


class Replica(msgspec.Struct, frozen=True, gc=False):
    """A standby seen from the primary.

    ``sent_lag``, ``flush_lag`` and ``replay_lag`` are bytes between the current WAL and what was sent to it,
    is safe on its disk, and is replayed; None where the role may not see that. ``replay_seconds`` is the
    server's own estimate of the last, None while there is nothing to replay. ``state`` and ``sync_state`` are
    empty where they may not be seen.
    """

    application: str
    client: str
    replay_lag: int | None
    flush_lag: int | None = None
    sent_lag: int | None = None
    replay_seconds: float | None = None
    state: str = ""
    sync_state: str = ""


class Standby(msgspec.Struct, frozen=True, gc=False):
    """The server's own replay position, when it is a standby; what could not be read is None.

    ``receiver`` is whether a WAL receiver runs, ``unreplayed`` received minus replayed bytes: 0 of a
    standby without a receiver says nothing about what it has not received. ``replay_age`` is seconds since
    the last replayed commit was made, which also rises while the primary is idle. ``paused`` is whether
    replay was paused, by a person or because a limit is lower than the primary's.
    """

    receiver: bool | None
    unreplayed: int | None
    replay_age: float | None = None
    paused: bool | None = None


class Slot(msgspec.Struct, frozen=True, gc=False):
    """A replication slot and the bytes of WAL it retains, None where it reserves or has none.

    ``kind`` is physical or logical.
    """

    name: str
    active: bool
    retained: int | None
    wal_status: str
    kind: str = ""


class Statement(msgspec.Struct, frozen=True, gc=False):
    """A row of pg_stat_statements in milliseconds, as deltas where the previous round is known."""

    query: str
    calls: int
    total_ms: float
    mean_ms: float


class PostgresSnapshot(msgspec.Struct, frozen=True):
    """One round of reads.

    ``usable`` is max_connections minus the reserved slots; ``clients`` counts client backends only, this
    console's among them because they hold slots too; ``backends`` leaves the consoles' reading sessions
    out. ``oldest_transaction`` and ``oldest_query`` are ages in seconds, the latter of active sessions.
    ``statements`` are those with the most time since the last look, at first since the last reset; they are
    None without pg_stat_statements. ``limited`` is True when the role lacks pg_read_all_stats, so that states
    and queries of others are hidden; a count is then a lower bound and shown as such. ``now`` is the
    server's clock.
    """

    at: float
    now: float
    version: int
    standby: Standby | None
    usable: int
    clients: int
    by_state: tuple[tuple[str, int], ...]
    by_application: tuple[tuple[str, int], ...]
    backends: tuple[Backend, ...]
    oldest_transaction: float | None
    idle_in_transaction: int
    waiting: int
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()
    statements: tuple[Statement, ...] | None = None
    limited: bool = False
    pending_restart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    oldest_query: float | None = None


class Blocker(msgspec.Struct, frozen=True):
    """A node of the blocker tree: a session, and those that wait behind it.

    ``backend`` is None for a prepared transaction (pid 0) and for a session that is gone or hidden.
    ``waiters`` are the next level; ``behind`` counts every session below, each once. ``deadlock`` marks a
    root that waits in a circle with its own waiters; the server breaks it after deadlock_timeout.
    """

    pid: int
    backend: Backend | None
    waiters: tuple[Blocker, ...]
    behind: int
    deadlock: bool = False


def blocker_tree(backends: Iterable[Backend]) -> tuple[Blocker, ...]:
    """The sessions that block others while they wait for nobody, each with all its waiters below.

    A waiter stands once below each root that holds it up, under the blocker nearest to the root, so a lock
    queue stays short; one that waits for two roots stands below both. The root with most waiters is first;
    a circle is entered at its oldest transaction.
    The edges are those of pg_blocking_pids(), which names holders and those queued in front alike.
    """
    by_pid = {backend.pid: backend for backend in backends}
    waiting = {pid: backend for pid, backend in by_pid.items() if backend.blocked_by}
    followers: dict[int, list[int]] = {}
    for pid in sorted(waiting):
        for blocker in dict.fromkeys(waiting[pid].blocked_by):
            followers.setdefault(blocker, []).append(pid)
    roots = [pid for pid in followers if pid not in waiting]
    trees = [_tree(pid, followers, by_pid) for pid in roots]
    below = {pid for root in roots for pid in _reached(root, followers)}
    for pid in sorted(waiting, key=lambda pid: (waiting[pid].xact_start or 1e18, pid)):
        if pid not in below and pid in _reached(pid, followers):
            trees.append(_tree(pid, followers, by_pid, deadlock=True))
            below |= {pid, *_reached(pid, followers)}
    return tuple(sorted(trees, key=lambda tree: (-tree.behind, tree.pid)))


def sessions_behind(backends: Iterable[Backend], pid: int) -> tuple[Backend, ...]:
    """The sessions that wait for ``pid``, directly or through others, in the order of their wait."""
    found = tuple(backends)
    followers: dict[int, list[int]] = {}
    for backend in found:
        for blocker in dict.fromkeys(backend.blocked_by):
            followers.setdefault(blocker, []).append(backend.pid)
    by_pid = {backend.pid: backend for backend in found}
    return tuple(by_pid[waiter] for waiter in _reached(pid, followers) if waiter != pid)


def _reached(root: int, followers: dict[int, list[int]]) -> dict[int, int]:
    """Every pid that waits below ``root``, mapped to its nearest blocker, breadth first."""
    parents: dict[int, int] = {}
    level = [root]
    while level:
        following: list[int] = []
        for blocker in level:
            for pid in followers.get(blocker, ()):
                if pid not in parents:
                    parents[pid] = blocker
                    following.append(pid)
        level = following
    return parents


def _tree(
    root: int, followers: dict[int, list[int]], by_pid: dict[int, Backend], *, deadlock: bool = False
) -> Blocker:
    parents = {pid: parent for pid, parent in _reached(root, followers).items() if pid != root}
    nodes: dict[int, list[Blocker]] = {}
    counts: dict[int, int] = {}
    # Deepest first, so that every node finds its children made; no recursion, for queues of hundreds.
    for pid, parent in reversed(parents.items()):
        children = tuple(reversed(nodes.get(pid, [])))
        nodes.setdefault(parent, []).append(Blocker(pid, by_pid.get(pid), children, counts.get(pid, 0)))
        counts[parent] = counts.get(parent, 0) + counts.get(pid, 0) + 1
    return Blocker(
        root, by_pid.get(root), tuple(reversed(nodes.get(root, []))), counts.get(root, 0), deadlock
    )


def replication_lag(snapshot: PostgresSnapshot) -> Reading:
    """How far a standby is behind, in seconds: 0 when it has replayed all that it received.

    Not applicable on a primary. Without a WAL receiver the lag is unknown and never 0: comparing received
    with replayed WAL says nothing about what a cut-off standby has not received.
    """
    standby, at = snapshot.standby, snapshot.at
    if standby is None:
        return Reading(State.DISABLED, at=at, reason="n/a (primary)")
    if standby.receiver is None:
        return Reading(State.NO_DATA, at=at, reason="the state of replay could not be read")
    if not standby.receiver:
        return Reading(State.FAILED, at=at, reason="no WAL receiver: cut off from its primary")
    if standby.unreplayed == 0:
        return Reading(State.OK, 0.0, at)
    if standby.unreplayed is None or standby.replay_age is None:
        return Reading(State.NO_DATA, at=at, reason="nothing has been replayed yet")
    return Reading(State.OK, standby.replay_age, at)
