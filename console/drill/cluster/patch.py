"""The three patch formats: JSON Patch (RFC 6902), merge patch (RFC 7386), strategic merge patch.

Strategic merge: k8s.io/apimachinery `strategicpatch`; the merge key of a list is the first of its keys in
the schema. Directives: `$patch` (replace, delete, merge), `$setElementOrder/…`, `$deleteFromPrimitiveList/…`,
`$retainKeys`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from console.drill.cluster.errors import bad_request, rejected
from console.drill.cluster.schema import Type
from console.drill.cluster.store import clone


def json_patch(document: Any, operations: Any) -> Any:
    """Return the document with the operations done. Raises 400 (malformed) or 422 (cannot be done)."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise bad_request("json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    result = clone(document)
    for operation in operations:
        kind, path = operation.get("op"), operation.get("path")
        if not isinstance(path, str):
            raise bad_request('jsonpatch: operation is missing "path" field')
        try:
            result = _operate(result, str(kind), path, operation)
        except (KeyError, IndexError, ValueError, TypeError):
            raise rejected() from None
    return result


def _operate(document: Any, kind: str, path: str, operation: Mapping[str, Any]) -> Any:
    tokens = _tokens(path)
    if kind == "test":
        if _read(document, tokens) != operation.get("value"):
            raise ValueError(path)
        return document
    if kind == "remove":
        _remove(document, tokens)
        return document
    if kind in ("move", "copy"):
        source = _tokens(operation["from"])
        value = clone(_read(document, source))
        if kind == "move":
            _remove(document, source)
        return _add(document, tokens, value)
    if kind == "replace":
        _read(document, tokens)
        return _add(document, tokens, operation["value"], replace=True)
    if kind == "add":
        return _add(document, tokens, operation["value"])
    raise bad_request(f"Unexpected kind: {kind}")


def _tokens(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise KeyError(path)
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def _index(items: Sequence[Any], token: str, *, end: bool = False) -> int:
    if end and token == "-":  # noqa: S105
        return len(items)
    if not token.isdigit() or (len(token) > 1 and token[0] == "0"):
        raise IndexError(token)
    index = int(token)
    if index > len(items) - (0 if end else 1):
        raise IndexError(token)
    return index


def _read(document: Any, tokens: Sequence[str]) -> Any:
    for token in tokens:
        document = document[_index(document, token)] if isinstance(document, list) else document[token]
    return document


def _remove(document: Any, tokens: Sequence[str]) -> None:
    parent = _read(document, tokens[:-1])
    del parent[_index(parent, tokens[-1]) if isinstance(parent, list) else tokens[-1]]


def _add(document: Any, tokens: Sequence[str], value: Any, *, replace: bool = False) -> Any:
    if not tokens:
        return value
    parent = _read(document, tokens[:-1])
    if isinstance(parent, list):
        if replace:
            parent[_index(parent, tokens[-1])] = value
        else:
            parent.insert(_index(parent, tokens[-1], end=True), value)
    else:
        parent[tokens[-1]] = value
    return document


def merge_patch(document: Any, change: Any) -> Any:
    """Return the document after a merge patch; null removes, lists are replaced."""
    if not isinstance(change, dict):
        return change
    result = dict(document) if isinstance(document, dict) else {}
    for name, value in change.items():
        if value is None:
            result.pop(name, None)
        elif isinstance(value, dict):
            result[name] = merge_patch(result.get(name), value)
        else:
            result[name] = value
    return result


def strategic_patch(document: Mapping[str, Any], change: Any, shape: Type) -> dict[str, Any]:
    """Return the document after a strategic merge patch by the lists' merge keys. Raises a 400."""
    if not isinstance(change, dict):
        raise bad_request("json: cannot unmarshal array into Go value of type map[string]interface {}")
    directive = change.get("$patch")
    if directive == "replace":
        return {name: value for name, value in change.items() if name != "$patch"}
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise bad_request(f"Unknown patch type: {directive}")
    result = dict(document)
    retained = change.get("$retainKeys")
    if retained is not None:
        result = {name: value for name, value in result.items() if name in retained}
    for name, value in change.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            result[field] = [item for item in result.get(field) or () if item not in value]
        elif not name.startswith("$"):
            _merge_field(result, name, value, shape.field(name), change.get(f"$setElementOrder/{name}"))
    for name, order in change.items():
        field = name.partition("/")[2]
        if (
            name.startswith("$setElementOrder/")
            and field not in change
            and isinstance(result.get(field), list)
        ):
            result[field] = _ordered(result[field], order, _key(shape.field(field)))
    return result


def _key(shape: Type | None) -> str:
    return shape.keys[0] if shape is not None and shape.keys else ""


def _merge_field(result: dict[str, Any], name: str, value: Any, shape: Type | None, order: Any) -> None:
    current = result.get(name)
    if value is None:
        result.pop(name, None)
    elif isinstance(value, dict):
        if shape is None or shape.open:
            result[name] = merge_patch(current, value)
        else:
            result[name] = strategic_patch(current if isinstance(current, dict) else {}, value, shape)
    elif isinstance(value, list) and shape is not None and shape.kind == "keyed":
        result[name] = _merge_list(current if isinstance(current, list) else [], value, shape, order)
    elif isinstance(value, list) and shape is not None and shape.kind == "set":
        kept = list(current or ())
        result[name] = _ordered([*kept, *(item for item in value if item not in kept)], order, "")
    else:
        result[name] = value


def _merge_list(current: list[Any], change: list[Any], shape: Type, order: Any) -> list[Any]:
    key = _key(shape)
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in change):
        return [item for item in change if item.get("$patch") != "replace"]
    assert shape.element is not None
    result = list(current)
    added: list[Any] = []
    for item in change:
        if not isinstance(item, dict) or key not in item:
            raise bad_request(f"map: {item} does not contain declared merge key: {key}")
        place = next((i for i, one in enumerate(result) if one.get(key) == item[key]), -1)
        if item.get("$patch") == "delete":
            if place >= 0:
                del result[place]
        elif place >= 0:
            result[place] = strategic_patch(result[place], item, shape.element)
        else:
            added.append(strategic_patch({}, item, shape.element))
    # Go's merge puts new entries first and lets $setElementOrder decide the rest.
    return _ordered([*added, *result], order, key)


def _ordered(items: list[Any], order: Any, key: str) -> list[Any]:
    if not isinstance(order, list):
        return items
    wanted = [entry.get(key) if isinstance(entry, dict) else entry for entry in order]

    def place(item: Any) -> int:
        value = item.get(key) if isinstance(item, dict) else item
        return wanted.index(value) if value in wanted else len(wanted)

    return sorted(items, key=place)
