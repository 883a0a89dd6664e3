"""A hung, loading, busy, locked or missing Redis; and that the client can only read."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
import redis

from console.drill.servers import free_port
from console.model.source import Health
from console.sources.base import SourceError
from console.sources.redis import RedisSource
from console.sources.redis.client import Command, ForbiddenCommandError, ReadOnlyClient, is_read
from tests.services import eventually, eventually_async
from tests.services_redis import RedisFactory, RedisServer
from tests.sources.redis.helpers import error_of, failure, read_once, reading, run

SECRET = "hunter2-very-secret"


@pytest.fixture
def server(wheel_redis: RedisFactory) -> Iterator[RedisServer]:
    found = wheel_redis.create()
    yield found
    found.stop()


async def answers(source: RedisSource) -> bool:
    try:
        await source.read()
    except SourceError:
        return False
    return True


def test_a_hung_server_surfaces_within_two_seconds_and_recovers(server: RedisServer) -> None:
    async def scenario() -> None:
        async with reading(server.url()) as source:
            await source.read()
            server.pause()
            started = time.monotonic()
            error = await error_of(source)
            assert 1 < time.monotonic() - started < 3
            assert error.reason == "no answer within 1.5 s"
            started = time.monotonic()
            assert "no answer" in (await error_of(source)).reason
            assert time.monotonic() - started < 3
            server.resume()
            await eventually_async(lambda: answers(source), "the source reads again")

    run(scenario())


def test_a_port_without_tls_is_among_the_reasons_why_none_answers(server: RedisServer) -> None:
    error = failure(server.url().replace("redis://", "rediss://"))
    assert "no answer within" in error.reason and "speaks no TLS" in error.advice


def test_a_restart_is_recovered_from(server: RedisServer) -> None:
    async def scenario() -> None:
        async with reading(server.url()) as source:
            await source.read()
            server.stop()
            assert "no connection" in (await error_of(source)).reason
            server.start()
            found = await source.read()
            assert found.state == "ready" and found.ops is None

    run(scenario())


def test_a_cancelled_read_never_yields_anothers_answer(server: RedisServer) -> None:
    keys = [f"q{number}" for number in range(20)]
    other = redis.Redis.from_url(server.url())
    for number, key in enumerate(keys):
        other.rpush(key, *range(number + 1))

    async def scenario() -> None:
        async with reading(server.url(), *keys) as source:
            for pause in range(25):
                task = asyncio.create_task(source.read())
                await asyncio.sleep(pause / 5000)
                task.cancel()
                await asyncio.wait({task})
                found = await source.read()
                assert [it.depth.value for it in found.queues] == list(range(1, 21))
                assert found.clients <= 3

    run(scenario())


def test_a_busy_script_is_told_from_an_outage(server: RedisServer) -> None:
    other = redis.Redis.from_url(server.url())
    other.config_set("lua-time-limit", 10)

    def block() -> None:
        with pytest.raises(redis.exceptions.ResponseError):
            redis.Redis.from_url(server.url()).eval("while true do end", 0)

    async def scenario() -> None:
        async with reading(server.url()) as source:
            await source.read()
            thread = threading.Thread(target=block)
            thread.start()

            async def busy() -> bool:
                try:
                    await source.read()
                except SourceError as error:
                    return "the server is busy" in error.reason and "SCRIPT KILL" in error.advice
                return False

            await eventually_async(busy, "the script to be seen")
            redis.Redis.from_url(server.url()).script_kill()
            thread.join(20)
            assert (await source.read()).state == "ready"

    run(scenario())


@pytest.mark.services
def test_a_loading_server_is_told_from_an_outage(machine_redis: RedisFactory) -> None:
    server = machine_redis.create()
    other = redis.Redis.from_url(server.url())
    for number in range(200):
        other.rpush(f"big{number}", "x" * 100)
    other.save()
    server.stop()
    # Every key takes so many microseconds longer to load.
    server.settings |= {"key-load-delay": "20000", "loading-process-events-interval-bytes": "1024"}
    server.start()
    found = read_once(server.url(), "big1")
    assert found.state == "loading"
    assert "loading" in found.queues[0].depth.reason
    server.stop()


@pytest.mark.services
def test_a_cluster_key_of_another_node_is_named_as_such(machine_redis: RedisFactory) -> None:
    server = machine_redis.create(cluster_enabled="yes", cluster_require_full_coverage="no")
    other = redis.Redis.from_url(server.url())
    other.execute_command(  # type: ignore[no-untyped-call]
        "CLUSTER", "ADDSLOTSRANGE", 0, 100
    )
    found = read_once(server.url(), "jobs")
    assert found.state == "ready"
    assert "one node of a cluster" in found.notes[0]
    assert not found.queues[0].depth.ok and found.queues[0].depth.reason
    server.stop()


def test_a_password_that_is_missing_or_wrong(wheel_redis: RedisFactory) -> None:
    server = wheel_redis.create(requirepass="right")
    missing = failure(server.url())
    assert "wants a password" in missing.reason and missing.health is Health.DENIED
    wrong = failure(server.url(login=f":{SECRET}"))
    assert "refused user or password" in wrong.reason and wrong.health is Health.DENIED
    assert SECRET not in wrong.reason + wrong.advice
    assert read_once(server.url(login=":right")).state == "ready"
    server.stop()


def test_a_full_server_and_a_missing_database_are_sentences(wheel_redis: RedisFactory) -> None:
    server = wheel_redis.create(maxclients="1")
    held = redis.Redis.from_url(server.url())

    def taken() -> bool:
        """The only place is free once the server has noticed that who waited for its start is gone."""
        with contextlib.suppress(redis.ConnectionError):
            return bool(held.ping())
        return False

    eventually(taken, "the only place to be free")
    assert "the server is full" in failure(server.url()).reason
    held.close()
    server.stop()


def test_a_missing_database_and_a_closed_port_are_sentences(server: RedisServer) -> None:
    assert "no database of that number" in failure(server.url(99)).reason
    error = failure(f"redis://u:{SECRET}@127.0.0.1:{free_port()}/0")
    assert "no connection" in error.reason and error.advice
    assert SECRET not in error.reason


@pytest.mark.parametrize(
    "url",
    [
        f"redis://u:{SECRET}@127.0.0.1/0?{SECRET}=1",
        f"redis://u:{SECRET}@127.0.0.1/0?retry={SECRET}",
        f"rediss://u:{SECRET}@127.0.0.1/0?ssl_cert_reqs={SECRET}",
        f"unix://u:{SECRET}@/tmp/redis.sock?ssl={SECRET}",
    ],
)
def test_an_unreadable_url_is_never_quoted(url: str) -> None:
    error = failure(url)
    assert error.reason == "the URL cannot be read"
    assert SECRET not in error.advice


@pytest.mark.parametrize(
    "command",
    [
        ("SET", "a", 1),
        ("DEL", "a"),
        ("FLUSHALL",),
        ("flushdb",),
        ("EVAL", "return 1", 0),
        ("CONFIG SET", "maxmemory", 1),
        ("CONFIG", "SET", "maxmemory", 1),
        ("CONFIG GET", "requirepass"),
        ("CONFIG GET", "*"),
        ("CONFIG GET", "save", "requirepass"),
        ("SLOWLOG RESET",),
        ("SLOWLOG", "RESET"),
        ("XINFO", "GROUPS", "a"),
        ("MONITOR",),
        ("KEYS", "*"),
        ("INFO\r\nFLUSHALL",),
        (),
    ],
)
def test_whatever_is_not_a_listed_read_never_reaches_the_server(
    server: RedisServer, command: Command
) -> None:
    other = redis.Redis.from_url(server.url(), decode_responses=True)
    other.set("a", "kept")

    async def scenario() -> None:
        client = ReadOnlyClient(server.url())
        with pytest.raises(ForbiddenCommandError):
            await client.read(("INFO",), command)
        await client.close()

    run(scenario())
    assert not is_read(command)
    assert other.get("a") == "kept"
    assert other.info("stats")["total_connections_received"] == 2  # the start-up probe and this client


def test_a_round_sends_reads_alone(server: RedisServer) -> None:
    redis.Redis.from_url(server.url()).rpush("jobs", 1)
    before = set(redis.Redis.from_url(server.url()).info("commandstats"))
    read_once(server.url(), "jobs", "missing")
    after = set(redis.Redis.from_url(server.url()).info("commandstats"))
    assert after - before <= {
        f"cmdstat_{name}" for name in ("info", "slowlog", "config", "type", "llen", "client", "select")
    }
