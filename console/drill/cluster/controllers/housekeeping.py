"""Small controllers: node failures, quotas, volume claims, service addresses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from console.drill.cluster import names, quantity
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.kubelet import node_ready
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.nodes import UNREACHABLE
from console.drill.cluster.resources import BY_TABLE, RESOURCES
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Event, Key

_PODS, _NODES = BY_TABLE["pods"], BY_TABLE["nodes"]
_HEARTBEAT = 300.0


class NodeLifecycle(Controller):
    """Marks the pods of a node that does not report as unready, and deletes them when they tolerate it no
    longer."""

    watches = ("nodes",)

    def reconcile(self, key: Key) -> float | None:
        """Look after one node."""
        entry = self.store.get("nodes", *key)
        if entry is None:
            return None
        now, text = self.context.clock.now(), self.api.now()
        ready = next(
            (one for one in entry.obj["status"].get("conditions") or () if one["type"] == "Ready"), None
        )
        if ready is None:
            return None
        if node_ready(entry.obj):
            beat = names.parse_time(ready.get("lastHeartbeatTime", text))
            if (now - beat).total_seconds() >= _HEARTBEAT:
                conditions = [{**one, "lastHeartbeatTime": text} for one in entry.obj["status"]["conditions"]]
                self.write_status("nodes", entry, {**entry.obj["status"], "conditions": conditions})
            return _HEARTBEAT
        down = (now - names.parse_time(ready["lastTransitionTime"])).total_seconds()
        waits = []
        for pod in self.store.entries("pods"):
            if pod.obj["spec"].get("nodeName") != entry.name:
                continue
            status = pod.obj["status"]
            conditions = [
                condition(status, "Ready", False, text) if one["type"] == "Ready" else one
                for one in status.get("conditions") or ()
            ]
            if conditions != status.get("conditions"):
                self.write_status("pods", pod, {**status, "conditions": conditions})
                self.context.recorder.record(
                    _PODS,
                    pod.obj,
                    "NodeNotReady",
                    "Node is not ready",
                    kind="Warning",
                    component="node-controller",
                )
            tolerated = _tolerated_seconds(pod.obj["spec"])
            if tolerated is None or "deletionTimestamp" in pod.obj["metadata"]:
                continue
            if down >= tolerated:
                text_deleted = f"Marking for deletion Pod {pod.namespace}/{pod.name}"
                self.context.recorder.record(
                    _PODS,
                    pod.obj,
                    "TaintManagerEviction",
                    text_deleted,
                    component="taint-eviction-controller",
                )
                self.api.delete(_PODS, pod.namespace, pod.name, {}, Call(manager=self.manager))
            else:
                waits.append(tolerated - down)
        return min(waits, default=30.0)


def _tolerated_seconds(spec: Obj) -> float | None:
    """Return how long a pod stays on an unreachable node; None for ever."""
    for one in spec.get("tolerations") or ():
        if one.get("key") in (UNREACHABLE, None, "") and one.get("effect") in ("NoExecute", None, ""):
            seconds = one.get("tolerationSeconds")
            return float(seconds) if seconds is not None else None
    return 0.0


class QuotaController(Controller):
    """Counts what ResourceQuotas limit."""

    watches = ("resourcequotas", "pods", "services", "configmaps", "secrets", "persistentvolumeclaims")

    def keys(self, event: Event) -> Iterable[Key]:
        """A quota's own changes; all quotas of a namespace when something comes or goes in it."""
        if event.table == "resourcequotas":
            return (event.entry.key,)
        if event.type == "MODIFIED":
            return ()
        return [one.key for one in self.store.entries("resourcequotas", event.entry.namespace)]

    def reconcile(self, key: Key) -> float | None:
        """Count for one quota."""
        entry = self.store.get("resourcequotas", *key)
        if entry is None:
            return None
        hard = entry.obj.get("spec", {}).get("hard") or {}
        used = {
            name: quantity.size(value) if "memory" in name or "storage" in name else quantity.canonical(value)
            for name, value in self._used(key[0]).items()
            if name in hard
        }
        status = {"hard": hard, "used": {name: used.get(name, "0") for name in hard}}
        self.write_status("resourcequotas", entry, status)
        return None

    def _used(self, namespace: str) -> Counter[str]:
        total: Counter[str] = Counter()
        for resource in RESOURCES:
            if resource.namespaced and not resource.storage and resource.table in self.store.tables:
                count = len(self.store.entries(resource.table, namespace))
                total[resource.plural] = count
                total[f"count/{resource.table}"] = count
        for pod in self.store.entries("pods", namespace):
            if pod.obj["status"].get("phase") in ("Succeeded", "Failed"):
                continue
            for container in pod.obj["spec"]["containers"]:
                for part, values in (container.get("resources") or {}).items():
                    for name, value in values.items() if part in ("requests", "limits") else ():
                        total[f"{part}.{name}"] += quantity.parse(value)  # type: ignore[assignment]
                        if part == "requests":
                            total[name] += quantity.parse(value)  # type: ignore[assignment]
        return total


class ClaimBinder(Controller):
    """Binds every PersistentVolumeClaim to a volume of the size that it asks for."""

    watches = ("persistentvolumeclaims",)

    def reconcile(self, key: Key) -> float | None:
        """Bind one claim."""
        entry = self.store.get("persistentvolumeclaims", *key)
        if entry is None or entry.obj["status"].get("phase") == "Bound":
            return None
        spec = entry.obj["spec"]
        size = ((spec.get("resources") or {}).get("requests") or {}).get("storage", "1Gi")
        status = {
            "phase": "Bound",
            "accessModes": spec.get("accessModes") or ["ReadWriteOnce"],
            "capacity": {"storage": size},
        }
        bound = {**entry.obj, "spec": {**spec, "volumeName": f"pvc-{entry.uid}"}, "status": status}
        self.write("persistentvolumeclaims", entry, bound)
        return None


class ServiceAddresses(Controller):
    """Gives every Service its cluster address."""

    watches = ("services",)
    manager = "kube-apiserver"

    def reconcile(self, key: Key) -> float | None:
        """Look at one Service."""
        entry = self.store.get("services", *key)
        if (
            entry is None
            or entry.obj["spec"].get("clusterIP")
            or entry.obj["spec"].get("type") == "ExternalName"
        ):
            return None
        taken = {one.obj["spec"].get("clusterIP") for one in self.store.entries("services")}
        free = (f"10.96.{number >> 8}.{number & 255}" for number in range(10, 65_000))
        address = next(one for one in free if one not in taken)
        spec = {**entry.obj["spec"], "clusterIP": address, "clusterIPs": [address]}
        self.write("services", entry, {**entry.obj, "spec": spec})
        return None
