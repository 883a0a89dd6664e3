"""The incident as derived from its timeline: opened, changed and resolved by entries, never by hand.

`incident.json` is a copy of the derived record for others to read. It may be deleted at any time; `refresh`
writes it again from the timeline.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from console.timeline.corrected import Row, corrected
from console.timeline.entry import Entry, TimelineError
from console.timeline.file import FILE_MODE, failure, make_folder, walk
from console.timeline.folder import (
    incident_folder,
    incident_ids,
    incidents_folder,
    spool_path,
    timeline_path,
)
from console.timeline.recorder import Recorder, walk_entries


class IncidentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is true of an incident now. Times as in the timeline (UTC, when it happened).

    `status` is the word of the last status entry (`investigating` until one says otherwise) or `resolved`.
    `roles` maps a role to who holds it. `drill` never goes away again. `covers` is the size in bytes of the
    timeline that this was derived from.
    """

    id: str
    status: str
    severity: str
    title: str
    declared_at: str
    declared_by: str
    lead: str | None = None
    roles: dict[str, str] = {}
    resolved_at: str | None = None
    drill: bool = False
    entries: int = 0
    covers: int = 0

    @property
    def open(self) -> bool:
        """Tell whether the incident is still going on."""
        return self.status != "resolved"


def tells(entry: Entry) -> bool:
    """Whether an entry bears on the record: it is about the incident as such, or may correct one that is."""
    return entry.kind.startswith("incident.") or entry.kind == "correction"


def derive(incident: str, entries: Iterable[Entry], covers: int = 0) -> IncidentRecord | None:
    """Derive the record from a timeline, corrections applied; None when no entry declares the incident."""
    count = 0
    telling: list[Entry] = []
    for entry in entries:
        count += 1
        if tells(entry):
            telling.append(entry)
    record: IncidentRecord | None = None
    # What an entry changes counts in the order of recording; corrections may move it in time.
    for row in sorted(corrected(telling), key=lambda row: (row.entry.ts, row.entry.seq)):
        record = _declared(incident, row) if record is None else _changed(record, row.entry)
    if record is None:
        return None
    drill = any(e.kind == "incident.declared" and e.data.get("drill") is True for e in telling)
    return msgspec.structs.replace(record, drill=drill, entries=count, covers=covers)


def _declared(incident: str, row: Row) -> IncidentRecord | None:
    entry = row.entry
    if entry.kind != "incident.declared":
        return None
    lead = _word(entry.data, "lead") or None
    better = _word(row.correction.data, "title") if row.correction is not None else ""
    return IncidentRecord(
        id=incident,
        status="investigating",
        severity=_word(entry.data, "severity"),
        title=better or _word(entry.data, "title") or entry.text,
        declared_at=entry.occurred_at,
        declared_by=entry.user,
        lead=lead,
        roles={"lead": lead} if lead else {},
    )


def _changed(record: IncidentRecord, entry: Entry) -> IncidentRecord:
    replace = msgspec.structs.replace
    match entry.kind:
        case "incident.severity":
            return replace(record, severity=_word(entry.data, "severity") or record.severity)
        case "incident.status":
            status = _word(entry.data, "status")
            return (
                replace(record, status=status) if record.open and status not in {"", "resolved"} else record
            )
        case "incident.role":
            roles = record.roles | {_word(entry.data, "role"): _word(entry.data, "who")}
            roles = {role: who for role, who in roles.items() if role and who}
            return replace(record, roles=roles, lead=roles.get("lead"))
        case "incident.resolved":
            return replace(record, status="resolved", resolved_at=entry.occurred_at)
        case "incident.reopened":
            return replace(record, status="investigating", resolved_at=None)
        case _:
            return record


def _word(data: dict[str, Any], key: str) -> str:
    value = data.get(key)
    return "" if value is None else str(value)


