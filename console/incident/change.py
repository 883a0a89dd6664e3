"""Changes of an open incident, each an entry with before and after; its end, and taking it up again."""

from collections.abc import Sequence

import msgspec

from console.incident.conduct import RESOLVED
from console.incident.record import IncidentRecord, load, refresh, reopen, resolve
from console.model.symptoms.words import plural, span
from console.timeline.entry import TimelineError, parse_time
from console.timeline.recorder import Recorder, walk_entries

SEVERITIES = (1, 2, 3, 4)


class Severity(msgspec.Struct, frozen=True):
    """Another severity, 1 (worst) to 4."""

    level: int


class Status(msgspec.Struct, frozen=True):
    """Another status, or the same with an update in ``text``."""

    status: str
    text: str = ""


class Roles(msgspec.Struct, frozen=True):
    """Who holds which role from now on; an empty name gives it up, a role that is left out stays."""

    roles: dict[str, str]


class Title(msgspec.Struct, frozen=True):
    """A better title."""

    title: str


class Resolve(msgspec.Struct, frozen=True):
    """The end, with how it was reached."""

    text: str


class Reopen(msgspec.Struct, frozen=True):
    """A resolved incident is taken up again, with the reason."""

    incident: str
    text: str


Change = Severity | Status | Roles | Title | Resolve | Reopen


def apply(recorder: Recorder, change: Change, standing: Sequence[dict[str, str]] = ()) -> str:
    """Record a change of the recorder's incident and return it as a sentence, "" when nothing changes.

    ``standing`` are the temporary measures that still stand, which the end of an incident names. Raise
    TimelineError when there is no such incident, the change makes no sense, or no sink takes the entry.
    """
    if isinstance(change, Reopen):
        _needed(change.text, "why it is taken up again")
        record = reopen(recorder, change.incident, change.text)
        return f"{record.id} is open again."
    before = _open(recorder)
    match change:
        case Severity(level):
            said = _severity(recorder, before, level)
        case Status(status, text):
            said = _status(recorder, before, status, text)
        case Roles(roles):
            said = _roles(recorder, before, roles)
        case Title(title):
            said = _title(recorder, before, title)
        case Resolve(text):
            return _resolve(recorder, before, text, standing)
    refresh(recorder.state_dir, before.id, recorder.spool)
    return said


def _open(recorder: Recorder) -> IncidentRecord:
    """The incident as it is now: another console may have changed or resolved it a moment ago."""
    incident = recorder.incident
    record = load(recorder.state_dir, incident, recorder.spool) if incident else None
    if record is None or not record.open:
        raise TimelineError("No incident is open (any more); declare one first.")
    return record


def _needed(text: str, what: str) -> None:
    if not text.strip():
        raise TimelineError(f"Nothing was recorded: say in one line {what}.")


def _severity(recorder: Recorder, before: IncidentRecord, level: int) -> str:
    if level not in SEVERITIES:
        raise TimelineError(f"There is no severity {level}; it is 1 (worst) to 4.")
    label = f"SEV{level}"
    if label == before.severity:
        return ""
    text = f"severity {before.severity} -> {label}"
    recorder.record("incident.severity", text, data={"severity": label, "before": before.severity})
    return f"{text}."


def _status(recorder: Recorder, before: IncidentRecord, status: str, update: str) -> str:
    if status in ("", RESOLVED):
        raise TimelineError("An incident is resolved with a line that says how.")
    same = status == before.status
    if same:
        _needed(update, "what is new, as the status stays the same")
    text = f"update, {status}" if same else f"status {before.status} -> {status}"
    data = {"status": status, "before": before.status, "update": update}
    recorder.record("incident.status", f"{text}: {update}" if update else text, data=data)
    return f"{text[0].upper()}{text[1:]}."


def _roles(recorder: Recorder, before: IncidentRecord, roles: dict[str, str]) -> str:
    said = []
    for role, who in roles.items():
        held = before.roles.get(role, "")
        if who == held:
            continue
        text = f"{role}: {held or 'nobody'} -> {who or 'nobody'}"
        recorder.record("incident.role", text, data={"role": role, "who": who, "before": held})
        said.append(text)
    return f"{', '.join(said)}." if said else ""


def _title(recorder: Recorder, before: IncidentRecord, title: str) -> str:
    """A title belongs to the declaration, so it is corrected there; what it was stays readable."""
    _needed(title, "what users notice")
    if title == before.title:
        return ""
    entries = walk_entries(recorder.state_dir, before.id, recorder.spool)
    declared = next((entry for entry in entries if entry.kind == "incident.declared"), None)
    if declared is None:
        raise TimelineError(f"The timeline of {before.id} does not hold its declaration; verify it.")
    mark = "DRILL: " if before.drill else ""
    text = f"{mark}{declared.data.get('severity', '')} {title} (title before: {before.title})"
    recorder.record("correction", text, corrects=declared.id, data={"title": title, "before": before.title})
    return f"The title is now: {title}."


def _resolve(
    recorder: Recorder, before: IncidentRecord, resolution: str, standing: Sequence[dict[str, str]]
) -> str:
    _needed(resolution, "how it was resolved")
    lasted = (recorder.clock.now() - parse_time(before.declared_at)).total_seconds()
    text = f"resolved after {span(lasted)}: {resolution}"
    still = ""
    if standing:
        still = plural(len(standing), "temporary measure still stands", "temporary measures still stand")
        text = f"{text} ({still})"
    data = {
        "status": RESOLVED,
        "before": before.status,
        "resolution": resolution,
        "seconds": round(lasted),
        "standing": list(standing),
    }
    resolve(recorder, text, data=data)
    return f"{before.id} is resolved after {span(lasted)}." + (f" {still}." if still else "")
