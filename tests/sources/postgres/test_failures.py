"""What is said, and what happens next, when the server is full, gone, hung or locked."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from console.config import PostgresSettings
from console.drill.servers import free_port
from console.engine.board import Board
from console.model import conninfo
from console.model.clock import ManualClock
from console.model.source import Health, SourceStatus
from console.model.strict import convert
from console.sources.base import SourceError
from console.sources.postgres import PostgresSource
from tests.services import PostgresFactory, PostgresServer, eventually_async
from tests.sources.postgres.helpers import START, failure, read_once, read_until, reading, run


@pytest.fixture
def own_server(wheel_postgres: PostgresFactory) -> Iterator[PostgresServer]:
    """A server that a test may break."""
    server = wheel_postgres.create(max_connections="10")
    yield server
    server.stop()


async def next_error(source: PostgresSource) -> SourceError:
    try:
        found = await source.read()
    except SourceError as error:
        return error
    raise AssertionError(found)


def fill(server: PostgresServer) -> list[psycopg.Connection]:
    """Take every slot, the reserved ones too."""
    held = []
    with pytest.raises(psycopg.OperationalError, match="too many clients"):
        while True:
            held.append(server.connect(application="greedy"))
    return held


def test_a_full_server_is_still_read_over_the_kept_connection(own_server: PostgresServer) -> None:
    async def scenario() -> None:
        async with reading(own_server.dsn()) as early, reading(own_server.dsn()) as late:
            await early.read()
            held = fill(own_server)
            found = await early.read()
            assert (found.clients, found.usable) == (10, 7)
            assert dict(found.by_application)["greedy"] == 9
            error = await next_error(late)
            assert "the server is full" in error.reason
            assert "not even a superuser gets in until a session ends" in error.advice
            for connection in held:
                connection.close()
            await eventually_async(lambda: _answers(late), "the late source reads once slots are free")

    run(scenario())


async def _answers(source: PostgresSource) -> bool:
    try:
        await source.read()
    except SourceError:
        return False
    return True


def test_a_role_without_reserved_slots_is_told_so_at_the_usable_limit(own_server: PostgresServer) -> None:
    own_server.execute("CREATE ROLE app LOGIN IN ROLE pg_monitor")
    held = [own_server.connect() for _ in range(7)]
    error = failure(own_server.dsn("app"))
    assert "only the slots of superuser_reserved_connections are left" in error.reason
    assert "a superuser gets in" in error.advice
    for connection in held:
        connection.close()


def test_a_role_with_reserved_slots_reads_beyond_the_usable_limit(wheel_postgres: PostgresFactory) -> None:
    if wheel_postgres.major < 16:
        pytest.skip("reserved_connections came with 16")
    server = wheel_postgres.create(max_connections="10", reserved_connections="2")
    server.execute("CREATE ROLE app LOGIN IN ROLE pg_monitor")
    server.execute("CREATE ROLE console LOGIN IN ROLE pg_monitor, pg_use_reserved_connections")
    held = [server.connect() for _ in range(5)]
    error = failure(server.dsn("app"))
    assert "the server is full: only reserved slots are left" in error.reason
    assert "pg_use_reserved_connections (GRANT it to" in error.advice
    found = read_once(server.dsn("console"))
    assert (found.clients, found.usable) == (6, 5)
    for connection in held:
        connection.close()
    server.stop()


def test_a_limit_of_the_role_or_the_database_is_told_from_a_full_server(own_server: PostgresServer) -> None:
    own_server.execute("CREATE ROLE app LOGIN CONNECTION LIMIT 1")
    own_server.execute("CREATE ROLE other LOGIN")
    own_server.execute("CREATE DATABASE shop CONNECTION LIMIT 0")
    with own_server.connect("app"):
        error = failure(own_server.dsn("app"))
    assert "its own limit is reached" in error.reason and "ALTER ROLE" in error.advice
    error = failure(own_server.dsn("other", "shop"))
    assert "the database has no connection left" in error.reason and "ALTER DATABASE" in error.advice


def test_a_restart_is_reported_and_recovered_from(own_server: PostgresServer) -> None:
    async def scenario() -> None:
        async with reading(own_server.dsn()) as source:
            await source.read()
            own_server.stop()
            assert "the server ended the connection" in (await next_error(source)).reason
            assert "nothing listens there" in (await next_error(source)).reason
            own_server.start()
            assert (await source.read()).clients == 1

    run(scenario())


def test_a_hung_server_surfaces_soon_and_keeps_its_connection(own_server: PostgresServer) -> None:
    def session_pid() -> object:
        return own_server.execute("SELECT pid FROM pg_stat_activity WHERE application_name = 'warroom'")

    async def scenario() -> None:
        async with reading(own_server.dsn()) as source:
            await source.read()
            before = session_pid()
            own_server.pause()
            started = time.monotonic()
            error = await next_error(source)
            assert time.monotonic() - started < 5
            assert "has been silent for" in error.reason
            own_server.resume()
            await eventually_async(lambda: _answers(source), "the source reads again")
            assert session_pid() == before

    run(scenario())


def test_closing_while_the_server_hangs_is_quick(own_server: PostgresServer) -> None:
    async def scenario() -> None:
        async with reading(own_server.dsn()) as source:
            await source.read()
            own_server.pause()
            task = asyncio.create_task(source.read())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            started = time.monotonic()
        assert time.monotonic() - started < 2

    run(scenario())


def test_a_cancelled_round_never_mixes_answers(own_server: PostgresServer) -> None:
    async def scenario() -> None:
        async with reading(own_server.dsn()) as source:
            for pause in range(12):
                task = asyncio.create_task(source.read())
                await asyncio.sleep(pause / 1000)
                task.cancel()
                await asyncio.wait({task})
                found = await source.read()
                assert (found.usable, found.notes) == (7, ())
            assert own_server.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'warroom'"
            ) == [(1,)]

    run(scenario())


def test_a_silent_connection_is_given_up_at_last(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.sources.postgres.link.ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("console.sources.postgres.link.GIVE_UP_SECONDS", 0.0)

    async def scenario() -> None:
        async with reading(own_server.dsn()) as source:
            await source.read()
            own_server.pause()
            await next_error(source)
            own_server.resume()
            assert (await read_until(source, lambda it: it.clients == 1)).notes == ()

    run(scenario())


SECRET = "hunter2-very-secret"


@pytest.mark.parametrize(
    ("change", "said", "health"),
    [
        ({"user": "guarded", "password": SECRET}, "refused the user's password", Health.DENIED),
        ({"user": "guarded"}, "refused the user's password", Health.DENIED),
        ({"user": "nobody_known", "password": SECRET}, "does not know this user", Health.DENIED),
        ({"dbname": "missing", "password": SECRET}, "does not exist", Health.FAILED),
        ({"host": "no-such-host.invalid", "password": SECRET}, "host name is unknown", Health.FAILED),
        ({"options": "-c nonsense=1", "password": SECRET}, "unrecognized configuration", Health.FAILED),
        ({"sslmode": "require", "password": SECRET}, "no encrypted connection", Health.FAILED),
    ],
)
def test_a_refused_connection_is_a_sentence_without_the_password(
    postgres_18: PostgresServer, change: dict[str, str], said: str, health: Health
) -> None:
    postgres_18.execute("DROP ROLE IF EXISTS guarded")
    postgres_18.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    error = failure(psycopg.conninfo.make_conninfo(postgres_18.dsn(), **change))
    assert said in error.reason
    assert error.health is health
    assert error.advice
    assert SECRET not in error.reason + error.advice


def test_nothing_listening_is_told_from_a_hung_server() -> None:
    error = failure(f"postgresql://u:{SECRET}@127.0.0.1:{free_port()}/shop")
    assert "nothing listens there" in error.reason
    assert SECRET not in error.reason


def test_a_keyword_that_this_libpq_is_too_old_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conninfo, "KEYWORDS", conninfo.KEYWORDS | {"of_tomorrow"})
    error = failure(f"host=127.0.0.1 password={SECRET} of_tomorrow={SECRET}")
    assert 'invalid connection option "of_tomorrow"' in error.reason
    assert SECRET not in error.reason + error.advice


class Seen(Board):
    """A board that remembers every status."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[SourceStatus] = []

    def report(self, status: SourceStatus) -> None:
        self.history.append(status)
        super().report(status)


