"""Standbys, slots and pg_stat_statements, on the machine's PostgreSQL."""

from __future__ import annotations

import pytest

from console.model.clock import ManualClock
from console.model.postgres import PostgresSnapshot, replication_lag
from console.model.reading import State
from console.sources.postgres.statements import SPAN_SECONDS, since
from tests.services import PostgresFactory, PostgresServer, eventually
from tests.sources.postgres.helpers import START, read_once, read_until, reading, run

pytestmark = pytest.mark.services


def test_a_standby_is_told_from_its_primary_and_leaves_nothing_unreplayed(
    postgres_machine: PostgresServer, postgres_standby: PostgresServer
) -> None:
    postgres_machine.execute("SELECT pg_switch_wal()")

    def caught_up(found: PostgresSnapshot) -> bool:
        standby = found.standby
        return standby is not None and standby.receiver is True and standby.unreplayed == 0

    async def scenario() -> PostgresSnapshot:
        async with reading(postgres_standby.dsn()) as source:
            return await read_until(source, caught_up)

    found = run(scenario())
    lag = replication_lag(found)
    assert (lag.state, lag.value) == (State.OK, 0.0)
    assert found.standby is not None and found.standby.paused is False
    primary = read_once(postgres_machine.dsn())
    assert primary.standby is None
    assert replication_lag(primary).reason == "n/a (primary)"
    assert found.notes == primary.notes == ()


def test_the_primary_shows_its_standby_and_the_slot_behind_it(
    postgres_machine: PostgresServer, postgres_standby: PostgresServer
) -> None:
    async def scenario() -> PostgresSnapshot:
        async with reading(postgres_machine.dsn()) as source:
            return await read_until(source, lambda it: it.replicas and it.replicas[0].replay_lag == 0)

    found = run(scenario())
    (replica,) = found.replicas
    assert (replica.application, replica.state, replica.sync_state) == ("replica", "streaming", "async")
    assert (replica.sent_lag, replica.flush_lag) == (0, 0)
    (slot,) = found.slots
    assert (slot.name, slot.kind, slot.active) == ("replica", "physical", True)
    assert slot.wal_status == ("reserved" if found.version >= 130000 else "")
    walsender = [it for it in found.backends if it.backend_type == "walsender"]
    assert len(walsender) == 1
    assert found.clients == 1


def test_a_standby_that_is_cut_off_is_never_shown_as_caught_up(machine_postgres: PostgresFactory) -> None:
    primary = machine_postgres.create()
    standby = machine_postgres.standby_of(primary, "cutoff")
    try:
        primary.stop()

        async def scenario() -> PostgresSnapshot:
            async with reading(standby.dsn()) as source:
                return await read_until(source, lambda it: it.standby and not it.standby.receiver)

        found = run(scenario())
        assert found.standby is not None and found.standby.unreplayed == 0, "which is why it is not enough"
        lag = replication_lag(found)
        assert lag.state is State.FAILED and "cut off" in lag.reason
    finally:
        standby.stop()


def test_an_idle_slot_shows_the_wal_it_retains(postgres_machine: PostgresServer) -> None:
    postgres_machine.execute("SELECT pg_create_physical_replication_slot('left_behind', true)")
    try:
        postgres_machine.execute(
            "CREATE TABLE churn AS SELECT repeat('x', 900) FROM generate_series(1, 2000)"
        )
        (slot,) = [it for it in read_once(postgres_machine.dsn()).slots if it.name == "left_behind"]
        assert not slot.active
        assert slot.retained is not None and slot.retained > 1_000_000
    finally:
        postgres_machine.execute("SELECT pg_drop_replication_slot('left_behind')")
        postgres_machine.execute("DROP TABLE IF EXISTS churn")


def test_what_a_standby_has_not_replayed_is_counted(
    postgres_machine: PostgresServer, postgres_standby: PostgresServer
) -> None:
    postgres_machine.execute("CREATE TABLE early AS SELECT 1")
    eventually(lambda: postgres_standby.execute("SELECT to_regclass('early')") != [(None,)], "replay")
    postgres_standby.execute("SELECT pg_wal_replay_pause()")
    try:
        postgres_machine.execute("CREATE TABLE late AS SELECT 1")

        async def scenario() -> None:
            async with reading(postgres_standby.dsn()) as source:
                found = await read_until(source, lambda it: it.standby and it.standby.unreplayed)
            assert found.standby is not None and found.standby.paused is True
            lag = replication_lag(found)
            assert lag.ok and lag.value is not None and lag.value > 0
            assert lag.value == found.standby.replay_age
            async with reading(postgres_machine.dsn()) as source:
                behind = await read_until(source, lambda it: it.replicas and it.replicas[0].flush_lag == 0)
            (replica,) = behind.replicas
            assert replica.sent_lag == 0, "it has all"
            assert replica.replay_lag, "and has not replayed it"

        run(scenario())
    finally:
        postgres_standby.execute("SELECT pg_wal_replay_resume()")
        postgres_machine.execute("DROP TABLE late, early")


