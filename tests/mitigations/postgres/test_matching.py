"""pg.terminate-matching: preview, limit, and a result for each session."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.engine.ports import PlanError
from console.mitigations.postgres.matching import TerminateMatching, duration
from console.model.plan import Risk, Target
from tests.mitigations.postgres.helpers import Client, alive, client, run, world_on
from tests.services import PostgresServer, eventually

MATCHING = TerminateMatching()
DATABASE = Target("db", "postgres")


@pytest.fixture
def server(postgres_18: PostgresServer) -> PostgresServer:
    return postgres_18


@contextlib.contextmanager
def sessions(
    server: PostgresServer, count: int, application: str = "api", user: str = "postgres"
) -> Iterator[list[Client]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(client(server, application, user)) for _ in range(count)]


def in_transaction(clients: list[Client]) -> None:
    for it in clients:
        it.execute("BEGIN")
        it.execute("SELECT 1")


def test_victims_and_exceptions_are_listed_and_each_victim_gets_its_result(
    server: PostgresServer, tmp_path: Path
) -> None:
    server.execute("CREATE ROLE app LOGIN")

    async def scenario() -> None:
        with (
            sessions(server, 3, "api", "app") as idle,
            sessions(server, 1, "pg_dump", "app") as backup,
            sessions(server, 1, "psql") as superuser,
        ):
            in_transaction([*idle, *backup, *superuser])
            async with world_on(server, tmp_path) as world:
                plan = await MATCHING.plan(world, DATABASE, {"older-than": "0s"})
                assert plan.risk is Risk.DESTRUCTIVE and plan.typed_name == "postgres"
                ended, left = plan.hits
                assert (ended.count, left.count) == (3, 2)
                assert any("backups and restores" in name for name in left.names)
                assert any("name it with user=postgres" in name for name in left.names)
                assert len(re.findall(r"pg_terminate_backend\(pid(?:, 2000)?\)", plan.command)) == 3
                idle[1].execute("SELECT 2")
                idle[2].close()
                eventually(lambda: not alive(server, idle[2]), "one to leave")
                outcome = await MATCHING.execute(world, plan)
                verdict = await MATCHING.verify(world, plan, outcome)
            details = {it.target: it.detail for it in outcome.results}
            assert details[f"pid/{idle[0].pid}"] == "signalled"
            assert "has moved on since" in details[f"pid/{idle[1].pid}"]
            assert "already gone" in details[f"pid/{idle[2].pid}"]
            assert outcome.detail == "1 of 3 sessions signalled, 2 already gone, 0 failed."
            assert verdict.status == "helped"
            assert [alive(server, it) for it in (*idle, *backup, *superuser)] == [
                False,
                True,
                False,
                True,
                True,
            ]
        eventually(
            lambda: server.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") == [(0,)],
            "the application to leave",
        )

    try:
        run(scenario())
    finally:
        server.execute("DROP ROLE app")


def test_more_than_the_limit_is_refused_and_nothing_happens(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with sessions(server, 3) as idle:
            params = {"state": "idle", "older-than": "0s", "user": "postgres", "limit": "2"}
            async with world_on(server, tmp_path) as world:
                plan = await MATCHING.plan(world, DATABASE, params)
                assert "3 sessions match and the limit is 2" in plan.refusal
                assert len(plan.changes) == 3
                assert (await MATCHING.execute(world, plan)).status == "refused"
            assert all(alive(server, it) for it in idle)

    run(scenario())


def test_filters_narrow_by_application_and_age(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with sessions(server, 1, "web"), sessions(server, 2, "batch"):
            base = {"state": "idle", "older-than": "0s", "user": "postgres"}
            async with world_on(server, tmp_path) as world:
                plan = await MATCHING.plan(world, DATABASE, {**base, "application": "batch"})
                assert plan.hits[0].count == 2 and not plan.refusal
                assert "idle_session_timeout" in plan.warnings[0]
                plan = await MATCHING.plan(world, DATABASE, {**base, "older-than": "1h"})
                assert plan.refusal.startswith("No session is to be ended")
                plan = await MATCHING.plan(world, Target("db", "template1"), base)
                assert plan.hits[0].count == 0

    run(scenario())


def test_choices_come_from_the_server(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> None:
        with sessions(server, 2, "web") as web:
            in_transaction(web[:1])
            async with world_on(server, tmp_path) as world:
                states = await MATCHING.options(world, DATABASE, "state")
                names = await MATCHING.options(world, DATABASE, "application")
                assert await MATCHING.options(world, DATABASE, "limit") == ()
        assert [(it.value, it.detail) for it in states][:2] == [
            ("idle in transaction", "1 session"),
            ("idle", "1 session"),
        ]
        assert states[0].recommended
        assert ("web", "2 sessions") in [(it.value, it.detail) for it in names]

    run(scenario())


@pytest.mark.parametrize(
    ("target", "params", "said"),
    [
        (Target("db", "nowhere"), {}, "There is no database nowhere"),
        (Target("pid", "1"), {}, "db/NAME"),
        (DATABASE, {"state": "dead"}, "state must be one of"),
        (DATABASE, {"limit": "0"}, "limit must be"),
        (DATABASE, {"older-than": "soon"}, "duration such as"),
        (DATABASE, {"oder-than": "5m"}, "no parameter oder-than"),
    ],
)
def test_a_wrong_parameter_is_a_sentence(
    server: PostgresServer, tmp_path: Path, target: Target, params: dict[str, str], said: str
) -> None:
    async def scenario() -> None:
        async with world_on(server, tmp_path) as world:
            with pytest.raises(PlanError, match=said):
                await MATCHING.plan(world, target, params)

    run(scenario())


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("1h30m", 5400), ("300", 300), ("2d", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


def test_a_hung_server_leaves_the_outcome_unknown(
    server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.mitigations.postgres.signals.ANSWER_SECONDS", 0.3)
    monkeypatch.setattr("console.mitigations.postgres.carry.VERIFY_SECONDS", 0.3)

    async def scenario() -> None:
        with sessions(server, 2) as idle:
            in_transaction(idle)
            async with world_on(server, tmp_path) as world:
                plan = await MATCHING.plan(world, DATABASE, {"older-than": "0s", "user": "postgres"})
                assert not plan.refusal
                world.tell = lambda text: server.pause() if text.startswith("Signalling 1") else None
                try:
                    outcome = await MATCHING.execute(world, plan)
                finally:
                    server.resume()
                assert outcome.status == "unknown"
                assert [it.detail for it in outcome.results] == ["outcome unknown", "not tried"]
                verdict = await MATCHING.verify(world, plan, outcome)
                assert verdict.status == "no_change" and str(idle[1].pid) in verdict.detail

    run(scenario())


def test_a_server_that_cannot_be_reached_is_a_sentence_without_the_password(
    server: PostgresServer, tmp_path: Path
) -> None:
    async def scenario() -> None:
        settings = {"dsn": server.dsn("ghost", password="hunter2")}
        async with world_on(server, tmp_path, **settings) as world:
            with pytest.raises(PlanError, match="does not know this user") as caught:
                await MATCHING.plan(world, DATABASE, {})
            assert "hunter2" not in str(caught.value)

    run(scenario())
