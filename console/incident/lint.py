"""Whether a runbook can be trusted: its shape, its commands and what its parts say of each other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import msgspec

from console.incident.lint_rules import COMMAND_RULES
from console.incident.runbook import Source, judge, steps
from console.model.explain import Path as Place
from console.model.explain import line_of, positions
from console.model.runbook import Contact, Runbook

COMMANDS = ("run", "sql", "query", "expr")
"""The keys whose values are typed somewhere."""

_MOJIBAKE = re.compile(r"ðŸ|ð\x9f|âœ|âš|â±|â€|â†|Ã[\x80-¿]|üö|üî|‚ú|‚è|‚Ü|‚î|�")
_PLACEHOLDER = re.compile(
    r"\[.*\]|<.*>|\bXXX\b|\d-\d{3}-[A-Z]|TODO|TBD|\bexample\.(com|org|net)$", re.IGNORECASE
)
_PLACEHOLDER_HOST = re.compile(r"(^|\.)(example\.(com|org|net)|yourapp\.com|external-service\.com)$")
_CADENCE = re.compile(r"\b(every|in)\s+\d+(\s*-\s*\d+)?\s*(min|hour)", re.IGNORECASE)
_DIFFERENCE = re.compile(r"\{(start|begin)\w*\}\s*[-–]\s*\{(end|resolved|stop)\w*\}", re.IGNORECASE)


class Finding(msgspec.Struct, frozen=True):
    """A mistake: ``line`` 0 when it is about the whole file, ``rule`` ``schema`` when the shape is wrong."""

    file: str
    line: int
    rule: str
    message: str


class DataRule(msgspec.Struct, frozen=True):
    """What parts of a runbook say of each other; ``finds`` yields the places."""

    name: str
    sentence: str
    finds: Callable[[Runbook], Iterator[Place]]


def lint(source: Source) -> tuple[Finding, ...]:
    """Every mistake of a runbook, in the order of its lines."""
    lines = positions(source.text)
    runbook, mistakes = judge(source)
    found = [(line_of(path, lines) or 0, "schema", sentence) for path, sentence in mistakes]
    found += [
        (line_of(path, lines) or 0, rule.name, rule.sentence)
        for path, text in _strings(source.data)
        if str(path[-1]) in COMMANDS
        for rule in COMMAND_RULES
        if rule.finds(text)
    ]
    found += [
        (
            number,
            "mojibake",
            "Broken characters: the file was read in the wrong encoding once; type them anew.",
        )
        for number, line in enumerate(source.text.splitlines(), start=1)
        if _MOJIBAKE.search(line)
    ]
    if runbook is not None:
        found += [
            (line_of(path, lines) or 0, rule.name, rule.sentence)
            for rule in DATA_RULES
            for path in rule.finds(runbook)
        ]
    return tuple(Finding(source.name, *item) for item in sorted(found))


def _strings(value: Any, path: Place = ()) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, (*path, key))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _strings(item, (*path, number))


def _unreal(contact: Contact) -> bool:
    return not contact.reach.strip() or bool(_PLACEHOLDER.search(contact.reach))


def _unverified_contacts(runbook: Runbook) -> Iterator[Place]:
    for number, contact in enumerate(runbook.contacts):
        if contact.verified and _unreal(contact):
            yield ("contacts", number)


def _forgotten_contacts(runbook: Runbook) -> Iterator[Place]:
    for number, contact in enumerate(runbook.contacts):
        for level in contact.severities:
            severity = runbook.severity(level)
            if contact.kind == "escalation" and severity and contact.role not in severity.escalate_to:
                yield ("contacts", number, "severities")


def _disallowed_contacts(runbook: Runbook) -> Iterator[Place]:
    reserved = {contact.role: contact.severities for contact in runbook.contacts if contact.severities}
    for number, severity in enumerate(runbook.severities):
        if any(severity.level not in reserved.get(role, (severity.level,)) for role in severity.escalate_to):
            yield ("severities", number, "escalate_to")


def _placeholder_checks(runbook: Runbook) -> Iterator[Place]:
    for number, check in enumerate(runbook.checks):
        if not check.placeholder and _PLACEHOLDER_HOST.search(urlsplit(check.url).hostname or ""):
            yield ("checks", number, "url")


def _messages(pattern: re.Pattern[str]) -> Callable[[Runbook], Iterator[Place]]:
    def finds(runbook: Runbook) -> Iterator[Place]:
        for number, template in enumerate(runbook.templates):
            for moment, text in template.messages.items():
                if pattern.search(text):
                    yield ("templates", number, "messages", moment)

    return finds


def _worst_unasked(runbook: Runbook) -> Iterator[Place]:
    first = [question.ask.lower() for question in runbook.triage[:2] if question.yes == 1]
    for word in ("data", "security"):
        if runbook.triage and not any(word in ask for ask in first):
            yield ("triage",)


def _overlapping_bands(runbook: Runbook) -> Iterator[Place]:
    limits = [item.error_ratio_above for item in runbook.severities if item.error_ratio_above]
    limits += [item.error_ratio for item in runbook.thresholds if item.error_ratio]
    recovered = (runbook.recovery.error_ratio if runbook.recovery else None) or 0.0
    if limits and recovered > min(limits):
        yield ("recovery", "error_ratio")


def _database_restarts(runbook: Runbook) -> Iterator[Place]:
    databases = {item.name for item in runbook.workloads if item.role == "db"}
    for path, step in steps(runbook):
        ends = step.action in ("k8s.restart", "k8s.delete-pod", "k8s.evict-pod")
        if ends and step.target in databases and not step.last_resort:
            yield path


def _restarts_before_rollback(runbook: Runbook) -> Iterator[Place]:
    for number, scenario in enumerate(runbook.scenarios):
        actions = [(step.action, step.target) for step in scenario.mitigation]
        for index, (action, target) in enumerate(actions):
            if action == "k8s.restart" and ("k8s.rollback", target) in actions[index:]:
                yield ("scenarios", number, "mitigation", index)


def _scaled_down(runbook: Runbook) -> Iterator[Place]:
    for path, step in steps(runbook):
        if step.action == "k8s.scale" and step.params.get("replicas") in ("0", "1"):
            yield path


def _clocks_in_disorder(runbook: Runbook) -> Iterator[Place]:
    known = sorted(
        (item.level, item.respond_within, number)
        for number, item in enumerate(runbook.severities)
        if isinstance(item.respond_within, int)
    )
    for (_, before, _), (_, after, number) in pairwise(known):
        if after < before:
            yield ("severities", number, "respond_within")


DATA_RULES: tuple[DataRule, ...] = (
    DataRule(
        "contact-placeholder",
        "A contact is marked as verified, but its address is empty or a placeholder.",
        _unverified_contacts,
    ),
    DataRule(
        "contact-forgotten",
        "A contact is reserved for a severity that does not escalate to it; name it there too.",
        _forgotten_contacts,
    ),
    DataRule(
        "contact-not-allowed",
        "A severity escalates to a contact that is reserved for others.",
        _disallowed_contacts,
    ),
    DataRule(
        "check-placeholder",
        "The address of the check is a placeholder: put in your own, or set placeholder = true.",
        _placeholder_checks,
    ),
    DataRule(
        "cadence-in-message",
        "A fixed cadence contradicts that of the severity sooner or later; write {cadence} or {next_update}.",
        _messages(_CADENCE),
    ),
    DataRule(
        "duration-as-difference",
        "{start} - {end} reads as a subtraction; give both times and the {duration}.",
        _messages(_DIFFERENCE),
    ),
    DataRule(
        "worst-unasked",
        "The severity tree must first ask for data loss and for a security breach: both are level 1.",
        _worst_unasked,
    ),
    DataRule(
        "overlapping-bands",
        "The same error ratio counts as recovered and as an incident; lower the limit of the recovery.",
        _overlapping_bands,
    ),
    DataRule(
        "database-restart",
        "Restarting the database is an outage of all that use it: mark it last_resort = true.",
        _database_restarts,
    ),
    DataRule(
        "restart-before-rollback",
        "A restart before the rollback makes a revision with the same bad image and loses time; roll back"
        " first.",
        _restarts_before_rollback,
    ),
    DataRule(
        "scale-to-one",
        "Scaling down takes capacity and redundancy away from a service that already fails.",
        _scaled_down,
    ),
    DataRule(
        "clocks-in-disorder",
        "A lighter severity must not be answered sooner than a graver one.",
        _clocks_in_disorder,
    ),
)
"""The rules for the data."""
