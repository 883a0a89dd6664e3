"""Where a mistake in a TOML file is, and which name was meant.

Shared by everything that people write by hand: the configuration and the runbooks. tomllib keeps no
positions, so the lines are found by a scan of headers and keys.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Path = tuple[str | int, ...]

_KEY = r"(?:[\w-]+|\"[^\"]*\"|'[^']*')"
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_PAIR = re.compile(rf"\s*({_DOTTED})\s*=(.*)", re.DOTALL)
_DEEPEST = 32
"""Tables in one another; what people write has five."""
_TOO_DEEP = "cannot be read: too many brackets or tables stand in one another"
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'")


def read_toml(text: str) -> dict[str, Any]:
    """What stands in ``text``. Raises ValueError, which says what is wrong with it.

    tomllib has an error of its own for most mistakes, but hands on what Python says of a number that is too
    long for it, and of brackets in brackets beyond its stack. Dotted names it reads however many there are.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"is not valid TOML: {error}") from None
    except ValueError:
        raise ValueError("is not valid TOML: a number has too many digits; shorten it") from None
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    inner: list[Any] = [data]
    for _ in range(_DEEPEST):
        inner = [value for one in inner for value in _inside(one)]
    if inner:
        raise ValueError(_TOO_DEEP)
    return data


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the one that was meant, or else all there are."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(names))}"


def where(name: str, line: int | None) -> str:
    """``file:line``, or the file alone when the line is not known."""
    return f"{name}:{line}" if line else name


def positions(text: str) -> dict[Path, int]:
    """The line of every table and key, counted from 1.

    A path holds the index of each array of tables that it goes through, except an index of 0: a section
    may be written as a table or as an array of one.
    """
    found: dict[Path, int] = {}
    counts: dict[Path, int] = {}
    table: Path = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if inside:
            inside = _still_open(inside, line)
        elif header := _HEADER.match(line):
            table = _enter(_parts(header[2]), header[1] == "[[", counts)
            found.setdefault(_plain(table), number)
        elif pair := _PAIR.match(line):
            found.setdefault(_plain((*table, *_parts(pair[1]))), number)
            inside = _still_open("", pair[2])
    return found


def line_of(path: Sequence[str | int], found: Mapping[Path, int]) -> int | None:
    """The line of a path, or of the nearest table around it; None for the whole file."""
    wanted = _plain(tuple(path))
    while wanted and wanted not in found:
        wanted = wanted[:-1]
    return found.get(wanted)


def _plain(path: Path) -> Path:
    return tuple(part for part in path if part != 0)


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in re.findall(_KEY, dotted)]


def _enter(parts: list[str], array: bool, counts: dict[Path, int]) -> Path:
    """The path of a table header; an array of tables counts on, a table inside one is of its last element."""
    path: Path = ()
    for depth, part in enumerate(parts, start=1):
        path = (*path, part)
        if array and depth == len(parts):
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


def _still_open(stack: str, line: str) -> str:
    """What is open at the end of a line of a value: brackets, and ``"`` or ``'`` for a long string."""
    while line:
        if stack[-1:] in ('"', "'"):
            _, ended, line = line.partition(stack[-1] * 3)
            stack = stack[:-1] if ended else stack
            continue
        match = re.search(r"\"\"\"|'''|[\"'#\[\]{}]", line)
        if match is None or match[0] == "#":
            break
        mark, line = match[0], line[match.start() :]
        if mark in ('"', "'"):
            string = _STRING.match(line)
            line = line[string.end() :] if string else ""
        else:
            stack = stack[:-1] if mark in "]}" else stack + mark[0]
            line = line[len(mark) :]
    return stack
