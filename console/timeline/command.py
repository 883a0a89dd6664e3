"""The commands `warroom timeline show|add|verify|export`, `warroom incidents` and `warroom postmortem`.

Data goes to standard output, messages to standard error. The functions take the parsed arguments and return
the exit code: 0 done, 1 a bad line was found, 2 nothing to do. Of what cannot be read or written, and of an
incident that does not exist, they raise TimelineError, which the command line turns into exit code 2.
"""

import os
import sys
from argparse import Namespace
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TextIO

import msgspec

from console.config import ConfigError, default_state_dir
from console.incident.record import list_incidents, load, open_incident
from console.model.clock import SystemClock
from console.model.redact import redact
from console.model.symptoms.words import plural
from console.model.text import clean
from console.timeline.chain import Report
from console.timeline.chain import verify as verify_file
from console.timeline.corrected import Row, rows
from console.timeline.entry import GENESIS, BadLine, TimelineError, encode
from console.timeline.export import export
from console.timeline.file import FILE_MODE
from console.timeline.folder import (
    default_spool,
    incident_folder,
    incident_ids,
    spool_path,
    state_folder,
    timeline_path,
)
from console.timeline.postmortem import draft
from console.timeline.recorder import Recorder
from console.timeline.spool import SpoolError, waiting_in
from console.timeline.stored import Stored


def run(args: Namespace) -> int:
    """Run `warroom timeline`: `args.verb` is show, add, verify or export; raise TimelineError."""
    commands: dict[str, Callable[[Namespace], int]] = {
        "show": _show,
        "add": _add,
        "verify": _verify,
        "export": _export,
    }
    return commands[args.verb](args)


def run_incidents(args: Namespace) -> int:
    """Run `warroom incidents`: one line each, or with `args.json` one JSON array; raise TimelineError."""
    state_dir = _state_dir(args)
    records = list_incidents(state_dir, default_spool(state_dir))
    if args.json:
        print(msgspec.json.encode(records).decode())
        return 0
    if not records:
        _say(f"no incident was declared in {state_dir}.")
    for record in records:
        end = f"resolved {record.resolved_at[:16]}Z" if record.resolved_at else record.status
        drill = "DRILL  " if record.drill else ""
        title = redact(clean(record.title))
        print(clean(f"{record.id}  {record.severity}  {record.declared_at[:16]}Z  {end}  {drill}{title}"))
    return 0


def run_postmortem(args: Namespace) -> int:
    """Run `warroom postmortem`: the draft for `args.incident`, in Markdown, printed and kept in its folder.

    Raise TimelineError.
    """
    state_dir, incident = _chosen(args)
    with closing(_stored(state_dir, incident)) as stored:
        record = load(state_dir, incident, default_spool(state_dir)) if incident else None
        if record is None:
            raise TimelineError(f"The timeline of {incident} does not hold its declaration; verify it.")
        pieces = draft(record, lambda: rows(stored))
        title = next(pieces)  # for which all was read, so that what is wrong with it can be said first
        _report(stored)
        with _kept(incident_folder(state_dir, record.id) / "postmortem.md") as file:
            for piece in chain((title,), pieces):
                sys.stdout.write(piece)
                file.write(piece)
    return 0


