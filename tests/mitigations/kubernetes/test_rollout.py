"""What a plan made in the middle of a rollout knows of the pods that are missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from console.drill.cluster import Container, Start
from console.mitigations.kubernetes.rollout import rolling
from console.mitigations.kubernetes.surroundings import failing
from tests.mitigations.kubernetes.rig import NAMESPACE, Fast, rig, run, until

SURGELESS = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


class Slow(Fast):
    """The pods of v2 take a minute to start."""

    def start(self, container: Container) -> Start:
        slow = container.image.endswith(":v2")
        return Start(create_seconds=0.0, pull_seconds=0.0, ready_seconds=60.0 if slow else 0.05)


def test_a_pod_that_a_rollout_is_about_to_start_is_told_from_one_that_fails(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, behaviour=Slow()) as r:
            r.deploy("shop", "reg/shop:v1", strategy=SURGELESS)
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            assert plan.payload["before"]["rolling"] is False
            r.set_image("shop", "reg/shop:v2")
            await until(lambda: r.get("deploy", "shop")["status"].get("availableReplicas") == 2, "the gap")

            plan = await r.plan("k8s.rollback", "deployment/shop")
            assert plan.payload["before"]["rolling"] is True
            new = next(pod for pod in r.pods("shop") if pod["spec"]["containers"][0]["image"].endswith("v2"))
            plan = await r.plan("k8s.delete-pod", f"pod/{new['metadata']['name']}")
            assert plan.payload["before"]["rolling"] is True

            r.cluster.crash(new["metadata"]["name"], NAMESPACE)
            await until(lambda: any(map(failing, r.pods("shop"))), "the crash")
            plan = await r.plan("k8s.rollback", "deployment/shop")
            assert plan.payload["before"]["rolling"] is False

    run(scenario())


@pytest.mark.parametrize(
    ("kind", "status", "found"),
    [
        ("deployment", {"observedGeneration": 1}, True),
        ("deployment", {"conditions": [("Progressing", "True", "ReplicaSetUpdated")]}, True),
        ("deployment", {"conditions": [("Progressing", "True", "NewReplicaSetAvailable")]}, False),
        ("deployment", {"conditions": [("Progressing", "False", "ProgressDeadlineExceeded")]}, False),
        ("statefulset", {"updateRevision": "b", "currentRevision": "a"}, True),
        ("statefulset", {"updateRevision": "b", "currentRevision": "b"}, False),
        ("daemonset", {"updatedNumberScheduled": 1, "desiredNumberScheduled": 2}, True),
        ("daemonset", {"updatedNumberScheduled": 2, "desiredNumberScheduled": 2}, False),
    ],
)
def test_a_rollout_is_under_way(kind: str, status: dict[str, Any], found: bool) -> None:
    conditions = [
        dict(zip(("type", "status", "reason"), it, strict=True)) for it in status.get("conditions", ())
    ]
    live = {
        "metadata": {"generation": 2},
        "status": {"observedGeneration": 2, **status, "conditions": conditions},
    }
    assert rolling(kind, live) is found
