"""Plain data, as tomllib gives it, made into a record: strictly, and with every mistake named at once.

``msgspec.convert`` stops at the first mistake and speaks of Python, so the type is walked here. Understood
are structs, tuples, tables, unions, literals, numbers, dates, texts, and types that are made of one text
(a path, a ``Secret``). What bounds a value is said at its field with ``msgspec.Meta``: ``gt``, ``ge``,
``lt``, ``le``, ``pattern``, ``min_length=1``; what these cannot say stands in its ``extra``:

- ``check``, a function from the value to the one to keep; its ValueError has the words of the mistake;
- ``wanted``, the words for whatever is wrong with the value, in place of those of this module. A union of
  several types needs it, because which of them was meant is not known.

No sentence of this module repeats a value, for any may be a secret that was written in the wrong place;
a secret that was written as a name is masked.
"""

from __future__ import annotations

import operator
import pathlib
import re
from collections.abc import Callable
from datetime import date
from typing import Any, TypeVar

from msgspec import inspect

from console.model.explain import Path, nearest
from console.model.redact import redact

T = TypeVar("T")

Mistake = tuple[Path, str]
"""Where in the data, and a sentence."""

_TABLE = 'has to be a table, as in { name = "value" }'
_LIST = 'has to be a list, as in ["a", "b"]'
_TEXT = 'has to be a text in quotes, as in "shop"'
_PATH = 'has to be a path in quotes, as in "/etc/warroom"'
_DATE = "has to be a date without quotes and time, as in 2025-01-31"
_EMPTY = "must not be empty"
_INVISIBLE = "must not hold control characters"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What a terminal obeys or a path cannot hold, and what reorders the text around it."""
_BOUNDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "gt": (operator.gt, "greater than"),
    "ge": (operator.ge, "greater than or equal to"),
    "lt": (operator.lt, "less than"),
    "le": (operator.le, "less than or equal to"),
}
_LARGEST = 2**63 - 1
"""Of TOML's whole numbers, https://toml.io/en/v1.0.0#integer; tomllib reads larger ones all the same."""


