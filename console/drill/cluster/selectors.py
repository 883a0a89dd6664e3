"""Label and field selectors, parsed once and matched often.

Grammar: k8s.io/apimachinery `labels.Parse` and `fields.ParseSelector`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from console.drill.cluster.errors import bad_request

Labels = Mapping[str, str]
Matcher = Callable[[Labels], bool]

_NAME: Final = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9.]*[a-zA-Z0-9])?/)?[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?"
_VALUE: Final = r"(?:[a-zA-Z0-9](?:[-a-zA-Z0-9_.]*[a-zA-Z0-9])?)?"
_SET: Final = re.compile(rf"^({_NAME})\s+(in|notin)\s*\(\s*([^()]*?)\s*\)$")
_COMPARE: Final = re.compile(rf"^({_NAME})\s*(==|=|!=|>|<)\s*({_VALUE})$")
_EXISTS: Final = re.compile(rf"^(!?)\s*({_NAME})$")


class Requirement(msgspec.Struct, frozen=True):
    """One requirement; operators: in, notin, exists, absent, gt, lt."""

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Labels) -> bool:
        """Return whether the labels meet it."""
        value = labels.get(self.key)
        if self.operator == "in":
            return value is not None and value in self.values
        if self.operator == "notin":
            return value is None or value not in self.values
        if self.operator in ("exists", "absent"):
            return (value is not None) == (self.operator == "exists")
        if value is None or not value.lstrip("-").isdigit():
            return False
        bound = int(next(iter(self.values)))
        return int(value) > bound if self.operator == "gt" else int(value) < bound


class Selector(msgspec.Struct, frozen=True):
    """A conjunction of requirements; an empty one matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Labels) -> bool:
        """Return whether the labels meet all requirements."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def _requirement(text: str) -> Requirement:
    if match := _SET.match(text):
        values = frozenset(value.strip() for value in match[3].split(","))
        return Requirement(match[1], match[2], values)
    if match := _COMPARE.match(text):
        operator = {"=": "in", "==": "in", "!=": "notin", ">": "gt", "<": "lt"}[match[2]]
        if operator in ("gt", "lt") and not match[3].lstrip("-").isdigit():
            raise bad_request(
                f'unable to parse requirement: values[0][{match[1]}]: Invalid value: "{match[3]}"'
            )
        return Requirement(match[1], operator, frozenset({match[3]}))
    if match := _EXISTS.match(text):
        return Requirement(match[2], "absent" if match[1] else "exists")
    raise bad_request(
        f"unable to parse requirement: found '{text}', expected: identifier, '!', 'in' or 'notin'"
    )


def parse_labels(text: str) -> Selector:
    """Return the selector of a `labelSelector` parameter. Raises a 400."""
    if not text.strip():
        return Selector()
    parts = re.split(r",(?![^()]*\))", text)
    return Selector(tuple(_requirement(part.strip()) for part in parts))


def from_spec(selector: Mapping[str, Any] | None) -> Selector | None:
    """Return the selector of a `LabelSelector` object; None selects nothing."""
    if selector is None:
        return None
    requirements = [
        Requirement(key, "in", frozenset({value}))
        for key, value in (selector.get("matchLabels") or {}).items()
    ]
    names = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}
    for expression in selector.get("matchExpressions") or ():
        values = frozenset(expression.get("values") or ())
        requirements.append(Requirement(expression["key"], names[expression["operator"]], values))
    return Selector(tuple(requirements))


def to_text(selector: Mapping[str, Any] | None) -> str:
    """Print a `LabelSelector` as the scale subresource does."""
    if not selector:
        return ""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or ():
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        parts.append(
            {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key}.get(
                expression["operator"], f"!{key}"
            )
        )
    return ",".join(parts)


class FieldTerm(msgspec.Struct, frozen=True):
    """One term of a field selector."""

    path: str
    value: str
    equal: bool


_COMMON: Final = frozenset({"metadata.name", "metadata.namespace"})
_FIELDS: Final = {
    "pods": frozenset(
        {
            "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
            "spec.hostNetwork", "status.phase", "status.podIP", "status.nominatedNodeName",
        }
    ),
    "events": frozenset(
        {
            "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid",
            "involvedObject.apiVersion", "involvedObject.resourceVersion", "involvedObject.fieldPath",
            "regarding.kind", "regarding.namespace", "regarding.name", "regarding.uid",
            "reason", "reportingComponent", "reportingController", "source", "type",
        }
    ),
    "nodes": frozenset({"spec.unschedulable"}),
    "namespaces": frozenset({"status.phase"}),
    "secrets": frozenset({"type"}),
    "jobs.batch": frozenset({"status.successful"}),
    "replicasets.apps": frozenset({"status.replicas"}),
}  # fmt: skip
_ALIASES: Final = {"reportingController": "reportingComponent", "source": "source.component"}


def parse_fields(text: str, table: str) -> tuple[FieldTerm, ...]:
    """Return the terms of a `fieldSelector` parameter for a table. Raises a 400 for an unknown field."""
    allowed = _COMMON | _FIELDS.get(table, frozenset())
    terms = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.match(r"^([^=!]+)(!=|==|=)(.*)$", part)
        if match is None:
            raise bad_request(f'invalid selector: "{part}"; can\'t understand "{part}"')
        path = match[1]
        if path not in allowed:
            raise bad_request(f"field label not supported: {path}")
        path = _ALIASES.get(path, path.replace("regarding.", "involvedObject."))
        terms.append(FieldTerm(path, match[3], match[2] != "!="))
    return tuple(terms)


def field(obj: Mapping[str, Any], path: str) -> str:
    """Return the value at a path as a field selector sees it: text, empty when absent."""
    value: Any = obj
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if value is None:
        return "false" if path in ("spec.unschedulable", "spec.hostNetwork") else ""
    return str(value).lower() if isinstance(value, bool) else str(value)
