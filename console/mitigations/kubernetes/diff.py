"""The difference between the live object and the one a server-side dry run returned, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from console.model.plan import Change
from console.model.redact import MASK, redact_value
from console.model.secret_names import is_secret_name
from console.model.text import clean

VALUE_LIMIT = 200

_NOISE = frozenset(
    {
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.uid",
        "metadata.creationTimestamp",
        "metadata.selfLink",
        "status",
        "kind",
        "apiVersion",
    }
)
_ABSENT = object()


def changes(live: dict[str, Any], result: dict[str, Any]) -> tuple[Change, ...]:
    """The fields that would change, in path order; what every write changes anyway is left out.

    Items of lists are told apart by their ``name``, as the API server does, so that one more container
    does not read as a change of all that follow. Values are cleaned, redacted and clipped.
    """
    return tuple(sorted(_walk("", live, result, secret=False), key=lambda change: change.path))


def _walk(path: str, before: Any, after: Any, *, secret: bool) -> Iterator[Change]:
    if path in _NOISE or before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        named_secret = is_secret_name(str(after.get("name", "")))
        for key in {**before, **after}:
            hidden = secret or is_secret_name(str(key)) or (named_secret and key == "value")
            old, new = before.get(key, _ABSENT), after.get(key, _ABSENT)
            # A map that comes or goes, such as the first annotations, is told key by key.
            old = {} if old is _ABSENT and isinstance(new, dict) and new else old
            new = {} if new is _ABSENT and isinstance(old, dict) and old else new
            yield from _walk(_join(path, str(key)), old, new, secret=hidden)
        return
    if isinstance(before, list) and isinstance(after, list):
        old, new = _keyed(before), _keyed(after)
        for key in {**old, **new}:
            yield from _walk(f"{path}[{key}]", old.get(key, _ABSENT), new.get(key, _ABSENT), secret=secret)
        return
    yield Change(clean(path, VALUE_LIMIT), _text(before, secret=secret), _text(after, secret=secret))


def _join(path: str, key: str) -> str:
    step = key if key.replace("-", "").replace("_", "").isalnum() else f'["{key}"]'
    return f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"


def _keyed(items: list[Any]) -> dict[str, Any]:
    names = [item.get("name") if isinstance(item, dict) else None for item in items]
    if all(isinstance(name, str) for name in names) and len(set(names)) == len(names):
        return dict(zip(map(str, names), items, strict=True))
    return {str(index): item for index, item in enumerate(items)}


def _text(value: Any, *, secret: bool) -> str:
    if value is _ABSENT:
        return "(absent)"
    if secret:
        return MASK
    shown = redact_value(value)
    return clean(shown if isinstance(shown, str) else json.dumps(shown, sort_keys=True), VALUE_LIMIT)
