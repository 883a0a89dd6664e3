"""Fields of INFO -> records of replication, persistence and errors (Redis manual, INFO). Pure functions."""

from __future__ import annotations

import re

from console.model.redis import Follower, Master, Persistence
from console.model.text import clean
from console.sources.redis.replies import number, parts, whole

Info = dict[str, str]

_DATABASE = re.compile(r"db\d+$")
_FOLLOWER = re.compile(r"slave\d+$")
_COUNTS_ERRORS = (6, 2)
"""The version from which INFO has errorstats; an error that never occurred has no field there."""


def keys(info: Info) -> int:
    """The keys of all databases."""
    return sum(whole(parts(value).get("keys")) for name, value in info.items() if _DATABASE.match(name))


def oom_total(info: Info) -> int | None:
    """Writes refused for memory since the start or CONFIG RESETSTAT; None where they are not counted."""
    counted = parts(info.get("errorstat_OOM", "")).get("count")
    version = tuple(whole(part) for part in info.get("redis_version", "").split(".")[:2])
    return whole(counted) if counted is not None or version >= _COUNTS_ERRORS else None


def followers(info: Info) -> tuple[Follower, ...]:
    """The replicas in the server's order. One that is not online has no place in the stream yet."""
    end = whole(info.get("master_repl_offset"))
    found = []
    for name, value in info.items():
        if _FOLLOWER.match(name):
            said = parts(value)
            state = clean(said.get("state", ""), 40)
            gap = max(0, end - whole(said.get("offset"))) if state == "online" else None
            address = clean(_address(said.get("ip", ""), said.get("port", "")), 120)
            found.append(Follower(address, state, gap, number(said.get("lag"))))
    return tuple(found)


def master(info: Info) -> Master | None:
    """What a replica says of its master; None on a primary."""
    if info.get("role") != "slave":
        return None
    received = info.get("slave_read_repl_offset")  # missing on older servers
    return Master(
        address=clean(_address(info.get("master_host", ""), info.get("master_port", "")), 120),
        gap=None if received is None else max(0, whole(received) - whole(info.get("slave_repl_offset"))),
        heard=_known(info.get("master_last_io_seconds_ago")),
        down=_known(info.get("master_link_down_since_seconds")),
        syncing=info.get("master_sync_in_progress") == "1",
    )


def persistence(info: Info, at: float) -> Persistence:
    """How the data is saved. ``at`` is unix seconds here, against which the server's clock may be wrong."""
    # A server counts its data as saved when it starts, whether there was a file or not.
    now = whole(info.get("server_time_usec")) / 1e6 or at  # since 6.2
    age = now - whole(info.get("rdb_last_save_time"))
    saves = number(info.get("rdb_saves"))  # missing on older servers
    saved = saves > 0 if saves is not None else age < whole(info.get("uptime_in_seconds"))
    changes = info.get("rdb_changes_since_last_save")
    return Persistence(
        saved_at=at - age if saved else None,
        changes=None if changes is None else whole(changes),
        saving=info.get("rdb_bgsave_in_progress") == "1",
        rewriting=info.get("aof_rewrite_in_progress") == "1",
        rewrite_ok=info.get("aof_last_bgrewrite_status", "ok") == "ok",
    )


def _address(host: str, port: str) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _known(text: str | None) -> float | None:
    """Seconds; the server writes -1 for what it does not know."""
    value = number(text)
    return None if value is None or value < 0 else value