def run_source(server: PostgresServer, check: Any, user: str = "postgres", **more: str) -> Seen:
    """Run a source until ``check(board)`` holds."""
    board = Seen()
    settings = convert({"dsn": server.dsn(user, **more), "interval": 1}, PostgresSettings)
    source = PostgresSource("postgres:main", settings, ManualClock(START), random.Random(1))

    async def scenario() -> None:
        async def checked() -> object:
            return check(board)

        task = asyncio.create_task(source.run(board))
        await eventually_async(checked, "the source to get there")
        task.cancel()
        await asyncio.wait({task})
        await source.close()

    run(scenario())
    return board


def test_a_running_source_goes_from_connecting_to_ok_with_its_address(postgres_18: PostgresServer) -> None:
    board = run_source(postgres_18, lambda it: it.snapshot("postgres:main"), password=SECRET)
    assert [it.health for it in board.history[:2]] == [Health.CONNECTING, Health.OK]
    assert board.history[0].address == f"127.0.0.1:{postgres_18.port}/postgres"


def test_a_limited_role_shows_as_limited_with_the_grant_that_helps(postgres_18: PostgresServer) -> None:
    postgres_18.execute("CREATE ROLE plain LOGIN")
    board = run_source(postgres_18, lambda it: it.snapshot("postgres:main"), user="plain")
    postgres_18.execute("DROP ROLE plain")
    status = board.status("postgres:main")
    assert status is not None and status.health is Health.LIMITED
    assert "lower bounds" in status.reason and "pg_monitor" in status.advice


def test_last_good_data_stays_when_the_server_goes(own_server: PostgresServer) -> None:
    def check(board: Seen) -> bool:
        latest = board.status("postgres:main")
        if latest is not None and latest.health is Health.OK and own_server.running:
            own_server.stop()
        return latest is not None and latest.health is Health.FAILED

    board = run_source(own_server, check)
    assert board.snapshot("postgres:main") is not None
    assert board.history[-1].last_ok == START.timestamp()
