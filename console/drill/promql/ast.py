"""The syntax tree of a PromQL expression. Durations are seconds."""

from __future__ import annotations

import re

import msgspec


class PromQLError(Exception):
    """An expression that cannot be parsed or evaluated, with Prometheus' error type."""

    def __init__(self, message: str, kind: str = "bad_data") -> None:
        self.kind = kind
        super().__init__(message)


class Matcher(msgspec.Struct, frozen=True):
    """A label matcher: ``=``, ``!=``, ``=~`` or ``!~``; regular expressions are anchored."""

    label: str
    op: str
    value: str

    def matches(self, value: str) -> bool:
        """Whether a label's value (empty when the label is absent) matches."""
        if self.op in ("=", "!="):
            return (value == self.value) == (self.op == "=")
        return bool(re.fullmatch(self.value, value)) == (self.op == "=~")


class Number(msgspec.Struct, frozen=True):
    """A scalar literal."""

    value: float


class String(msgspec.Struct, frozen=True):
    """A string literal, as some functions take."""

    value: str


class Selector(msgspec.Struct, frozen=True):
    """Series by matchers; with ``window`` a range vector."""

    matchers: tuple[Matcher, ...]
    window: float | None = None
    offset: float = 0.0


class Call(msgspec.Struct, frozen=True):
    """A function call."""

    function: str
    arguments: tuple[Expression, ...]


class Aggregate(msgspec.Struct, frozen=True):
    """``sum by (labels) (inner)`` and its kin; ``parameter`` is the k of topk, the q of quantile."""

    operator: str
    inner: Expression
    labels: tuple[str, ...] = ()
    without: bool = False
    parameter: Expression | None = None


class Binary(msgspec.Struct, frozen=True):
    """An operation between two expressions.

    ``on`` says whether ``labels`` are those to match on or to ignore; ``group`` is "", "left" or "right".
    """

    operator: str
    left: Expression
    right: Expression
    returns_bool: bool = False
    on: bool = False
    labels: tuple[str, ...] = ()
    group: str = ""
    include: tuple[str, ...] = ()


class Negate(msgspec.Struct, frozen=True):
    """Unary minus."""

    inner: Expression


Expression = Number | String | Selector | Call | Aggregate | Binary | Negate
