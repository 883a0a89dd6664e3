"""The second versions under which stored objects are served: autoscaling/v1 and events.k8s.io/v1."""

from typing import Any

from console.drill.cluster.resources import Resource
from console.drill.cluster.schema import Obj

_EVENT_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "reportingComponent": "reportingController",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
}
_EVENT_BACK = {new: old for old, new in _EVENT_NAMES.items()}


def converted(resource: Resource) -> bool:
    """Return whether the resource is served in another form than it is stored in."""
    return resource.group == "events.k8s.io" or (resource.group, resource.version) == ("autoscaling", "v1")


def to_storage(resource: Resource, obj: Obj) -> Obj:
    """Return the stored form of an object of the resource."""
    if resource.group == "events.k8s.io":
        return {_EVENT_BACK.get(name, name): value for name, value in obj.items()}
    if converted(resource):
        spec = dict(obj.get("spec") or {})
        target = spec.pop("targetCPUUtilizationPercentage", None)
        if target is not None:
            spec["metrics"] = [_cpu({"target": {"type": "Utilization", "averageUtilization": target}})]
        return {**obj, "spec": spec}
    return obj


def from_storage(resource: Resource, obj: Obj) -> Obj:
    """Return the served form of a stored object."""
    if resource.group == "events.k8s.io":
        return {_EVENT_NAMES.get(name, name): value for name, value in obj.items()}
    if converted(resource):
        return _hpa_v1(obj)
    return obj


def _cpu(part: Obj) -> Obj:
    return {"type": "Resource", "resource": {"name": "cpu", **part}}


def _utilization(metrics: Any, part: str) -> int | None:
    for metric in metrics or ():
        resource = metric.get("resource") or {}
        if resource.get("name") == "cpu":
            value = (resource.get(part) or {}).get("averageUtilization")
            return int(value) if value is not None else None
    return None


def _hpa_v1(obj: Obj) -> Obj:
    spec = {
        name: value for name, value in (obj.get("spec") or {}).items() if name not in ("metrics", "behavior")
    }
    target = _utilization((obj.get("spec") or {}).get("metrics"), "target")
    if target is not None:
        spec["targetCPUUtilizationPercentage"] = target
    old = obj.get("status") or {}
    status = {name: old[name] for name in ("observedGeneration", "lastScaleTime") if name in old}
    status["currentReplicas"] = old.get("currentReplicas", 0)
    status["desiredReplicas"] = old.get("desiredReplicas", 0)
    current = _utilization(old.get("currentMetrics"), "current")
    if current is not None:
        status["currentCPUUtilizationPercentage"] = current
    return {**obj, "spec": spec, "status": status}