def test_what_may_not_be_read_of_replay_is_unknown_and_no_broken_link(
    postgres_machine: PostgresServer, postgres_standby: PostgresServer
) -> None:
    postgres_machine.execute("CREATE ROLE watcher LOGIN")
    postgres_machine.execute("REVOKE EXECUTE ON FUNCTION pg_last_xact_replay_timestamp() FROM PUBLIC")
    eventually(
        lambda: postgres_standby.execute(
            "SELECT rolname FROM pg_roles WHERE rolname = 'watcher'"
            " AND NOT has_function_privilege('watcher', 'pg_last_xact_replay_timestamp()', 'EXECUTE')"
        ),
        "replay",
    )
    try:
        found = read_once(postgres_standby.dsn("watcher"))
        assert found.standby is not None
        assert (found.standby.receiver, found.standby.unreplayed, found.standby.paused) == (None, None, None)
        assert replication_lag(found).state is State.NO_DATA
        assert [note.partition(":")[0] for note in found.notes] == ["replay"]
        (replica,) = read_once(postgres_machine.dsn("watcher")).replicas
        assert (replica.state, replica.replay_lag, replica.sent_lag) == ("", None, None), "hidden"
    finally:
        postgres_machine.execute("GRANT EXECUTE ON FUNCTION pg_last_xact_replay_timestamp() TO PUBLIC")
        postgres_machine.execute("DROP ROLE watcher")


def test_statements_are_those_of_the_last_span_and_never_the_consoles_own(
    postgres_machine: PostgresServer,
) -> None:
    postgres_machine.execute("SELECT pg_stat_statements_reset()")
    postgres_machine.execute("SELECT pg_sleep(0.2) AS old_and_slow")
    clock = ManualClock(START)

    async def scenario() -> None:
        async with reading(postgres_machine.dsn(), clock) as source:
            first = await source.read()
            assert first.statements is not None
            assert first.statements[0].query == "SELECT pg_sleep($1) AS old_and_slow"
            assert first.statements[0].mean_ms >= 200
            for _ in range(3):
                postgres_machine.execute("SELECT now(), pg_sleep(0.01) AS new_one")
            assert (await source.read()).statements == first.statements
            clock.advance(SPAN_SECONDS)
            second = await source.read()
        assert second.statements is not None
        top = second.statements[0]
        assert (top.query, top.calls) == ("SELECT now(), pg_sleep($1) AS new_one", 3)
        assert top.total_ms == pytest.approx(3 * top.mean_ms) and top.mean_ms >= 10
        assert not any("old_and_slow" in it.query for it in second.statements)
        assert not any("warroom" in it.query for it in second.statements)

    run(scenario())


def test_without_the_extension_there_are_no_statements_and_no_note(postgres_18: PostgresServer) -> None:
    found = read_once(postgres_18.dsn())
    assert found.statements is None
    assert found.notes == ()


def test_an_extension_that_is_not_preloaded_is_a_note(machine_postgres: PostgresFactory) -> None:
    server = machine_postgres.create()
    server.execute('CREATE SCHEMA "Odd.Name"')
    server.execute('CREATE EXTENSION pg_stat_statements SCHEMA "Odd.Name"')
    found = read_once(server.dsn())
    server.stop()
    assert found.statements is None
    (note,) = found.notes
    assert note.startswith("statements: ") and "shared_preload_libraries" in note


def test_an_old_extension_has_the_old_column(machine_postgres: PostgresFactory) -> None:
    server = machine_postgres.create(shared_preload_libraries="pg_stat_statements")
    server.execute("CREATE EXTENSION pg_stat_statements VERSION '1.7'")
    server.execute("SELECT pg_sleep(0.05) AS on_the_old_one")
    found = read_once(server.dsn())
    server.stop()
    assert found.notes == ()
    assert found.statements is not None
    assert found.statements[0].query == "SELECT pg_sleep($1) AS on_the_old_one"
    assert found.statements[0].total_ms >= 50


def test_counters_that_went_down_were_reset() -> None:
    assert since({1: (10, 500.0), 2: (4, 8.0)}, {1: (2, 7.0), 2: (4, 8.0), 3: (1, 2.0)}) == {
        1: (2, 7.0),
        3: (1, 2.0),
    }
