"""Computes a syntax tree at one instant: a scalar, a string, or a vector of labelled values."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence

from console.drill.promql import binary, functions
from console.drill.promql.ast import (
    Aggregate,
    Binary,
    Call,
    Expression,
    Matcher,
    Negate,
    Number,
    PromQLError,
    Selector,
    String,
)
from console.drill.promql.binary import Vector, without_name
from console.drill.promql.store import Labels, Series, Store

LOOKBACK = 300.0
"""Seconds that a sample stays visible without a newer one; Prometheus' default."""

Value = float | str | Vector


def evaluate(expression: Expression, at: float, store: Store) -> Value:
    """The value at unix time ``at``. Raises PromQLError."""
    if isinstance(expression, Number):
        return expression.value
    if isinstance(expression, String):
        return expression.value
    if isinstance(expression, Selector):
        if expression.window is not None:
            raise PromQLError("a range vector has no instant value; wrap it in a function such as rate()")
        return _instant(expression, at, store)
    if isinstance(expression, Negate):
        value = evaluate(expression.inner, at, store)
        if isinstance(value, str):
            raise PromQLError("unary expression only allowed on scalar or instant vector")
        return -value if isinstance(value, float) else [(without_name(ls), -v) for ls, v in value]
    if isinstance(expression, Aggregate):
        return _aggregate(expression, at, store)
    if isinstance(expression, Binary):
        return binary.compute(
            expression, evaluate(expression.left, at, store), evaluate(expression.right, at, store)
        )
    return _call(expression, at, store)


def vector_of(value: Value) -> Vector:
    """A vector as it is; anything else is refused."""
    if isinstance(value, list):
        return value
    raise PromQLError("expected an instant vector")


def _instant(selector: Selector, at: float, store: Store) -> Vector:
    found: Vector = []
    for series in store.select(selector.matchers):
        value = series.at(at - selector.offset, LOOKBACK)
        if value is not None:
            found.append((series.labels, value))
    return found


def _scalar(expression: Expression, at: float, store: Store) -> float:
    value = evaluate(expression, at, store)
    if not isinstance(value, float):
        raise PromQLError("expected a scalar")
    return value


def _text(expression: Expression) -> str:
    if not isinstance(expression, String):
        raise PromQLError("expected a string literal")
    return expression.value


def _range(expression: Expression, at: float, store: Store) -> Iterable[tuple[Series, float, float]]:
    if not isinstance(expression, Selector) or expression.window is None:
        raise PromQLError("expected type range vector in call to function, got an instant value")
    end = at - expression.offset
    for series in store.select(expression.matchers):
        yield series, end - expression.window, end


def _call(call: Call, at: float, store: Store) -> Value:
    name, arguments = call.function, call.arguments
    if name == "time":
        return float(at)
    if not arguments:
        raise PromQLError(f"function {name!r} is unknown to the drill or has no arguments")
    if name in functions.RANGE_FUNCTIONS:
        function = functions.RANGE_FUNCTIONS[name]
        results = (
            (series.labels, function(series, start, end))
            for series, start, end in _range(arguments[0], at, store)
        )
        keep = name == "last_over_time"
        return [(ls if keep else without_name(ls), v) for ls, v in results if v is not None]
    if name in functions.VALUE_FUNCTIONS:
        further = [_scalar(argument, at, store) for argument in arguments[1:]]
        change = functions.VALUE_FUNCTIONS[name]
        vector = vector_of(evaluate(arguments[0], at, store))
        try:
            return [(without_name(labels), change(value, *further)) for labels, value in vector]
        except TypeError:
            raise PromQLError(f"wrong number of arguments in call to {name!r}") from None
    if name not in _SPECIAL:
        raise PromQLError(f"unknown function with name {name!r}")
    try:
        return _SPECIAL[name](call, at, store)
    except IndexError:
        raise PromQLError(f"too few arguments in call to {name!r}") from None


def _histogram_quantile(call: Call, at: float, store: Store) -> Value:
    wanted = _scalar(call.arguments[0], at, store)
    groups: dict[Labels, list[tuple[float, float]]] = {}
    for labels, value in vector_of(evaluate(call.arguments[1], at, store)):
        bound = dict(labels).get("le")
        if bound is not None:
            key = tuple(pair for pair in labels if pair[0] not in ("le", "__name__"))
            groups.setdefault(key, []).append((float(bound), value))
    return [(labels, functions.bucket_quantile(wanted, buckets)) for labels, buckets in groups.items()]


def _absent(call: Call, at: float, store: Store) -> Value:
    if vector_of(evaluate(call.arguments[0], at, store)):
        return []
    return [(_certain(call.arguments[0]), 1.0)]


