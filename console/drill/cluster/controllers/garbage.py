"""Garbage collection by owner references, the end of namespaces, and the end of old events."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster import names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.resources import BY_TABLE, RESOURCES
from console.drill.cluster.store import Entry, Event, Key

_OWNED = (
    "pods", "replicasets.apps", "controllerrevisions.apps", "jobs.batch", "endpointslices.discovery.k8s.io",
    "deployments.apps", "statefulsets.apps", "daemonsets.apps", "configmaps", "secrets", "services",
)  # fmt: skip
_OWNERS = (
    "deployments.apps",
    "replicasets.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "jobs.batch",
    "services",
    "nodes",
)
_EVENT_SECONDS = 3600.0


class GarbageCollector(Controller):
    """Deletes what lost its owner; finishes foreground and orphaning deletions."""

    watches = _OWNERS
    manager = "garbage-collector-controller"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._gone: dict[Key, str] = {}
        self._dying: dict[Key, tuple[str, Key]] = {}

    def keys(self, event: Event) -> Iterable[Key]:
        """Owners that are gone or on their way."""
        if event.type == "DELETED":
            self._gone[(event.table, event.entry.uid)] = event.entry.name
            return ((event.table, event.entry.uid),)
        if "deletionTimestamp" in event.entry.obj["metadata"]:
            self._dying[(event.table, event.entry.uid)] = (event.table, event.entry.key)
            return ((event.table, event.entry.uid),)
        return ()

    def reconcile(self, key: Key) -> float | None:
        """Treat the dependents of one owner."""
        table, uid = key
        if key in self._gone:
            name = self._gone.pop(key)
            self._dying.pop(key, None)
            for dependent in self._dependents(uid):
                self._delete(dependent, {"propagationPolicy": "Background"})
            if table == "nodes":
                for pod in self.store.entries("pods"):
                    if pod.obj["spec"].get("nodeName") == name:
                        self.api.finish(BY_TABLE["pods"], pod)
            return None
        dying = self._dying.get(key)
        entry = self.store.get(dying[0], *dying[1]) if dying is not None else None
        if entry is None or entry.uid != uid:
            return None
        finalizers = entry.obj["metadata"].get("finalizers") or []
        dependents = self._dependents(uid)
        if "orphan" in finalizers:
            for owned_table, owned in dependents:
                meta = owned.obj["metadata"]
                left = [one for one in meta.get("ownerReferences") or () if one["uid"] != uid]
                kept = {name: value for name, value in meta.items() if name != "ownerReferences"}
                self.write(
                    owned_table,
                    owned,
                    {**owned.obj, "metadata": {**kept, **({"ownerReferences": left} if left else {})}},
                )
            self._release(table, entry, "orphan")
        elif "foregroundDeletion" in finalizers:
            if not dependents:
                self._release(table, entry, "foregroundDeletion")
                return None
            for owned_table, owned in dependents:
                if "deletionTimestamp" not in owned.obj["metadata"]:
                    self._delete(
                        (owned_table, owned),
                        {"propagationPolicy": "Foreground"} if owned_table != "pods" else {},
                    )
            return 0.2
        return None

    def _dependents(self, uid: str) -> list[tuple[str, Entry]]:
        return [(table, owned) for table in _OWNED for owned in self.store.owned(table, uid)]

    def _delete(self, owned: tuple[str, Entry], options: dict[str, str]) -> None:
        table, entry = owned
        chosen = options if table != "pods" else {}
        self.api.delete(BY_TABLE[table], entry.namespace, entry.name, chosen, Call(manager=self.manager))

    def _release(self, table: str, entry: Entry, finalizer: str) -> None:
        meta = entry.obj["metadata"]
        left = [one for one in meta.get("finalizers") or () if one != finalizer]
        kept = {name: value for name, value in meta.items() if name != "finalizers"}
        self.write(
            table, entry, {**entry.obj, "metadata": {**kept, **({"finalizers": left} if left else {})}}
        )


class NamespaceController(Controller):
    """Empties a namespace that is to go, then lets it go."""

    watches = ("namespaces",)
    manager = "namespace-controller"

    def reconcile(self, key: Key) -> float | None:
        """Empty one namespace."""
        entry = self.store.get("namespaces", *key)
        if entry is None or "deletionTimestamp" not in entry.obj["metadata"]:
            return None
        left = 0
        for resource in {one.table: one for one in RESOURCES if one.namespaced and not one.storage}.values():
            for found in self.store.entries(resource.table, entry.name):
                left += 1
                if "deletionTimestamp" not in found.obj["metadata"]:
                    self.api.delete(
                        BY_TABLE[resource.table], entry.name, found.name, {}, Call(manager=self.manager)
                    )
        if left:
            return 0.2
        self.api.finish(BY_TABLE["namespaces"], entry)
        return None


class EventExpiry(Controller):
    """Deletes events an hour after they were last seen, as the API server's storage does."""

    watches = ("events",)

    def reconcile(self, key: Key) -> float | None:
        """Look whether one event is due."""
        entry = self.store.get("events", *key)
        if entry is None:
            return None
        seen = (
            (entry.obj.get("series") or {}).get("lastObservedTime")
            or entry.obj.get("lastTimestamp")
            or entry.obj.get("eventTime")
            or entry.obj["metadata"]["creationTimestamp"]
        )
        left = _EVENT_SECONDS - (self.context.clock.now() - names.parse_time(seen)).total_seconds()
        if left > 0:
            return left
        self.api.finish(BY_TABLE["events"], entry)
        return None
