"""Who owns which field: `metadata.managedFields`, kept as a real API server does, and server-side apply.

A set of fields is a FieldsV1 tree: `f:name`, `k:{key json}` and `v:value` lead downwards, an empty node or
one with "." is itself a member. Source: sigs.k8s.io/structured-merge-diff.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from console.drill.cluster.schema import Obj, Type, item_key

Fields = dict[str, Any]

_UNMANAGED: Final = frozenset({
    "name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields",
    "selfLink",
    "deletionTimestamp", "deletionGracePeriodSeconds",
})  # fmt: skip

# What the empty object of a kind already has in Go: its fields without omitempty.
_PRESENT: Final[dict[str, Any]] = {
    "metadata": {},
    "status": {},
    "strategy": {},
    "updateStrategy": {},
    "template": {"metadata": {}, "spec": {"containers": []}},
    "spec": {"containers": []},
}


def blank(obj: Obj) -> Obj:
    """Return the empty object that a create is compared with."""
    spec = obj.get("spec")
    result: Obj = {"metadata": {}, "status": {}}
    if isinstance(spec, dict):
        result["spec"] = {
            name: _PRESENT[name] for name in ("strategy", "updateStrategy", "template") if name in spec
        }
        if "containers" in spec:
            result["spec"]["containers"] = []
    return result


def _token(kind: Type, item: Any) -> str:
    if kind.kind == "set":
        return "v:" + json.dumps(item, separators=(",", ":"))
    pairs = zip(kind.keys, item_key(kind, item), strict=True)
    return "k:" + json.dumps({k: v for k, v in pairs if v is not None}, sort_keys=True, separators=(",", ":"))


def _children(value: Any, shape: Type | None) -> dict[str, tuple[Any, Type | None]] | None:
    """Return what is below a value, by part; None when it is a leaf."""
    if shape is None or shape.atomic or shape.kind == "scalar" or not value:
        return None
    if shape.kind in ("struct", "map"):
        return {f"f:{name}": (inner, shape.field(name)) for name, inner in value.items()}
    if shape.kind == "keyed":
        return {_token(shape, item): (item, shape.element) for item in value}
    return {_token(shape, item): (item, None) for item in value}


_ABSENT: Final = object()


def compare(old: Any, new: Any, shape: Type | None) -> tuple[Fields | None, Fields | None]:
    """Return the trees of what was added or changed and of what was removed; None where nothing was."""
    if old is new or old == new:
        return None, None
    below_old = _children(old, shape) if old is not _ABSENT else {}
    below_new = _children(new, shape) if new is not _ABSENT else {}
    if below_old is None and below_new is None:
        return ({} if new is not _ABSENT else None), ({} if new is _ABSENT else None)
    changed: Fields = {}
    removed: Fields = {}
    for part in {**(below_old or {}), **(below_new or {})}:
        before, kind = (below_old or {}).get(part, (_ABSENT, None))
        after, kind_after = (below_new or {}).get(part, (_ABSENT, None))
        plus, gone = compare(before, after, kind_after or kind)
        if plus is not None:
            changed[part] = plus
        if gone is not None:
            removed[part] = gone
    if old is _ABSENT:
        return ({".": {}, **changed} if changed else {}), None
    if new is _ABSENT:
        return None, ({".": {}, **removed} if removed else {})
    if below_new is None and not changed:
        changed = {}
        return changed, removed or None
    return changed or None, removed or None


def managed_part(obj: Obj) -> Obj:
    """Return the object without what nobody owns."""
    meta = {name: value for name, value in obj.get("metadata", {}).items() if name not in _UNMANAGED}
    rest = {name: value for name, value in obj.items() if name not in ("metadata", "kind", "apiVersion")}
    return {"metadata": meta, **rest}


def _member(node: Fields) -> bool:
    return not node or "." in node


def _combine(left: Fields, right: Fields, rule: Callable[[bool, bool], bool]) -> Fields | None:
    children: Fields = {}
    for part in {**left, **right}:
        if part != ".":
            one, two = left.get(part), right.get(part)
            if two is None and one is not None and rule(True, False):
                children[part] = one
                continue
            merged = _combine_child(one, two, rule)
            if merged is not None:
                children[part] = merged
    return children or None


def _combine_child(
    one: Fields | None, two: Fields | None, rule: Callable[[bool, bool], bool]
) -> Fields | None:
    itself = rule(one is not None and _member(one), two is not None and _member(two))
    below = _combine(one or {}, two or {}, rule)
    if below is None:
        return {} if itself else None
    return {".": {}, **below} if itself else below


def union(left: Fields, right: Fields) -> Fields:
    """Return the members of either tree."""
    return _combine(left, right, lambda a, b: a or b) or {}


def minus(left: Fields, right: Fields) -> Fields:
    """Return the members of the first tree that are not in the second."""
    return _combine(left, right, lambda a, b: a and not b) or {}


def common(left: Fields, right: Fields) -> Fields:
    """Return the members of both trees."""
    return _combine(left, right, lambda a, b: a and b) or {}


def _identity(entry: Obj) -> tuple[str, str, str, str]:
    return (entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))


def _entry(
    manager: str, operation: str, api_version: str, time: str, fields: Fields, subresource: str
) -> Obj:
    entry: Obj = {
        "manager": manager,
        "operation": operation,
        "apiVersion": api_version,
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": _sorted(fields),
    }
    if subresource:
        entry["subresource"] = subresource
    return entry


def _sorted(fields: Fields) -> Fields:
    return {part: _sorted(fields[part]) for part in sorted(fields)}


def _arrange(entries: list[Obj]) -> list[Obj]:
    return sorted(entries, key=lambda e: (e["operation"] != "Apply", e.get("time", ""), e["manager"]))


def record(
    old: Obj, new: Obj, shape: Type, *, manager: str, api_version: str, time: str, subresource: str = ""
) -> None:
    """Set `new.metadata.managedFields` after a create, update or patch by `manager`."""
    previous: list[Obj] = new["metadata"].get("managedFields") or []
    changed, removed = compare(managed_part(old), managed_part(new), shape)
    if changed is None and removed is None:
        return
    gone = union(changed or {}, removed or {})
    identity = (manager, "Update", api_version, subresource)
    result: list[Obj] = []
    own: Fields = {}
    for entry in previous:
        if _identity(entry) == identity:
            own = entry["fieldsV1"]
            continue
        left = minus(entry["fieldsV1"], gone)
        if left:
            result.append({**entry, "fieldsV1": left} if left != entry["fieldsV1"] else entry)
    own = union(minus(own, removed or {}), changed or {})
    if own:
        result.append(_entry(manager, "Update", api_version, time, own, subresource))
    new["metadata"]["managedFields"] = _arrange(result)


def fields_of(value: Any, shape: Type | None, *, item: bool = False) -> Fields:
    """Return the members that an applied configuration names."""
    below = _children(value, shape)
    if not below:
        return {}
    tree = {part: fields_of(inner, kind, item=part[0] == "k") for part, (inner, kind) in below.items()}
    return {".": {}, **tree} if item else tree


def merge(live: Any, applied: Any, shape: Type | None) -> Any:
    """Return the live value with the applied one merged in by structure."""
    if shape is None or shape.atomic or shape.kind in ("scalar", "list"):
        return applied
    if shape.kind in ("struct", "map") and isinstance(live, dict) and isinstance(applied, dict):
        result = dict(live)
        for name, value in applied.items():
            result[name] = merge(live[name], value, shape.field(name)) if name in live else value
        return result
    if shape.kind == "keyed" and isinstance(live, list):
        wanted = {item_key(shape, item): item for item in applied}
        merged = [
            merge(item, wanted.pop(item_key(shape, item)), shape.element)
            if item_key(shape, item) in wanted
            else item
            for item in live
        ]
        return [*merged, *wanted.values()]
    if shape.kind == "set" and isinstance(live, list):
        return [*live, *(item for item in applied if item not in live)]
    return applied


def drop(value: Any, fields: Fields, shape: Type | None) -> Any:
    """Return the value without the members of `fields`."""
    if not isinstance(value, (dict, list)) or shape is None or shape.atomic:
        return value
    if isinstance(value, dict):
        result = {}
        for name, inner in value.items():
            node = fields.get(f"f:{name}")
            if node is None:
                result[name] = inner
            elif not _leaf_gone(node, inner, shape.field(name)):
                result[name] = drop(inner, node, shape.field(name))
        return result
    kept = []
    for item in value:
        node = fields.get(_token(shape, item)) if shape.kind in ("keyed", "set") else None
        if node is None:
            kept.append(item)
        elif not _leaf_gone(node, item, shape.element):
            kept.append(drop(item, node, shape.element))
    return kept


def _leaf_gone(node: Fields, value: Any, shape: Type | None) -> bool:
    """Return whether a member goes as a whole: a leaf, or a node all of whose content goes too."""
    if not _member(node):
        return False
    below = _children(value, shape)
    if not below:
        return True
    return all(part in node and _leaf_gone(node[part], inner, kind) for part, (inner, kind) in below.items())


def _paths(fields: Fields, path: str = "") -> Iterator[str]:
    for part, node in fields.items():
        if part == ".":
            continue
        text = part[2:]
        if part.startswith("k:"):
            pairs = json.loads(text)
            text = "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in pairs.items()) + "]"
        elif part.startswith("v:"):
            text = f"[={text}]"
        else:
            text = "." + text
        if _member(node):
            yield path + text
        yield from _paths(node, path + text)


def apply(
    live: Obj, applied: Obj, shape: Type, *, manager: str, api_version: str, time: str, force: bool
) -> tuple[Obj, list[tuple[str, str]]]:
    """Merge an applied configuration into the live object (or `{}` for a create).

    Returns the new object, with managedFields, and the conflicts as (manager text, field path). With
    conflicts the object must not be stored.
    """
    entries: list[Obj] = live.get("metadata", {}).get("managedFields") or []
    identity = (manager, "Apply", api_version, "")
    own: Fields = next((entry["fieldsV1"] for entry in entries if _identity(entry) == identity), {})
    others = [entry for entry in entries if _identity(entry) != identity]
    wanted = fields_of({name: value for name, value in managed_part(applied).items() if value != {}}, shape)
    base = managed_part(live)
    target = merge(base, managed_part(applied), shape)
    changed, _ = compare(base, target, shape)
    conflicts: list[tuple[str, str]] = []
    result: list[Obj] = []
    for entry in others:
        clash = common(entry["fieldsV1"], changed or {})
        if clash and not force:
            via = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
            who = f'"{entry["manager"]}"{via} using {entry["apiVersion"]}'
            conflicts += [(who, path) for path in _paths(clash)]
        left = minus(entry["fieldsV1"], clash)
        if left:
            result.append({**entry, "fieldsV1": left})
    abandoned = minus(own, wanted)
    for entry in others:
        abandoned = minus(abandoned, entry["fieldsV1"])
    target = drop(target, abandoned, shape)
    known = live.get("metadata") or applied["metadata"]
    fixed = {name: value for name, value in known.items() if name in _UNMANAGED}
    merged: Obj = {**target, "metadata": {**fixed, **target.get("metadata", {})}}
    result.append(_entry(manager, "Apply", api_version, time, wanted, ""))
    merged["metadata"]["managedFields"] = _arrange(result)
    return merged, conflicts
