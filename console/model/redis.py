"""Redis as the console knows it. Memory is bytes, rates are per second."""

from __future__ import annotations

import msgspec

from console.model.reading import Reading


class Queue(msgspec.Struct, frozen=True, gc=False):
    """A watched key: its type and depth. An ``absent`` key is told from an empty one."""

    name: str
    type: str
    depth: Reading
    pending: int | None = None
    detail: str = ""


class SlowCommand(msgspec.Struct, frozen=True, gc=False):
    """An entry of the slow log: the time it ran and its duration in milliseconds."""

    id: int
    at: float
    ms: float
    command: str


class Follower(msgspec.Struct, frozen=True, gc=False):
    """A replica seen from its master.

    ``gap`` is the bytes of the stream that it has not acknowledged, None while it is not online.
    ``heard`` is seconds since its last acknowledgement, None where the server does not say.
    """

    address: str
    state: str
    gap: int | None
    heard: float | None


class Master(msgspec.Struct, frozen=True, gc=False):
    """The master of a replica, as the replica sees it; None is what the server does not say.

    ``gap`` is the bytes it has received and not processed, which older servers do not tell: 0 of a replica
    whose link is down says nothing about what it has not received. ``heard`` and ``down`` are seconds since
    the last byte and since the link broke. ``syncing`` is whether a full copy is under way.
    """

    address: str
    gap: int | None
    heard: float | None
    down: float | None
    syncing: bool


class Persistence(msgspec.Struct, frozen=True, gc=False):
    """How the data is saved. ``saved_at`` is unix seconds, None while nothing was saved since the start.

    ``changes`` counts those since then. ``rewrite_ok`` is about the last rewrite of the append-only file.
    """

    saved_at: float | None
    changes: int | None
    saving: bool
    rewriting: bool
    rewrite_ok: bool


class RedisSnapshot(msgspec.Struct, frozen=True):
    """One round of reads; rates are None until the second round.

    ``oom_total`` are the writes refused for memory since the start or the last CONFIG RESETSTAT; it and its
    rate ``oom_errors`` are None on servers before 6.2, which do not count them. ``followers`` are the
    replicas, ``master`` is set on a replica.

    ``limit`` is maxmemory, or None when unset; ``system_memory`` is then what it can be compared with.
    ``state`` is ready, loading, readonly (a replica) or misconf (writes are refused because saving fails). A
    server busy with a script answers nothing, so that is a failed read and not a state.
    """

    at: float
    version: str
    role: str
    state: str
    used: int
    limit: int | None
    system_memory: int
    policy: str
    fragmentation: float | None
    clients: int
    blocked: int
    max_clients: int
    ops: float | None
    hit_ratio: Reading
    evictions: float | None
    rejected: float | None
    oom_errors: float | None
    link: str
    replicas: int
    rdb_ok: bool
    aof_ok: bool
    aof_enabled: bool
    keys: int
    slow: tuple[SlowCommand, ...] = ()
    queues: tuple[Queue, ...] = ()
    notes: tuple[str, ...] = ()
    oom_total: int | None = None
    expirations: float | None = None
    followers: tuple[Follower, ...] = ()
    master: Master | None = None
    persistence: Persistence | None = None
