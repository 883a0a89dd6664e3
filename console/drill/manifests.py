"""The Kubernetes objects of the shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from console.drill.shop import NAMESPACE, REGISTRY, SERVICES, Service

Obj = dict[str, Any]


def container(service: Service, version: str = "", env: Mapping[str, str] | None = None) -> Obj:
    """The service's own container; ``env`` is added to its usual environment."""
    values = {**dict(service.env), **(env or {})}
    made: Obj = {
        "name": service.name,
        "image": service.image(version),
        "env": [{"name": name, "value": value} for name, value in values.items()],
        "resources": {
            "requests": {"cpu": f"{service.cpu[0]}m", "memory": f"{service.memory[0]}Mi"},
            "limits": {"cpu": f"{service.cpu[1]}m", "memory": f"{service.memory[1]}Mi"},
        },
    }
    if service.rps:
        made["ports"] = [{"containerPort": 8080, "name": "http"}]
        made["readinessProbe"] = {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 2}
    return made


def sidecar() -> Obj:
    """A container beside the service that no mitigation should touch."""
    return {
        "name": "log-shipper",
        "image": f"{REGISTRY}/log-shipper:2.4",
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "50m", "memory": "64Mi"},
        },
    }


def deployment(service: Service, version: str, cause: str, env: Mapping[str, str] | None = None) -> Obj:
    """A Deployment of one service."""
    containers = [container(service, version, env)]
    if service.name == "catalog":
        containers.append(sidecar())
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": service.name,
            "labels": {"app": service.name, "team": "shop"},
            "annotations": {"kubernetes.io/change-cause": cause},
        },
        "spec": {
            "replicas": service.replicas,
            "revisionHistoryLimit": 10,
            "selector": {"matchLabels": {"app": service.name}},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": "50%", "maxUnavailable": "25%"},
            },
            "template": {"metadata": {"labels": {"app": service.name}}, "spec": {"containers": containers}},
        },
    }


def release(service: Service, version: str, cause: str, env: Mapping[str, str] | None = None) -> Obj:
    """A patch that rolls out another version or environment."""
    values = [{"name": name, "value": value} for name, value in (env or {}).items()]
    changed: Obj = {"name": service.name, "image": service.image(version)}
    if values:
        changed["env"] = values
    return {
        "metadata": {"annotations": {"kubernetes.io/change-cause": cause}},
        "spec": {"template": {"spec": {"containers": [changed]}}},
    }


def restart(at: str, cause: str) -> Obj:
    """The patch that ``kubectl rollout restart`` sends."""
    return {
        "metadata": {"annotations": {"kubernetes.io/change-cause": cause}},
        "spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}},
    }


def stateful_set(name: str, image: str) -> Obj:
    """A StatefulSet of one pod: the database and the cache as the cluster knows them."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": name,
                            "image": image,
                            "resources": {
                                "requests": {"cpu": "250m", "memory": "512Mi"},
                                "limits": {"cpu": "1", "memory": "1Gi"},
                            },
                        }
                    ]
                },
            },
        },
    }


def others(postgres_version: int) -> list[Obj]:
    """Everything that is no Deployment: data stores, a finished job, autoscaler, budgets, settings."""
    budgets = [
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": service.name},
            "spec": {
                "minAvailable": service.replicas - 1,
                "selector": {"matchLabels": {"app": service.name}},
            },
        }
        for service in SERVICES
        if service.name in ("storefront", "checkout")
    ]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "db-migrate-v41", "labels": {"app": "db-migrate"}},
        "spec": {
            "backoffLimit": 2,
            "template": {
                "metadata": {"labels": {"app": "db-migrate"}},
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "migrate", "image": f"{REGISTRY}/checkout:v41"}],
                },
            },
        },
    }
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "storefront"},
        "spec": {
            "minReplicas": 4,
            "maxReplicas": 8,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "storefront"},
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
                }
            ],
        },
    }
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "shop-settings"},
        "data": {"BANNER": "", "RECOMMENDATIONS": "on", "CHECKOUT_MODE": "normal"},
    }
    return [
        stateful_set("postgres", f"postgres:{postgres_version}"),
        stateful_set("redis", "redis:7"),
        job,
        autoscaler,
        settings,
        *budgets,
    ]


__all__ = ["NAMESPACE", "container", "deployment", "others", "release", "restart", "sidecar", "stateful_set"]
