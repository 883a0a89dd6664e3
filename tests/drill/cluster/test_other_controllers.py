"""The controllers beyond Deployments and pods: sets, jobs, autoscalers, garbage, quotas."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from console.drill.cluster import ApiError, Behaviour, Cluster, Container, State
from console.model.clock import ManualClock
from tests.drill.cluster.conftest import START
from tests.drill.cluster.replay import condition, deployment, reasons

Build = Callable[..., Cluster]


def stateful(name: str, replicas: int) -> dict[str, Any]:
    """Return a StatefulSet."""
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [{"name": "db", "image": "db:1"}]},
    }
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    spec = {
        "serviceName": name,
        "replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": template,
    }
    spec["volumeClaimTemplates"] = [claim]
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec}


def test_statefulsets_go_one_by_one(cluster: Cluster) -> None:
    cluster.create(stateful("db", 3), "production")
    cluster.advance(1.0)
    assert [pod["metadata"]["name"] for pod in cluster.pods_of("db", "production")] == ["db-0"]
    cluster.settle()
    assert cluster.get("sts", "db", "production")["status"]["readyReplicas"] == 3
    assert {claim["status"]["phase"] for claim in cluster.list("pvc", "production")} == {"Bound"}
    order: list[str] = []

    def look(event: Any) -> None:
        if event.table == "pods" and event.type == "DELETED":
            order.append(event.entry.name)

    cluster.store.listeners.append(look)
    change = {"spec": {"template": {"spec": {"containers": [{"name": "db", "image": "db:2"}]}}}}
    cluster.patch("sts", "db", change, "production")
    cluster.settle()
    assert order == ["db-2", "db-1", "db-0"]
    status = cluster.get("sts", "db", "production")["status"]
    assert status["currentRevision"] == status["updateRevision"]
    assert [one["revision"] for one in cluster.list("controllerrevisions", "production")].count(2) == 1
    cluster.scale("sts", "db", 1, "production")
    cluster.settle()
    assert [pod["metadata"]["name"] for pod in cluster.pods_of("db", "production")] == ["db-0"]


def test_daemonsets_follow_the_nodes(cluster: Cluster) -> None:
    template = {
        "metadata": {"labels": {"app": "agent"}},
        "spec": {"containers": [{"name": "a", "image": "agent:1"}]},
    }
    spec = {"selector": {"matchLabels": {"app": "agent"}}, "template": template}
    cluster.create(
        {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"}, "spec": spec},
        "production",
    )
    cluster.settle()
    assert cluster.get("ds", "agent", "production")["status"]["numberReady"] == 3
    cluster.add_node("node-9")
    cluster.settle()
    assert sorted(p["spec"]["nodeName"] for p in cluster.pods_of("agent", "production")) == [
        "node-1",
        "node-2",
        "node-3",
        "node-9",
    ]
    cluster.patch(
        "ds",
        "agent",
        {"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "agent:2"}]}}}},
        "production",
    )
    cluster.settle()
    assert cluster.get("ds", "agent", "production")["status"]["updatedNumberScheduled"] == 4


@pytest.mark.parametrize(("code", "ended"), [(0, "Complete"), (1, "Failed")])
def test_jobs_end(build: Build, code: int, ended: str) -> None:
    class Ending(Behaviour):
        def job(self, container: Container, age: float) -> State:
            return State(exit_code=code if age >= 1 else None)

    cluster = build(Ending())
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "m", "image": "migrate:1"}]}}
    spec = {"template": template, "backoffLimit": 1}
    cluster.create(
        {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": spec}, "production"
    )
    cluster.settle()
    assert condition(cluster.get("job", "migrate", "production"), ended)["status"] == "True"
    phases = [pod["status"]["phase"] for pod in cluster.pods_of("migrate", "production")]
    assert phases == (["Succeeded"] if code == 0 else ["Failed", "Failed"])


def test_an_autoscaler_follows_the_utilisation(build: Build, clock: ManualClock) -> None:
    load = {"cpu": 50.0}
    cluster = build(utilisation=lambda namespace, kind, name, resource: load.get(resource))
    cluster.create(deployment("web", 2), "production")
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
    }
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 6, "metrics": [metric]}
    cluster.create(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "web"},
            "spec": spec,
        },
        "production",
    )
    cluster.settle()
    load["cpu"] = 200.0
    cluster.advance(16)
    assert cluster.get("deploy", "web", "production")["spec"]["replicas"] == 6
    hpa = cluster.get("hpa", "web", "production")
    assert condition(hpa, "ScalingLimited")["reason"] == "TooManyReplicas"
    cluster.scale("deploy", "web", 3, "production")
    cluster.advance(16)
    assert cluster.get("deploy", "web", "production")["spec"]["replicas"] == 6
    load["cpu"] = 10.0
    cluster.advance(120)
    assert cluster.get("deploy", "web", "production")["spec"]["replicas"] == 6
    cluster.advance(300)
    assert cluster.get("deploy", "web", "production")["spec"]["replicas"] == 2


def test_deleting_an_owner_deletes_what_it_owns(cluster: Cluster) -> None:
    cluster.create(deployment("web", 2), "production")
    cluster.settle()
    cluster.delete("deploy", "web", "production")
    cluster.settle()
    assert cluster.list("rs", "production") == cluster.list("pods", "production") == []


def test_foreground_deletion_waits_and_orphans_stay(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.create(deployment("kept", 1), "production")
    cluster.settle()
    cluster.delete("deploy", "web", "production", propagationPolicy="Foreground")
    cluster.tick()
    assert cluster.get("deploy", "web", "production")["metadata"]["finalizers"] == ["foregroundDeletion"]
    cluster.delete("deploy", "kept", "production", propagationPolicy="Orphan")
    cluster.settle()
    assert not cluster.exists("deploy", "web", "production")
    assert not cluster.exists("deploy", "kept", "production")
    (orphan,) = cluster.list("rs", "production")
    assert "ownerReferences" not in orphan["metadata"]
    assert len(cluster.list("pods", "production")) == 1


def test_a_namespace_goes_with_all_that_is_in_it(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.settle()
    cluster.delete("ns", "production")
    with pytest.raises(ApiError, match="being terminated"):
        cluster.create(deployment("late", 1), "production")
    cluster.settle()
    assert not cluster.exists("ns", "production")
    assert cluster.list("deploy") == []


def test_old_events_expire(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.settle()
    assert reasons(cluster)
    cluster.advance(3700)
    assert not reasons(cluster)


def test_quotas_are_counted(cluster: Cluster) -> None:
    spec = {"hard": {"pods": "10", "requests.memory": "1Gi"}}
    cluster.create(
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": spec}, "production"
    )
    cluster.create(deployment("web", 2), "production")
    cluster.settle()
    assert cluster.get("quota", "q", "production")["status"]["used"] == {
        "pods": "2",
        "requests.memory": "128Mi",
    }


class Ageing(Behaviour):
    """Containers of `crashy` end after two seconds, those of `leaky` grow by 10 MB a second."""

    def state(self, container: Container, age: float) -> State:
        """Return what each workload does."""
        if container.workload == "crashy" and age >= 2:
            return State(exit_code=3)
        return State(memory=10e6 * age) if container.workload == "leaky" else super().state(container, age)


def test_the_same_seed_gives_the_same_cluster() -> None:
    def story() -> list[bytes]:
        cluster = Cluster(ManualClock(START), random.Random(7), Ageing())
        cluster.add_namespace("production")
        for name in ("web", "crashy", "leaky"):
            cluster.create(deployment(name, 2), "production")
        cluster.advance(90)
        return [entry.raw for table in cluster.store.tables for entry in cluster.store.entries(table)]

    first = story()
    assert len(first) > 50
    assert first == story()
