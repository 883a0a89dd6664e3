"""pg.cancel and pg.terminate on one session of a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from console.engine.ports import PlanError
from console.mitigations.postgres.single import CancelQuery, TerminateSession
from console.model.plan import Risk, Target
from tests.disk import DiskWatch
from tests.mitigations.postgres.helpers import alive, blocker, busy, carried_out, client, run, world_on
from tests.services import POSTGRES_SERVERS, PostgresServer, eventually

CANCEL, TERMINATE = CancelQuery(), TerminateSession()


@pytest.fixture(params=POSTGRES_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    found: PostgresServer = request.getfixturevalue(request.param)
    found.execute("CREATE TABLE stock AS SELECT g AS id, 10 AS n FROM generate_series(1, 3) g")
    yield found
    found.execute("DROP TABLE stock")


def test_a_cancelled_query_ends_and_its_session_lives(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with busy(server, "SELECT pg_sleep(60)") as slow:
            async with world_on(server, tmp_path) as world:
                plan, outcome, verdict = await carried_out(CANCEL, world, slow.target)
            assert plan.risk is Risk.ROUTINE
            assert plan.target.uid.endswith("+00")
            assert (outcome.status, verdict.status) == ("done", "helped")
            eventually(lambda: slow.finished, "the query to end")
            assert slow.error == "57014"
            assert slow.execute("SELECT 1") == [(1,)]

    run(scenario())


def test_the_loop_does_not_wait_for_the_evidence(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        with busy(server, "SELECT pg_sleep(60)") as slow:
            async with world_on(server, tmp_path) as world:
                watch = DiskWatch(monkeypatch)
                await carried_out(CANCEL, world, slow.target)
                assert watch.here == []
                assert any("postgres-sessions.json" in call for call in watch.elsewhere)

    run(scenario())


def test_the_command_of_a_plan_is_what_would_be_sent(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with busy(server, "SELECT pg_sleep(60)") as slow:
            async with world_on(server, tmp_path) as world:
                plan = await CANCEL.plan(world, slow.target, {})
            assert plan.command.startswith("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = ")
            assert server.execute(plan.command) == [(True,)]
            eventually(lambda: slow.finished, "the pasted command to act")

    run(scenario())


def test_a_query_that_ended_meanwhile_is_not_mistaken_for_the_next(
    server: PostgresServer, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with busy(server, "SELECT pg_sleep(60)") as first:
                plan = await CANCEL.plan(world, first.target, {})
                server.execute(f"SELECT pg_cancel_backend({first.pid})")
                eventually(lambda: first.finished, "the first query to end")
                first.start("SELECT pg_sleep(60)")
                first.wait_active(server)
                outcome = await CANCEL.execute(world, plan)
                assert outcome.status == "done" and "already gone" in outcome.detail
                assert not first.finished

    run(scenario())


def test_cancelling_what_runs_nothing_is_refused_with_advice(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with blocker(server, "SELECT 1") as holder:
                plan = await CANCEL.plan(world, holder.target, {})
                assert "use pg.terminate" in plan.refusal
                assert (await CANCEL.execute(world, plan)).status == "refused"
                assert alive(server, holder)
            with client(server) as idle:
                plan = await CANCEL.plan(world, idle.target, {})
                assert "nothing to cancel" in plan.refusal

    run(scenario())


def test_ending_the_blocker_lets_its_four_waiters_finish(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        update = "UPDATE stock SET n = n - 1 WHERE id = 1"
        with (
            blocker(server, "UPDATE stock SET n = 0 WHERE id = 1", "checkout") as holder,
            busy(server, update) as one,
            busy(server, update) as two,
            busy(server, update) as three,
            busy(server, update) as four,
        ):
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            eventually(lambda: server.execute(waiting) == [(4,)], "four waiters")
            async with world_on(server, tmp_path) as world:
                plan, outcome, verdict = await carried_out(TERMINATE, world, holder.target)
            hits = {hit.what: hit for hit in plan.hits}
            assert hits["sessions waiting behind"].count == 4
            assert all("waits for a lock" in name for name in hits["sessions waiting behind"].names)
            assert "idle in transaction" in hits["sessions ended"].names[0]
            assert any(it.path == "last query" and it.before.startswith("UPDATE") for it in plan.changes)
            assert "the pool of checkout" in plan.undone_by[0]
            assert not plan.reversible and plan.risk is Risk.DISRUPTIVE
            assert outcome.status == "done" and outcome.results[0].detail == "signalled"
            assert verdict.status == "helped", verdict
            assert "All 4 that waited behind go on." in verdict.detail
            assert verdict.evidence[0] == "waiting behind: 4 before, 0 of them still wait"
            for waiter in (one, two, three, four):
                waiter.wait()
                assert waiter.error is None
        # The blocker's own change was rolled back, the waiters' four are there.
        assert server.execute("SELECT n FROM stock WHERE id = 1") == [(6,)]
        saved = json.loads((tmp_path / "evidence" / "postgres-sessions.json").read_text())
        assert saved["blockers"][0]["pid"] == holder.pid
        assert saved["blockers"][0]["behind"] == 4

    run(scenario())


def test_a_plan_survives_being_stored(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with blocker(server, "SELECT 1") as holder:
            async with world_on(server, tmp_path) as world:
                plan = await TERMINATE.plan(world, holder.target, {})
                stored = msgspec.json.decode(msgspec.json.encode(plan), type=type(plan))
                assert stored.digest == plan.digest
                assert (await TERMINATE.execute(world, stored)).status == "done"
                assert not alive(server, holder)

    run(scenario())


def test_waiters_that_go_on_waiting_for_another_are_not_called_helped(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.mitigations.postgres.carry.VERIFY_SECONDS", 0.5)

    async def scenario() -> None:
        with (
            blocker(server, "SELECT * FROM stock WHERE id = 1 FOR SHARE") as first,
            blocker(server, "SELECT * FROM stock WHERE id = 1 FOR SHARE") as second,
            busy(server, "UPDATE stock SET n = 1 WHERE id = 1"),
        ):
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            eventually(lambda: server.execute(waiting) == [(1,)], "the waiter")
            async with world_on(server, tmp_path) as world:
                plan = await TERMINATE.plan(world, first.target, {})
                waits_behind = [hit for hit in plan.hits if hit.what == "sessions waiting behind"]
                victim, other = (first, second) if waits_behind else (second, first)
                _, outcome, verdict = await carried_out(TERMINATE, world, victim.target)
            assert outcome.status == "done"
            assert verdict.status == "inconclusive"
            assert f"now for pid {other.pid}" in verdict.detail

    run(scenario())


@pytest.mark.parametrize(("stays", "status"), [(False, "helped"), (True, "worse")])
def test_one_more_waiter_is_worse_only_when_it_stays(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stays: bool, status: str
) -> None:
    monkeypatch.setattr("console.mitigations.postgres.carry.VERIFY_SECONDS", 2.0)
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    async def scenario() -> None:
        with (
            blocker(server, "UPDATE stock SET n = 1 WHERE id = 2") as other,
            blocker(server, "UPDATE stock SET n = 1 WHERE id = 1") as victim,
        ):
            async with world_on(server, tmp_path) as world:
                plan = await TERMINATE.plan(world, victim.target, {})
                outcome = await TERMINATE.execute(world, plan)
                with busy(server, "UPDATE stock SET n = 2 WHERE id = 2"):
                    eventually(lambda: server.execute(waiting) == [(1,)], "the new waiter")
                    verifying = asyncio.create_task(TERMINATE.verify(world, plan, outcome))
                    await asyncio.wait({verifying}, timeout=0.3)
                    assert not verifying.done()
                    if not stays:
                        other.execute("ROLLBACK")
                    verdict = await verifying
            assert verdict.status == status, verdict

    run(scenario())


def test_a_pid_with_a_new_owner_is_refused_at_planning_and_skipped_at_execution(
    server: PostgresServer, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with client(server, "bystander") as bystander:
                stale = Target("pid", str(bystander.pid), "", "2020-01-01 00:00:00.000000+00")
                plan = await TERMINATE.plan(world, stale, {})
                assert "now belongs to" in plan.refusal and "bystander" in plan.refusal
                good = await TERMINATE.plan(world, bystander.target, {})
                payload = json.loads(json.dumps(good.payload))
                payload["victims"][0]["backend_start"] = stale.uid
                forged = msgspec.structs.replace(good, payload=payload)
                outcome = await TERMINATE.execute(world, forged)
                assert "already gone" in outcome.results[0].detail
                assert alive(server, bystander)

    run(scenario())


def test_a_session_that_has_ended_is_said_to_have_ended(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with client(server) as gone:
                plan = await TERMINATE.plan(world, gone.target, {})
            eventually(lambda: not alive(server, gone), "the session to end")
            outcome = await TERMINATE.execute(world, plan)
            assert outcome.status == "done" and "already gone" in outcome.detail
            verdict = await TERMINATE.verify(world, plan, outcome)
            assert verdict.status == "no_change" and "Nothing was signalled" in verdict.detail
            again = await TERMINATE.plan(world, plan.target, {})
            assert again.refusal == f"There is no session with pid {plan.target.name} any more: it has ended."

    run(scenario())


def test_an_active_query_comes_with_the_advice_to_cancel_first(
    server: PostgresServer, tmp_path: Path
) -> None:
    async def scenario() -> None:
        with busy(server, "SELECT pg_sleep(60), 'postgresql://u:hunter2@h/d'") as slow:
            async with world_on(server, tmp_path) as world:
                plan, outcome, verdict = await carried_out(TERMINATE, world, slow.target)
            assert any("pg.cancel" in warning for warning in plan.warnings)
            assert "hunter2" not in msgspec.json.encode(plan).decode()
            assert (outcome.status, verdict.status) == ("done", "helped")
            eventually(lambda: slow.finished, "the session to end")
            assert slow.error == "57P01"

    run(scenario())


@pytest.mark.parametrize("target", [Target("pod", "x"), Target("pid", "12; DROP"), Target("pid", "")])
def test_a_target_that_is_no_pid_cannot_be_planned(
    server: PostgresServer, tmp_path: Path, target: Target
) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with pytest.raises(PlanError, match="pid/NUMBER"):
                await TERMINATE.plan(world, target, {})

    run(scenario())


def test_rights_are_checked_at_planning(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    server.execute("CREATE ROLE signaller LOGIN IN ROLE pg_monitor, pg_signal_backend")
    server.execute("CREATE ROLE app LOGIN")

    async def scenario() -> None:
        with client(server, user="app") as victim, client(server) as superuser:
            async with world_on(server, tmp_path, "watcher") as world:
                plan = await TERMINATE.plan(world, victim.target, {})
                assert "GRANT pg_signal_backend TO watcher" in plan.refusal
            async with world_on(server, tmp_path, "signaller") as world:
                plan = await TERMINATE.plan(world, superuser.target, {})
                assert "postgres is a superuser and signaller is not" in plan.refusal
                _, outcome, verdict = await carried_out(TERMINATE, world, victim.target)
                assert (outcome.status, verdict.status) == ("done", "helped")
                assert not alive(server, victim)
        with client(server, user="app") as victim:
            async with world_on(server, tmp_path, "app") as world:
                assert not (await TERMINATE.plan(world, victim.target, {})).refusal

    try:
        run(scenario())
    finally:
        server.execute("DROP ROLE watcher, signaller, app")


def test_a_role_that_may_not_see_sessions_ends_none(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE ROLE blind LOGIN IN ROLE pg_signal_backend")

    async def scenario() -> None:
        with client(server) as victim:
            async with world_on(server, tmp_path, "blind") as world:
                plan = await TERMINATE.plan(world, victim.target, {})
                assert "GRANT pg_monitor TO blind" in plan.refusal

    try:
        run(scenario())
    finally:
        server.execute("DROP ROLE blind")


def test_a_refused_signal_is_a_result_and_not_an_error(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE ROLE signaller LOGIN IN ROLE pg_monitor, pg_signal_backend")
    server.execute("CREATE ROLE app LOGIN")

    async def scenario() -> None:
        with client(server, user="app") as victim:
            async with world_on(server, tmp_path, "signaller") as world:
                plan = await TERMINATE.plan(world, victim.target, {})
                server.execute("REVOKE pg_signal_backend FROM signaller")
                outcome = await TERMINATE.execute(world, plan)
                verdict = await TERMINATE.verify(world, plan, outcome)
            assert outcome.status == "failed"
            assert "not permitted" in outcome.results[0].detail
            assert verdict.status == "no_change"
            assert alive(server, victim)

    import console.mitigations.postgres.carry as carry

    before, carry.VERIFY_SECONDS = carry.VERIFY_SECONDS, 0.2
    try:
        run(scenario())
    finally:
        carry.VERIFY_SECONDS = before
        server.execute("DROP ROLE signaller, app")


def test_evidence_that_cannot_be_saved_stops_the_signal(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with blocker(server, "SELECT 1") as holder:
            (tmp_path / "evidence").write_text("in the way")
            async with world_on(server, tmp_path) as world:
                plan = await TERMINATE.plan(world, holder.target, {})
                outcome = await TERMINATE.execute(world, plan)
            assert outcome.status == "refused" and "evidence" in outcome.detail
            assert alive(server, holder)

    run(scenario())
