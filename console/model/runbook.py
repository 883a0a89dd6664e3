"""A team's runbook: severities, phases, contacts, templates, scenarios and commands, as written in TOML.

Strict: an unknown key or a value of another type is a mistake. What a document says stands as it says it
(definitions, checklist items, examples, durations); numbers that the console works with stand beside it.
Text in braces, ``{namespace}``, is a place to fill in.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Level = Annotated[int, Meta(ge=1, le=4)]
Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]*\Z",
        extra={"wanted": 'has to be of small letters, digits and hyphens, as in "error-spike"'},
    ),
]
FieldName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]*\Z",
        extra={"wanted": 'has to be of small letters, digits and underscores, as in "start_time"'},
    ),
]
WorkloadName = Annotated[
    str,
    Meta(
        pattern=r"^(deployment|statefulset|daemonset|pod|ingress|configmap)/\S+\Z",
        extra={
            "wanted": 'has to be as in "deployment/shop"; before the / stands deployment, statefulset, '
            "daemonset, pod, ingress or configmap"
        },
    ),
]
WebAddress = Annotated[
    str,
    Meta(
        pattern=r"^https?://\S+\Z",
        extra={"wanted": 'has to be a web address, as in "https://shop.example/health"'},
    ),
]
Answer = Annotated[
    Level | Name, Meta(extra={"wanted": "has to be a level from 1 to 4, or the id of a later question"})
]
Text = Annotated[str, Meta(min_length=1)]
Minutes = Annotated[int, Meta(ge=0)]
Ratio = Annotated[float, Meta(gt=0, lt=1)]
Seconds = Annotated[float, Meta(gt=0)]

NEXT_BUSINESS_DAY = "next business day"
Moment = Literal["assessed", "declared", "update", "resolved", "page", "topic"]
Pane = Literal["pods", "errors", "database", "cache", "alerts", "suggestions", "timeline"]
Family = Literal[
    "bad-release",
    "connections-exhausted",
    "memory-leak",
    "error-spike",
    "latency",
    "outage",
    "dependency-down",
    "queue-backup",
    "pipeline-failure",
    "cache-stampede",
]
"""The families of incidents, named as the drills that practise them."""

PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a runbook."""


class Workload(Part, frozen=True, kw_only=True):
    """``deployment/NAME`` and the like. ``container`` is the one with the application in it."""

    name: WorkloadName
    role: Literal["app", "worker", "db", "cache", "pipeline", "monitoring", "config"]
    container: str = ""
    namespace: str = ""
    note: str = ""


class Severity(Part, frozen=True, kw_only=True):
    """One level, 1 the worst.

    ``response`` and ``updates`` are the words of the document, ``respond_within``, ``update_due`` and
    ``update_overdue`` the minutes of the clocks; an update that is never overdue has none. ``escalate_to``
    names contacts by role, ``inform`` other audiences. ``error_ratio_above`` suggests the level.
    """

    level: Level
    label: Text
    title: Text
    definition: Text
    response: Text
    respond_within: Annotated[
        Annotated[int, Meta(ge=1)] | Literal["next business day"],
        Meta(extra={"wanted": f'give minutes as a number, or "{NEXT_BUSINESS_DAY}"'}),
    ]
    examples: tuple[Text, ...] = ()
    updates: str = ""
    update_due: Annotated[int, Meta(gt=0)] | None = None
    update_overdue: Annotated[int, Meta(gt=0)] | None = None
    escalation: str = ""
    escalate_to: tuple[Text, ...] = ()
    inform: tuple[Text, ...] = ()
    error_ratio_above: Ratio | None = None
    war_room: bool = True


class Contact(Part, frozen=True, kw_only=True):
    """Whom to call. The order of the file is the order of escalation; ``severities`` empty means all.

    ``verified`` means that the address is a real one; a placeholder is not, and neither is an empty one.
    """

    role: Text
    reach: str = ""
    severities: tuple[Level, ...] = ()
    kind: Literal["escalation", "vendor"] = "escalation"
    verified: bool = False
    note: str = ""


class Link(Part, frozen=True, kw_only=True):
    """An address to open."""

    name: Text
    url: Text
    kind: Literal["dashboard", "metrics", "logs", "traces", "status-page", "on-call", "documentation"]


class Check(Part, frozen=True, kw_only=True):
    """An HTTP health check; one with a ``placeholder`` address is shown and never sent."""

    name: Text
    url: WebAddress
    method: Literal["GET", "HEAD"] = "GET"
    expect: tuple[Annotated[int, Meta(ge=100, le=599)], ...] = (200,)
    scope: Literal["own", "external"] = "own"
    placeholder: bool = False
    note: str = ""


class System(Part, frozen=True, kw_only=True):
    """How to reach a database, a cache or another system, in words or as its options."""

    name: Text
    kind: Literal["postgres", "redis", "gitops", "pipeline", "cloud", "ci", "flags", "tools"]
    route: Text
    managed: bool = False
    note: str = ""


class Queue(Part, frozen=True, kw_only=True):
    """A Redis key whose depth is watched."""

    key: Text
    note: str = ""


