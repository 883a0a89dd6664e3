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


class RedisSnapshot(msgspec.Struct, frozen=True):
    """One round of reads; rates are None until the second round.

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
