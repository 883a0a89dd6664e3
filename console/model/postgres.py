"""PostgreSQL as the console knows it. Times are unix seconds of the server's clock, sizes bytes."""

from __future__ import annotations

import msgspec


class Backend(msgspec.Struct, frozen=True, gc=False):
    """One row of pg_stat_activity; ``pid`` with ``backend_start`` is its identity.

    ``backend_start_text`` is the server's own rendering with microseconds, fit to be matched in SQL.
    ``state`` is None for background processes and where the role may not see it.
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


class Replica(msgspec.Struct, frozen=True, gc=False):
    """A standby seen from the primary; lag in bytes between current WAL and each position."""

    application: str
    client: str
    state: str
    sync_state: str
    sent_lag: int | None
    flush_lag: int | None
    replay_lag: int | None


class Standby(msgspec.Struct, frozen=True, gc=False):
    """The server's own replay position, when it is a standby.

    ``receiver`` is whether a WAL receiver runs, ``unreplayed`` received minus replayed bytes,
    ``replay_age`` seconds since the last replayed commit (which also rises on an idle primary).
    """

    receiver: bool
    unreplayed: int | None
    replay_age: float | None


class Slot(msgspec.Struct, frozen=True, gc=False):
    """A replication slot and the WAL it retains."""

    name: str
    kind: str
    active: bool
    retained: int | None
    wal_status: str


class Statement(msgspec.Struct, frozen=True, gc=False):
    """A row of pg_stat_statements in milliseconds, as deltas where the previous round is known."""

    query: str
    calls: int
    total_ms: float
    mean_ms: float


class PostgresSnapshot(msgspec.Struct, frozen=True):
    """One round of reads.

    ``usable`` is max_connections minus the reserved slots; ``clients`` counts client backends only.
    ``limited`` is True when the role lacks pg_read_all_stats, so that states and queries of others are
    hidden; a count is then a lower bound and shown as such. ``now`` is the server's clock.
    """

    at: float
    now: float
    version: int
    server: str
    standby: Standby | None
    max_connections: int
    reserved: int
    usable: int
    clients: int
    by_state: tuple[tuple[str, int], ...]
    by_application: tuple[tuple[str, int], ...]
    backends: tuple[Backend, ...]
    oldest_transaction: float | None
    oldest_query: float | None
    idle_in_transaction: int
    waiting: int
    replicas: tuple[Replica, ...] = ()
    slots: tuple[Slot, ...] = ()
    statements: tuple[Statement, ...] | None = None
    limited: bool = False
    pending_restart: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
