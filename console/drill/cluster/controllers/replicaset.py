"""The ReplicaSet controller: keeps as many pods as are wanted."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster import errors
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.names import owner_reference
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key, clone

_PODS, _SETS = BY_TABLE["pods"], BY_TABLE["replicasets.apps"]


def pod_ready(pod: Obj) -> bool:
    """Return whether a pod's Ready condition is True."""
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod["status"].get("conditions") or ()
    )


def ready_since(pod: Obj) -> str:
    """Return when a pod became ready, "" when it is not."""
    for one in pod["status"].get("conditions") or ():
        if one["type"] == "Ready" and one["status"] == "True":
            return str(one["lastTransitionTime"])
    return ""


def active(pod: Obj) -> bool:
    """Return whether a pod counts as a replica."""
    return (
        pod["status"].get("phase") not in ("Succeeded", "Failed")
        and "deletionTimestamp" not in pod["metadata"]
    )


def deletion_rank(pod: Obj) -> tuple[object, ...]:
    """Return the order in which pods are given up: the least useful first."""
    restarts = sum(one.get("restartCount", 0) for one in pod["status"].get("containerStatuses") or ())
    phase = {"Pending": 0, "Unknown": 1, "Running": 2}.get(pod["status"].get("phase", ""), 0)
    cost = int(
        (pod["metadata"].get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0")
    )
    newest = tuple(-ord(c) for c in pod["metadata"]["creationTimestamp"])
    return (
        bool(pod["spec"].get("nodeName")),
        phase,
        pod_ready(pod),
        cost,
        -restarts,
        newest,
        pod["metadata"]["name"],
    )


def make_pod(owner_kind: str, owner: Obj, template: Obj, api_version: str = "apps/v1") -> Obj:
    """Return a pod of a template."""
    meta = template.get("metadata") or {}
    labels = dict(meta.get("labels") or {})
    pod: Obj = {
        "metadata": {"generateName": f"{owner['metadata']['name']}-", "labels": labels},
        "spec": clone(template["spec"]),
    }
    if meta.get("annotations"):
        pod["metadata"]["annotations"] = dict(meta["annotations"])
    pod["metadata"]["ownerReferences"] = [owner_reference(api_version, owner_kind, owner)]
    return pod


class ReplicaSetController(Controller):
    """Creates and deletes pods."""

    watches = ("replicasets.apps", "pods")

    def keys(self, event: Event) -> Iterable[Key]:
        """A set's own changes and those of its pods."""
        if event.table != "pods":
            return (event.entry.key,)
        owners = event.entry.obj["metadata"].get("ownerReferences") or () if event.entry.owner else ()
        return [(event.entry.namespace, one["name"]) for one in owners if one["kind"] == "ReplicaSet"]

    def reconcile(self, key: Key) -> float | None:
        """Bring one set to its number."""
        entry = self.store.get("replicasets.apps", *key)
        if entry is None:
            return None
        failure = None
        owned = self.store.owned("pods", entry.uid)
        pods = [pod for pod in owned if active(pod.obj)]
        if "deletionTimestamp" not in entry.obj["metadata"]:
            failure = self._balance(entry, pods)
        self._report(key, failure)
        return None

    def _balance(self, entry: Entry, pods: list[Entry]) -> Obj | None:
        wanted = entry.obj["spec"]["replicas"]
        recorder, namespace = self.context.recorder, entry.namespace
        for _ in range(wanted - len(pods)):
            pod = make_pod("ReplicaSet", entry.obj, entry.obj["spec"]["template"])
            try:
                made = self.api.create(_PODS, namespace, pod, Call(manager=self.manager))
            except errors.ApiError as error:
                text = f"Error creating: {error.message}"
                recorder.record(
                    _SETS, entry.obj, "FailedCreate", text, kind="Warning", component="replicaset-controller"
                )
                return {"reason": "FailedCreate", "message": error.message}
            text = f"Created pod: {made.obj['metadata']['name']}"
            recorder.record(_SETS, entry.obj, "SuccessfulCreate", text, component="replicaset-controller")
        if wanted < len(pods):
            for victim in sorted(pods, key=lambda pod: deletion_rank(pod.obj))[: len(pods) - wanted]:
                self.api.delete(_PODS, namespace, victim.name, {}, Call(manager=self.manager))
                text = f"Deleted pod: {victim.name}"
                recorder.record(_SETS, entry.obj, "SuccessfulDelete", text, component="replicaset-controller")
        return None

    def _report(self, key: Key, failure: Obj | None) -> None:
        entry = self.store.get("replicasets.apps", *key)
        if entry is None:
            return
        owned = [pod.obj for pod in self.store.owned("pods", entry.uid)]
        pods = [pod for pod in owned if active(pod)]
        labels = (entry.obj["spec"]["template"].get("metadata") or {}).get("labels") or {}
        ready = sum(map(pod_ready, pods))
        status: Obj = {"replicas": len(pods)}
        counts = {
            "fullyLabeledReplicas": sum(
                labels.items() <= (pod["metadata"].get("labels") or {}).items() for pod in pods
            ),
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        status |= {name: count for name, count in counts.items() if count}
        status["terminatingReplicas"] = sum("deletionTimestamp" in pod["metadata"] for pod in owned)
        status["observedGeneration"] = entry.obj["metadata"]["generation"]
        if failure is not None:
            old: Obj = next(iter(entry.obj["status"].get("conditions") or ()), {})
            since = old.get("lastTransitionTime", self.api.now())
            status["conditions"] = [
                {"type": "ReplicaFailure", "status": "True", "lastTransitionTime": since, **failure}
            ]
        self.write_status("replicasets.apps", entry, status)
