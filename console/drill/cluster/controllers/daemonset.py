"""The DaemonSet controller: one pod on every node that takes it."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster.api import Call
from console.drill.cluster.controllers import revisions
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.replicaset import make_pod, pod_ready
from console.drill.cluster.controllers.rollout import share
from console.drill.cluster.controllers.scheduler import tolerates
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key

_PODS, _SETS = BY_TABLE["pods"], BY_TABLE["daemonsets.apps"]
HASH = "controller-revision-hash"
# The taints that the pods of a DaemonSet always tolerate.
_TOLERATED = ("not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")


class DaemonSetController(Controller):
    """Places pods on nodes itself."""

    watches = ("daemonsets.apps", "pods", "nodes")

    def keys(self, event: Event) -> Iterable[Key]:
        """A set's own changes, its pods', and all sets when a node comes, goes or changes its taints."""
        if event.table == "daemonsets.apps":
            return (event.entry.key,)
        if event.table == "nodes":
            if (
                event.old is not None
                and event.type == "MODIFIED"
                and event.old.obj["spec"] == event.entry.obj["spec"]
            ):
                return ()
            return [one.key for one in self.store.entries("daemonsets.apps")]
        owners = event.entry.obj["metadata"].get("ownerReferences") or () if event.entry.owner else ()
        return [(event.entry.namespace, one["name"]) for one in owners if one["kind"] == "DaemonSet"]

    def reconcile(self, key: Key) -> float | None:
        """Take one set a step further."""
        entry = self.store.get("daemonsets.apps", *key)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        update = revisions.current(self, _SETS, entry, HASH)
        wanted = self._nodes(entry)
        digest = update.labels[HASH]
        by_node = {self._node(pod.obj): pod for pod in self.store.owned("pods", entry.uid)}
        for node in wanted:
            pod = by_node.get(node)
            if pod is None:
                self._create(entry, node, digest)
            elif (
                pod.obj["status"].get("phase") in ("Failed", "Succeeded")
                and "deletionTimestamp" not in pod.obj["metadata"]
            ):
                self._delete(entry, pod)
        for node, pod in by_node.items():
            if node not in wanted and "deletionTimestamp" not in pod.obj["metadata"]:
                self._delete(entry, pod)
        if entry.obj["spec"]["updateStrategy"]["type"] == "RollingUpdate":
            self._roll(entry, wanted, digest)
        self._report(key, wanted, digest)
        return None

    @staticmethod
    def _node(pod: Obj) -> str:
        return str(
            (pod["spec"].get("nodeSelector") or {}).get("kubernetes.io/hostname")
            or pod["spec"].get("nodeName", "")
        )

    def _nodes(self, entry: Entry) -> list[str]:
        spec = entry.obj["spec"]["template"]["spec"]
        keys = [{"key": f"node.kubernetes.io/{name}", "operator": "Exists"} for name in _TOLERATED]
        tolerant = {**spec, "tolerations": [*(spec.get("tolerations") or ()), *keys]}
        found = []
        for node in self.store.entries("nodes"):
            selector = (spec.get("nodeSelector") or {}).items()
            fits = all(node.labels.get(name) == value for name, value in selector)
            if fits and all(tolerates(tolerant, taint) for taint in node.obj["spec"].get("taints") or ()):
                found.append(node.name)
        return found

    def _create(self, entry: Entry, node: str, digest: str) -> None:
        pod = make_pod("DaemonSet", entry.obj, entry.obj["spec"]["template"])
        pod["metadata"]["labels"] |= {
            HASH: digest,
            "pod-template-generation": str(entry.obj["metadata"]["generation"]),
        }
        spec = pod["spec"]
        keys = [{"key": f"node.kubernetes.io/{name}", "operator": "Exists"} for name in _TOLERATED]
        spec["tolerations"] = [*(spec.get("tolerations") or ()), *keys]
        spec["nodeSelector"] = {**(spec.get("nodeSelector") or {}), "kubernetes.io/hostname": node}
        made = self.api.create(_PODS, entry.namespace, pod, Call(manager=self.manager))
        self._tell(entry, "SuccessfulCreate", f"Created pod: {made.obj['metadata']['name']}")

    def _delete(self, entry: Entry, pod: Entry) -> None:
        self.api.delete(_PODS, entry.namespace, pod.name, {}, Call(manager=self.manager))
        self._tell(entry, "SuccessfulDelete", f"Deleted pod: {pod.name}")

    def _tell(self, entry: Entry, reason: str, text: str) -> None:
        self.context.recorder.record(_SETS, entry.obj, reason, text, component="daemonset-controller")

    def _roll(self, entry: Entry, wanted: list[str], digest: str) -> None:
        rolling = entry.obj["spec"]["updateStrategy"].get("rollingUpdate") or {}
        most = max(share(rolling.get("maxUnavailable", 1), len(wanted), up=True), 1)
        pods = self.store.owned("pods", entry.uid)
        missing = len(wanted) - sum(
            pod_ready(pod.obj) and "deletionTimestamp" not in pod.obj["metadata"] for pod in pods
        )
        for pod in pods:
            if "deletionTimestamp" in pod.obj["metadata"] or pod.labels.get(HASH) == digest:
                continue
            if not pod_ready(pod.obj):
                self._delete(entry, pod)
            elif missing < most:
                self._delete(entry, pod)
                missing += 1

    def _report(self, key: Key, wanted: list[str], digest: str) -> None:
        entry = self.store.get("daemonsets.apps", *key)
        if entry is None:
            return
        pods = [pod.obj for pod in self.store.owned("pods", entry.uid)]
        live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        placed = [pod for pod in live if self._node(pod) in wanted]
        ready = sum(map(pod_ready, placed))
        status: Obj = {
            "currentNumberScheduled": len(placed),
            "numberMisscheduled": len(live) - len(placed),
            "desiredNumberScheduled": len(wanted),
            "numberReady": ready,
            "observedGeneration": entry.obj["metadata"]["generation"],
        }
        counts = {
            "updatedNumberScheduled": sum(pod["metadata"]["labels"].get(HASH) == digest for pod in placed),
            "numberAvailable": ready,
            "numberUnavailable": len(wanted) - ready,
        }
        status |= {name: count for name, count in counts.items() if count}
        self.write_status("daemonsets.apps", entry, status)
