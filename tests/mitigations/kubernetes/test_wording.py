"""Plans, outcomes and verdicts of one pod speak of one pod."""

from __future__ import annotations

import re
from pathlib import Path

from console.engine.planview import outcome_text, plan_text
from tests.mitigations.kubernetes.rig import NAMESPACE, rig, run, until

ONE_OF_MANY = re.compile(
    r"(?<![\d.])1 (?:\w+ )?(?:pods|replicas|nodes|cores|fields|sessions|connections|slots|are|have|were)\b"
)


def test_one_pod_is_no_pods(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.publish_node(cpu=1.0, memory=2**30)
            r.deploy("shop", "reg/shop:v1", replicas=1, strategy={"type": "Recreate"})
            resources = [{"name": "app", "resources": {"requests": {"cpu": "1", "memory": "1Gi"}}}]
            r.cluster.patch(
                "deploy", "shop", {"spec": {"template": {"spec": {"containers": resources}}}}, NAMESPACE
            )
            await r.rolled_out("shop")
            await until(lambda: len(r.pods("shop")) == 1, "one pod")

            restart = await r.plan("k8s.restart", "deployment/shop")
            delete = await r.plan("k8s.delete-pod", f"pod/{r.pods('shop')[0]['metadata']['name']}")
            again = await r.plan("k8s.scale", "deployment/shop", replicas="1")
            grow = await r.plan("k8s.scale", "deployment/shop", replicas="2")
            text = "\n".join(plan_text(plan) for plan in (restart, delete, again, grow))
            done = await r.runner.run(restart)
            text += outcome_text(done)

            assert ONE_OF_MANY.findall(text) == []
            assert "The 1 new pod requests 1 core and 1.0 GiB; the 1 node that takes pods has 1 core" in text
            assert "of the 1 ready pod behind service shop" in text
            assert "no other pod behind service shop is ready" in text
            assert "deployment/shop has 1 replica already" in text
            assert "so its pod stops before a new one starts" in text
            assert "1 pod added" in text
            assert "1 of 1 pod updated" in text

            grow = await r.plan("k8s.scale", "deployment/shop", replicas="3")
            assert any(
                text.startswith("The 2 new pods request 2 cores and 2.0 GiB; the 1 node that takes pods has")
                for text in grow.warnings
            )

    run(scenario())
