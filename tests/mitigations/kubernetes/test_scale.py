from pathlib import Path

import msgspec
import pytest

from console.config import PostgresSettings
from console.drill.cluster import Match
from console.engine.ports import PlanError
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.plan import Risk
from console.model.postgres import CLIENT, Backend, PostgresSnapshot
from console.model.reading import NO_DATA, Reading, State
from console.model.secret import Secret
from tests.mitigations.kubernetes.rig import NAMESPACE, Rig, losing_answers, rig, run, until

PATCH = Match(method="PATCH")


def hpa(r: Rig, low: int, high: int) -> None:
    r.cluster.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "shop"},
            "spec": {
                "minReplicas": low,
                "maxReplicas": high,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"},
                "metrics": [
                    {
                        "type": "Resource",
                        "resource": {
                            "name": "cpu",
                            "target": {"type": "Utilization", "averageUtilization": 80},
                        },
                    }
                ],
            },
        },
        NAMESPACE,
    )


def session(application: str = "", client: str = "10.9.9.9") -> Backend:
    return Backend(
        pid=1,
        backend_start=1.0,
        backend_start_text="",
        backend_type=CLIENT,
        user="app",
        database="app",
        application=application,
        client=client,
        state="idle",
        wait_type="",
        wait_event="",
        xact_start=None,
        query_start=None,
        state_change=None,
        query="",
    )


def database(r: Rig, pool: int, usable: int, clients: int, *sessions: Backend, limited: bool = False) -> None:
    settings = PostgresSettings(dsn=Secret("postgresql://127.0.0.1/x"), pool_size=pool)
    r.config = msgspec.structs.replace(r.config, postgres=(settings,))
    r.runner = r.make_runner()
    snapshot = PostgresSnapshot(
        at=1,
        now=1,
        version=15,
        standby=None,
        usable=usable,
        clients=clients,
        by_state=(),
        by_application=(),
        backends=sessions,
        limited=limited,
        oldest_transaction=None,
        idle_in_transaction=0,
        waiting=0,
    )
    r.board.publish("postgres:main", snapshot)


