"""Binary operators between scalars and vectors, with PromQL's label matching."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable

from console.drill.promql.ast import Binary, PromQLError
from console.drill.promql.store import Labels

Vector = list[tuple[Labels, float]]

SETS = frozenset({"and", "or", "unless"})


def _divide(left: float, right: float) -> float:
    if right:
        return left / right
    return (
        math.nan if left == 0 or math.isnan(left) else math.copysign(math.inf, left) * math.copysign(1, right)
    )


def _modulo(left: float, right: float) -> float:
    return math.fmod(left, right) if right and math.isfinite(left) else math.nan


def _power(left: float, right: float) -> float:
    try:
        return math.pow(left, right)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _modulo,
    "^": _power,
    "atan2": math.atan2,
}
COMPARE: dict[str, Callable[[float, float], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def without_name(labels: Labels) -> Labels:
    """Labels as they are after an operation: the metric's name no longer holds."""
    return tuple(pair for pair in labels if pair[0] != "__name__")


def arithmetic(name: str, left: float, right: float) -> float:
    """One operation on two numbers; a comparison gives 1 or 0."""
    if name in COMPARE:
        return float(COMPARE[name](left, right))
    return ARITHMETIC[name](left, right)


def compute(node: Binary, left: float | str | Vector, right: float | str | Vector) -> float | Vector:
    """The operation on two evaluated sides. Raises PromQLError where the sides do not fit."""
    if isinstance(left, str) or isinstance(right, str):
        raise PromQLError("binary expression must contain only scalar and instant vector types")
    if node.operator in SETS:
        if isinstance(left, float) or isinstance(right, float):
            raise PromQLError(f"set operator {node.operator!r} not allowed in binary scalar expression")
        return _set(node, left, right)
    if isinstance(left, float) and isinstance(right, float):
        if node.operator in COMPARE and not node.returns_bool:
            raise PromQLError("comparisons between scalars must use BOOL modifier")
        return arithmetic(node.operator, left, right)
    if isinstance(right, float):
        assert isinstance(left, list)
        return [item for labels, value in left for item in _one(node, labels, value, right, value)]
    if isinstance(left, float):
        return [item for labels, value in right for item in _one(node, labels, left, value, value)]
    return _match(node, left, right)


def _one(node: Binary, labels: Labels, left: float, right: float, kept: float) -> Vector:
    """One result: a comparison filters and keeps the vector's own value unless it returns bool."""
    if node.operator in COMPARE and not node.returns_bool:
        return [(labels, kept)] if COMPARE[node.operator](left, right) else []
    return [(without_name(labels), arithmetic(node.operator, left, right))]


def _key(node: Binary, labels: Labels) -> Labels:
    if node.on:
        return tuple(pair for pair in labels if pair[0] in node.labels)
    return tuple(pair for pair in labels if pair[0] not in node.labels and pair[0] != "__name__")


def _set(node: Binary, left: Vector, right: Vector) -> Vector:
    if node.operator == "or":
        known = {_key(node, labels) for labels, _ in left}
        return left + [item for item in right if _key(node, item[0]) not in known]
    known = {_key(node, labels) for labels, _ in right}
    wanted = node.operator == "and"
    return [item for item in left if (_key(node, item[0]) in known) == wanted]


def _match(node: Binary, left: Vector, right: Vector) -> Vector:
    many, one = (right, left) if node.group == "right" else (left, right)
    single: dict[Labels, tuple[Labels, float]] = {}
    for labels, value in one:
        key = _key(node, labels)
        if key in single:
            raise PromQLError(
                "found duplicate series for the match group on one side of the operation; "
                "many-to-many matching not allowed: matching labels must be unique on one side",
                "execution",
            )
        single[key] = (labels, value)
    result: Vector = []
    seen: set[Labels] = set()
    for labels, value in many:
        key = _key(node, labels)
        if key not in single:
            continue
        if not node.group:
            if key in seen:
                raise PromQLError(
                    "multiple matches for labels: many-to-one matching must be explicit "
                    "(group_left/group_right)",
                    "execution",
                )
            seen.add(key)
        other_labels, other = single[key]
        sides = (other, value) if node.group == "right" else (value, other)
        filtering = node.operator in COMPARE and not node.returns_bool
        if filtering and not COMPARE[node.operator](*sides):
            continue
        outcome = sides[0] if filtering else arithmetic(node.operator, *sides)
        result.append((_result_labels(node, labels, other_labels, filtering=filtering), outcome))
    return result


def _result_labels(node: Binary, labels: Labels, other: Labels, *, filtering: bool) -> Labels:
    base = labels if filtering else without_name(labels)
    if not node.group:
        kept = _key(node, labels)
        return labels if filtering and not node.on else kept
    extra = {name: value for name, value in other if name in node.include}
    return tuple(sorted({**{k: v for k, v in base if k not in node.include}, **extra}.items()))
