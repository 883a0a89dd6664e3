"""A pod's status from the state of its containers."""

from __future__ import annotations

from console.drill.cluster import names
from console.drill.cluster.controllers.runtime import PodRuntime
from console.drill.cluster.schema import Obj


def condition(old: Obj, kind: str, status: bool, now: str, reason: str = "", message: str = "") -> Obj:
    """Return a pod condition; its transition time stays when the status does."""
    before = next((one for one in old.get("conditions") or () if one["type"] == kind), None)
    text = "True" if status else "False"
    result: Obj = {"type": kind, "status": text, "lastProbeTime": None, "lastTransitionTime": now}
    if before is not None and before["status"] == text:
        result["lastTransitionTime"] = before["lastTransitionTime"]
    if reason:
        result["reason"] = reason
    if message:
        result["message"] = message
    return result


def phase_of(runtime: PodRuntime, policy: str) -> str:
    """Return the phase of a pod. Source: k8s.io/kubernetes `pkg/kubelet` getPhase."""
    if any(one.finished and one.exit_code != 0 for one in runtime.init):
        return "Failed"
    if not all(one.finished for one in runtime.init):
        return "Pending"
    if all(one.phase == "waiting" and not one.last for one in runtime.containers):
        return "Pending"
    if policy != "Always" and all(one.finished for one in runtime.containers):
        return "Succeeded" if all(one.exit_code == 0 for one in runtime.containers) else "Failed"
    return "Running"


def build_status(pod: Obj, runtime: PodRuntime, now: str, host: str) -> Obj:
    """Return the status that the kubelet reports."""
    old = pod["status"]
    phase = phase_of(runtime, pod["spec"].get("restartPolicy", "Always"))
    initialized = all(one.finished and one.exit_code == 0 for one in runtime.init)
    created = any(one.phase != "waiting" or one.last for one in runtime.every)
    unready = [one.name for one in runtime.containers if not one.ready]
    reason = (
        "PodCompleted" if phase == "Succeeded" else "PodFailed" if phase == "Failed" else "ContainersNotReady"
    )
    text = f"containers with unready status: [{' '.join(unready)}]" if reason == "ContainersNotReady" else ""
    missing = [one.name for one in runtime.init if not one.finished]
    conditions = [
        condition(old, "PodReadyToStartContainers", created, now),
        condition(
            old, "Initialized", initialized, now,
            "" if initialized else "ContainersNotInitialized",
            "" if initialized else f"containers with incomplete status: [{' '.join(missing)}]",
        ),
        condition(old, "Ready", not unready, now, reason if unready else "", text if unready else ""),
        condition(old, "ContainersReady", not unready, now, reason if unready else "",
        text if unready else ""),
        condition(old, "PodScheduled", True, now),
    ]  # fmt: skip
    extra = [one for one in old.get("conditions") or () if one["type"] == "DisruptionTarget"]
    status: Obj = {
        "phase": phase,
        "conditions": [*conditions, *extra],
        "hostIP": host,
        "hostIPs": [{"ip": host}],
    }
    if created:
        status |= {"podIP": runtime.address, "podIPs": [{"ip": runtime.address}]}
    status["startTime"] = old.get("startTime") or names.timestamp(names.at(runtime.accepted))
    if runtime.init:
        status["initContainerStatuses"] = [
            one.status() | {"ready": one.finished and one.exit_code == 0} for one in runtime.init
        ]
    status["containerStatuses"] = [one.status() for one in runtime.containers]
    status["qosClass"] = old.get("qosClass", "BestEffort")
    return status