def test_a_change_whose_answer_was_lost_is_found_by_looking(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            async with losing_answers(r) as proxy:
                plan = await r.plan("k8s.scale", "deployment/shop", replicas="5")
                proxy.armed = True

                done = await r.runner.run(plan)

            assert proxy.lost == 1
            assert done.outcome is not None
            assert done.outcome.status == "unknown"
            assert r.get("deploy", "shop")["spec"]["replicas"] == 5
            assert done.verdict is not None
            assert "5 of 5 pods" in done.verdict.detail
            assert r.kinds().count("ledger.opened") == 1

    run(scenario())


def test_scaling_up_shows_autoscaler_and_connections_and_stands_on_the_ledger(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            database(r, pool=10, usable=97, clients=60)
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            hpa(r, 2, 10)

            plan = await r.plan("k8s.scale", "deployment/shop", replicas="8")
            assert [(c.path, c.before, c.after) for c in plan.changes] == [("spec.replicas", "3", "8")]
            assert any("HPA shop" in text and "sets its own number" in text for text in plan.undone_by)
            assert any("8 pods × pool of 10 = 80" in text and "not enough" in text for text in plan.warnings)
            assert plan.risk is Risk.DISRUPTIVE
            assert "--replicas=8" in plan.command

            done = await r.runner.run(plan)
            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert r.kinds().count("ledger.opened") == 1

    run(scenario())


@pytest.mark.parametrize("application", ["orders", ""])
def test_connections_are_not_counted_for_a_workload_that_has_none(application: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            database(
                r, 10, 97, 60, session(application), session("warroom", r.pods("shop")[0]["status"]["podIP"])
            )

            plan = await r.plan("k8s.scale", "deployment/shop", replicas="20")

            assert plan.notes == ("No session of it is seen on main: no connection is counted for its pods.",)
            assert not any("Database" in text for text in plan.warnings)
            assert plan.risk is Risk.ROUTINE

    run(scenario())


@pytest.mark.parametrize("found", ["name", "podIP", "hostIP", "limited", "unready"])
def test_connections_are_counted_where_the_workload_may_have_some(found: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick-v1" if found == "unready" else "reg/shop:v1")
            await until(lambda: len(r.pods("shop")) == 3, "the pods")
            if found != "unready":
                await r.rolled_out("shop")
            address = str(r.pods("shop")[0]["status"].get(found, "10.9.9.9"))
            name = "shop-api" if found == "name" else "orders"
            database(r, 10, 97, 60, session(name, address), limited=found == "limited")

            plan = await r.plan("k8s.scale", "deployment/shop", replicas="20")

            assert any("not enough" in text for text in plan.warnings)
            assert plan.notes == ()
            assert plan.risk is Risk.DISRUPTIVE

    run(scenario())


def test_a_scale_is_undone_and_leaves_the_ledger(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            up = await r.runner.run(await r.plan("k8s.scale", "deployment/shop", replicas="5"))
            assert len(r.pods("shop")) == 5
            assert up.outcome is not None
            assert up.outcome.undo_params is not None

            back = await r.runner.run(await r.plan("k8s.scale", "deployment/shop", **up.outcome.undo_params))

            assert back.outcome is not None
            assert back.outcome.status == "done"
            assert len(r.pods("shop")) == 3
            assert [kind for kind in r.kinds() if kind.startswith("ledger")] == [
                "ledger.opened",
                "ledger.closed",
            ]

    run(scenario())


def test_an_undo_is_refused_when_somebody_scaled_since(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            up = await r.runner.run(await r.plan("k8s.scale", "deployment/shop", replicas="5"))
            assert up.outcome is not None
            assert up.outcome.undo_params is not None
            r.cluster.scale("deploy", "shop", 6, NAMESPACE)

            plan = await r.plan("k8s.scale", "deployment/shop", **up.outcome.undo_params)

            assert "6 replicas, not the 5" in plan.refusal

    run(scenario())


def test_a_scale_is_refused_when_somebody_scaled_between_plan_and_act(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.scale", "deployment/shop", replicas="5")
            r.cluster.scale("deploy", "shop", 4, NAMESPACE)

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert r.get("deploy", "shop")["spec"]["replicas"] == 4

    run(scenario())


def test_scaling_to_nothing_or_to_one_warns(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            hpa(r, 2, 10)

            none = await r.plan("k8s.scale", "deployment/shop", replicas="0")
            one = await r.plan("k8s.scale", "deployment/shop", replicas="1")

            assert none.risk is Risk.DESTRUCTIVE
            assert any("switch it off" in text for text in none.undone_by)
            assert any("no redundancy" in text for text in one.warnings)
            assert any("3.0 times" in text for text in one.warnings)

    run(scenario())


def test_a_data_store_without_replicas_is_an_outage(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("postgres", "reg/postgres:15", replicas=1)
            await r.rolled_out("postgres")

            plan = await r.plan("k8s.scale", "deployment/postgres", replicas="0")

            assert plan.risk is Risk.DESTRUCTIVE
            assert plan.warnings[0].startswith("This is a data store (reg/postgres:15)")

    run(scenario())


@pytest.mark.parametrize("number", ["-1", "x", "", "99999999"])
def test_a_number_that_is_none_is_refused_before_anything_is_asked(tmp_path: Path, number: str) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            with pytest.raises(PlanError, match="no number"):
                await r.plan("k8s.scale", "deployment/shop", replicas=number)
            assert not r.server.requests

    run(scenario())


def test_what_new_pods_request_is_held_against_the_nodes(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            resources = [{"name": "app", "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}}}]
            r.cluster.patch(
                "deploy", "shop", {"spec": {"template": {"spec": {"containers": resources}}}}, NAMESPACE
            )
            await r.rolled_out("shop")
            r.publish_node(cpu=8.0, memory=32 * 2**30)
            reading = Reading(State.OK, 90.0, 1.0)
            service = ServiceMetrics("shop", NO_DATA, reading, NO_DATA, NO_DATA, 0.05)
            r.board.publish("prometheus", PrometheusSnapshot(1.0, (service,)))

            up = await r.plan("k8s.scale", "deployment/shop", replicas="7")
            down = await r.plan("k8s.scale", "deployment/shop", replicas="2")

            assert any("request 2 cores and 4.0 GiB" in text and "8 cores" in text for text in up.warnings)
            assert any("30.0 per replica now, 45.0 after" in text for text in down.warnings)

    run(scenario())