class Query(Part, frozen=True, kw_only=True):
    """PromQL. ``why`` tells what the usual form of it gets wrong."""

    name: Text
    expr: Text
    kind: Literal["error-ratio", "request-rate", "latency", "up", "value"]
    service: str = ""
    why: str = ""


class Threshold(Part, frozen=True, kw_only=True):
    """When a service counts as sick; without ``service`` for every one. Latency in seconds."""

    service: str = ""
    workload: str = ""
    error_ratio: Ratio | None = None
    p95: Seconds | None = None


class Recovery(Part, frozen=True, kw_only=True):
    """When it is over: all below for ``hold`` minutes without a break. Latency in seconds."""

    hold: Annotated[int, Meta(gt=0)]
    words: Text
    error_ratio: Ratio | None = None
    p95: Seconds | None = None


class Phase(Part, frozen=True, kw_only=True):
    """A stretch of the response. ``minutes`` are its window, counted from the incident, itself or the end.

    ``business_days`` is a limit that skips the weekend.
    ``checklist`` maps an id to the item; ``exit`` says when it is left.
    """

    id: Name
    title: Text
    duration: str = ""
    minutes: tuple[Minutes, Minutes] | None = None
    business_days: Annotated[int, Meta(gt=0)] | None = None
    counted_from: Literal["incident", "phase", "resolution"] = "incident"
    parallel_with: str = ""
    checklist: dict[Name, Text] = {}
    exit: str = ""


class Cause(Part, frozen=True, kw_only=True):
    """A hypothesis of the catalogue."""

    name: Text
    includes: tuple[Text, ...] = ()


class Question(Part, frozen=True, kw_only=True):
    """A question of the severity tree; an answer is a level or the id of the next question."""

    id: Name
    ask: Text
    yes: Answer
    no: Answer


class Template(Part, frozen=True, kw_only=True):
    """A message with its fields in order; the value of a field is its hint or its usual content."""

    id: Name
    title: Text
    channel: Literal["record", "chat", "status-page", "pager"]
    severities: tuple[Level, ...] = ()
    fields: dict[FieldName, str] = {}
    messages: Annotated[dict[Moment, Text], Meta(min_length=1)]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The places of all messages in the order of their first use."""
        return tuple(dict.fromkeys(PLACEHOLDER.findall("\n".join(self.messages.values()))))


class Step(Part, frozen=True, kw_only=True):
    """One thing to do: an action of the console, or a command, statement or query to copy.

    ``target`` and ``params`` are those of the action; ``when`` is its condition; ``undo`` what a temporary
    one leaves to be reverted; ``why`` the reason for this form of it.
    """

    text: Text
    action: str = ""
    target: str = ""
    params: dict[str, str] = {}
    run: str = ""
    sql: str = ""
    query: str = ""
    pane: Pane | None = None
    when: str = ""
    temporary: bool = False
    last_resort: bool = False
    undo: str = ""
    why: str = ""


class Scenario(Part, frozen=True, kw_only=True):
    """What it looks like, how to make sure, and what helps: mitigations in the safe order."""

    id: Name
    title: Text
    family: Family
    symptoms: tuple[Text, ...] = ()
    diagnosis: tuple[Step, ...] = ()
    mitigation: tuple[Step, ...] = ()


class Recipe(Part, frozen=True, kw_only=True):
    """A procedure that is used outside of a scenario too."""

    id: Name
    title: Text
    steps: tuple[Step, ...] = ()


class Command(Part, frozen=True, kw_only=True):
    """A line of the quick-reference card."""

    name: Text
    run: Text
    why: str = ""


class Runbook(Part, frozen=True, kw_only=True):
    """The whole file. ``name`` is what ``--runbook`` takes; ``namespace`` the default one."""

    name: Name
    title: Text
    description: Text
    owner: str = ""
    last_reviewed: date | None = None
    next_review: date | None = None
    review_when: tuple[Text, ...] = ()
    namespace: str = ""
    channel: str = ""
    statuses: tuple[Text, ...] = ()
    questions: tuple[Text, ...] = ()
    detection: tuple[Text, ...] = ()
    escalate_when: tuple[Text, ...] = ()
    postmortem: tuple[Text, ...] = ()
    during: tuple[Text, ...] = ()
    after: tuple[Text, ...] = ()
    recovery: Recovery | None = None
    workloads: tuple[Workload, ...] = ()
    severities: tuple[Severity, ...]
    triage: tuple[Question, ...] = ()
    contacts: tuple[Contact, ...] = ()
    links: tuple[Link, ...] = ()
    checks: tuple[Check, ...] = ()
    systems: tuple[System, ...] = ()
    queues: tuple[Queue, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    queries: tuple[Query, ...] = ()
    phases: tuple[Phase, ...] = ()
    causes: tuple[Cause, ...] = ()
    templates: tuple[Template, ...] = ()
    scenarios: tuple[Scenario, ...] = ()
    recipes: tuple[Recipe, ...] = ()
    commands: tuple[Command, ...] = ()

    def severity(self, level: int) -> Severity | None:
        """The definition of a level."""
        return next((item for item in self.severities if item.level == level), None)
