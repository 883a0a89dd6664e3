from pathlib import Path

import pytest

from console.drill.cluster import Behaviour, Match
from console.model.plan import Risk
from tests.mitigations.kubernetes.rig import NAMESPACE, Rig, losing_answers, rig, run, until


def budget(r: Rig, minimum: int) -> None:
    r.cluster.create(
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "shop"},
            "spec": {"minAvailable": minimum, "selector": {"matchLabels": {"app": "shop"}}},
        },
        NAMESPACE,
    )


async def shop(r: Rig, replicas: int = 3) -> str:
    r.deploy("shop", "reg/shop:v1", replicas=replicas)
    await r.rolled_out("shop")
    return str(r.pods("shop")[0]["metadata"]["name"])


def uids(r: Rig) -> set[str]:
    return {str(pod["metadata"]["uid"]) for pod in r.pods("shop")}


@pytest.mark.parametrize("action", ["k8s.evict-pod", "k8s.delete-pod"])
def test_a_budget_that_allows_it_is_told(action: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            assert (await r.plan(action, f"pod/{name}")).notes == ("No disruption budget covers it.",)
            budget(r, 2)
            await until(
                lambda: r.get("pdb", "shop").get("status", {}).get("disruptionsAllowed") == 1, "the budget"
            )

            plan = await r.plan(action, f"pod/{name}")
            assert plan.notes == ("Budget shop allows 1 disruption now.",)

            r.server.faults.fail(403, Match(path="/poddisruptionbudgets"))
            assert (await r.plan(action, f"pod/{name}")).notes == ()

    run(scenario())


def test_an_unready_pod_goes_within_a_budget_that_allows_none(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await shop(r, replicas=2)
            budget(r, 2)
            r.set_image("shop", "reg/shop:sick-v2")
            await until(lambda: len(r.pods("shop")) == 3, "the surge pod")
            await until(
                lambda: r.get("pdb", "shop").get("status", {}).get("currentHealthy") == 2, "the budget"
            )
            sick = next(pod for pod in r.pods("shop") if "sick" in pod["spec"]["containers"][0]["image"])

            plan = await r.plan("k8s.evict-pod", f"pod/{sick['metadata']['name']}")

            assert plan.refusal == ""
            assert plan.notes == ("Budget shop lets it go, because it is not ready.",)

    run(scenario())


def test_a_budget_blocks_an_eviction_already_in_the_plan(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            budget(r, 3)
            await until(
                lambda: r.get("pdb", "shop").get("status", {}).get("currentHealthy") == 3, "the budget"
            )
            before = uids(r)

            plan = await r.plan("k8s.evict-pod", f"pod/{name}")
            assert "needs 3 healthy pods and has 3 currently" in plan.refusal
            assert plan.notes == ()
            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert uids(r) == before

    run(scenario())


def test_a_budget_that_closes_after_the_plan_refuses_the_act(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            plan = await r.plan("k8s.evict-pod", f"pod/{name}")
            assert plan.refusal == ""
            budget(r, 3)
            await until(
                lambda: r.get("pdb", "shop").get("status", {}).get("currentHealthy") == 3, "the budget"
            )
            before = uids(r)

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert "needs 3 healthy pods" in done.outcome.detail
            assert uids(r) == before

    run(scenario())


def test_a_rate_limit_is_not_a_budget(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            plan = await r.plan("k8s.evict-pod", f"pod/{name}")
            r.server.faults.fail(429, Match(method="POST", path="/eviction"))

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert "limits the rate" in done.outcome.detail
            assert "budget" not in done.outcome.detail

    run(scenario())


def test_an_evicted_pod_is_replaced(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            uid = r.get("pod", name)["metadata"]["uid"]
            plan = await r.plan("k8s.evict-pod", f"pod/{name}")
            assert plan.risk is Risk.DISRUPTIVE
            assert uid in plan.command
            assert "/eviction" in plan.command
            assert uid in uids(r), "the plan has evicted nobody"

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert uid not in uids(r)
            assert len(uids(r)) == 3

    run(scenario())


def test_a_delete_whose_answer_was_lost_is_unknown_and_is_not_sent_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            uid = r.get("pod", name)["metadata"]["uid"]
            async with losing_answers(r) as proxy:
                plan = await r.plan("k8s.delete-pod", f"pod/{name}")
                sent = sum(asked.method == "DELETE" for asked in r.server.requests)
                proxy.armed = True

                done = await r.runner.run(plan)

            assert proxy.lost == 1
            assert sum(asked.method == "DELETE" for asked in r.server.requests) == sent + 1
            assert done.outcome is not None
            assert done.outcome.status == "unknown"
            assert "may or may not have happened" in done.outcome.detail
            assert uid not in uids(r)

    run(scenario())


def test_a_delete_ignores_the_budget_and_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r)
            budget(r, 3)
            await until(
                lambda: r.get("pdb", "shop").get("status", {}).get("currentHealthy") == 3, "the budget"
            )
            uid = r.get("pod", name)["metadata"]["uid"]

            plan = await r.plan("k8s.delete-pod", f"pod/{name}")
            assert plan.refusal == ""
            assert plan.risk is Risk.DESTRUCTIVE
            assert any("budget forbids it" in text for text in plan.warnings)
            assert uid in uids(r), "the plan has deleted nobody"
            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert uid not in uids(r)
            body = next(e for e in r.entries() if e.kind == "action.intent").data
            assert body["plan"]["target"]["uid"] == uid

    run(scenario())


def test_the_pod_of_the_same_name_is_spared(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            bare(r)
            await until(lambda: bool(r.get("pod", "lone").get("status", {}).get("podIP")), "the pod")
            plan = await r.plan("k8s.delete-pod", "pod/lone")
            r.cluster.delete("pod", "lone", NAMESPACE, gracePeriodSeconds=0)
            bare(r)
            uid = r.get("pod", "lone")["metadata"]["uid"]

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert r.get("pod", "lone")["metadata"]["uid"] == uid
            assert "deletionTimestamp" not in r.get("pod", "lone")["metadata"]

    run(scenario())


def bare(r: Rig) -> None:
    r.cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "lone"},
            "spec": {"containers": [{"name": "app", "image": "reg/lone:v1"}]},
        },
        NAMESPACE,
    )


def test_a_pod_without_owner_does_not_come_back_and_the_plan_says_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            bare(r)
            await until(lambda: _ready(r, "lone"), "readiness")

            plan = await r.plan("k8s.delete-pod", "pod/lone")
            assert any("does not come back" in text for text in plan.warnings)
            assert not plan.reversible
            done = await r.runner.run(plan)

            assert done.verdict is not None
            assert "nothing makes a new one" in done.verdict.detail
            assert not r.cluster.exists("pod", "lone", NAMESPACE)

    run(scenario())


def test_a_pod_that_became_ready_since_is_left_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick-v1", replicas=1)
            await until(lambda: bool(r.pods("shop")), "the pod")
            name = r.pods("shop")[0]["metadata"]["name"]
            plan = await r.plan("k8s.delete-pod", f"pod/{name}")
            r.cluster.behaviour = Behaviour()
            await until(lambda: _ready(r, name), "readiness")

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert "has become ready" in done.outcome.detail
            assert r.cluster.exists("pod", name, NAMESPACE)

    run(scenario())


def _ready(r: Rig, name: str) -> bool:
    conditions = r.get("pod", name).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


@pytest.mark.parametrize("action", ["k8s.evict-pod", "k8s.delete-pod"])
def test_a_pod_of_a_data_store_has_to_be_typed(action: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("postgres", "reg/postgres:15", replicas=1)
            await r.rolled_out("postgres")
            name = r.pods("postgres")[0]["metadata"]["name"]

            plan = await r.plan(action, f"pod/{name}")

            assert plan.risk is Risk.DESTRUCTIVE
            assert plan.warnings[0].startswith(
                "This is a data store (reg/postgres:15): treat it as an outage"
            )

    run(scenario())


def test_the_last_ready_pod_of_a_service_is_an_outage(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            name = await shop(r, replicas=1)

            plan = await r.plan("k8s.evict-pod", f"pod/{name}")

            assert any(text.startswith("Outage:") and "service shop" in text for text in plan.warnings)

    run(scenario())
