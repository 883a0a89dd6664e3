"""The score of a drill: how long until declared, cured and recovered, and what was tried in vain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from console.drill.cluster.request import Record
from console.model.text import clean
from console.timeline.entry import Entry, TimelineError, parse_time
from console.timeline.file import read_timeline
from console.timeline.folder import incident_ids, standby_path, timeline_path

MUTATING = frozenset({"create", "update", "patch", "delete", "deletecollection"})
RELAPSE_SECONDS = 5.0
"""How long users have to be served badly for a recovery to be taken back: one failed request is none."""
OWN_CLIENT = re.compile(r"warroom", re.IGNORECASE)


class Course(msgspec.Struct):
    """What the world itself saw, in unix seconds; None is not yet."""

    broke_at: float | None = None
    cured_at: float | None = None
    recovered_at: float | None = None
    unwell_since: float | None = None

    def observe(self, now: float, *, present: bool, well: bool) -> None:
        """Take note after a tick whether the cause is there and whether users are served well."""
        if self.broke_at is None:
            return
        if present:
            self.cured_at = self.recovered_at = None
        elif self.cured_at is None:
            self.cured_at = now
        self.unwell_since = None if well else self.unwell_since or now
        if self.cured_at is None:
            return
        if self.unwell_since is None:
            self.recovered_at = self.recovered_at or now
        elif now - self.unwell_since >= RELAPSE_SECONDS:
            self.recovered_at = None


class Move(msgspec.Struct, frozen=True):
    """Something that somebody did: when (unix seconds), the action's name or "", and the words for it.

    One that ``failed`` changed nothing: it was refused, or did not reach the system.
    """

    at: float
    action: str
    text: str
    failed: bool = False


def moves(state_dir: Path | None, requests: Iterable[Record], since: float) -> tuple[Move, ...]:
    """What was done after ``since``: intents of the timelines, each once, and writes by other clients."""
    entries = _entries(state_dir)
    failed = {entry.ref for entry in entries if _changed_nothing(entry)}
    found = [
        Move(_time(entry), str(entry.data.get("action", "")), clean(entry.text, 120), entry.id in failed)
        for entry in entries
        if entry.kind == "action.intent" and "standby" not in entry.data and _time(entry) >= since
    ]
    found += [
        Move(one.at, "", f"{one.verb} {one.resource}/{one.info.name if one.info else ''} with {_client(one)}")
        for one in requests
        if one.verb in MUTATING
        and one.at >= since
        and not one.dry_run
        and 200 <= one.status < 300
        and one.resource != "events"
        and not one.resource.startswith("self")
        and not OWN_CLIENT.search(one.user_agent)
    ]
    return tuple(sorted(found, key=lambda move: move.at))


def declared_at(state_dir: Path | None, since: float) -> float | None:
    """When the first incident after ``since`` was declared."""
    times = [
        _time(entry)
        for entry in _entries(state_dir)
        if entry.kind == "incident.declared" and _time(entry) >= since
    ]
    return min(times, default=None)


def report(
    course: Course,
    *,
    title: str,
    cure: str,
    right: Sequence[str],
    declared: float | None,
    done: Sequence[Move],
    lost: Sequence[str] = (),
) -> str:
    """The score as text, a line a fact. ``lost`` is what was thrown away on the way."""
    lines = [f"Drill {title}"]
    if course.broke_at is None:
        return "\n".join([*lines, "Ended before anything broke."])
    lines.append(f"Broke at         {datetime.fromtimestamp(course.broke_at, UTC):%H:%M:%S} UTC")
    for label, at in (
        ("Declared", declared),
        ("Cause removed", course.cured_at),
        ("Recovered", course.recovered_at),
    ):
        lines.append(f"{label:<16} {_after(course.broke_at, at)}")
    wrong = _wrong([move for move in done if not move.failed], course.cured_at, right)
    failed = [move for move in done if move.failed]
    for label, listed in (("Wrong moves", wrong), ("Failed moves", failed)):
        if listed or label == "Wrong moves":
            lines.append(f"{label:<16} {len(listed)}")
        lines += [f"  {_after(course.broke_at, move.at)}  {move.text}" for move in listed]
    if lost:
        lines.append(f"Lost             {', '.join(lost)}")
    lines.append(f"What helps       {cure}")
    return "\n".join(lines)


def _wrong(done: Sequence[Move], cured_at: float | None, right: Sequence[str]) -> list[Move]:
    """All moves before the cure but the one that made it: the last one, if it is of a kind that can."""
    before = [move for move in done if cured_at is None or move.at <= cured_at]
    if cured_at is not None and before and (before[-1].action in right or not before[-1].action):
        before.pop()
    return before


def _changed_nothing(entry: Entry) -> bool:
    """Whether an entry ends its intent without anything changed. A lost answer may hide a change."""
    outcome = entry.data.get("outcome")
    if entry.kind not in ("action.result", "action.refused") or not isinstance(outcome, dict):
        return False
    return outcome.get("status") in ("failed", "refused")


def _after(start: float, at: float | None) -> str:
    if at is None:
        return "not"
    seconds = max(0, round(at - start))
    return f"after {seconds // 60}:{seconds % 60:02d}"


def _entries(state_dir: Path | None) -> list[Entry]:
    if state_dir is None:
        return []
    try:
        paths = [standby_path(state_dir), *(timeline_path(state_dir, one) for one in incident_ids(state_dir))]
        return [entry for path in paths for entry in read_timeline(path).entries]
    except TimelineError:
        return []


def _time(entry: Entry) -> float:
    return parse_time(entry.ts).timestamp()


def _client(record: Record) -> str:
    return clean(record.user_agent.partition(" ")[0] or "an unknown client", 40)
