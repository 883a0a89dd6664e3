"""What a round says of memory, rates, queues and replication, on Redis 6.2 and 7."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from console.model.clock import ManualClock
from console.model.reading import State
from console.model.redis import Queue
from tests.services import eventually
from tests.services_redis import RedisFactory, RedisServer
from tests.sources.redis.helpers import START, failure, read_once, reading, run


@pytest.fixture(params=["wheel_redis", pytest.param("machine_redis", marks=pytest.mark.services)])
def factory(request: pytest.FixtureRequest) -> RedisFactory:
    found: RedisFactory = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def server(factory: RedisFactory) -> Iterator[RedisServer]:
    found = factory.create(slowlog_log_slower_than="0", repl_diskless_sync_delay="0")
    yield found
    found.stop()


def client(server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(server.url(), decode_responses=True)


def test_an_idle_server(server: RedisServer) -> None:
    found = read_once(server.url())
    assert (found.role, found.state, found.policy, found.limit) == ("primary", "ready", "noeviction", None)
    assert found.version[0] in "67"
    assert found.used > 100_000 and found.system_memory > found.used
    assert (found.clients, found.max_clients, found.keys) == (1, 10000, 0)
    assert (found.rdb_ok, found.aof_ok, found.aof_enabled, found.link) == (True, True, False, "")
    assert found.ops is None and found.evictions is None and found.hit_ratio.state is State.NO_DATA
    assert (found.oom_total, found.expirations, found.followers, found.master) == (0, None, (), None)
    saving = found.persistence
    assert saving is not None and (saving.saved_at, saving.changes) == (None, 0), "nothing was saved yet"
    assert found.notes == ()


def test_rates_are_differences_between_rounds(server: RedisServer) -> None:
    clock = ManualClock(START)

    async def scenario() -> None:
        async with reading(server.url(), clock=clock) as source:
            other = client(server)
            other.set("a", 1)
            for _ in range(90):
                other.get("missing")
            await source.read()
            for _ in range(3):
                other.get("a")
            other.get("missing")
            clock.advance(2)
            found = await source.read()
            assert (found.hit_ratio.state, found.hit_ratio.value) == (State.OK, 0.75)
            # The four lookups, and the four commands of the round before, which count after its own INFO.
            assert found.ops == pytest.approx((4 + 4) / 2)
            assert found.evictions == found.rejected == found.oom_errors == 0
            clock.advance(2)
            assert (await source.read()).hit_ratio.state is State.NO_TRAFFIC

    run(scenario())


def test_refused_writes_are_counted_while_reads_work_and_nothing_is_evicted(factory: RedisFactory) -> None:
    server = factory.create(maxmemory="2mb")
    clock = ManualClock(START)

    async def scenario() -> None:
        async with reading(server.url(), clock=clock) as source:
            await source.read()
            other = client(server)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                for number in range(100_000):
                    other.set(f"k{number}", "x" * 10_000)
            clock.advance(2)
            found = await source.read()
        assert found.limit == 2 * 1024 * 1024
        assert (found.oom_total, found.oom_errors, found.evictions) == (1, 0.5, 0)

    run(scenario())
    server.stop()


def test_evictions_are_seen_under_an_evicting_policy(factory: RedisFactory) -> None:
    server = factory.create(maxmemory="2mb", maxmemory_policy="allkeys-lru")
    clock = ManualClock(START)

    async def scenario() -> None:
        async with reading(server.url(), clock=clock) as source:
            await source.read()
            for number in range(300):
                client(server).set(f"k{number}", "x" * 10_000)
            clock.advance(2)
            found = await source.read()
        assert found.policy == "allkeys-lru"
        assert found.evictions is not None and found.evictions > 10
        assert (found.oom_errors, found.oom_total) == (0, 0)

    run(scenario())
    server.stop()


def test_keys_that_expire_are_a_rate(server: RedisServer) -> None:
    clock = ManualClock(START)

    async def scenario() -> None:
        async with reading(server.url(), clock=clock) as source:
            await source.read()
            for number in range(6):
                client(server).set(f"k{number}", "x", px=1)
            eventually(lambda: client(server).info("stats")["expired_keys"] == 6, "the keys to expire")
            clock.advance(2)
            assert (await source.read()).expirations == 3

    run(scenario())


def by_name(queues: tuple[Queue, ...]) -> dict[str, Queue]:
    return {queue.name: queue for queue in queues}


def test_the_depth_of_every_kind_of_queue(server: RedisServer) -> None:
    other = client(server)
    other.rpush("list", *range(12))
    other.sadd("set", *range(3))
    other.zadd("zset", {"a": 1, "b": 2})
    other.hset("hash", mapping={"x": 1})
    for number in range(5):
        other.xadd("stream", {"n": number})
    other.xgroup_create("stream", "workers", id="0")
    other.xreadgroup("workers", "w1", {"stream": ">"}, count=2)
    other.set("text", "no queue")
    names = ("list", "set", "zset", "hash", "stream", "text", "missing")
    found = by_name(read_once(server.url(), *names).queues)
    assert tuple(found) == names
    depths = {name: queue.depth.value for name, queue in found.items() if queue.depth.ok}
    assert depths == {"list": 12, "set": 3, "zset": 2, "hash": 1, "stream": 5}
    assert found["stream"].pending == 2 and "1 consumer group, 2 unacknowledged" in found["stream"].detail
    assert (found["text"].type, found["text"].depth.state) == ("string", State.FAILED)
    assert "is a string" in found["text"].depth.reason
    assert (found["missing"].type, found["missing"].depth.state) == ("none", State.NO_DATA)
    assert "absent" in found["missing"].depth.reason


def test_an_emptied_queue_is_zero_and_an_unknown_one_is_not(server: RedisServer) -> None:
    async def scenario() -> None:
        async with reading(server.url(), "jobs", "typo") as source:
            client(server).rpush("jobs", 1)
            assert [it.depth.value for it in (await source.read()).queues] == [1, None]
            client(server).lpop("jobs")
            jobs, typo = (await source.read()).queues
            assert (jobs.type, jobs.depth.state, jobs.depth.value) == ("list", State.OK, 0)
            assert "emptied" in jobs.detail
            assert typo.depth.state is State.NO_DATA

    run(scenario())


def test_the_database_of_the_url_is_the_one_that_is_read(server: RedisServer) -> None:
    redis.Redis.from_url(server.url(3)).rpush("jobs", 1, 2)
    assert read_once(server.url(3), "jobs").queues[0].depth.value == 2
    assert read_once(server.url(0), "jobs").queues[0].depth.state is State.NO_DATA
    assert read_once(server.url(0)).keys == 1


def test_a_socket_of_the_file_system_is_read_as_well(factory: RedisFactory, tmp_path: Path) -> None:
    server = factory.create(unixsocket=str(tmp_path / "s"), requirepass="right")
    redis.Redis.from_url(server.url(3, ":right")).rpush("jobs", 1, 2)
    found = read_once(f"unix://:right@{tmp_path / 's'}?db=3", "jobs")
    assert (found.state, found.queues[0].depth.value) == ("ready", 2)
    server.stop()
    assert "no connection" in failure(f"unix://:right@{tmp_path / 's'}").reason


def test_the_slow_log_is_redacted_and_leaves_the_console_out(server: RedisServer) -> None:
    client(server).set("dsn", "postgresql://u:hunter2@db/x\x1b[2J")
    slow = read_once(server.url()).slow
    (seen,) = [entry for entry in slow if entry.command.startswith("SET dsn")]
    assert "hunter2" not in seen.command and "REDACTED" in seen.command and "\x1b" not in seen.command
    assert seen.ms >= 0 and seen.at > 0
    assert not any(entry.command.startswith(("INFO", "CONFIG")) for entry in slow)


def test_a_replica_is_read_only_and_tells_of_its_link(factory: RedisFactory, server: RedisServer) -> None:
    replica = factory.create(replicaof=f"127.0.0.1 {server.port}")
    eventually(lambda: read_once(replica.url()).link == "up", "the replica to connect", 30)
    client(server).set("a", 1)
    found = read_once(replica.url())
    assert (found.role, found.state) == ("replica", "readonly")
    assert found.master is not None
    assert found.master.address == f"127.0.0.1:{server.port}"
    assert found.master.gap is not None
    assert found.master.heard is not None and found.master.down is None and not found.master.syncing
    eventually(lambda: read_once(server.url()).followers[0].gap == 0, "the replica to catch up")
    primary = read_once(server.url())
    assert (primary.replicas, primary.master) == (1, None)
    (follower,) = primary.followers
    assert (follower.address, follower.state) == (f"127.0.0.1:{replica.port}", "online")
    server.stop()
    eventually(lambda: read_once(replica.url()).link == "down", "the link to be down")
    cut_off = read_once(replica.url()).master
    assert cut_off is not None and cut_off.heard is None and cut_off.down is not None
    replica.stop()


def test_what_was_saved_and_what_has_changed_since(server: RedisServer) -> None:
    other = client(server)

    def saved() -> bool:
        other.set("a", 1)
        other.save()
        found = read_once(server.url()).persistence
        return found is not None and found.saved_at is not None

    eventually(saved, "a save that is told from the start")
    other.set("a", 2)
    found = read_once(server.url()).persistence
    assert found is not None and found.saved_at is not None
    assert (found.changes, found.saving, found.rewriting, found.rewrite_ok) == (1, False, False, True)
    assert -2 < START.timestamp() - found.saved_at < 60, "by the server's clock, whatever the console's says"


def test_a_failed_save_refuses_writes_and_is_no_outage(factory: RedisFactory) -> None:
    server = factory.create(save="3600 1")
    other = client(server)
    other.set("a", 1)
    assert read_once(server.url()).state == "ready"
    # A folder in the place of the file makes the save fail even for root.
    (server.folder / "dump.rdb" / "in-the-way").mkdir(parents=True)
    other.bgsave()
    eventually(lambda: not read_once(server.url()).rdb_ok, "the save to fail")
    with pytest.raises(redis.exceptions.ResponseError, match="MISCONF"):
        other.set("a", 2)
    assert read_once(server.url()).state == "misconf"
    other.config_set("stop-writes-on-bgsave-error", "no")
    assert read_once(server.url()).state == "ready"
    server.stop()


def test_a_restricted_user_reads_what_it_may_and_is_told_the_rest(server: RedisServer) -> None:
    other = client(server)
    other.rpush("jobs", 1)
    other.rpush("secret", 1)
    other.acl_setuser(
        "watch", enabled=True, passwords="+pw", keys=["jobs"], commands=["+info", "+type", "+llen", "+select"]
    )
    found = read_once(server.url(login="watch:pw"), "jobs", "secret")
    assert found.state == "ready"
    assert [note.partition(":")[0] for note in found.notes] == ["slow log"]
    jobs, secret = found.queues
    assert jobs.depth.value == 1
    assert secret.depth.state is State.DENIED
