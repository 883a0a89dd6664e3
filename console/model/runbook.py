"""A team's runbook: severities, phases, contacts, templates, scenarios and commands, as written in TOML.

Strict: an unknown key or a value of another type is a mistake. What a document says stands as it says it
(definitions, checklist items, examples, durations); numbers that the console works with stand beside it.
Text in braces, ``{namespace}``, is a place to fill in.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, field_validator

T = TypeVar("T")
Many = Annotated[tuple[T, ...], Strict(False)]
"""An array; TOML gives lists where a record holds tuples."""

Level = Annotated[int, Field(ge=1, le=4)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
Text = Annotated[str, Field(min_length=1)]
Minutes = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(gt=0, lt=1)]
Seconds = Annotated[float, Field(gt=0)]

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


class Part(BaseModel):
    """A table of a runbook."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Workload(Part):
    """``deployment/NAME`` and the like. ``container`` is the one with the application in it."""

    name: Annotated[str, Field(pattern=r"^(deployment|statefulset|daemonset|pod|ingress|configmap)/\S+$")]
    role: Literal["app", "worker", "db", "cache", "pipeline", "monitoring", "config"]
    container: str = ""
    namespace: str = ""
    note: str = ""


class Severity(Part):
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
    respond_within: int | Literal["next business day"]
    examples: Many[Text] = ()
    updates: str = ""
    update_due: Annotated[int, Field(gt=0)] | None = None
    update_overdue: Annotated[int, Field(gt=0)] | None = None
    escalation: str = ""
    escalate_to: Many[Text] = ()
    inform: Many[Text] = ()
    error_ratio_above: Ratio | None = None
    war_room: bool = True

    @field_validator("respond_within", mode="before")
    @classmethod
    def _minutes_or_day(cls, value: Any) -> Any:
        if value != NEXT_BUSINESS_DAY and (type(value) is not int or value < 1):
            raise ValueError(f'give minutes as a number, or "{NEXT_BUSINESS_DAY}"')
        return value


class Contact(Part):
    """Whom to call. The order of the file is the order of escalation; ``severities`` empty means all.

    ``verified`` means that the address is a real one; a placeholder is not, and neither is an empty one.
    """

    role: Text
    reach: str = ""
    severities: Many[Level] = ()
    kind: Literal["escalation", "vendor"] = "escalation"
    verified: bool = False
    note: str = ""


class Link(Part):
    """An address to open."""

    name: Text
    url: Text
    kind: Literal["dashboard", "metrics", "logs", "traces", "status-page", "on-call", "documentation"]


class Check(Part):
    """An HTTP health check; one with a ``placeholder`` address is shown and never sent."""

    name: Text
    url: Annotated[str, Field(pattern=r"^https?://\S+$")]
    method: Literal["GET", "HEAD"] = "GET"
    expect: Many[Annotated[int, Field(ge=100, le=599)]] = (200,)
    scope: Literal["own", "external"] = "own"
    placeholder: bool = False
    note: str = ""


class System(Part):
    """How to reach a database, a cache or another system, in words or as its options."""

    name: Text
    kind: Literal["postgres", "redis", "gitops", "pipeline", "cloud", "ci", "flags", "tools"]
    route: Text
    managed: bool = False
    note: str = ""


class Queue(Part):
    """A Redis key whose depth is watched."""

    key: Text
    note: str = ""


class Query(Part):
    """PromQL. ``why`` tells what the usual form of it gets wrong."""

    name: Text
    expr: Text
    kind: Literal["error-ratio", "request-rate", "latency", "up", "value"]
    service: str = ""
    why: str = ""


class Threshold(Part):
    """When a service counts as sick; without ``service`` for every one. Latency in seconds."""

    service: str = ""
    workload: str = ""
    error_ratio: Ratio | None = None
    p95: Seconds | None = None


