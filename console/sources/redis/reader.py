"""One round of reads: INFO, the slow log, the queues, and rates by difference to the last round."""

from __future__ import annotations

from typing import Any

from redis import exceptions

from console.config import RedisSettings
from console.model.clock import Clock
from console.model.reading import NO_DATA, Reading, State
from console.model.redis import Queue, RedisSnapshot
from console.model.text import clean
from console.sources.base import SourceError
from console.sources.redis import fields, replies
from console.sources.redis.client import CLIENT_NAME, BadAddressError, ReadOnlyClient, explain
from console.sources.redis.fields import Info
from console.sources.redis.queues import QueueWatch

COUNTERS = {
    "ops": "total_commands_processed",
    "evictions": "evicted_keys",
    "expirations": "expired_keys",
    "rejected": "rejected_connections",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
}
"""Our name of a rate -> the counter in INFO stats behind it (Redis manual, INFO)."""


class Reader:
    """Reads rounds and keeps the counters of the last one."""

    def __init__(self, settings: RedisSettings, clock: Clock) -> None:
        self._client = ReadOnlyClient(settings.url.reveal())
        self._queues = QueueWatch(settings.queues)
        self._clock = clock
        self._before: tuple[float, str, dict[str, int]] | None = None

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def read(self) -> RedisSnapshot:
        """One round. Raises SourceError."""
        try:
            answer, slow, save, stop_writes = await self._client.read(
                ("INFO",),
                ("SLOWLOG GET", 10),
                ("CONFIG GET", "save"),
                ("CONFIG GET", "stop-writes-on-bgsave-error"),
            )
            if isinstance(answer, Exception):
                raise explain(answer)
            info = replies.info(answer)
            # While it loads, the server answers INFO and refuses keys, which the library takes for a lost
            # connection.
            loading = info.get("loading") == "1"
            queues = self._queues.loading() if loading else await self._queues.read(self._client)
        except BadAddressError:
            raise SourceError(
                "the URL cannot be read",
                "write it as redis://user:password@host:port/database or unix://:password@/path?db=0; after a"
                " '?' stand only options that redis-py knows",
            ) from None
        except (exceptions.RedisError, OSError) as error:
            raise explain(error) from None
        notes = []
        if isinstance(slow, Exception):
            notes.append(f"slow log: {explain(slow).reason}")
        if info.get("cluster_enabled") == "1":
            notes.append("one node of a cluster: these are its figures alone")
        return self._snapshot(info, slow, queues, _stops_writes(save, stop_writes), tuple(notes))

    def _snapshot(
        self, info: Info, slow: Any, queues: tuple[Queue, ...], stops_writes: bool, notes: tuple[str, ...]
    ) -> RedisSnapshot:
        whole = replies.whole
        at = self._clock.now().timestamp()
        oom_total = fields.oom_total(info)
        rates = self._rates(info, oom_total)
        return RedisSnapshot(
            at=at,
            version=clean(info.get("redis_version", ""), 40),
            role="replica" if info.get("role") == "slave" else "primary",
            state=_state(info, stops_writes),
            used=whole(info.get("used_memory")),
            limit=whole(info.get("maxmemory")) or None,
            system_memory=whole(info.get("total_system_memory")),
            policy=clean(info.get("maxmemory_policy", ""), 40),
            fragmentation=replies.number(info.get("mem_fragmentation_ratio")),
            clients=whole(info.get("connected_clients")),
            blocked=whole(info.get("blocked_clients")),
            max_clients=whole(info.get("maxclients")),
            ops=rates.get("ops"),
            hit_ratio=_hit_ratio(rates, at),
            evictions=rates.get("evictions"),
            rejected=rates.get("rejected"),
            oom_errors=rates.get("oom"),
            link=clean(info.get("master_link_status", ""), 40),
            replicas=whole(info.get("connected_slaves")),
            rdb_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
            aof_ok=info.get("aof_last_write_status", "ok") == "ok",
            aof_enabled=info.get("aof_enabled") == "1",
            keys=fields.keys(info),
            slow=replies.slow_commands(slow, CLIENT_NAME) if isinstance(slow, list) else (),
            queues=queues,
            notes=notes,
            oom_total=oom_total,
            expirations=rates.get("expirations"),
            followers=fields.followers(info),
            master=fields.master(info),
            persistence=fields.persistence(info, at),
        )

    def _rates(self, info: Info, oom_total: int | None) -> dict[str, float]:
        """Counters per second since the last round; empty after the first and after a restart."""
        now, run = self._clock.monotonic(), info.get("run_id", "")
        counters = {name: replies.whole(info.get(field)) for name, field in COUNTERS.items()}
        if oom_total is not None:
            counters["oom"] = oom_total
        before, self._before = self._before, (now, run, counters)
        if before is None or before[1] != run or now <= before[0]:
            return {}
        return {
            # CONFIG RESETSTAT sets counters to zero; what they hold now came after it.
            name: (count - before[2][name] if count >= before[2][name] else count) / (now - before[0])
            for name, count in counters.items()
            if name in before[2]
        }


def _state(info: Info, stops_writes: bool) -> str:
    """What the server does with a command; see RedisSnapshot."""
    if info.get("loading") == "1":
        return "loading"
    if info.get("role") == "slave" and info.get("slave_read_only", "1") == "1":
        return "readonly"
    if info.get("aof_last_write_status", "ok") != "ok":
        return "misconf"
    if info.get("rdb_last_bgsave_status", "ok") != "ok" and stops_writes:
        return "misconf"
    return "ready"


def _stops_writes(save: Any, stop_writes: Any) -> bool:
    """Whether a failed save refuses writes: with save points and stop-writes-on-bgsave-error, both default.

    Where the configuration may not be read the defaults are assumed.
    """
    points: str = replies.pairs(save).get("save", "default")
    stops: str = replies.pairs(stop_writes).get("stop-writes-on-bgsave-error", "yes")
    return points != "" and stops == "yes"


def _hit_ratio(rates: dict[str, float], at: float) -> Reading:
    """Hits among the lookups since the last round: the lifetime ratio hides what changed."""
    if not rates:
        return NO_DATA
    lookups = rates["hits"] + rates["misses"]
    if lookups == 0:
        return Reading(State.NO_TRAFFIC, at=at, reason="no lookups since the last round")
    return Reading(State.OK, rates["hits"] / lookups, at)
