"""Kubernetes events: written once, counted when they come again."""

from __future__ import annotations

from collections import OrderedDict

from console.drill.cluster import names
from console.drill.cluster.api import Api
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Key

_EVENTS = BY_TABLE["events"]
_REMEMBERED = 4096
# The scheduler writes events.k8s.io events: no count, no first and last time, but eventTime and a series.
_SCHEDULER = "default-scheduler"


class Recorder:
    """Writes events about objects as client-go's recorder does: the same again raises `count`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._seen: OrderedDict[tuple[str, str, str, str], Key] = OrderedDict()

    def record(
        self,
        resource: Resource,
        obj: Obj,
        reason: str,
        message: str,
        *,
        kind: str = "Normal",
        component: str = "kubelet",
        host: str = "",
        field_path: str = "",
    ) -> None:
        """Write an event about an object. `kind` is Normal or Warning."""
        meta = obj["metadata"]
        identity = (meta["uid"], component, reason, message)
        now = self._api.now()
        known = self._seen.get(identity)
        if known is not None:
            entry = self._api.store.get("events", *known)
            if entry is not None:
                self._api.write(_EVENTS, entry, {**entry.obj, **self._again(entry.obj)}, component)
                return
        namespace = meta.get("namespace") or "default"
        if self._api.store.get("namespaces", "", namespace) is None:
            return
        involved: Obj = {"kind": resource.kind}
        if meta.get("namespace"):
            involved["namespace"] = meta["namespace"]
        involved |= {"name": meta["name"], "uid": meta["uid"], "apiVersion": resource.api_version}
        if meta.get("resourceVersion"):
            involved["resourceVersion"] = meta["resourceVersion"]
        if field_path:
            involved["fieldPath"] = field_path
        name = f"{meta['name']}.{self._api.rng.getrandbits(64):016x}"
        body: Obj = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": names.uid(self._api.rng),
                "resourceVersion": "",
                "creationTimestamp": now,
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
        }
        if component == _SCHEDULER:
            body |= {"source": {}, "firstTimestamp": None, "lastTimestamp": None, "type": kind}
            body["eventTime"] = names.micro(self._api.clock.now())
            body["action"] = "Binding" if reason == "Scheduled" else "Scheduling"
            body |= {"reportingComponent": component, "reportingInstance": f"{component}-0"}
        else:
            body["source"] = {"component": component, **({"host": host} if host else {})}
            body |= {"firstTimestamp": now, "lastTimestamp": now, "count": 1, "type": kind, "eventTime": None}
            body |= {"reportingComponent": component, "reportingInstance": host}
        fields: Obj = {f"f:{field}": {} for field in body if field != "metadata"}
        api_version = "events.k8s.io/v1" if component == _SCHEDULER else "v1"
        body["metadata"]["managedFields"] = [
            {
                "manager": component,
                "operation": "Update",
                "apiVersion": api_version,
                "time": now,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
            }
        ]
        entry = self._api.store.insert("events", body)
        self._seen[identity] = entry.key
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _again(self, event: Obj) -> Obj:
        """Return what changes when an event comes again, in its own style."""
        if event.get("eventTime"):
            count = (event.get("series") or {}).get("count", 1) + 1
            return {"series": {"count": count, "lastObservedTime": names.micro(self._api.clock.now())}}
        return {"count": event.get("count", 1) + 1, "lastTimestamp": self._api.now()}
