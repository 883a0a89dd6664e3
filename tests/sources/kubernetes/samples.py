"""Kubernetes objects for the tests, as small as the server would still take them."""

from datetime import UTC, datetime
from typing import Any

Obj = dict[str, Any]
NOW = datetime(2026, 11, 20, 18, 0, 0, tzinfo=UTC)


def stamp(seconds_ago: float) -> str:
    moment = datetime.fromtimestamp(NOW.timestamp() - seconds_ago, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def owned(kind: str, name: str, uid: str) -> list[Obj]:
    return [{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}]


def container_status(name: str = "app", *, ready: bool = True, restarts: int = 0, **more: Any) -> Obj:
    return {
        "name": name,
        "image": "shop:v1",
        "ready": ready,
        "started": ready,
        "restartCount": restarts,
        "state": {"running": {"startedAt": stamp(3600)}},
        "lastState": {},
        **more,
    }


def pod(name: str = "web-abc-1", *, owner: list[Obj] | None = None, **more: Any) -> Obj:
    """A healthy pod an hour old; ``more`` replaces top-level keys of status, or ``age`` in seconds."""
    age = more.pop("age", 3600)
    metadata: Obj = {
        "name": name,
        "namespace": more.pop("namespace", "shop"),
        "creationTimestamp": stamp(age),
        "labels": more.pop("labels", {"app": "web"}),
        **more.pop("metadata", {}),
    }
    if owner is not None:
        metadata["ownerReferences"] = owner
    ready = more.pop("ready", True)
    spec: Obj = {
        "nodeName": "node-1",
        "containers": [{"name": "app", "image": "shop:v1", "resources": {"limits": {"memory": "128Mi"}}}],
        **more.pop("spec", {}),
    }
    status: Obj = {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        "containerStatuses": [container_status(ready=ready)],
        **more,
    }
    return {"metadata": metadata, "spec": spec, "status": status}


def template(image: str = "shop:v1", env: dict[str, str] | None = None, **annotations: str) -> Obj:
    return {
        "metadata": {"labels": {"app": "web"}, "annotations": annotations},
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "image": image,
                    "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
                    "resources": {"limits": {"memory": "128Mi", "cpu": "500m"}},
                }
            ]
        },
    }


def deployment(name: str = "web", *, replicas: int = 2, ready: int | None = None, **more: Any) -> Obj:
    have = replicas if ready is None else ready
    return {
        "metadata": {
            "name": name,
            "namespace": more.pop("namespace", "shop"),
            "generation": 1,
            "creationTimestamp": stamp(86400),
            "annotations": {"deployment.kubernetes.io/revision": "1"},
            **more.pop("metadata", {}),
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": template(),
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 0}},
            **more.pop("spec", {}),
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "readyReplicas": have,
            "updatedReplicas": replicas,
            "availableReplicas": have,
            **more,
        },
    }


def replicaset(name: str, owner: str, *, number: int = 1, age: float = 86400, image: str = "shop:v1") -> Obj:
    suffix = name.rsplit("-", 1)[-1]
    return {
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": stamp(age),
            "labels": {"pod-template-hash": suffix},
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": owned("Deployment", owner, f"shop.{owner}"),
        },
        "spec": {"replicas": 2, "template": template(image)},
        "status": {"replicas": 2, "readyReplicas": 2},
    }
