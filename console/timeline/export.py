"""A timeline for other eyes: Markdown, JSON and CSV of the corrected view.

Text is cleaned and redacted again on the way out, because a file may have been written by other hands.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from console.model.redact import redact, redact_value
from console.model.text import clean, clean_lines
from console.timeline.corrected import Row
from console.timeline.entry import TimelineError

Format = Literal["md", "json", "csv"]
FORMATS: tuple[Format, ...] = ("md", "json", "csv")
_COLUMNS = (
    *("seq", "id", "occurred_at", "recorded_at", "incident", "user", "host", "kind", "source", "text"),
    *("original_text", "corrected_by", "corrected_at", "ref", "data"),
)
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
# Spreadsheets take a cell that begins so for a formula, also in the full-width forms.
_FORMULA = re.compile(r"[\s\"']*[=+\-@＝＋－＠\t\r]")


def export(
    rows: Iterable[Row], form: Format, *, title: str = "Timeline", drill: bool = False
) -> Iterator[str]:
    """Yield the pieces of a corrected view in `form`, of which the last ends in a newline; times are UTC.

    A drill is marked as one in every form. Raise TimelineError for an unknown form.
    """
    if form == "md":
        return _markdown(rows, title, drill)
    if form == "json":
        return _json(rows, title, drill)
    if form == "csv":
        return _csv(rows, drill)
    raise TimelineError(f"Nothing is exported as {form!r}; choose {', '.join(FORMATS)}.")


def safe(text: str) -> str:
    """`text` cleaned, line by line, and redacted."""
    return redact(clean_lines(text))


def _fields(row: Row) -> dict[str, Any]:
    entry, correction = row.entry, row.correction
    return {
        "seq": entry.seq,
        "id": clean(entry.id),
        "occurred_at": clean(entry.occurred_at),
        "recorded_at": clean(entry.ts),
        "incident": clean(entry.incident) if entry.incident else None,
        "user": clean(entry.user),
        "host": clean(entry.host),
        "kind": entry.kind,
        "source": entry.source,
        "text": safe(entry.text),
        "original_text": safe(row.original) if row.original is not None else None,
        "corrected_by": clean(correction.user) if correction else None,
        "corrected_at": clean(correction.ts) if correction else None,
        "ref": clean(entry.ref) if entry.ref else None,
        "data": redact_value(_clean_value(entry.data)),
    }


def _clean_value(value: object) -> object:
    if isinstance(value, str):
        return clean_lines(value)
    if isinstance(value, dict):
        return {clean(str(key)): _clean_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean_value(item) for item in value]
    return value


def _markdown(rows: Iterable[Row], title: str, drill: bool) -> Iterator[str]:
    yield f"# {escape(clean(title))}{' (DRILL)' if drill else ''}\n\n"
    yield "Times are UTC. Corrected entries show their last wording and are marked.\n\n"
    day = ""
    for row in rows:
        entry = row.entry
        if entry.occurred_at[:10] != day:
            day = entry.occurred_at[:10]
            yield f"## {escape(clean(day))}\n\n"
        late = "" if entry.ts[:16] == entry.occurred_at[:16] else f", recorded {clean(entry.ts[:19])}Z"
        text = escape(safe(entry.text)).replace("\n", "  \n  ")
        mark = f" *{escape(clean(row.mark))}*" if row.mark else ""
        who = escape(f"{clean(entry.user)}@{clean(entry.host)}")
        yield f"- **{clean(entry.occurred_at[11:19])}** `{entry.kind}` {text}{mark} ({who}{late})\n"


def escape(text: str) -> str:
    """`text` as Markdown shows it, whatever it holds."""
    return _MARKDOWN.sub(r"\\\1", text)


def _json(rows: Iterable[Row], title: str, drill: bool) -> Iterator[str]:
    begin, end = '"entries": [', "]\n}\n"
    head = _pretty({"title": clean(title), "drill": drill, "entries": []})
    yield head[: head.rindex(begin)] + begin
    separator = "\n    "
    for row in rows:
        yield separator + _pretty(_fields(row)).replace("\n", "\n    ")
        separator, end = ",\n    ", "\n  ]\n}\n"
    yield end


def _pretty(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def _csv(rows: Iterable[Row], drill: bool) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow((*_COLUMNS, "drill"))
    for row in rows:
        yield out.getvalue()
        out.seek(0)
        out.truncate()
        fields = _fields(row)
        fields["data"] = msgspec.json.encode(fields["data"]).decode() if fields["data"] else ""
        writer.writerow([_cell(fields[column]) for column in _COLUMNS] + ["yes" if drill else "no"])
    yield out.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return "'" + text if _FORMULA.match(text) else text
