"""Sessions that are never ended, on a real server."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from console.mitigations.postgres.matching import TerminateMatching
from console.mitigations.postgres.single import TerminateSession
from console.model.plan import Hit, Target
from tests.mitigations.postgres.helpers import alive, blocker, busy, client, run, world_on
from tests.services import PostgresFactory, PostgresServer, eventually

TERMINATE, MATCHING = TerminateSession(), TerminateMatching()


@pytest.fixture
def server(postgres_18: PostgresServer) -> PostgresServer:
    return postgres_18


def refusal(server: PostgresServer, folder: Path, target: Target, **settings: object) -> str:
    async def scenario() -> str:
        async with world_on(server, folder, "postgres", **settings) as world:
            plan = await TERMINATE.plan(world, target, {})
            assert (await TERMINATE.execute(world, plan)).status == ("refused" if plan.refusal else "done")
            return plan.refusal

    return run(scenario())


@pytest.mark.parametrize("application", ["pg_dump", "pgBackRest [backup]", "wal-g", "warroom", "warroom-act"])
def test_backups_and_consoles_are_left_alone(
    server: PostgresServer, tmp_path: Path, application: str
) -> None:
    with client(server, application) as session:
        assert refusal(server, tmp_path, session.target, protected_applications=())
        assert alive(server, session)


def test_what_the_configuration_protects_is_left_alone(server: PostgresServer, tmp_path: Path) -> None:
    with client(server, "billing") as session:
        said = refusal(server, tmp_path, session.target, protected_applications=("billing",))
        assert "the application billing is protected" in said
        said = refusal(server, tmp_path, session.target, protected_users=("postgres",))
        assert "the user postgres is protected" in said
        assert alive(server, session)
        assert refusal(server, tmp_path, session.target, protected_applications=("bill",)) == ""
        assert not alive(server, session)


def test_processes_of_the_server_are_left_alone(server: PostgresServer, tmp_path: Path) -> None:
    for kind, word in (("autovacuum launcher", "autovacuum"), ("checkpointer", "process of the server")):
        ((number,),) = server.execute(f"SELECT pid FROM pg_stat_activity WHERE backend_type = '{kind}'")
        assert word in refusal(server, tmp_path, Target("pid", str(number)))


@contextlib.contextmanager
def held_up(server: PostgresServer, statement: str) -> Iterator[int]:
    """Run a maintenance statement that cannot end, for a transaction holds its table."""
    server.execute("CREATE TABLE big AS SELECT g AS id FROM generate_series(1, 100) g")
    with (
        blocker(server, "INSERT INTO big VALUES (0)", "holder"),
        busy(server, statement, "migrate") as session,
    ):
        yield session.pid
    eventually(lambda: session.finished, "the maintenance to end")
    server.execute("DROP TABLE big")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE INDEX CONCURRENTLY big_id ON big (id)",
        "/* migration 12 */ CREATE UNIQUE INDEX big_id ON big (id)",
        "REINDEX TABLE big",
        "VACUUM FULL big",
        "CLUSTER big",
    ],
)
def test_maintenance_is_left_alone(server: PostgresServer, tmp_path: Path, statement: str) -> None:
    with held_up(server, statement) as number:
        said = refusal(server, tmp_path, Target("pid", str(number)))
        assert "whose work would be lost" in said


def test_a_past_index_build_protects_no_idle_session(server: PostgresServer, tmp_path: Path) -> None:
    server.execute("CREATE TABLE small (id int)")
    with client(server) as session:
        session.execute("CREATE INDEX ON small (id)")
        assert refusal(server, tmp_path, session.target) == ""
        assert not alive(server, session)
    server.execute("DROP TABLE small")


def test_a_session_that_turns_to_maintenance_after_the_plan_is_skipped(
    server: PostgresServer, tmp_path: Path
) -> None:
    import msgspec

    async def scenario(number: int) -> None:
        async with world_on(server, tmp_path) as world:
            with client(server) as other:
                plan = await TERMINATE.plan(world, other.target, {})
            ((start,),) = server.execute(
                "SELECT to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US\"+00\"')"
                f" FROM pg_stat_activity WHERE pid = {number}"
            )
            victim = {**plan.payload["victims"][0], "pid": number, "backend_start": start}
            moved = msgspec.structs.replace(plan, payload={**plan.payload, "victims": [victim]})
            outcome = await TERMINATE.execute(world, moved)
            assert outcome.status == "refused" and "CREATE INDEX" in outcome.detail

    with held_up(server, "CREATE INDEX CONCURRENTLY big_id ON big (id)") as number:
        run(scenario(number))
        assert server.execute(f"SELECT state FROM pg_stat_activity WHERE pid = {number}") == [("active",)]


def left_alone(hits: tuple[Hit, ...]) -> str:
    return "\n".join(name for hit in hits if hit.what == "matching sessions left alone" for name in hit.names)


@pytest.mark.services
def test_the_kill_list_of_a_sick_server_holds_no_stream_no_vacuum_no_build_and_not_itself(
    machine_postgres: PostgresFactory, tmp_path: Path
) -> None:
    """The whole case: a full server, idle sessions, a blocker with waiters, a standby, a build, a query."""
    primary = machine_postgres.create(autovacuum_naptime="1")
    standby = machine_postgres.standby_of(primary)
    primary.execute("CREATE ROLE app LOGIN")
    primary.execute("CREATE ROLE console LOGIN SUPERUSER")
    primary.execute("CREATE TABLE stock AS SELECT g AS id, 10 AS n FROM generate_series(1, 3) g")
    primary.execute("CREATE TABLE other AS SELECT 1 AS id")
    primary.execute("GRANT ALL ON stock, other TO app")
    update = "UPDATE stock SET n = n - 1 WHERE id = 1"
    with contextlib.ExitStack() as stack:
        take = "UPDATE stock SET n = 0 WHERE id = 1"
        holder = stack.enter_context(blocker(primary, take, "checkout", "app"))
        waiters = [stack.enter_context(busy(primary, update, "api", user="app")) for _ in range(4)]
        build = stack.enter_context(
            busy(primary, "CREATE INDEX CONCURRENTLY other_id ON other (id)", "migrate")
        )
        slow = stack.enter_context(busy(primary, "SELECT pg_sleep(300)", "report", user="app"))
        idle = []
        with pytest.raises(psycopg.OperationalError, match="remaining connection slots"):
            while True:
                idle.append(stack.enter_context(client(primary, "web", "app")))
        waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'app'"
        eventually(lambda: primary.execute(waiting) == [(4,)], "four waiters")

        async def scenario() -> None:
            database = Target("db", "postgres")
            async with world_on(primary, tmp_path, "console") as world:
                active = await MATCHING.plan(world, database, {"state": "active", "older-than": "0s"})
                victims = {int(change.path.removeprefix("pid/")) for change in active.changes}
                assert slow.pid in victims and {it.pid for it in waiters} <= victims
                assert build.pid not in victims
                assert victims <= {slow.pid, *(it.pid for it in waiters)}
                assert f"pid {build.pid}" in left_alone(active.hits)
                assert "Cancel before you terminate" in active.warnings[0]
                everywhere = await MATCHING.plan(
                    world, Target("db", "main"), {"state": "active", "older-than": "0s"}
                )
                assert "it streams WAL" in left_alone(everywhere.hits)
                assert "session of this console" in left_alone(everywhere.hits)

                plan = await MATCHING.plan(world, database, {"older-than": "0s"})
                assert [change.path for change in plan.changes] == [f"pid/{holder.pid}"]
                outcome = await MATCHING.execute(world, plan)
                verdict = await MATCHING.verify(world, plan, outcome)
                assert (outcome.status, verdict.status) == ("done", "helped"), verdict
                assert "replication connections: 1 before, 1 now" in verdict.evidence

        run(scenario())
        for waiter in waiters:
            waiter.wait()
            assert waiter.error is None
        eventually(lambda: build.finished, "the index build to finish")
        assert primary.execute("SELECT indisvalid FROM pg_index WHERE indexrelid = 'other_id'::regclass") == [
            (True,)
        ]
        assert not slow.finished
        assert all(alive(primary, session) for session in idle)
        replication = "SELECT state FROM pg_stat_replication"
        assert primary.execute(replication) == [("streaming",)]
        primary.execute("CREATE TABLE after AS SELECT 1")
        eventually(
            lambda: standby.execute("SELECT to_regclass('after')") != [(None,)], "the standby to follow"
        )
    standby.stop()
    primary.stop()
