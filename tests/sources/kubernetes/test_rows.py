"""Rows of every kind: what counts as desired and ready, and what happens when a workload goes."""

from typing import Any

import pytest

from tests.sources.kubernetes.samples import deployment, owned, pod, stamp, template
from tests.sources.kubernetes.test_store import Cluster

Obj = dict[str, Any]


def named(kind: str, spec: Obj, status: Obj) -> Obj:
    metadata = {"name": kind.lower(), "namespace": "shop", "creationTimestamp": stamp(3600), "generation": 1}
    return {"metadata": metadata, "spec": {"template": template(), **spec}, "status": status}


@pytest.mark.parametrize(
    ("resource", "obj", "counts"),
    [
        (
            "statefulsets",
            named(
                "StatefulSet",
                {"replicas": 3, "updateStrategy": {"type": "RollingUpdate"}},
                {"observedGeneration": 1, "readyReplicas": 2, "updatedReplicas": 1},
            ),
            (3, 2, 1),
        ),
        (
            "daemonsets",
            named(
                "DaemonSet",
                {},
                {
                    "observedGeneration": 1,
                    "desiredNumberScheduled": 5,
                    "numberReady": 4,
                    "updatedNumberScheduled": 5,
                },
            ),
            (5, 4, 5),
        ),
        (
            "jobs",
            named("Job", {"completions": 6, "parallelism": 2}, {"succeeded": 4, "active": 2}),
            (6, 4, 4),
        ),
        ("jobs", named("Job", {"parallelism": 2}, {"active": 2}), (2, 0, 0)),
        ("deployments", named("Deployment", {}, {"observedGeneration": 1}), (1, 0, 0)),
    ],
)
def test_counts(resource: str, obj: Obj, counts: tuple[int, int, int]) -> None:
    cluster = Cluster()
    cluster.put(resource, obj)
    (row,) = cluster.snapshot().workloads.values()
    assert (row.desired, row.ready, row.updated) == counts
    assert not row.sick and row.observed_generation == row.generation


def test_a_deleted_workload_leaves_a_row_while_its_pods_end() -> None:
    cluster = Cluster()
    cluster.put("statefulsets", deployment("db", replicas=1))
    cluster.put("pods", pod("db-0", owner=owned("StatefulSet", "db", "shop.db")))
    cluster.store.mark_synced("statefulsets")
    assert set(cluster.snapshot().workloads) == {"shop.db"}
    cluster.store.remove("statefulsets", "shop.db")
    (row,) = cluster.snapshot().workloads.values()
    assert (row.key, row.resource_version, row.pods) == ("StatefulSet/db", "", 1)
    cluster.store.remove("pods", "shop.db-0")
    assert not cluster.snapshot().workloads


def test_a_workload_made_anew_under_its_old_name_replaces_it() -> None:
    cluster = Cluster()
    cluster.put("deployments", deployment(metadata={"uid": "old"}))
    assert set(cluster.snapshot().workloads) == {"old"}
    cluster.put("deployments", deployment(metadata={"uid": "new"}))
    assert set(cluster.snapshot().workloads) == {"new"}
    cluster.store.remove("deployments", "old")
    assert set(cluster.snapshot().workloads) == {"new"}
    cluster.store.remove("deployments", "never-seen")


def test_a_lost_controller_is_noticed_after_a_while() -> None:
    cluster = Cluster()
    cluster.put("deployments", deployment(metadata={"generation": 7}))
    assert not cluster.snapshot().workloads["shop.web"].sick
    cluster.clock.advance(31)
    assert cluster.ticked()
    assert "has not yet seen generation 7" in cluster.snapshot().workloads["shop.web"].why
    seen = deployment(metadata={"generation": 7}, observedGeneration=7)
    cluster.put("deployments", seen)
    assert not cluster.snapshot().workloads["shop.web"].sick


def test_nodes_in_trouble() -> None:
    cluster = Cluster()
    lost = {
        "metadata": {"name": "n1", "uid": "n1"},
        "spec": {"unschedulable": True},
        "status": {
            "allocatable": {"cpu": "3920m", "memory": "16Gi"},
            "conditions": [
                {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "message": "no word"},
                {"type": "DiskPressure", "status": "True"},
                {"type": "MemoryPressure", "status": "False"},
            ],
        },
    }
    cluster.put("nodes", lost)
    cluster.put("nodes", {"metadata": {"name": "n2", "uid": "n2"}})
    found = cluster.snapshot()
    node = found.nodes["n1"]
    assert (node.ready, node.unschedulable, node.pressures) == (False, True, ("DiskPressure",))
    assert (node.cpu, node.memory, node.why) == (3.92, 16 * 2**30, "NodeStatusUnknown: no word")
    assert found.nodes["n2"].why == "has not reported its condition"


def test_an_autoscaler_that_moves_to_another_target() -> None:
    cluster = Cluster()
    for name in ("web", "api"):
        cluster.put("deployments", deployment(name))
    for target in ("web", "api"):
        spec = {"scaleTargetRef": {"kind": "Deployment", "name": target}, "maxReplicas": 4}
        cluster.put(
            "horizontalpodautoscalers", {"metadata": {"name": "h", "namespace": "shop"}, "spec": spec}
        )
        rows = {row.name: row.hpa for row in cluster.snapshot().workloads.values()}
        assert rows == {"web": "", "api": "", target: "h 1-4"}