def load(state_dir: Path, incident: str, spool: Path | None = None) -> IncidentRecord | None:
    """Return the record of an incident; None if undeclared. `incident.json` stands while nothing bears on it.

    Raise TimelineError when the timeline cannot be read.
    """
    path = timeline_path(state_dir, incident)
    covers = timeline_size(state_dir, incident)
    if spool is None or not spool_path(spool, incident).exists():
        cached = stored(state_dir, incident)
        fresh = _since(path, cached.covers, covers) if cached is not None else None
        if cached is not None and fresh is not None:
            return msgspec.structs.replace(cached, entries=cached.entries + fresh, covers=covers)
    return derive(incident, walk_entries(state_dir, incident, spool), covers)


def stored(state_dir: Path, incident: str) -> IncidentRecord | None:
    """Return `incident.json` as it is, up to date or not; None when there is none that can be read."""
    try:
        found = msgspec.json.decode(_json_path(state_dir, incident).read_bytes(), type=IncidentRecord)
    except (OSError, msgspec.MsgspecError):
        return None
    return found if found.id == incident else None


def _since(path: Path, covered: int, size: int) -> int | None:
    """How many entries a timeline has beyond what was covered; None when they may change the record."""
    if not 0 < covered <= size:
        return None
    if covered == size:
        return 0
    try:
        with path.open("rb") as file:
            file.seek(covered - 1)
            if file.read(1) != b"\n":  # it was covered while another console wrote that line
                return None
    except OSError:
        return None
    count = 0
    for entry in walk(path, covered):
        if not isinstance(entry, Entry) or tells(entry):
            return None
        count += 1
    return count


def list_incidents(state_dir: Path, spool: Path | None = None) -> list[IncidentRecord]:
    """Return the records of all declared incidents, oldest first."""
    found = (load(state_dir, incident, spool) for incident in incident_ids(state_dir, spool))
    return [record for record in found if record is not None]


def open_incident(state_dir: Path, spool: Path | None = None) -> IncidentRecord | None:
    """Return the incident that was declared last among those not resolved, or None."""
    for incident in reversed(incident_ids(state_dir, spool)):
        record = load(state_dir, incident, spool)
        if record is not None and record.open:
            return record
    return None


def refresh(state_dir: Path, incident: str, spool: Path | None = None) -> IncidentRecord | None:
    """Derive the record anew and write `incident.json`; a copy that cannot be written is no failure."""
    covers = timeline_size(state_dir, incident)
    record = derive(incident, walk_entries(state_dir, incident, spool), covers)
    if record is not None:
        with contextlib.suppress(OSError):
            _write_json(_json_path(state_dir, incident), record)
    return record


def declare(
    recorder: Recorder,
    severity: str,
    title: str,
    *,
    lead: str | None = None,
    drill: bool = False,
) -> IncidentRecord:
    """Declare an incident, attach the recorder to it and return its record.

    The id INC-YYYYMMDD-N (UTC day) is never given twice, whatever other consoles do at the same moment. Raise
    TimelineError while another incident is open and when no sink takes the declaration; then nothing was
    declared.
    """
    state_dir, spool, before = recorder.state_dir, recorder.spool, recorder.incident
    with _declaring(state_dir):
        other = open_incident(state_dir, spool)
        if other is not None:
            raise TimelineError(f"{other.id} ({other.title}) is still open: join it, or resolve it first.")
        incident = _allot(state_dir, spool, recorder.clock.now().strftime("%Y%m%d"))
        recorder.attach(incident)
        facts = {"severity": severity, "title": title, "lead": lead, "drill": drill}
        mark = "DRILL: " if drill else ""
        try:
            recorder.record("incident.declared", f"{mark}{severity} {title}", data=facts)
        except TimelineError:
            recorder.attach(before)
            with contextlib.suppress(OSError):
                incident_folder(state_dir, incident).rmdir()
            raise
    return _current(state_dir, incident, spool)


