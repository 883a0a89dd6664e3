import time
from pathlib import Path

import msgspec
import pytest

from console.config import PrometheusSettings
from console.drill.cluster import Match
from console.engine.ports import PlanError
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.plan import Plan, Risk, Target
from console.model.reading import NO_DATA, Reading, State
from tests.mitigations.kubernetes.rig import NAMESPACE, SOURCE, Rig, rig, run, until

ENV = {
    "spec": {"template": {"spec": {"containers": [{"name": "app", "env": [{"name": "X", "value": "1"}]}]}}}
}


async def release_history(r: Rig) -> None:
    """Revision 1 is v1 and good; 2 is v2; 3 a restart; 4 a changed variable."""
    r.deploy("shop", "reg/shop:v1")
    await r.rolled_out("shop")
    r.set_image("shop", "reg/shop:v2")
    await r.rolled_out("shop")
    restart = await r.plan("k8s.restart", "deployment/shop")
    assert (await r.runner.run(restart)).outcome is not None
    await r.rolled_out("shop")
    r.cluster.patch("deploy", "shop", ENV, NAMESPACE)
    await r.rolled_out("shop")


def ratio(r: Rig, value: float, at: float) -> None:
    reading = Reading(State.OK, value, at)
    service = ServiceMetrics("shop", reading, NO_DATA, NO_DATA, NO_DATA, 0.05)
    r.board.publish("prometheus", PrometheusSnapshot(at, (service,)))


