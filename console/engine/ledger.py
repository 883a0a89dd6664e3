"""The ledger of temporary measures, derived from timeline entries: what still has to be taken back."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from console.model.plan import Outcome, Plan, Target
from console.timeline.entry import Entry
from console.timeline.folder import incident_ids
from console.timeline.recorder import walk_entries


class Measure(msgspec.Struct, frozen=True):
    """One temporary measure: what was done and what takes it back.

    ``id`` is the id of its ledger.opened entry, ``opened_at`` its time as ISO 8601 in UTC; ``closed_by``
    says how it ended and is empty while it is open.
    """

    id: str
    text: str
    target: Target
    source: str
    opened_at: str
    user: str
    undo_action: str = ""
    undo_params: dict[str, str] = {}
    closed_by: str = ""


def ledger_entries(state_dir: Path, spool: Path | None) -> list[Entry]:
    """The ledger of all incidents in the order of time: a measure outlives the one it was taken in.

    It blocks for the disk; raises TimelineError.
    """
    entries = (
        entry
        for incident in (None, *incident_ids(state_dir, spool))
        for entry in walk_entries(state_dir, incident, spool)
        if entry.kind.startswith("ledger.")
    )
    return sorted(entries, key=lambda entry: entry.id)


def measures(entries: Iterable[Entry]) -> tuple[Measure, ...]:
    """All measures of a timeline, oldest first. An entry that cannot be read as one is left out."""
    found: dict[str, Measure] = {}
    for entry in entries:
        if entry.kind == "ledger.opened":
            try:
                found[entry.id] = _measure(entry)
            except msgspec.ValidationError:
                continue
        elif entry.kind == "ledger.closed" and entry.ref in found:
            found[entry.ref] = msgspec.structs.replace(found[entry.ref], closed_by=entry.text)
    return tuple(found.values())


def standing(entries: Iterable[Entry]) -> tuple[Measure, ...]:
    """The measures that nobody has taken back or accepted yet, oldest first."""
    return tuple(measure for measure in measures(entries) if not measure.closed_by)


def _measure(entry: Entry) -> Measure:
    return msgspec.convert(
        {**entry.data, "id": entry.id, "text": entry.text, "opened_at": entry.ts, "user": entry.user}, Measure
    )


def opening(plan: Plan, outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """Text and data of the ledger.opened entry of a temporary plan."""
    data = {
        "action": plan.action,
        "target": msgspec.to_builtins(plan.target),
        "source": plan.source,
        "undo_action": outcome.undo_action,
        "undo_params": outcome.undo_params or {},
        "undo": plan.undo,
    }
    way_back = f"; to take it back: {plan.undo}" if plan.undo else ""
    doubt = " (outcome unknown)" if outcome.status == "unknown" else ""
    return f"Temporary{doubt}: {plan.title}{way_back}", data


def taken_back_by(plan: Plan, entries: Iterable[Entry]) -> tuple[Measure, ...]:
    """The standing measures that a plan takes back: the same target, and just what their undo says."""
    return tuple(
        measure
        for measure in standing(entries)
        if measure.undo_action == plan.action
        and measure.source == plan.source
        and (measure.target.kind, measure.target.namespace, measure.target.name)
        == (plan.target.kind, plan.target.namespace, plan.target.name)
        and {key: value for key, value in measure.undo_params.items() if key != "expect"} == plan.params
    )
