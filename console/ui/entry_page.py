"""An entry of the timeline as a page: who, when, what, and all that was recorded with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from console.model.text import clean, clean_lines
from console.timeline.entry import Entry
from console.ui.cells import Spans
from console.ui.format import age, moment
from console.ui.widgets.page import labelled

_COLUMN = 24
"""Cells of the names of data."""


def late(entry: Entry) -> bool:
    """Whether it was recorded later than it happened."""
    return entry.occurred_at[:19] != entry.ts[:19]


def entry_lines(entry: Entry, width: int) -> list[Spans]:
    """Everything that an entry says; its times are UTC."""
    who = clean(f"{entry.user}@{entry.host}", 140)
    lines: list[Spans] = []
    for label, text, role in (
        ("kind", entry.kind, "strong"),
        ("happened", _time(entry.occurred_at), "text"),
        ("recorded", _time(entry.ts) + _lateness(entry), "text"),
        ("by", f"{who} ({entry.source})", "text"),
        ("text", clean_lines(entry.text), "strong"),
    ):
        lines.extend(labelled(label, text, width, role=role))
    lines.append(())
    if entry.data:
        lines.append(((" DATA", "accent"),))
        lines.extend(_data(entry.data, width, 1))
        lines.append(())
    for label, name in (("entry", entry.id), ("answers", entry.ref), ("corrects", entry.corrects)):
        if name:
            lines.extend(labelled(label, clean(name, 64), width, role="dim"))
    return lines


def _time(text: str) -> str:
    """A time of the record, as far as it is one: 2026-03-01 14:25:00Z."""
    return clean(text, 40) if moment(text) is None else f"{text[:10]} {text[11:19]}Z"


def _lateness(entry: Entry) -> str:
    happened, recorded = moment(entry.occurred_at), moment(entry.ts)
    if not late(entry) or happened is None or recorded is None:
        return ""
    after = f"{age(recorded - happened)} after it happened" if recorded > happened else "not when it happened"
    return f", {after}: the * in the timeline"


def _data(data: Mapping[str, Any], width: int, depth: int) -> Iterator[Spans]:
    """Names and values, what is within another one further to the right."""
    for name, value in data.items():
        label = "  " * depth + clean(str(name), max(4, _COLUMN - 2 * depth - 1))
        if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
            value = "\n".join(map(_value, value))
        if isinstance(value, list):
            value = {str(number): one for number, one in enumerate(value, start=1)}
        if isinstance(value, Mapping) and value:
            yield ((f" {label}", "faint"),)
            yield from _data(value, width, depth + 1)
        else:
            yield from labelled(label, _value(value), width, indent=_COLUMN)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value in (None, "", {}) else clean_lines(str(value))