@contextmanager
def _kept(path: Path) -> Iterator[TextIO]:
    """A new file for the draft, or nothing to write to: whoever edits the one there must not lose that."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        if isinstance(error, FileExistsError):
            _say(f"{path} exists and is left as it is.")
        else:
            _say(f"{path} cannot be written: {(error.strerror or type(error).__name__).lower()}.")
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        yield file
    _say(f"the draft is kept in {path}.")


def _state_dir(args: Namespace) -> Path:
    """Return the state folder; a configuration that cannot be read must not take the record away."""
    try:
        return state_folder(args.state_dir)
    except ConfigError as error:
        folder = default_state_dir()
        _say(f"{error} The record in {folder} is used; --state-dir names another.")
        return folder


def _say(message: str) -> None:
    print(f"warroom: {clean(message)}", file=sys.stderr)


def _chosen(args: Namespace) -> tuple[Path, str | None]:
    """Return the state folder and the incident: the one named, else the open one, else None for standby."""
    state_dir = _state_dir(args)
    spool = default_spool(state_dir)
    named: str | None = args.incident
    if named is not None:
        known = incident_ids(state_dir, spool)
        if named not in known and not incident_folder(state_dir, named).is_dir():
            hint = f"the last one is {known[-1]}" if known else "none was ever declared"
            raise TimelineError(f"There is no incident {named} in {state_dir}; {hint}.")
        return state_dir, named
    current = open_incident(state_dir, spool)
    if current is None:
        _say("no incident is open; this is the standby record (--incident ID names another).")
        return state_dir, None
    return state_dir, current.id


def _stored(state_dir: Path, incident: str | None) -> Stored:
    return Stored(timeline_path(state_dir, incident), spool_path(default_spool(state_dir), incident))


def _report(stored: Stored) -> None:
    """Say what is wrong with a record that was walked."""
    for line in stored.bad:
        _say(f"{stored.path}: line {line.line} is skipped: {line.reason}.")
    if stored.bad_count > len(stored.bad):
        more = plural(stored.bad_count - len(stored.bad), "more line is", "more lines are")
        _say(f"{stored.path}: {more} skipped.")
    known = {line.line for line in stored.bad}
    changed = [line for line in _verified(stored.path, declares=False).bad if line.line not in known]
    if changed and stored.path.exists() and stored.bad_count <= len(stored.bad):
        _say(f"{stored.path}: line {changed[0].line} is not to be relied on: {changed[0].reason}.")
    if stored.damage:
        _say(stored.damage)
    _report_waiting(stored.waiting, stored.spooled)


def _report_waiting(count: int, spooled: Path) -> None:
    """Say how many entries could only be written to the second place."""
    if count:
        _say(
            f"{plural(count, 'entry is', 'entries are')} only in {spooled}, because the timeline could not"
            f" be written; the next entry brings {'it' if count == 1 else 'them'} home."
        )


def _show(args: Namespace) -> int:
    with closing(_stored(*_chosen(args))) as stored:
        if args.json:
            deque(stored.walk(), maxlen=0)  # what is wrong with it is said before it is printed
            _report(stored)
            for _, entry in stored.walk():
                print(encode(entry).decode())
        else:
            view = rows(stored)
            _report(stored)
            for row in view:
                print(_line(row))
    return 0


def _line(row: Row) -> str:
    entry = row.entry
    mark = f" {row.mark}" if row.mark else ""
    return clean(
        f"{entry.occurred_at[:19]}Z  {entry.kind:<17}  {redact(clean(entry.text))}{mark}  "
        f"({entry.user}@{entry.host})",
        limit=10_000,
    )


def _add(args: Namespace) -> int:
    text = " ".join(args.text)
    if text == "-":
        text = sys.stdin.read()
    if not text.strip():
        _say(
            "there is nothing to add; write the note after `add`, or `add -` to read it from standard input."
        )
        return 2
    state_dir, incident = _chosen(args)
    recorder = Recorder(state_dir, SystemClock(), spool=default_spool(state_dir))
    recorder.attach(incident)
    entry = recorder.record(args.kind, text)
    if recorder.health.state == "degraded":
        _say(recorder.health.reason)
        spooled = spool_path(default_spool(state_dir), incident)
        with suppress(SpoolError):
            _report_waiting(len(waiting_in(spooled)), spooled)
    if recorder.warning:
        _say(recorder.warning)
    print(f"{entry.id} {incident or 'standby'} {entry.seq}")
    return 0


def _verify(args: Namespace) -> int:
    if args.incident is not None:
        state_dir, *incidents = _chosen(args)
    else:
        state_dir = _state_dir(args)
        incidents = [None, *incident_ids(state_dir, default_spool(state_dir))]
    spool = default_spool(state_dir)
    paths: dict[str, Path] = {}
    declaring: set[str] = set()
    for incident in incidents:
        name = incident or "standby"
        home, spooled = timeline_path(state_dir, incident), spool_path(spool, incident)
        waits = spooled.is_file()
        if home.exists() or not (waits or incident is None):
            paths[name] = home
            if incident is not None and not waits:
                declaring.add(name)
        if waits:
            paths[f"{name} in the second place"] = spooled
    if not paths:
        _say(f"nothing was recorded in {state_dir} yet.")
    reports = {name: _verified(path, declares=name in declaring) for name, path in paths.items()}
    if args.json:
        document = [
            {"timeline": name, "file": str(paths[name]), "ok": report.ok, **msgspec.structs.asdict(report)}
            for name, report in reports.items()
        ]
        print(msgspec.json.encode(document).decode())
    else:
        for name, report in reports.items():
            if report.ok:
                print(f"{name}: ok, {plural(report.entries, 'entry', 'entries')}, head {report.head}")
            else:
                first, more = report.bad[0], len(report.bad) - 1
                also = f"; {plural(more, 'more bad line')} after it" if more else ""
                print(clean(f"{name}: BAD, line {first.line}: {first.reason}{also} ({paths[name]})"))
    return 0 if all(report.ok for report in reports.values()) else 1


def _verified(path: Path, *, declares: bool) -> Report:
    """The report on a file; one that cannot be read, or lacks the declaration it begins with, is bad."""
    try:
        report = verify_file(path)
    except TimelineError as error:
        return Report(0, GENESIS, (BadLine(1, str(error)),))
    if declares and not report.entries and report.ok:
        return Report(0, GENESIS, (BadLine(1, "nothing declares the incident: its entries are lost"),))
    return report


def _export(args: Namespace) -> int:
    state_dir, incident = _chosen(args)
    with closing(_stored(state_dir, incident)) as stored:
        view = rows(stored)
        _report(stored)
        record = load(state_dir, incident, default_spool(state_dir)) if incident else None
        title = f"{record.id}: {record.title}" if record else "Standby record"
        drill = record.drill if record else False
        sys.stdout.writelines(export(view, args.format, title=title, drill=drill))
    return 0