class Recovery(Part):
    """When it is over: all below for ``hold`` minutes without a break. Latency in seconds."""

    hold: Annotated[int, Field(gt=0)]
    words: Text
    error_ratio: Ratio | None = None
    p95: Seconds | None = None


class Phase(Part):
    """A stretch of the response. ``minutes`` are its window, counted from the incident, itself or the end.

    ``business_days`` is a limit that skips the weekend.
    ``checklist`` maps an id to the item; ``exit`` says when it is left.
    """

    id: Name
    title: Text
    duration: str = ""
    minutes: Annotated[tuple[Minutes, Minutes], Strict(False)] | None = None
    business_days: Annotated[int, Field(gt=0)] | None = None
    counted_from: Literal["incident", "phase", "resolution"] = "incident"
    parallel_with: str = ""
    checklist: dict[Name, Text] = {}
    exit: str = ""


class Cause(Part):
    """A hypothesis of the catalogue."""

    name: Text
    includes: Many[Text] = ()


class Question(Part):
    """A question of the severity tree; an answer is a level or the id of the next question."""

    id: Name
    ask: Text
    yes: Level | Name
    no: Level | Name


class Template(Part):
    """A message with its fields in order; the value of a field is its hint or its usual content."""

    id: Name
    title: Text
    channel: Literal["record", "chat", "status-page", "pager"]
    severities: Many[Level] = ()
    fields: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], str] = {}
    messages: Annotated[dict[Moment, Text], Field(min_length=1)]

    @property
    def placeholders(self) -> tuple[str, ...]:
        """The places of all messages in the order of their first use."""
        return tuple(dict.fromkeys(PLACEHOLDER.findall("\n".join(self.messages.values()))))


class Step(Part):
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


class Scenario(Part):
    """What it looks like, how to make sure, and what helps: mitigations in the safe order."""

    id: Name
    title: Text
    family: Family
    symptoms: Many[Text] = ()
    diagnosis: Many[Step] = ()
    mitigation: Many[Step] = ()


class Recipe(Part):
    """A procedure that is used outside of a scenario too."""

    id: Name
    title: Text
    steps: Many[Step] = ()


class Command(Part):
    """A line of the quick-reference card."""

    name: Text
    run: Text
    why: str = ""


class Runbook(Part):
    """The whole file. ``name`` is what ``--runbook`` takes; ``namespace`` the default one."""

    name: Name
    title: Text
    description: Text
    owner: str = ""
    last_reviewed: date | None = None
    next_review: date | None = None
    review_when: Many[Text] = ()
    namespace: str = ""
    channel: str = ""
    statuses: Many[Text] = ()
    questions: Many[Text] = ()
    detection: Many[Text] = ()
    escalate_when: Many[Text] = ()
    postmortem: Many[Text] = ()
    during: Many[Text] = ()
    after: Many[Text] = ()
    recovery: Recovery | None = None
    workloads: Many[Workload] = ()
    severities: Many[Severity]
    triage: Many[Question] = ()
    contacts: Many[Contact] = ()
    links: Many[Link] = ()
    checks: Many[Check] = ()
    systems: Many[System] = ()
    queues: Many[Queue] = ()
    thresholds: Many[Threshold] = ()
    queries: Many[Query] = ()
    phases: Many[Phase] = ()
    causes: Many[Cause] = ()
    templates: Many[Template] = ()
    scenarios: Many[Scenario] = ()
    recipes: Many[Recipe] = ()
    commands: Many[Command] = ()

    def severity(self, level: int) -> Severity | None:
        """The definition of a level."""
        return next((item for item in self.severities if item.level == level), None)

    def template(self, name: str) -> Template | None:
        """The template of that id."""
        return next((item for item in self.templates if item.id == name), None)

    def reachable(self, level: int) -> tuple[Contact, ...]:
        """The path of escalation at a level, without those that it does not entitle to call."""
        return tuple(
            contact
            for contact in self.contacts
            if contact.kind == "escalation" and (not contact.severities or level in contact.severities)
        )
