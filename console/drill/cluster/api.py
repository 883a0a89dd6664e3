"""What the API server does to objects: create, update, patch, delete, with admission and bookkeeping.

The HTTP server and the in-process API of `Cluster` both go through here. Reads go to the store.
"""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec

from console.drill.cluster import convert, defaults, errors, managed, names, patch, validation
from console.drill.cluster.documents import load_yaml
from console.drill.cluster.errors import ApiError
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj, Pruner, of
from console.drill.cluster.store import Entry, Store, clone
from console.model.clock import Clock

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PATCH_TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)


class Call(msgspec.Struct, frozen=True):
    """The circumstances of a write. `field_validation` is Ignore, Warn or Strict."""

    manager: str = "unknown"
    dry_run: bool = False
    field_validation: str = "Warn"
    force: bool = False
    validate: bool = True


class Written(msgspec.Struct, frozen=True):
    """The outcome of a write: the object as stored (or as it would be), and warnings for the client.

    `entry` is what is stored now, None after a dry run or a deletion.
    """

    obj: Obj
    warnings: tuple[str, ...] = ()
    created: bool = False
    entry: Entry | None = None
    gone: bool = False


Admission = Callable[[Resource, Obj, Obj | None], None]


class Api:
    """Writes to the store, as an API server lets them through. `admission` hooks may refuse with an
    ApiError."""

    def __init__(self, store: Store, clock: Clock, rng: random.Random) -> None:
        self.store = store
        self.clock = clock
        self.rng = rng
        self.admission: list[Admission] = []

    def now(self) -> str:
        """Return the time as it stands in objects."""
        return names.timestamp(self.clock.now())

    def entry(self, resource: Resource, namespace: str, name: str) -> Entry:
        """Return an entry. Raises the 404."""
        found = self.store.get(resource.table, namespace, name)
        if found is None:
            raise errors.not_found(resource.plural, resource.group, name)
        return found

    def create(self, resource: Resource, namespace: str, body: Any, call: Call) -> Written:
        """Create an object. Raises ApiError."""
        obj, warnings = self._intake(resource, body, call)
        meta = obj.setdefault("metadata", {})
        given = meta.get("namespace")
        if resource.namespaced and given and namespace and given != namespace:
            raise errors.bad_request(
                "the namespace of the provided object does not match the namespace sent on the request:"
                f" {given} != {namespace}"
            )
        if meta.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + names.suffix(self.rng)
        return self._store_new(resource, namespace or given or "", obj, call, warnings)

    def _store_new(
        self, resource: Resource, namespace: str, obj: Obj, call: Call, warnings: tuple[str, ...]
    ) -> Written:
        meta = obj["metadata"]
        if resource.namespaced:
            self._need_namespace(namespace, resource)
            meta["namespace"] = namespace
        ordered = {name: meta.pop(name) for name in ("name", "generateName", "namespace") if name in meta}
        for name in ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"):
            meta.pop(name, None)
        now = self.now()
        ordered.update(uid=meta.pop("uid", None) or names.uid(self.rng), resourceVersion="")
        meta.pop("resourceVersion", None)
        if resource.generation:
            ordered["generation"] = 1
        meta.pop("generation", None)
        ordered["creationTimestamp"] = meta.pop("creationTimestamp", None) or now
        obj["metadata"] = meta = {**ordered, **meta}
        defaults.fill(resource.kind, obj)
        if call.validate:
            validation.check(resource.kind, resource.group, obj, None)
        if self.store.get(resource.table, meta.get("namespace", ""), meta["name"]) is not None:
            raise errors.already_exists(resource.plural, resource.group, meta["name"])
        if "managedFields" not in meta:
            self._record(managed.blank(obj), obj, resource, call, "")
        if resource.kind == "Pod":
            defaults.admit_pod(obj, names.suffix(self.rng))
        for hook in self.admission:
            hook(resource, obj, None)
        if call.dry_run:
            del meta["resourceVersion"]
            return Written(obj, warnings, created=True)
        entry = self.store.insert(resource.table, obj)
        return Written(entry.obj, warnings, created=True, entry=entry)

    def _need_namespace(self, namespace: str, resource: Resource) -> None:
        if not namespace:
            raise errors.bad_request("an empty namespace may not be set during creation")
        found = self.store.get("namespaces", "", namespace)
        if found is None:
            raise errors.not_found("namespaces", "", namespace)
        if "deletionTimestamp" in found.obj["metadata"] and resource.kind != "Event":
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise ApiError(403, "Forbidden", message, {"kind": resource.plural, "group": resource.group})

    def update(
        self, resource: Resource, namespace: str, name: str, body: Any, call: Call, sub: str = ""
    ) -> Written:
        """Replace an object (or its status). Raises ApiError."""
        obj, warnings = self._intake(resource, body, call)
        if (obj.get("metadata") or {}).get("name", name) != name:
            wrong = obj["metadata"]["name"]
            raise errors.bad_request(
                f"the name of the object ({wrong}) does not match the name on the URL ({name})"
            )
        old = self.entry(resource, namespace, name)
        return self._store_next(resource, old, obj, call, sub, warnings)

    def patch(
        self, resource: Resource, namespace: str, name: str, change: Any, kind: str, call: Call, sub: str = ""
    ) -> Written:
        """Patch an object; `kind` is the content type, `change` decoded JSON (bytes for an apply)."""
        if kind == APPLY_PATCH:
            return self._apply(resource, namespace, name, change, call, sub)
        old = self.entry(resource, namespace, name)
        live = convert.from_storage(resource, old.obj)
        live = {"apiVersion": resource.api_version, "kind": resource.kind, **live}
        if kind == JSON_PATCH:
            result = patch.json_patch(live, change)
        elif kind == MERGE_PATCH:
            result = patch.merge_patch(live, change)
        else:
            result = patch.strategic_patch(live, change, of(resource.schema))
        result.setdefault("metadata", {}).setdefault("name", name)
        try:
            obj, warnings = self._intake(resource, result, call)
        except errors.UnknownFieldsError as unknown:
            raise unknown.of_patch(result) from None
        return self._store_next(resource, old, obj, call, sub, warnings)

    def _intake(self, resource: Resource, body: Any, call: Call) -> tuple[Obj, tuple[str, ...]]:
        """Return a private copy of the body in stored form, and the warnings about unknown fields."""
        if not isinstance(body, dict):
            raise errors.bad_request("couldn't get version/kind; json parse error: the body is not an object")
        for field, expected in (("kind", resource.kind), ("apiVersion", resource.api_version)):
            if body.get(field, expected) != expected:
                wanted = f"(must be of type {resource.kind})"
                raise errors.bad_request(f"the object provided is unrecognized {wanted}: {body.get(field)!r}")
        pruner = Pruner(resource.kind, resource.version)
        obj: Obj = pruner.prune(body, of(resource.schema))
        obj = {name: value for name, value in obj.items() if name not in ("kind", "apiVersion")}
        warnings: tuple[str, ...] = ()
        if pruner.unknown and call.field_validation == "Strict":
            raise errors.UnknownFieldsError(resource.kind, resource.version, pruner.unknown)
        if call.field_validation == "Warn":
            warnings = tuple(f'unknown field "{path}"' for path in pruner.unknown)
        return clone(convert.to_storage(resource, obj)), warnings

    def _store_next(
        self, resource: Resource, old: Entry, obj: Obj, call: Call, sub: str, warnings: tuple[str, ...] = ()
    ) -> Written:
        before = old.obj
        meta, was = obj.setdefault("metadata", {}), before["metadata"]
        if meta.get("uid") not in (None, was["uid"]):
            raise errors.precondition(
                f"{resource.plural}.{resource.group}".rstrip("."), old.name, "UID", meta["uid"], was["uid"]
            )
        if meta.get("resourceVersion") not in (None, "", was["resourceVersion"]):
            raise errors.conflict(resource.plural, resource.group, old.name)
        kept = (
            "name",
            "generateName",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
        )
        fixed = {
            name: was[name]
            for name in (*kept, "deletionTimestamp", "deletionGracePeriodSeconds")
            if name in was
        }
        managed_fields = meta["managedFields"] if "managedFields" in meta else was.get("managedFields")
        skip = {*fixed, *kept, "managedFields", "selfLink", "deletionTimestamp", "deletionGracePeriodSeconds"}
        new_meta = {**fixed, **{name: value for name, value in meta.items() if name not in skip}}
        if managed_fields is not None:
            new_meta["managedFields"] = managed_fields
        new: Obj
        if sub == "status":
            new = {**before, "metadata": new_meta, "status": obj.get("status", {})}
        else:
            new = {"metadata": new_meta, **{name: value for name, value in obj.items() if name != "metadata"}}
            if "status" in resource.subresources:
                new.pop("status", None)
                if "status" in before:
                    new["status"] = before["status"]
            defaults.fill(resource.kind, new)
            if call.validate:
                validation.check(resource.kind, resource.group, new, before)
            for hook in self.admission:
                hook(resource, new, before)
        return self._commit(resource, old, new, call, sub, warnings)

    def _commit(
        self, resource: Resource, old: Entry, new: Obj, call: Call, sub: str, warnings: tuple[str, ...]
    ) -> Written:
        before = old.obj
        if resource.generation and sub != "status" and new.get("spec") != before.get("spec"):
            new["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        self._record(before, new, resource, call, sub)
        if _same(before, new):
            return Written(before, warnings, entry=old)
        if call.dry_run:
            return Written(new, warnings)
        if (
            "deletionTimestamp" in new["metadata"]
            and not new["metadata"].get("finalizers")
            and _finished(resource, new)
        ):
            entry = self.store.remove(resource.table, self.store.replace(resource.table, old, new))
        else:
            entry = self.store.replace(resource.table, old, new)
        return Written(entry.obj, warnings, entry=entry)

    def _record(self, old: Obj, new: Obj, resource: Resource, call: Call, sub: str) -> None:
        managed.record(
            old, new, of(BY_TABLE[resource.table].schema),
            manager=call.manager, api_version=resource.api_version, time=self.now(), subresource=sub,
        )  # fmt: skip

    def write(self, resource: Resource, old: Entry, obj: Obj, manager: str, sub: str = "") -> Entry:
        """Store what a controller made of a live object: no pruning, no validation. Returns the new entry."""
        new = {**obj, "metadata": {**obj["metadata"]}}
        written = self._commit(resource, old, new, Call(manager=manager), sub, ())
        assert written.entry is not None
        return written.entry

    def _apply(
        self, resource: Resource, namespace: str, name: str, change: Any, call: Call, sub: str
    ) -> Written:
        body = load_yaml(change) if isinstance(change, (bytes, str)) else change
        if not isinstance(body, dict):
            raise errors.bad_request("error decoding YAML: not an object")
        if (body.get("metadata") or {}).get("managedFields"):
            raise errors.bad_request("metadata.managedFields must be nil")
        body.setdefault("metadata", {}).setdefault("name", name)
        applied, warnings = self._intake(resource, body, call)
        seen = applied["metadata"].pop("resourceVersion", None)
        found = self.store.get(resource.table, namespace, name)
        live = found.obj if found is not None else {}
        if found is not None and seen not in (None, str(found.rv)):
            raise errors.conflict(resource.plural, resource.group, name)
        merged, conflicts = managed.apply(
            live, applied, of(BY_TABLE[resource.table].schema),
            manager=call.manager, api_version=resource.api_version, time=self.now(), force=call.force,
        )  # fmt: skip
        if conflicts:
            raise errors.apply_conflict(conflicts)
        merged = clone(merged)
        if found is None:
            return self._store_new(resource, namespace, merged, call, warnings)
        entries = merged["metadata"]["managedFields"]
        defaults.fill(resource.kind, merged)
        if _fields_equal(entries, live["metadata"].get("managedFields")) and _without_fields(
            merged
        ) == _without_fields(live):
            return Written(live, warnings, entry=found)
        return self._store_applied(resource, found, merged, call, sub, warnings)

    def _store_applied(
        self, resource: Resource, old: Entry, new: Obj, call: Call, sub: str, warnings: tuple[str, ...]
    ) -> Written:
        before = old.obj
        if sub != "status" and "status" in before:
            new["status"] = before["status"]
        validation.check(resource.kind, resource.group, new, before)
        for hook in self.admission:
            hook(resource, new, before)
        if resource.generation and new.get("spec") != before.get("spec"):
            new["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        if call.dry_run:
            return Written(new, warnings)
        entry = self.store.replace(resource.table, old, new)
        return Written(entry.obj, warnings, entry=entry)

    def delete(self, resource: Resource, namespace: str, name: str, options: Obj, call: Call) -> Written:
        """Delete an object by its DeleteOptions; `gone` of the result says that it went at once."""
        old = self.entry(resource, namespace, name)
        meta = old.obj["metadata"]
        wanted = options.get("preconditions") or {}
        if wanted.get("uid") not in (None, old.uid):
            raise errors.precondition(resource.kind, name, "UID", wanted["uid"], old.uid)
        if wanted.get("resourceVersion") not in (None, meta["resourceVersion"]):
            found = meta["resourceVersion"]
            raise errors.precondition(
                resource.kind, name, "ResourceVersion", wanted["resourceVersion"], found
            )
        grace = self._grace(resource, old, options)
        finalizers = list(meta.get("finalizers") or ())
        policy = options.get("propagationPolicy")
        if policy in ("Foreground", "Orphan"):
            mark = "foregroundDeletion" if policy == "Foreground" else "orphan"
            finalizers = [*finalizers, *([mark] if mark not in finalizers else [])]
        if resource.kind == "Namespace":
            finalizers = finalizers or ["kubernetes"]
        if not grace and not finalizers:
            if call.dry_run:
                return Written(old.obj, gone=True)
            return Written(self.store.remove(resource.table, old).obj, gone=True)
        new_meta = {**meta}
        if finalizers:
            new_meta["finalizers"] = finalizers
        if "deletionTimestamp" not in meta or grace < meta.get("deletionGracePeriodSeconds", 0):
            moment = self.clock.now() + timedelta(seconds=grace)
            new_meta["deletionTimestamp"] = names.timestamp(moment)
            new_meta["deletionGracePeriodSeconds"] = grace
            if resource.generation and "deletionTimestamp" not in meta:
                new_meta["generation"] = meta.get("generation", 0) + 1
        new = {**old.obj, "metadata": new_meta}
        if resource.kind == "Namespace":
            new["status"] = {"phase": "Terminating"}
        if call.dry_run or _same(old.obj, new):
            return Written(new)
        entry = self.store.replace(resource.table, old, new)
        return Written(entry.obj, entry=entry)

    def _grace(self, resource: Resource, old: Entry, options: Obj) -> int:
        if resource.kind != "Pod" or not old.obj["spec"].get("nodeName"):
            return 0
        if old.obj["status"].get("phase") in ("Succeeded", "Failed"):
            return 0
        given = options.get("gracePeriodSeconds")
        return int(given if given is not None else old.obj["spec"].get("terminationGracePeriodSeconds", 30))

    def finish(self, resource: Resource, old: Entry) -> None:
        """Take an object out of the store, whatever its grace period and finalizers."""
        self.store.remove(resource.table, old)


def _finished(resource: Resource, obj: Obj) -> bool:
    """Return whether something marked for deletion may go: a pod waits for its kubelet."""
    return resource.kind not in ("Pod", "Namespace") or obj["metadata"].get("deletionGracePeriodSeconds") == 0


def _without_fields(obj: Obj) -> Obj:
    return {**obj, "metadata": {k: v for k, v in obj["metadata"].items() if k != "managedFields"}}


def _fields_equal(left: Any, right: Any) -> bool:
    def strip(entries: Any) -> list[Obj]:
        return [{name: value for name, value in entry.items() if name != "time"} for entry in entries or ()]

    return strip(left) == strip(right)


def _same(left: Obj, right: Obj) -> bool:
    return _without_fields(left) == _without_fields(right) and _fields_equal(
        left["metadata"].get("managedFields"), right["metadata"].get("managedFields")
    )
