"""PromQL text -> syntax tree. Grammar and precedences: prometheus.io/docs/prometheus/latest/querying."""

from __future__ import annotations

import ast as python_ast
import re

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

AGGREGATES = frozenset(
    {"sum", "avg", "min", "max", "count", "group", "stddev", "stdvar", "topk", "bottomk", "quantile"}
)
WITH_PARAMETER = frozenset({"topk", "bottomk", "quantile"})

PRECEDENCE = {
    "or": 1,
    **dict.fromkeys(("and", "unless"), 2),
    **dict.fromkeys(("==", "!=", "<=", "<", ">=", ">"), 3),
    **dict.fromkeys(("+", "-"), 4),
    **dict.fromkeys(("*", "/", "%", "atan2"), 5),
    "^": 7,
}
UNARY = 6
COMPARISONS = frozenset({"==", "!=", "<=", "<", ">=", ">"})

_TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)
    |(?P<duration>(?:\d+(?:ms|[smhdwy]))+(?![a-zA-Z0-9_]))
    |(?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
    |(?P<name>[a-zA-Z_][a-zA-Z0-9_:]*)
    |(?P<op>=~|!~|==|!=|<=|>=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}


def parse(text: str) -> Expression:
    """The tree of an expression. Raises PromQLError with the position."""
    parser = _Parser(text)
    result = parser.expression(1)
    if parser.kind != "end":
        parser.fail(f"unexpected {parser.value!r}")
    return result


def duration(text: str) -> float:
    """Seconds of ``1h30m``, or of a plain number. Raises PromQLError."""
    parts = re.findall(r"(\d+)(ms|[smhdwy])", text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(int(number) * _UNITS[unit] for number, unit in parts)
    try:
        return float(text)
    except ValueError:
        raise PromQLError(f"cannot parse {text!r} to a valid duration") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.start = 0
        self.kind = ""
        self.value = ""
        self.advance()

    def fail(self, message: str) -> None:
        raise PromQLError(f"1:{self.start + 1}: parse error: {message}")

    def advance(self) -> str:
        """Step to the next token; returns the value of the one left behind."""
        left = self.value
        while self.position < len(self.text):
            match = _TOKEN.match(self.text, self.position)
            self.start = self.position
            if match is None:
                self.fail(f"unexpected character: {self.text[self.position]!r}")
            assert match is not None
            self.position = match.end()
            if match.lastgroup != "space":
                self.kind, self.value = str(match.lastgroup), match.group()
                return left
        self.kind, self.value, self.start = "end", "end of input", len(self.text)
        return left

    def accept(self, *values: str) -> bool:
        """Step over the token when it is one of ``values``."""
        if self.kind in ("op", "name") and self.value in values:
            self.advance()
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.accept(value):
            self.fail(f"unexpected {self.value!r}, expected {value!r}")

    def expression(self, minimum: int) -> Expression:
        left = self.unary()
        while self.kind in ("op", "name") and PRECEDENCE.get(self.value, 0) >= minimum:
            operator = self.advance()
            returns_bool = operator in COMPARISONS and self.accept("bool")
            on, labels, group, include = self.matching()
            # The power operator alone is right-associative.
            right = self.expression(PRECEDENCE[operator] + (operator != "^"))
            left = Binary(operator, left, right, returns_bool, on, labels, group, include)
        return left

    def matching(self) -> tuple[bool, tuple[str, ...], str, tuple[str, ...]]:
        on, group = False, ""
        labels: tuple[str, ...] = ()
        include: tuple[str, ...] = ()
        if self.value in ("on", "ignoring") and self.kind == "name":
            on = self.advance() == "on"
            labels = self.names()
            if self.value in ("group_left", "group_right"):
                group = self.advance().removeprefix("group_")
                include = self.names() if self.value == "(" else ()
        return on, labels, group, include

    def names(self) -> tuple[str, ...]:
        self.expect("(")
        found: list[str] = []
        while not self.accept(")"):
            if self.kind != "name":
                self.fail(f"unexpected {self.value!r} in a list of labels")
            found.append(self.advance())
            if self.value != ")":
                self.expect(",")
        return tuple(found)

    def unary(self) -> Expression:
        if self.accept("-"):
            return Negate(self.expression(UNARY))
        if self.accept("+"):
            return self.expression(UNARY)
        return self.suffixes(self.atom())

    def suffixes(self, expression: Expression) -> Expression:
        while True:
            if self.value == "[" and self.kind == "op":
                expression = self.window(expression)
            elif self.accept("offset"):
                sign = -1 if self.accept("-") else 1
                if not isinstance(expression, Selector):
                    raise PromQLError("offset modifier must be preceded by a selector")
                seconds = sign * duration(self.advance())
                expression = Selector(expression.matchers, expression.window, seconds)
            elif self.accept("@"):
                raise PromQLError("the @ modifier needs a real Prometheus; the drill runs without one")
            else:
                return expression

    def window(self, expression: Expression) -> Expression:
        self.expect("[")
        if self.kind != "duration":
            self.fail(f"unexpected {self.value!r} in a range, expected a duration")
        seconds = duration(self.advance())
        if self.accept(":"):
            raise PromQLError("subqueries need a real Prometheus; the drill runs without one")
        self.expect("]")
        if not isinstance(expression, Selector) or expression.window is not None:
            raise PromQLError("ranges only allowed for vector selectors")
        return Selector(expression.matchers, seconds, expression.offset)

    def atom(self) -> Expression:
        if self.kind == "number":
            text = self.advance()
            return Number(float(int(text, 16)) if text[:2].lower() == "0x" else float(text))
        if self.kind == "string":
            return String(self.string())
        if self.accept("("):
            inner = self.expression(1)
            self.expect(")")
            return inner
        if self.value == "{" and self.kind == "op":
            return self.selector("")
        if self.kind != "name":
            self.fail(f"unexpected {self.value!r}")
        name = self.advance()
        if name in AGGREGATES and self.value in ("(", "by", "without"):
            return self.aggregate(name)
        if name.lower() in ("nan", "inf"):
            return Number(float(name))
        if self.accept("("):
            return Call(name, self.arguments())
        return self.selector(name)

    def string(self) -> str:
        text = self.advance()
        if text.startswith("`"):
            return text[1:-1]
        value: str = python_ast.literal_eval(text)
        return value

    def arguments(self) -> tuple[Expression, ...]:
        found: list[Expression] = []
        while not self.accept(")"):
            found.append(self.expression(1))
            if self.value != ")":
                self.expect(",")
        return tuple(found)

    def aggregate(self, operator: str) -> Expression:
        grouped, without, labels = self.grouping()
        self.expect("(")
        arguments = self.arguments()
        if not grouped:
            grouped, without, labels = self.grouping()
        wanted = 2 if operator in WITH_PARAMETER else 1
        if len(arguments) != wanted:
            raise PromQLError(f"wrong number of arguments for aggregate expression {operator!r}")
        return Aggregate(operator, arguments[-1], labels, without, arguments[0] if wanted == 2 else None)

    def grouping(self) -> tuple[bool, bool, tuple[str, ...]]:
        if self.kind == "name" and self.value in ("by", "without"):
            without = self.advance() == "without"
            return True, without, self.names()
        return False, False, ()

    def selector(self, name: str) -> Expression:
        matchers = [Matcher("__name__", "=", name)] if name else []
        if self.accept("{"):
            while not self.accept("}"):
                matchers.append(self.matcher())
                if self.value != "}":
                    self.expect(",")
        if not any(matcher.op in ("=", "=~") and not matcher.matches("") for matcher in matchers):
            raise PromQLError("vector selector must contain at least one non-empty matcher")
        return Selector(tuple(matchers))

    def matcher(self) -> Matcher:
        if self.kind != "name":
            self.fail(f"unexpected {self.value!r} in label matching, expected a label name")
        label, operator = self.advance(), self.advance()
        if operator not in ("=", "!=", "=~", "!~") or self.kind != "string":
            self.fail(f"unexpected {self.value!r} in label matching")
        value = self.string()
        if operator in ("=~", "!~"):
            try:
                re.compile(value)
            except re.error as error:
                raise PromQLError(f"error parsing regexp: {error}") from None
        return Matcher(label, operator, value)