def test_the_revision_with_another_image_is_preselected_and_reached(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            assert (
                r.get("deploy", "shop")["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "4"
            )

            options = await r.runner.options(
                "k8s.rollback", Target("deployment", "shop", NAMESPACE), "revision", source=SOURCE
            )
            assert [option.value for option in options] == ["4", "3", "2", "1"]
            assert [option.value for option in options if option.recommended] == ["1"]
            assert options[0].disabled
            assert "app: image reg/shop:v2 → reg/shop:v1" in options[3].detail
            assert "env X 1 → (none)" in options[2].detail

            plan = await r.plan("k8s.rollback", "deployment/shop")
            assert plan.params == {"revision": "1"}
            assert plan.command.endswith(
                "--context drill -n production rollout undo deployment/shop --to-revision=1"
            )
            assert plan.context == "drill"
            assert plan.target.uid == r.get("deploy", "shop")["metadata"]["uid"]
            images = [(c.before, c.after) for c in plan.changes if c.path.endswith("[app].image")]
            assert images == [("reg/shop:v2", "reg/shop:v1")]
            assert r.image("shop") == "reg/shop:v2", "a plan changes nothing"

            done = await r.runner.run(plan, "v2 raises errors")

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert r.image("shop") == "reg/shop:v1"
            assert {pod["spec"]["containers"][0]["image"] for pod in r.pods("shop")} == {"reg/shop:v1"}
            env = r.get("deploy", "shop")["spec"]["template"]["spec"]["containers"][0].get("env")
            assert not env
            assert (
                "pod-template-hash" not in r.get("deploy", "shop")["spec"]["template"]["metadata"]["labels"]
            )

    run(scenario())


def test_an_undone_roll_back_leads_forward_again_and_checks_for_drift(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.set_image("shop", "reg/shop:v2")
            await r.rolled_out("shop")
            done = await r.runner.run(await r.plan("k8s.rollback", "deployment/shop"))
            assert done.outcome is not None
            undo = done.outcome.undo_params
            assert undo is not None
            assert (done.outcome.undo_action, undo["revision"]) == ("k8s.rollback", "2")

            forward = await r.plan("k8s.rollback", "deployment/shop", **undo)
            assert forward.refusal == ""

            r.set_image("shop", "reg/shop:v3")
            await r.rolled_out("shop")
            drifted = await r.plan("k8s.rollback", "deployment/shop", **undo)
            assert "was changed after the action" in drifted.refusal
            refused = await r.runner.run(drifted)
            assert refused.outcome is not None
            assert refused.outcome.status == "refused"
            assert r.image("shop") == "reg/shop:v3"

    run(scenario())


def test_a_stuck_rollout_is_undone_in_the_middle(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.set_image("shop", "reg/shop:sick-v2")
            await until(lambda: len(r.pods("shop")) == 4, "the surge pod")

            plan = await r.plan("k8s.rollback", "deployment/shop")
            assert plan.params == {"revision": "1"}
            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert done.verdict is not None
            assert done.verdict.status in ("helped", "inconclusive")
            assert {pod["spec"]["containers"][0]["image"] for pod in r.pods("shop")} == {"reg/shop:v1"}

    run(scenario())


def test_a_rollout_that_gets_stuck_is_reported(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick-v1", progressDeadlineSeconds=1)
            await until(lambda: len(r.cluster.list("rs", NAMESPACE)) == 1, "the first revision")
            r.set_image("shop", "reg/shop:sick-v2")
            await until(lambda: len(r.cluster.list("rs", NAMESPACE)) == 2, "the second revision")

            done = await r.runner.run(await r.plan("k8s.rollback", "deployment/shop", revision="1"))

            assert done.verdict is not None
            assert done.verdict.status == "no_change"
            assert "stuck" in done.verdict.detail

    run(scenario())


def test_the_error_ratio_decides_the_verdict(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.config = msgspec.structs.replace(
                r.config, prometheus=PrometheusSettings(url="http://127.0.0.1:9", window=4)
            )
            r.runner = r.make_runner()
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.set_image("shop", "reg/shop:v2")
            await r.rolled_out("shop")
            ratio(r, 0.30, time.time())
            plan = await r.plan("k8s.rollback", "deployment/shop")
            ratio(r, 0.002, 4_000_000_000.0)

            done = await r.runner.run(plan)

            assert done.verdict is not None
            assert done.verdict.status == "helped"
            assert "30.00% before, 0.20% after" in done.verdict.detail
            entry = next(e for e in r.entries() if e.kind == "action.verdict")
            assert entry.data["verdict"]["status"] == "helped"

    run(scenario())


def test_a_changed_variable_of_a_trusted_image_is_taken_back_without_leaving_the_image(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.set_image("shop", "reg/shop:v2")
            await r.rolled_out("shop")
            for kept in r.cluster.list("ReplicaSet", NAMESPACE):
                entry = r.cluster.entry("ReplicaSet", kept["metadata"]["name"], NAMESPACE)
                entry.obj["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
            r.cluster.patch("deploy", "shop", ENV, NAMESPACE)
            await r.rolled_out("shop")
            ratio(r, 0.30, time.time() + 20)
            target = Target("deployment", "shop", NAMESPACE)

            options = await r.runner.options("k8s.rollback", target, "revision", source=SOURCE)

            assert [option.value for option in options if option.recommended] == ["2"]
            plan = await r.plan("k8s.rollback", "deployment/shop", revision="2")
            assert not any("same image" in warning for warning in plan.warnings)
            assert (await r.runner.run(plan)).outcome is not None
            assert r.image("shop") == "reg/shop:v2"
            container = r.get("deploy", "shop")["spec"]["template"]["spec"]["containers"][0]
            assert not container.get("env")

    run(scenario())


def test_a_paused_deployment_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            r.cluster.patch("deploy", "shop", {"spec": {"paused": True}}, NAMESPACE)

            for action in ("k8s.rollback", "k8s.restart"):
                assert "paused" in (await r.plan(action, "deployment/shop")).refusal

    run(scenario())


def test_without_another_image_there_is_nothing_to_return_to(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            with pytest.raises(PlanError, match="no revision"):
                await r.plan("k8s.rollback", "deployment/shop")
            with pytest.raises(PlanError, match="keeps 1"):
                await r.plan("k8s.rollback", "deployment/shop", revision="77")

    run(scenario())


def test_gitops_and_config_maps_are_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            tracking = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:production/shop"}
            r.deploy("shop", "reg/shop:v1", metadata={"annotations": tracking})
            ref = [{"name": "app", "envFrom": [{"configMapRef": {"name": "shop-config"}}]}]
            r.cluster.patch(
                "deploy", "shop", {"spec": {"template": {"spec": {"containers": ref}}}}, NAMESPACE
            )
            await r.rolled_out("shop")
            r.set_image("shop", "reg/shop:v2")
            await r.rolled_out("shop")

            plan: Plan = await r.plan("k8s.rollback", "deployment/shop")

            assert any(text.startswith("Argo CD app shop") for text in plan.undone_by)
            assert any("ConfigMap shop-config" in text for text in plan.warnings)
            assert plan.temporary, "what is put back by somebody else stays on the ledger"
            assert plan.risk is Risk.DISRUPTIVE

    run(scenario())


def test_a_statefulset_returns_by_its_controller_revision(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            labels = {"app": "queue"}
            r.cluster.create(
                {
                    "apiVersion": "apps/v1",
                    "kind": "StatefulSet",
                    "metadata": {"name": "queue"},
                    "spec": {
                        "replicas": 2,
                        "serviceName": "queue",
                        "selector": {"matchLabels": labels},
                        "template": {
                            "metadata": {"labels": labels},
                            "spec": {"containers": [{"name": "app", "image": "reg/queue:v1"}]},
                        },
                    },
                },
                NAMESPACE,
            )
            await until(lambda: _updated(r, "queue") == 2, "the StatefulSet")
            change = {
                "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "reg/queue:v2"}]}}}
            }
            r.cluster.patch("sts", "queue", change, NAMESPACE)
            await until(lambda: _images(r, "queue") == {"reg/queue:v2"}, "v2")

            plan = await r.plan("k8s.rollback", "statefulset/queue")
            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert _images(r, "queue") == {"reg/queue:v1"}

    run(scenario())


def _updated(r: Rig, name: str) -> int:
    return int(r.get("sts", name).get("status", {}).get("readyReplicas", 0))


def _images(r: Rig, name: str) -> set[str]:
    return {str(pod["spec"]["containers"][0]["image"]) for pod in r.pods(name)}


def test_a_webhook_that_knows_no_dry_run_is_not_a_denial(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            await release_history(r)
            text = 'admission webhook "guard.example" does not support dry run'
            fault = r.server.faults.fail(400, Match(method="PATCH"), message=text)
            plan = await r.plan("k8s.rollback", "deployment/shop")
            assert plan.refusal == ""
            assert "guard.example" in plan.dry_run

            r.server.faults.remove(fault)
            r.server.faults.fail(
                403,
                Match(method="PATCH"),
                message='admission webhook "guard.example" denied the request: freeze',
            )
            denied = await r.plan("k8s.rollback", "deployment/shop")
            assert "freeze" in denied.refusal

    run(scenario())
