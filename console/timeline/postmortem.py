"""The draft of a post-mortem: what the record knows is filled in, what only people know is asked for.

Its fields are the union of those of the runbooks' templates, so that no team misses one of its own. It is
made from the entries that every other view of the timeline shows, and says no time that those do not.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from console.incident.record import IncidentRecord
from console.model.symptoms.words import span
from console.timeline.corrected import Row
from console.timeline.entry import Entry, parse_time
from console.timeline.export import escape, safe

_IMPACT = (
    ("Users affected", "number and share"),
    ("Requests failed", "number"),
    ("Downtime", "minutes, of what"),
    ("Data lost", "none, or what"),
    ("Revenue lost", "amount"),
)
_PROSE = ("What went well", "What could have gone better", "Where we got lucky")
_WHYS = 5
_FOLLOWS = 60.0
"""Seconds after an intent in which a change of its target is its doing."""
_SILENT = ("evidence", "check", "ledger.opened", "ledger.closed", "correction", "action.intent")
"""Kinds that its timeline leaves out: what they say stands in results and in the other sections."""


class _Found(msgspec.Struct):
    """What one walk over the entries finds. ``marks`` are the first times of what a reader looks for."""

    severities: list[str] = []
    marks: dict[str, str] = {}
    resolution: str = ""
    verdicts: list[Entry] = []
    changes: list[Entry] = []
    sent: list[Entry] = []
    acted: list[tuple[str, str]] = []
    standing: dict[str, str] = {}


def draft(record: IncidentRecord, entries: Callable[[], Iterable[Row]]) -> Iterator[str]:
    """Yield the draft in pieces of Markdown. ``entries`` begins a walk over the corrected view, of two."""
    found = _gather(entries())
    yield f"# Post-mortem: {_inline(record.title)}{' (DRILL)' if record.drill else ''}\n\n"
    yield from _facts(record, found)
    yield f"\n## Summary\n\n{_ask('what happened, to whom, and how it ended, in three sentences')}\n"
    yield from _milestones(record, found)
    yield "\n## Timeline\n\nTimes are UTC.\n\n"
    for row in entries():
        if _told(row.entry):
            yield _line(row)
    yield f"\n## Root cause\n\n{_ask('the cause, not the trigger; no names')}\n"
    yield "\n## Contributing factors\n\n"
    if found.changes:
        yield "Changed while it went on or shortly before:\n\n"
    yield from _items(found.changes)
    yield f"- {_ask('what made it possible, likelier or longer')}\n"
    yield "\n## Resolution\n\n"
    yield f"{_inline(found.resolution)}\n\n" if found.resolution else f"{_ask('what ended it')}\n\n"
    yield from _items(found.verdicts)
    yield "\n## Communication\n\n"
    yield from _items(found.sent)
    if not found.sent:
        yield f"{_ask('who was told what, and when; the record holds nothing')}\n"
    for heading in _PROSE:
        yield f"\n## {heading}\n\n- {_ask('')}\n"
    yield "\n## Five whys\n\n"
    yield from (f"{number}. Why? {_ask('')}\n" for number in range(1, _WHYS + 1))
    yield "\n## Action items\n\n| Done | What | Owner | Due |\n| --- | --- | --- | --- |\n"
    yield from (
        f"| ☐ | Take back or keep for good: {_inline(text)} |  |  |\n" for text in found.standing.values()
    )
    yield f"| ☐ | {_ask('what keeps it from happening again')} |  |  |\n"


def _gather(rows: Iterable[Row]) -> _Found:
    found = _Found()
    for row in rows:
        entry = row.entry
        match entry.kind:
            case "signal" if entry.data.get("phase", "start") == "start":
                found.marks.setdefault("First sign", entry.occurred_at)
            case "incident.declared" | "incident.severity":
                found.severities.append(_word(entry.data, "severity"))
            case "incident.status" if entry.data.get("status") in ("identified", "monitoring"):
                name = "Cause found" if entry.data["status"] == "identified" else "Recovering"
                found.marks.setdefault(name, entry.occurred_at)
            case "incident.resolved":
                found.resolution = _word(entry.data, "resolution") or entry.text
            case "action.intent":
                found.acted.append((_target_uid(entry), entry.occurred_at))
            case "action.verdict":
                found.verdicts.append(entry)
                if _word(entry.data.get("verdict"), "status") == "helped":
                    found.marks.setdefault("First mitigation that helped", entry.occurred_at)
            case "change" if not _ours(entry, found.acted):
                found.changes.append(entry)
            case "comms.sent" | "comms.failed":
                found.sent.append(entry)
            case "ledger.opened":
                found.standing[entry.id] = entry.text
            case "ledger.closed":
                found.standing.pop(entry.ref or "", None)
    return found


def _word(data: Any, key: str) -> str:
    """A text of an entry's data, which another hand may have written in another shape."""
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, str) else ""


