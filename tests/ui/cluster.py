"""A cluster in trouble, as records: the Kubernetes part of the scene."""

from __future__ import annotations

from typing import Any

from console.model.kube import (
    ContainerSpec,
    ContainerStatus,
    Event,
    KubeSnapshot,
    Pod,
    Pods,
    Revision,
    Workload,
)
from tests.ui.fake import NOW

MB = 1024 * 1024


def pod(workload: Workload, number: int, **changes: Any) -> Pod:
    defaults: dict[str, Any] = {
        "uid": f"{workload.uid}-p{number}",
        "namespace": workload.namespace,
        "name": f"{workload.name}-7d9f8-{number:03d}",
        "resource_version": "10",
        "workload": workload.key,
        "owner": f"ReplicaSet/{workload.name}-7d9f8",
        "phase": "Running",
        "reason": "Running",
        "ready": True,
        "ready_containers": 1,
        "restarts": 0,
        "created": NOW - 7200,
        "node": f"node-{number % 3}",
        "ip": f"10.0.0.{number % 250}",
        "containers": (ContainerStatus("app", "shop:1", True, 0, "running"),),
        "cpu": 0.1,
        "memory": 200 * MB,
        "cpu_limit": 1.0,
        "memory_limit": 512 * MB,
    }
    return Pod(**{**defaults, **changes})


def workload(name: str, replicas: int = 3, **changes: Any) -> Workload:
    defaults: dict[str, Any] = {
        "uid": f"w-{name}",
        "kind": "Deployment",
        "namespace": "shop",
        "name": name,
        "resource_version": "7",
        "generation": 2,
        "observed_generation": 2,
        "desired": replicas,
        "ready": replicas,
        "updated": replicas,
        "created": NOW - 86400 * 9,
        "containers": (ContainerSpec("app", f"registry/{name}:1.4.2"),),
        "revision": 12,
        "revision_at": NOW - 86400 * 2,
        "pods": replicas,
        "cpu": 0.21 * replicas,
        "memory": 260 * MB * replicas,
        "cpu_limit": 1.0 * replicas,
        "memory_limit": 512 * MB * replicas,
    }
    return Workload(**{**defaults, **changes})


def snapshot(workloads: list[Workload], pods: list[Pod], **changes: Any) -> KubeSnapshot:
    defaults: dict[str, Any] = {
        "context": "prod-eu",
        "namespaces": ("shop",),
        "server": "https://10.1.2.3:6443",
        "version": "v1.32.1",
        "at": NOW,
        "pods": Pods.of(pods),
        "workloads": {item.uid: item for item in workloads},
        "revisions": {},
        "nodes": {},
        "events": {},
        "denied": {},
        "synced": frozenset({"pods", "deployments"}),
        "metrics": True,
    }
    return KubeSnapshot(**{**defaults, **changes})


def kubernetes() -> KubeSnapshot:
    checkout = workload(
        "checkout",
        3,
        ready=0,
        updated=3,
        revision=42,
        revision_at=NOW - 420,
        sick=True,
        why="CrashLoopBackOff: exit 1, back-off 40s",
        severity=3,
        sick_pods=3,
        restarts=17,
        last_restart=NOW - 40,
    )
    auth = workload(
        "auth-service",
        4,
        ready=3,
        sick=True,
        why="1 of 4 not ready: OOMKilled",
        severity=2,
        sick_pods=1,
        restarts=6,
        last_restart=NOW - 300,
        memory=int(4 * 500 * MB),
    )
    web = workload("web", 6, updated=4, generation=9, observed_generation=9, revision_at=NOW - 65)
    others = [workload(name, 2) for name in ("cart", "catalog", "mailer", "payments", "search", "users")]
    db = workload("ledger", 1, kind="StatefulSet", cpu=0.9, memory_limit=None)
    everything = [checkout, auth, web, *others, db]
    pods = [pod(item, number) for item in everything for number in range(item.desired)]
    pods[:3] = [
        pod(
            checkout,
            number,
            ready=False,
            ready_containers=0,
            reason="CrashLoopBackOff",
            sick=True,
            severity=3,
            why="back-off 40s restarting failed container; last exit 1",
            restarts=5 + number,
            last_restart=NOW - 40,
        )
        for number in range(3)
    ]
    revisions = {
        f"r{number}": Revision(
            number,
            f"checkout-{number}",
            f"r{number}",
            "Deployment/checkout",
            "shop",
            NOW - back,
            (ContainerSpec("app", f"registry/checkout:{image}", env=(("MODE", mode),)),),
        )
        for number, back, image, mode in (
            (42, 420, "1.5.0", "fast"),
            (41, 86400, "1.4.2", "safe"),
            (40, 172800, "1.4.1", "safe"),
        )
    }
    events = {
        "e1": Event(
            "e1",
            "shop",
            "Pod/checkout-7d9f8-000",
            "BackOff",
            "Back-off restarting failed container app",
            9,
            NOW - 20,
        )
    }
    return snapshot(everything, pods, revisions=revisions, events=events)
