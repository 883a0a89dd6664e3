"""The commands ``warroom runbook list|show|lint``.

Data goes to standard output, messages to standard error. Exit codes: 0 done, 1 mistakes were found, 2 a file
cannot be read.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from console.config import ConfigError
from console.incident.lint import Finding, lint
from console.incident.runbook import UnreadableError, available, load_runbook, read
from console.model.clock import SystemClock
from console.model.explain import where
from console.model.runbook import Contact, Runbook, Severity, Step
from console.model.symptoms.words import plural
from console.model.text import clean

CLEAN, FINDINGS, UNREADABLE = 0, 1, 2


def run(args: Namespace) -> int:
    """Run ``warroom runbook``: ``args.verb`` is list, show or lint. Raises ConfigError."""
    commands: dict[str, Callable[[Namespace], int]] = {"list": _list, "show": _show, "lint": _lint}
    return commands[args.verb](args)


def _list(args: Namespace) -> int:
    """One line a runbook; one that is broken is named on standard error and makes exit code 1."""
    today = SystemClock().now().date()
    rows, code = [], CLEAN
    for name, file in available().items():
        source = str(file)
        try:
            runbook = load_runbook(source)
        except ConfigError as error:
            print(f"warroom: {error}", file=sys.stderr)
            code = FINDINGS
            continue
        late = runbook.next_review is not None and runbook.next_review < today
        rows.append(
            {
                "name": name,
                "title": runbook.title,
                "file": source,
                "owner": runbook.owner,
                "last_reviewed": runbook.last_reviewed,
                "next_review": runbook.next_review,
                "review_overdue": late,
                "unverified_contacts": [item.role for item in runbook.contacts if not item.verified],
            }
        )
        if not args.json:
            notes = [f"review overdue since {runbook.next_review}"] if late else []
            unverified = sum(not item.verified for item in runbook.contacts)
            notes += (
                [f"{unverified} of {plural(len(runbook.contacts), 'contact')} unverified"]
                if unverified
                else []
            )
            print(clean(f"{name:<16}  {runbook.title}" + (f"  ({'; '.join(notes)})" if notes else "")))
    if args.json:
        print(msgspec.json.encode(rows).decode())
    return code


def _show(args: Namespace) -> int:
    runbook = load_runbook(args.name)
    if args.json:
        print(msgspec.json.format(msgspec.json.encode(runbook), indent=2).decode())
    else:
        print("\n".join(_page(runbook)))
    return CLEAN


def _lint(args: Namespace) -> int:
    """The mistakes of one runbook, or of all that have a name."""
    names = [args.name] if args.name else [str(file) for file in available().values()]
    found: list[Finding] = []
    code = CLEAN
    for name in names:
        try:
            found += lint(read(name, Path()))
        except UnreadableError as error:
            print(f"warroom: {error}", file=sys.stderr)
            code = UNREADABLE
    if args.json:
        print(msgspec.json.encode(found).decode())
    else:
        for item in found:
            print(clean(f"{where(item.file, item.line)}: {item.rule}: {item.message}", limit=2000))
    return code or (FINDINGS if found else CLEAN)


def _page(runbook: Runbook) -> Iterator[str]:
    """A runbook as plain text, in the order in which it is needed."""
    yield runbook.title
    yield runbook.description
    facts = (
        ("owner", runbook.owner),
        ("last reviewed", runbook.last_reviewed),
        ("next review", runbook.next_review),
        ("namespace", runbook.namespace),
        ("channel", runbook.channel),
        ("statuses", " / ".join(runbook.statuses)),
    )
    yield from (f"  {name}: {value}" for name, value in facts if value)
    yield from _part("Severities", (line for item in runbook.severities for line in _severity(item)))
    yield from _part("Escalation and contacts", map(_contact, runbook.contacts))
    yield from _part("Escalate when", runbook.escalate_when)
    yield from _part("Workloads", (f"{item.name} ({item.role}) {item.note}" for item in runbook.workloads))
    yield from _part(
        "Systems",
        (f"{item.name} ({item.kind}): {item.route}. {item.note}".rstrip(". ") for item in runbook.systems),
    )
    yield from _part(
        "Checks",
        (
            f"{item.method} {item.url} expects {', '.join(map(str, item.expect))}"
            + (" (placeholder, never sent)" if item.placeholder else "")
            for item in runbook.checks
        ),
    )
    yield from _part("Queues", (item.key for item in runbook.queues))
    for phase in runbook.phases:
        title = f"Phase: {phase.title}" + (f" ({phase.duration})" if phase.duration else "")
        ending = [f"exit: {phase.exit}"] if phase.exit else []
        yield from _part(title, [*(f"[ ] {item}" for item in phase.checklist.values()), *ending])
    for scenario in runbook.scenarios:
        lines = [f"symptom: {item}" for item in scenario.symptoms]
        lines += [line for step in scenario.diagnosis for line in _step("look", step)]
        lines += [line for step in scenario.mitigation for line in _step("do", step)]
        yield from _part(f"Scenario: {scenario.title} ({scenario.family})", lines)
    for recipe in runbook.recipes:
        yield from _part(f"Recipe: {recipe.title}", (line for s in recipe.steps for line in _step("do", s)))
    for template in runbook.templates:
        lines = [line for text in template.messages.values() for line in text.strip("\n").split("\n")]
        yield from _part(f"Message: {template.title} ({template.channel})", lines)
    yield from _part("Queries", (f"{item.name}: {item.expr}" for item in runbook.queries))
    yield from _part("Quick reference", (f"{item.name}: {item.run}" for item in runbook.commands))
    yield from _part("Links", (f"{item.name}: {item.url}" for item in runbook.links))


def _part(title: str, lines: Iterator[str] | tuple[str, ...] | list[str] | map[str]) -> Iterator[str]:
    body = [f"  {line}".rstrip() for line in lines]
    if body:
        yield from ("", title, *body)


def _severity(item: Severity) -> Iterator[str]:
    yield f"{item.label}  {item.definition}"
    yield f"    respond: {item.response}" + (f"; updates: {item.updates}" if item.updates else "")
    people = item.escalation or ", ".join(item.escalate_to)
    if people:
        yield f"    escalate: {people}"
    if item.examples:
        yield f"    examples: {'; '.join(item.examples)}"


def _contact(item: Contact) -> str:
    only = f", level {', '.join(map(str, item.severities))} only" if item.severities else ""
    mark = "" if item.verified else "  (UNVERIFIED)"
    return f"{item.role}: {item.reach or 'no address'}{only}{mark}"


def _step(word: str, step: Step) -> Iterator[str]:
    marks = [name for name, on in (("temporary", step.temporary), ("last resort", step.last_resort)) if on]
    when = f" [{step.when}]" if step.when else ""
    yield f"{word}: {step.text}{when}" + (f" ({', '.join(marks)})" if marks else "")
    if step.action:
        params = "".join(f" {key}={value}" for key, value in step.params.items())
        yield f"    {step.action} {step.target}{params}"
    for command in filter(None, (step.run, step.sql, step.query)):
        yield f"    $ {command}" if command == step.run else f"    {command}"
    for name, text in (("undo", step.undo), ("why", step.why)):
        if text:
            yield f"    {name}: {text}"
