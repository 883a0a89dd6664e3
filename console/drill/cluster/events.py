"""Kubernetes events: written once, counted when they come again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from console.drill.cluster import names
from console.drill.cluster.api import Api
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Key

_EVENTS = BY_TABLE["events"]
_REMEMBERED = 4096


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
                seen = {**entry.obj, "count": entry.obj.get("count", 1) + 1, "lastTimestamp": now}
                self._api.write(_EVENTS, entry, seen, component)
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
        source = {"component": component, **({"host": host} if host else {})}
        name = f"{meta['name']}.{self._api.rng.getrandbits(64):016x}"
        body: Obj = {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": names.uid(self._api.rng),
                "creationTimestamp": now,
            },
            "involvedObject": involved,
            "reason": reason,
            "message": message,
            "source": source,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": component,
            "reportingInstance": host,
        }
        fields: dict[str, Any] = {
            f"f:{field}": {} for field in ("count", "firstTimestamp", "involvedObject", "lastTimestamp", "message",
                                           "reason", "reportingComponent", "reportingInstance", "source", "type")
        }  # fmt: skip
        body["metadata"]["managedFields"] = [
            {
                "manager": component,
                "operation": "Update",
                "apiVersion": "v1",
                "time": now,
                "fieldsType": "FieldsV1",
                "fieldsV1": fields,
            }
        ]
        entry = self._api.store.insert("events", body)
        self._seen[identity] = entry.key
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
