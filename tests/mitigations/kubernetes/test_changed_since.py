"""What moved between the plan and the act: what goes on, and what is refused in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.engine.ports import PlanError
from tests.mitigations.kubernetes.rig import NAMESPACE, SOURCE, rig, run, until
from tests.mitigations.kubernetes.test_rollback import ENV, release_history


def test_a_change_between_plan_and_act_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            plan = await r.plan("k8s.rollback", "deployment/shop")
            r.set_image("shop", "reg/shop:v3")

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert (
                "Somebody changed the image (now reg/shop:v3) of deployment/shop since the plan."
                in done.outcome.detail
            )
            assert "plan again" in done.outcome.detail
            assert r.image("shop") == "reg/shop:v3"
            assert r.kinds()[-1] == "action.refused"

    run(scenario())


def test_a_change_of_status_alone_is_no_conflict(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            plan = await r.plan("k8s.rollback", "deployment/shop")
            status = {
                "status": {"conditions": [{"type": "X", "status": "True", "reason": "r", "message": "m"}]}
            }
            r.cluster.patch("deploy", "shop", status, NAMESPACE, subresource="status")
            live = r.get("deploy", "shop")
            assert live["metadata"]["resourceVersion"] != plan.target.resource_version

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert r.image("shop") == "reg/shop:v1"

    run(scenario())


@pytest.mark.parametrize("action", ["k8s.rollback", "k8s.restart"])
def test_another_number_of_replicas_is_no_conflict(action: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            plan = await r.plan(action, "deployment/shop")
            r.cluster.patch("deploy", "shop", {"spec": {"replicas": 5}}, NAMESPACE)

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert len(r.pods("shop")) == 5
            assert r.image("shop") == ("reg/shop:v1" if action == "k8s.rollback" else "reg/shop:v2")

    run(scenario())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (ENV, "Somebody changed the environment of deployment/shop since the plan."),
        ({"metadata": {"labels": {"a": "b"}}}, "Somebody changed the labels of"),
        ({"spec": {"minReadySeconds": 7}}, "Somebody changed the minReadySeconds of"),
        ({"spec": {"template": {"spec": {"priority": 7}}}}, "Somebody changed the pod template of"),
        ({"spec": {"paused": True}}, "has been paused"),
    ],
)
def test_what_was_changed_since_the_plan_is_named(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            r.cluster.patch("deploy", "shop", change, NAMESPACE)

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert said in done.outcome.detail

    run(scenario())


def test_a_workload_made_anew_is_another_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            plan = await r.plan("k8s.rollback", "deployment/shop")
            r.cluster.delete("deploy", "shop", NAMESPACE, propagationPolicy="Background")
            await until(lambda: not r.cluster.list("rs", NAMESPACE) and not r.pods("shop"), "the deletion")
            r.deploy("shop", "reg/shop:v2")

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert r.image("shop") == "reg/shop:v2"
            with pytest.raises(PlanError, match="not the one that was selected"):
                await r.runner.plan("k8s.rollback", plan.target, {}, source=SOURCE)

    run(scenario())