class MistakesError(ValueError):
    """Data that is no such record; ``mistakes`` are all there are, as a person reads them."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(sentence for _, sentence in mistakes))
        self.mistakes = tuple(mistakes)


def convert(data: object, record: type[T]) -> T:
    """The record of that type in ``data``. Raises MistakesError."""
    mistakes: list[Mistake] = []
    made: T = _made(inspect.type_info(record), data, (), mistakes)
    if mistakes:
        raise MistakesError(mistakes)
    return made


def _made(kind: inspect.Type, value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    """What becomes of a value; nothing to be used when a mistake was added."""
    match kind:
        case inspect.Metadata(type=inner, extra=extra):
            return _declared(inner, extra or {}, value, path, mistakes)
        case inspect.UnionType(types=kinds):
            return _one_of(kinds, value, path, mistakes)
        case inspect.StructType():
            return _struct(kind, value, path, mistakes)
        case inspect.DictType():
            return _table(kind, value, path, mistakes)
        case inspect.VarTupleType() | inspect.TupleType():
            return _array(kind, value, path, mistakes)
    return _tried(lambda: _leaf(kind, value), path, mistakes)


def _tried(make: Callable[[], Any], path: Path, mistakes: list[Mistake]) -> Any:
    try:
        return make()
    except ValueError as error:
        mistakes.append(_mistake(path, str(error)))


def _mistake(path: Path, words: str) -> Mistake:
    return path, f"{_key(path)}: {words}"


def _key(path: Path) -> str:
    return repr(redact(".".join(map(str, path))))  # for a value may have been written where a name belongs


def _declared(
    kind: inspect.Type, extra: dict[str, Any], value: Any, path: Path, mistakes: list[Mistake]
) -> Any:
    """A value of a field that has a check or words of its own."""
    wrong: list[Mistake] = []
    made = _made(kind, value, path, wrong)
    if wrong:
        mistakes += [_mistake(path, extra["wanted"])] if "wanted" in extra else wrong
    elif "check" in extra:
        made = _tried(lambda: extra["check"](made), path, mistakes)
    return made


def _one_of(kinds: tuple[inspect.Type, ...], value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    """A value of one of several types; the mistake is that of the last, None never being what was meant."""
    wrong: list[Mistake] = []
    for kind in sorted(kinds, key=lambda kind: not isinstance(kind, inspect.NoneType)):
        wrong = []
        made = _made(kind, value, path, wrong)
        if not wrong:
            return made
    mistakes += wrong
    return None


def _struct(kind: inspect.StructType, value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, dict):
        mistakes.append(_mistake(path, _TABLE))
        return None
    before, made = len(mistakes), {}
    for field in kind.fields:
        place = (*path, field.name)
        if field.name in value:
            made[field.name] = _made(field.type, value[field.name], place, mistakes)
        elif field.required:
            mistakes.append((place, f"{_key(place)} is missing"))
    known = [field.name for field in kind.fields]
    for name in value:
        if name not in known:
            place = (*path, name)
            mistakes.append((place, f"unknown key {_key(place)}{nearest(str(name), known)}"))
    return kind.cls(**made) if len(mistakes) == before else None


def _table(kind: inspect.DictType, value: Any, path: Path, mistakes: list[Mistake]) -> Any:
    if not isinstance(value, dict):
        mistakes.append(_mistake(path, _TABLE))
        return None
    if kind.min_length and not value:
        mistakes.append(_mistake(path, _EMPTY))
    made = {}
    for name, item in value.items():
        place = (*path, name)
        key = _made(kind.key_type, name, (*place, "[key]"), mistakes)
        made[key] = _made(kind.value_type, item, place, mistakes)
    return made


def _array(
    kind: inspect.VarTupleType | inspect.TupleType, value: Any, path: Path, mistakes: list[Mistake]
) -> Any:
    if not isinstance(value, (list, tuple)):
        mistakes.append(_mistake(path, _LIST))
        return None
    kinds = kind.item_types if isinstance(kind, inspect.TupleType) else (kind.item_type,) * len(value)
    if len(kinds) != len(value):
        mistakes.append(_mistake(path, f"has to be a list of {len(kinds)} values"))
        return None
    return tuple(
        _made(inner, item, (*path, index), mistakes)
        for index, (inner, item) in enumerate(zip(kinds, value, strict=True))
    )


def _leaf(kind: inspect.Type, value: Any) -> Any:
    """A value that has no parts. Raises ValueError with the words of the mistake."""
    match kind:
        case inspect.NoneType():
            _require(value is None, "has to be left out")
        case inspect.BoolType():
            _require(type(value) is bool, "has to be true or false")
        case inspect.IntType():
            _require(type(value) is int, "has to be a whole number")
            _require_bounds(kind, value)
        case inspect.FloatType():
            _require(type(value) in (int, float), "has to be a number")
            _require_bounds(kind, value)
            return float(value)
        case inspect.LiteralType(values=values):
            _require((type(value), value) in [(type(one), one) for one in values], f"has to be {_or(values)}")
        case inspect.DateType():
            _require(type(value) is date, _DATE)
        case inspect.StrType():
            _require(isinstance(value, str), _TEXT)
            _require(not _CONTROL.search(value), _INVISIBLE)
            _require(not kind.min_length or value, _EMPTY)
            _require(
                kind.pattern is None or re.search(kind.pattern, value),
                f"has to match the pattern {kind.pattern!r}",
            )
        case inspect.CustomType(cls=cls):
            is_path = issubclass(cls, pathlib.Path)
            _require(isinstance(value, (str, cls)), _PATH if is_path else _TEXT)
            _require(not is_path or not _CONTROL.search(str(value)), _INVISIBLE)
            return value if isinstance(value, cls) else cls(value)
        case _:
            raise TypeError(f"no record has a {kind}")
    return value


def _require(right: object, words: str) -> None:
    if not right:
        raise ValueError(words)


def _require_bounds(kind: inspect.IntType | inspect.FloatType, value: float) -> None:
    for name, (holds, words) in _BOUNDS.items():
        bound = getattr(kind, name)
        _require(bound is None or holds(value, bound), f"has to be {words} {bound}")
    if isinstance(value, int):
        _require(
            -_LARGEST - 1 <= value <= _LARGEST,
            f"has to be a number of at most {len(str(_LARGEST)) - 1} digits",
        )


def _or(values: tuple[Any, ...]) -> str:
    *most, last = map(repr, values)
    return f"{', '.join(most)} or {last}" if most else last