def _target_uid(intent: Entry) -> str:
    plan = intent.data.get("plan")
    return _word(plan.get("target"), "uid") if isinstance(plan, dict) else ""


def _ours(change: Entry, acted: list[tuple[str, str]]) -> bool:
    """Whether a change is what a mitigation did: it cured, or tried to, and contributed nothing."""
    uid = _word(change.data, "uid")
    return any(uid == target and 0 <= _seconds(at, change.occurred_at) < _FOLLOWS for target, at in acted)


def _facts(record: IncidentRecord, found: _Found) -> Iterator[str]:
    worst = min(filter(None, found.severities), default=record.severity)
    severity = worst if worst == record.severity else f"{worst}, at the end {record.severity}"
    ended = f"{record.resolved_at[:16]}Z" if record.resolved_at else f"not yet: {record.status}"
    lasted = f"{span(_seconds(record.declared_at, record.resolved_at))}, " if record.resolved_at else ""
    roles = ", ".join(f"{role} {who}" for role, who in record.roles.items()) or "nobody had one"
    yield "| | |\n| --- | --- |\n"
    for label, text in (
        ("Incident", record.id),
        ("Severity", severity),
        ("Date", record.declared_at[:10]),
        ("Duration", f"{lasted}declared {record.declared_at[:16]}Z, resolved {ended}"),
        ("Roles", roles),
    ):
        yield f"| {label} | {_inline(text)} |\n"
    yield from (f"| {label} | {_ask(what)} |\n" for label, what in _IMPACT)


def _milestones(record: IncidentRecord, found: _Found) -> Iterator[str]:
    marks = {**found.marks, "Declared": record.declared_at}
    if record.resolved_at:
        marks["Resolved"] = record.resolved_at
    yield "\n## Milestones\n\n| | at | after the first |\n| --- | --- | --- |\n"
    ordered = sorted(marks.items(), key=lambda mark: mark[1])
    for name, moment in ordered:
        after = _seconds(ordered[0][1], moment)
        yield f"| {name} | {moment[11:16]}Z | {span(after) if after else '-'} |\n"


def _seconds(begin: str, end: str) -> float:
    return (parse_time(end) - parse_time(begin)).total_seconds()


def _told(entry: Entry) -> bool:
    """Whether an entry is told: an end of a signal is not, for a signal that comes and goes fills pages."""
    return entry.kind not in _SILENT and not (entry.kind == "signal" and entry.data.get("phase") == "end")


def _line(row: Row) -> str:
    entry = row.entry
    mark = f" *{_inline(row.mark)}*" if row.mark else ""
    return f"- **{_inline(entry.occurred_at[11:16])}** {_inline(entry.text)}{mark} ({_inline(entry.user)})\n"


def _items(entries: Iterable[Entry]) -> Iterator[str]:
    yield from (f"- {_inline(entry.occurred_at[11:16])} {_inline(entry.text)}\n" for entry in entries)


def _inline(text: str) -> str:
    """Outside text on one line of Markdown, in a table as well."""
    return escape(" ".join(safe(text).split()))


def _ask(what: str) -> str:
    return f"*to be filled in{f': {what}' if what else ''}*"