def resolve(recorder: Recorder, text: str = "", *, data: dict[str, Any] | None = None) -> IncidentRecord:
    """Resolve the recorder's incident, send later entries to the standby record and return the last record.

    Raise TimelineError when no incident is attached or no sink takes the entry.
    """
    incident = recorder.incident
    if incident is None:
        raise TimelineError("There is no open incident to resolve.")
    recorder.record("incident.resolved", text or f"{incident} resolved", data=data)
    recorder.attach(None)
    return _current(recorder.state_dir, incident, recorder.spool)


def reopen(recorder: Recorder, incident: str, text: str) -> IncidentRecord:
    """Take up a resolved incident again, attach the recorder to it and return its record.

    Raise TimelineError when it is not resolved, another one is open, or no sink takes the entry.
    """
    state_dir, spool, before = recorder.state_dir, recorder.spool, recorder.incident
    with _declaring(state_dir):
        other = open_incident(state_dir, spool)
        if other is not None:
            raise TimelineError(f"{other.id} ({other.title}) is still open: join it, or resolve it first.")
        if load(state_dir, incident, spool) is None:
            raise TimelineError(f"There is no incident {incident} that could be taken up again.")
        recorder.attach(incident)
        data = {"status": "investigating", "before": "resolved", "reason": text}
        try:
            recorder.record("incident.reopened", f"reopened: {text}", data=data)
        except TimelineError:
            recorder.attach(before)
            raise
    return _current(state_dir, incident, spool)


def _current(state_dir: Path, incident: str, spool: Path | None) -> IncidentRecord:
    record = refresh(state_dir, incident, spool)
    if record is None:
        raise TimelineError(f"The timeline of {incident} does not hold its declaration; verify it.")
    return record


@contextlib.contextmanager
def _declaring(state_dir: Path) -> Iterator[None]:
    """Let one console at a time look for an open incident and declare one.

    On a disk that takes no lock file the declaration goes on: an id is allotted safely all the same.
    """
    descriptor = -1
    try:
        with contextlib.suppress(OSError, TimelineError):
            make_folder(incidents_folder(state_dir))
            lock = incidents_folder(state_dir) / ".lock"
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _allot(state_dir: Path, spool: Path | None, day: str) -> str:
    """Take the next free number of the day by creating its folder or, on a dead disk, its spool file."""
    failed: OSError | TimelineError | None = None
    for number in range(1, 1_000_000):
        incident = f"INC-{day}-{number}"
        if spool is not None and spool_path(spool, incident).exists():
            continue
        folder = incident_folder(state_dir, incident)
        try:
            make_folder(folder.parent)
            folder.mkdir(0o750)
            folder.chmod(0o750)
            return incident
        except FileExistsError:
            continue
        except (OSError, TimelineError) as error:
            failed = error
        if spool is None:
            break
        try:
            make_folder(spool)
            os.close(os.open(spool_path(spool, incident), os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
            return incident
        except FileExistsError:
            continue
        except OSError:
            break
    if isinstance(failed, OSError):
        raise failure(incidents_folder(state_dir), "written", failed) from failed
    raise failed or TimelineError(f"All numbers of {day} are taken in {incidents_folder(state_dir)}.")


def _json_path(state_dir: Path, incident: str) -> Path:
    return incident_folder(state_dir, incident) / "incident.json"


def timeline_size(state_dir: Path, incident: str) -> int:
    """Return the bytes of an incident's timeline, 0 while there is none."""
    return _size(timeline_path(state_dir, incident))


def sizes(state_dir: Path, incident: str, spool: Path | None) -> tuple[int, int]:
    """Return the bytes of an incident's timeline and of what waits for it: they change with the record."""
    return timeline_size(state_dir, incident), _size(spool_path(spool, incident)) if spool is not None else 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _write_json(path: Path, record: IncidentRecord) -> None:
    fresh = path.with_name(f".incident.json.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)
        file.write(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
    fresh.replace(path)
