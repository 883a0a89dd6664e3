"""Endpoints and EndpointSlices of Services with a selector."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from console.drill.cluster import names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.replicaset import pod_ready
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key, clone

_ENDPOINTS, _SLICES = BY_TABLE["endpoints"], BY_TABLE["endpointslices.discovery.k8s.io"]


def _port(pod: Obj, wanted: Any) -> int | None:
    if isinstance(wanted, int):
        return wanted
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == wanted:
                return int(port["containerPort"])
    return None


class EndpointsController(Controller):
    """Says which pods serve a Service."""

    watches = ("services", "pods")
    manager = "kube-controller-manager"

    def keys(self, event: Event) -> Iterable[Key]:
        """A Service's own changes, and the Services that a pod belonged or belongs to."""
        if event.table == "services":
            return (event.entry.key,)
        found = []
        for service in self.store.entries("services", event.entry.namespace):
            selector = (service.obj["spec"].get("selector") or {}).items()
            old = event.old.labels if event.old is not None else {}
            if selector and (selector <= event.entry.labels.items() or selector <= old.items()):
                found.append(service.key)
        return found

    def reconcile(self, key: Key) -> float | None:
        """Bring the endpoints of one Service up to date."""
        service = self.store.get("services", *key)
        if service is None:
            self._remove(key)
            return None
        selector = (service.obj["spec"].get("selector") or {}).items()
        if not selector:
            return None
        pods = [
            pod.obj for pod in self.store.entries("pods", key[0])
            if selector <= pod.labels.items() and pod.obj["status"].get("podIP")
            and pod.obj["status"].get("phase") not in ("Succeeded", "Failed")
        ]  # fmt: skip
        self._write_endpoints(service, pods)
        self._write_slice(service, pods)
        return None

    def _remove(self, key: Key) -> None:
        found = self.store.get("endpoints", *key)
        if found is not None:
            self.api.delete(_ENDPOINTS, key[0], key[1], {}, Call(manager=self.manager))

    def _write_endpoints(self, service: Entry, pods: list[Obj]) -> None:
        ready: list[Obj] = []
        waiting: list[Obj] = []
        for pod in pods:
            if "deletionTimestamp" in pod["metadata"]:
                continue
            address: Obj = {
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"].get("nodeName", ""),
                "targetRef": _reference(pod),
            }
            (ready if pod_ready(pod) else waiting).append(address)
        ports = self._ports(service, pods)
        subset: Obj = {}
        if ready:
            subset["addresses"] = sorted(ready, key=lambda one: str(one["ip"]))
        if waiting:
            subset["notReadyAddresses"] = sorted(waiting, key=lambda one: str(one["ip"]))
        if ports:
            subset["ports"] = ports
        body: Obj = {"subsets": [subset]} if ready or waiting else {}
        found = self.store.get("endpoints", *service.key)
        if found is None:
            meta: Obj = {"name": service.name, "labels": dict(service.labels)}
            self.api.create(
                _ENDPOINTS, service.namespace, {"metadata": meta, **clone(body)}, Call(manager=self.manager)
            )
        elif found.obj.get("subsets") != body.get("subsets"):
            self.write("endpoints", found, {"metadata": found.obj["metadata"], **body})

    def _ports(self, service: Entry, pods: list[Obj]) -> list[Obj]:
        result = []
        for port in service.obj["spec"].get("ports") or ():
            number = next(
                (n for pod in pods if (n := _port(pod, port.get("targetPort", port["port"]))) is not None),
                None,
            )
            if number is not None:
                named = {"name": port["name"]} if port.get("name") else {}
                result.append({**named, "port": number, "protocol": port.get("protocol", "TCP")})
        return result

    def _write_slice(self, service: Entry, pods: list[Obj]) -> None:
        endpoints = []
        for pod in pods:
            leaving = "deletionTimestamp" in pod["metadata"]
            ready = pod_ready(pod)
            node = self.store.get("nodes", "", pod["spec"].get("nodeName", ""))
            one: Obj = {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": ready and not leaving, "serving": ready, "terminating": leaving},
                "targetRef": _reference(pod),
                "nodeName": pod["spec"].get("nodeName", ""),
            }
            zone = node.labels.get("topology.kubernetes.io/zone") if node is not None else None
            endpoints.append({**one, "zone": zone} if zone else one)
        ports = [{"name": "", **port} for port in self._ports(service, pods)]
        body: Obj = {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}
        found = next(iter(self.store.owned("endpointslices.discovery.k8s.io", service.uid)), None)
        if found is None:
            labels = {
                **service.labels,
                "kubernetes.io/service-name": service.name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            }
            meta: Obj = {"generateName": f"{service.name}-", "labels": labels}
            meta["ownerReferences"] = [names.owner_reference("v1", "Service", service.obj)]
            self.api.create(
                _SLICES, service.namespace, {"metadata": meta, **clone(body)}, Call(manager=self.manager)
            )
        elif {name: found.obj.get(name) for name in body} != body:
            self.write("endpointslices.discovery.k8s.io", found, {"metadata": found.obj["metadata"], **body})


def _reference(pod: Obj) -> Obj:
    meta = pod["metadata"]
    return {"kind": "Pod", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"]}