def _absent_over_time(call: Call, at: float, store: Store) -> Value:
    windows = list(_range(call.arguments[0], at, store))
    count = functions.RANGE_FUNCTIONS["count_over_time"]
    return [] if any(count(*window) for window in windows) else [(_certain(call.arguments[0]), 1.0)]


def _certain(expression: Expression) -> Labels:
    """The labels that equality matchers fix, which are those of an absent series."""
    matchers: tuple[Matcher, ...] = expression.matchers if isinstance(expression, Selector) else ()
    return tuple(sorted((m.label, m.value) for m in matchers if m.op == "=" and m.label != "__name__"))


def _label_replace(call: Call, at: float, store: Store) -> Value:
    inner, target, replacement, source, pattern = call.arguments
    compiled = re.compile(_text(pattern))
    # Go writes $1 and ${name}, Python \1 and \g<name>.
    template = re.sub(
        r"\$(?:\{(\w+)\}|(\w+))", lambda m: rf"\g<{m.group(1) or m.group(2)}>", _text(replacement)
    )
    result: Vector = []
    for labels, value in vector_of(evaluate(inner, at, store)):
        known = dict(labels)
        match = compiled.fullmatch(known.get(_text(source), ""))
        if match:
            known[_text(target)] = match.expand(template)
        result.append((tuple(sorted(pair for pair in known.items() if pair[1])), value))
    return result


def _vector(call: Call, at: float, store: Store) -> Value:
    return [((), _scalar(call.arguments[0], at, store))]


def _to_scalar(call: Call, at: float, store: Store) -> Value:
    vector = vector_of(evaluate(call.arguments[0], at, store))
    return vector[0][1] if len(vector) == 1 else math.nan


def _sorted(call: Call, at: float, store: Store) -> Value:
    vector = vector_of(evaluate(call.arguments[0], at, store))
    return sorted(vector, key=lambda item: item[1], reverse=call.function == "sort_desc")


def _timestamp(call: Call, at: float, store: Store) -> Value:
    selector = call.arguments[0]
    if not isinstance(selector, Selector):
        raise PromQLError("timestamp() of anything but a selector needs a real Prometheus")
    found: Vector = []
    for series in store.select(selector.matchers):
        if series.at(at - selector.offset, LOOKBACK) is not None:
            _, high = series.between(0, at - selector.offset)
            found.append((without_name(series.labels), series.times[high - 1]))
    return found


_SPECIAL = {
    "histogram_quantile": _histogram_quantile,
    "absent": _absent,
    "absent_over_time": _absent_over_time,
    "label_replace": _label_replace,
    "vector": _vector,
    "scalar": _to_scalar,
    "sort": _sorted,
    "sort_desc": _sorted,
    "timestamp": _timestamp,
}

_REDUCE: dict[str, Callable[[Sequence[float]], float]] = {
    "sum": math.fsum,
    "avg": lambda values: math.fsum(values) / len(values),
    "min": lambda values: min(values, key=lambda value: math.inf if math.isnan(value) else value),
    "max": lambda values: max(values, key=lambda value: -math.inf if math.isnan(value) else value),
    "count": lambda values: float(len(values)),
    "group": lambda _: 1.0,
    "stddev": lambda values: math.sqrt(_variance(values)),
    "stdvar": lambda values: _variance(values),
}


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / len(values)


def _aggregate(node: Aggregate, at: float, store: Store) -> Value:
    parameter = _scalar(node.parameter, at, store) if node.parameter is not None else 0.0
    groups: dict[Labels, Vector] = {}
    for labels, value in vector_of(evaluate(node.inner, at, store)):
        if node.without:
            key = tuple(pair for pair in labels if pair[0] not in node.labels and pair[0] != "__name__")
        else:
            key = tuple(pair for pair in labels if pair[0] in node.labels)
        groups.setdefault(key, []).append((labels, value))
    if node.operator in ("topk", "bottomk"):
        largest = node.operator == "topk"
        return [
            item
            for group in groups.values()
            for item in sorted(group, key=lambda item: _rank(item[1], largest=largest))[
                : max(0, int(parameter))
            ]
        ]
    if node.operator == "quantile":
        return [(key, functions.quantile(parameter, [v for _, v in group])) for key, group in groups.items()]
    reduce = _REDUCE[node.operator]
    return [(key, reduce([value for _, value in group])) for key, group in groups.items()]


def _rank(value: float, *, largest: bool) -> float:
    if math.isnan(value):
        return math.inf
    return -value if largest else value
