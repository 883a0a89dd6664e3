"""What a round says of sessions, slots and locks, on every PostgreSQL there is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psycopg
import pytest

from console.model.postgres import PostgresSnapshot, blocker_tree
from console.sources.postgres import queries
from tests.services import POSTGRES_SERVERS, PostgresFactory, PostgresServer, eventually
from tests.sources.postgres.helpers import read_once, read_until, reading, run


@pytest.fixture(params=POSTGRES_SERVERS)
def server(request: pytest.FixtureRequest) -> PostgresServer:
    """A server without clients: those of the test before need a moment to leave."""
    found: PostgresServer = request.getfixturevalue(request.param)
    others = "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    eventually(lambda: not found.execute(others), "the clients to leave")
    return found


@contextlib.contextmanager
def open_transaction(server: PostgresServer, *statements: str) -> Iterator[psycopg.Connection]:
    """A session of the application ``api`` that sits in a transaction."""
    with server.connect(application="api") as connection:
        connection.execute("BEGIN")
        for statement in statements:
            with contextlib.suppress(psycopg.Error):
                connection.execute(statement.encode())
        yield connection


def test_sessions_are_counted_by_state_and_application_against_usable_slots(server: PostgresServer) -> None:
    with server.connect(application="web"), open_transaction(server), open_transaction(server, "SELECT 1/0"):
        found = read_once(server.dsn())
    assert found.usable == 17
    assert found.clients == 4
    assert dict(found.by_application) == {"api": 2, "web": 1, "warroom": 1}
    assert dict(found.by_state) == {
        "idle": 2,
        "idle in transaction": 1,
        "idle in transaction (aborted)": 1,
    }
    assert found.idle_in_transaction == 2
    assert found.oldest_transaction is not None and 0 < found.oldest_transaction < 20
    assert found.oldest_query is None, "all of them are idle"
    assert not found.limited
    assert found.notes == ()


def test_background_processes_are_listed_but_are_no_clients(server: PostgresServer) -> None:
    found = read_once(server.dsn())
    kinds = {it.backend_type for it in found.backends}
    assert "checkpointer" in kinds and "client backend" not in kinds
    assert found.clients == 1
    assert all(it.state is None for it in found.backends)


def test_the_reading_session_shows_neither_itself_nor_its_queries(server: PostgresServer) -> None:
    with server.connect(application="web") as other:
        other.execute("SELECT 42")
        found = read_once(server.dsn())
    assert [it.application for it in found.backends if it.client_session] == ["web"]
    assert not any(queries.MARK in it.query for it in found.backends)
    assert found.oldest_query is None


def test_the_oldest_query_runs_and_is_younger_than_its_transaction(server: PostgresServer) -> None:
    with open_transaction(server, "SELECT pg_sleep(0.05)") as connection:

        def sleep() -> None:
            with contextlib.suppress(psycopg.errors.QueryCanceled):
                connection.execute("SELECT pg_sleep(600)")

        sleeping = threading.Thread(target=sleep, daemon=True)
        sleeping.start()

        async def scenario() -> PostgresSnapshot:
            async with reading(server.dsn()) as source:
                return await read_until(source, lambda it: it.oldest_query)

        try:
            found = run(scenario())
        finally:
            connection.cancel()
            sleeping.join()
    assert found.oldest_query is not None and found.oldest_transaction is not None
    assert 0 < found.oldest_query < found.oldest_transaction - 0.04


def test_the_session_between_rounds_is_idle_read_only_and_bounded(server: PostgresServer) -> None:
    async def scenario() -> list[tuple[object, ...]]:
        async with reading(server.dsn()) as source:
            await source.read()
            await source.read()
            return server.execute(
                "SELECT state, xact_start, backend_xmin::text FROM pg_stat_activity"
                " WHERE application_name = 'warroom'"
            )

    assert run(scenario()) == [("idle", None, None)]


def test_one_blocker_in_transaction_is_the_root_of_all_four_waiters(server: PostgresServer) -> None:
    server.execute("CREATE TABLE IF NOT EXISTS stock AS SELECT 1 AS id, 10 AS n")

    def wait() -> None:
        server.execute("UPDATE stock SET n = n - 1 WHERE id = 1")

    waiters = [threading.Thread(target=wait) for _ in range(4)]
    with open_transaction(server, "UPDATE stock SET n = 0 WHERE id = 1") as blocker:

        async def scenario() -> None:
            async with reading(server.dsn()) as source:
                found = await read_until(source, lambda it: it.waiting == 4)
            (tree,) = blocker_tree(found.backends)
            assert tree.pid == blocker.info.backend_pid
            assert tree.behind == 4
            assert tree.backend is not None and tree.backend.idle_in_transaction
            assert tree.backend.query == "UPDATE stock SET n = 0 WHERE id = 1"
            assert {it.wait_event for it in found.backends if it.waits_for_lock} <= {"transactionid", "tuple"}

        for thread in waiters:
            thread.start()
        run(scenario())
    for thread in waiters:
        thread.join(20)
    assert blocker_tree(read_once(server.dsn()).backends) == ()
    server.execute("DROP TABLE stock")


def test_a_role_without_pg_read_all_stats_gets_a_limited_view_that_still_counts(
    server: PostgresServer,
) -> None:
    server.execute("CREATE ROLE plain LOGIN")
    try:
        with open_transaction(server), server.connect(application="web"):
            found = read_once(server.dsn("plain"))
        assert found.limited
        assert found.clients == 3
        assert dict(found.by_state) == {"hidden": 2, "idle": 1}
        assert dict(found.by_application)["api"] == 1
        hidden = [it for it in found.backends if it.application == "api"]
        assert [(it.state, it.backend_type, it.backend_start_text) for it in hidden] == [(None, "", "")]
    finally:
        server.execute("DROP ROLE plain")


def test_secrets_and_control_bytes_in_queries_never_arrive(server: PostgresServer) -> None:
    with server.connect(application="ap\x01i") as other:
        other.execute("SELECT 'postgresql://u:hunter2@db/x', E'\x1b[31mred'")
        found = read_once(server.dsn())
    (seen,) = [it for it in found.backends if it.client_session]
    assert "hunter2" not in seen.query and "REDACTED" in seen.query
    assert "\x1b" not in seen.query and "red" in seen.query
    assert "\x01" not in seen.application


def test_a_query_in_another_encoding_does_not_break_the_round(postgres_18: PostgresServer) -> None:
    postgres_18.execute(
        "CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    try:
        with postgres_18.connect(dbname="latin", application="old") as other:
            other.execute("SET client_encoding = 'LATIN1'")
            other.execute("SELECT 'café'".encode("latin-1"))
            found = read_once(postgres_18.dsn())
        (seen,) = [it for it in found.backends if it.application == "old"]
        assert seen.query == "SELECT 'caf\N{REPLACEMENT CHARACTER}'"
    finally:
        postgres_18.execute("DROP DATABASE latin")


def test_a_changed_limit_that_needs_a_restart_is_named_and_not_counted(
    wheel_postgres: PostgresFactory,
) -> None:
    reserved = {"reserved_connections": "2"} if wheel_postgres.major >= 16 else {}
    usable = 7 if reserved else 9
    server = wheel_postgres.create(max_connections="12", **reserved)
    assert read_once(server.dsn()).usable == usable
    server.execute("ALTER SYSTEM SET max_connections = 500")
    server.execute("SELECT pg_reload_conf()")

    async def scenario() -> None:
        async with reading(server.dsn()) as source:
            found = await read_until(source, lambda it: it.pending_restart)
            assert found.pending_restart == ("max_connections",)
            assert found.usable == usable

    run(scenario())
    server.stop()


def test_a_read_that_is_refused_becomes_a_note_and_the_rest_arrives(postgres_18: PostgresServer) -> None:
    postgres_18.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    postgres_18.execute("REVOKE EXECUTE ON FUNCTION pg_get_replication_slots() FROM PUBLIC")
    try:
        with postgres_18.connect(application="web"):
            found = read_once(postgres_18.dsn("watcher"))
        (note,) = found.notes
        assert note.startswith("slots: ") and "permission denied" in note
        assert not found.limited
        assert dict(found.by_application) == {"warroom": 1, "web": 1}
    finally:
        postgres_18.execute("GRANT EXECUTE ON FUNCTION pg_get_replication_slots() TO PUBLIC")
        postgres_18.execute("DROP ROLE watcher")
