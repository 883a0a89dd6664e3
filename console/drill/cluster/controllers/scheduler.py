"""The scheduler: assigns pods to nodes with room, or says why not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from console.drill.cluster import quantity
from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.controllers.kubelet import node_ready
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Event, Key

_PODS = BY_TABLE["pods"]
_RETRY_SECONDS = 30.0


def requests_of(spec: Obj) -> Counter[str]:
    """Return what a pod asks for: cpu (cores), memory (bytes)."""
    total: Counter[str] = Counter()
    for container in spec["containers"]:
        for name, value in ((container.get("resources") or {}).get("requests") or {}).items():
            total[name] += quantity.amount(value)  # type: ignore[assignment]
    return total


def tolerates(spec: Obj, taint: Mapping[str, str]) -> bool:
    """Return whether a pod tolerates a taint."""
    for one in spec.get("tolerations") or ():
        if one.get("effect") not in (None, "", taint["effect"]):
            continue
        if one.get("operator", "Equal") == "Exists":
            if one.get("key") in (None, "", taint["key"]):
                return True
        elif one.get("key") == taint["key"] and one.get("value", "") == taint.get("value", ""):
            return True
    return False


class Scheduler(Controller):
    """Assigns pods; keeps what each node has given away."""

    watches = ("pods", "nodes")
    manager = "kube-scheduler"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._placed: dict[str, tuple[str, Counter[str]]] = {}
        self._used: dict[str, Counter[str]] = {}
        self._waiting: dict[Key, None] = {}

    def keys(self, event: Event) -> Iterable[Key]:
        """New pods; when room or nodes change, those that wait."""
        if event.table == "nodes":
            return list(self._waiting)
        if event.type == "DELETED":
            self._waiting.pop(event.entry.key, None)
            self.release(event.entry.uid)
            return list(self._waiting)
        if event.type == "ADDED":
            return (event.entry.key,)
        return ()

    def release(self, uid: str) -> None:
        """Give back what a pod held."""
        placed = self._placed.pop(uid, None)
        if placed is not None:
            self._used[placed[0]].subtract(placed[1])

    def place(self, uid: str, node: str, spec: Obj) -> None:
        """Note what a pod holds on a node."""
        self.release(uid)
        wanted = requests_of(spec)
        wanted["pods"] = 1
        self._placed[uid] = (node, wanted)
        self._used.setdefault(node, Counter()).update(wanted)

    def reconcile(self, key: Key) -> float | None:
        """Assign one pod, or mark it unschedulable."""
        entry = self.store.get("pods", *key)
        self._waiting.pop(key, None)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        pod = entry.obj
        if pod["spec"].get("nodeName"):
            self.place(entry.uid, pod["spec"]["nodeName"], pod["spec"])
            return None
        if pod["spec"].get("schedulerName", "default-scheduler") != "default-scheduler":
            return None
        node, why = self._choose(pod)
        now = self.api.now()
        recorder = self.context.recorder
        if not node:
            self._waiting[key] = None
            conditions = [condition(pod["status"], "PodScheduled", False, now, "Unschedulable", why)]
            status = {**pod["status"], "phase": "Pending", "conditions": conditions}
            entry = self.write_status("pods", entry, status)
            recorder.record(
                _PODS, pod, "FailedScheduling", why, kind="Warning", component="default-scheduler"
            )
            return _RETRY_SECONDS
        self.place(entry.uid, node, pod["spec"])
        conditions = [condition(pod["status"], "PodScheduled", True, now)]
        spec = {**pod["spec"], "nodeName": node}
        bound = {**pod, "spec": spec, "status": {**pod["status"], "conditions": conditions}}
        # A binding does not count as a change of the spec: no generation, no owner of nodeName.
        bound["metadata"] = {**pod["metadata"]}
        self.store.replace("pods", entry, bound)
        text = f"Successfully assigned {key[0]}/{key[1]} to {node}"
        recorder.record(_PODS, pod, "Scheduled", text, component="default-scheduler")
        return None

    def _choose(self, pod: Obj) -> tuple[str, str]:
        wanted = requests_of(pod["spec"])
        reasons: Counter[str] = Counter()
        fits: list[tuple[float, str]] = []
        nodes = self.store.entries("nodes")
        for entry in nodes:
            why = self._obstacle(pod["spec"], entry.obj, wanted)
            if why:
                reasons[why] += 1
            else:
                used = self._used.get(entry.name, Counter())
                fits.append((used["pods"] + used["cpu"], entry.name))
        if fits:
            return min(fits)[1], ""
        if not nodes:
            return "", "no nodes available to schedule pods"
        parts = ", ".join(f"{count} {why}" for why, count in sorted(reasons.items()))
        none = f"0/{len(nodes)} nodes are available"
        victims = f"{len(nodes)} No preemption victims found for incoming pod."
        return "", f"{none}: {parts}. preemption: {none}: {victims}"

    def _obstacle(self, spec: Obj, node: Obj, wanted: Counter[str]) -> str:
        labels = node["metadata"].get("labels") or {}
        for taint in node["spec"].get("taints") or ():
            if taint["effect"] in ("NoSchedule", "NoExecute") and not tolerates(spec, taint):
                if taint["key"] == "node.kubernetes.io/unschedulable":
                    return "node(s) were unschedulable"
                return f"node(s) had untolerated taint {{{taint['key']}: {taint.get('value', '')}}}"
        if node["spec"].get("unschedulable"):
            return "node(s) were unschedulable"
        if not node_ready(node):
            return "node(s) were not ready"
        if any(labels.get(name) != value for name, value in (spec.get("nodeSelector") or {}).items()):
            return "node(s) didn't match Pod's node affinity/selector"
        free = node["status"].get("allocatable") or {}
        used = self._used.get(node["metadata"]["name"], Counter())
        if used["pods"] + 1 > quantity.amount(free.get("pods", "110")):
            return "Too many pods"
        for name in ("cpu", "memory"):
            if wanted[name] and used[name] + wanted[name] > quantity.amount(free.get(name)):
                return f"Insufficient {name}"
        return ""
