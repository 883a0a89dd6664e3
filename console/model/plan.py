"""A mitigation from plan to verdict, as records that the screen shows and the timeline keeps."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Any, Literal

import msgspec


class Target(msgspec.Struct, frozen=True):
    """What a mitigation acts on: an identity, not a row.

    Kubernetes objects carry uid and resource_version; a database session carries its pid as ``name`` and
    backend_start as ``uid``. ``kind`` and ``name`` are as on the command line (``deployment/shop``).
    """

    kind: str
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


class Change(msgspec.Struct, frozen=True):
    """One field that would change, from the server-side dry run: path, value before, value after."""

    path: str
    before: str
    after: str


_ONE = {"pods": "pod", "sessions": "session", "queries": "query"}
_NOUN = re.compile(rf"\b(?:{'|'.join(_ONE)})\b")


class Hit(msgspec.Struct, frozen=True):
    """A part of the blast radius: a count and the names behind it, e.g. 3 pods of shop replaced."""

    what: str
    count: int
    names: tuple[str, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether the names are descriptions, to be shown one a line."""
        return any("," in name for name in self.names)

    @property
    def counted(self) -> str:
        """The count with its noun: ``3 pods replaced``, ``1 pod replaced``."""
        of_others = self.what.startswith("of ")
        what = self.what if self.count != 1 or of_others else _NOUN.sub(lambda it: _ONE[it[0]], self.what, 1)
        return f"{self.count} {what}"


class Option(msgspec.Struct, frozen=True):
    """A choice offered for a parameter, e.g. a revision, with why it is or is not recommended."""

    value: str
    label: str
    detail: str = ""
    recommended: bool = False
    disabled: str = ""


class Risk(StrEnum):
    """How far a confirmation has to go. READ changes nothing and is not confirmed."""

    READ = "read"
    ROUTINE = "routine"
    DISRUPTIVE = "disruptive"
    DESTRUCTIVE = "destructive"


class Plan(msgspec.Struct, frozen=True):
    """Everything a person must see before saying yes, and all that ``execute`` needs to do just that.

    ``command`` is the exact equivalent a person could paste; ``undone_by`` names what will fight the
    change (HPA, Argo CD, pool reconnect); ``notes`` are what was looked at and is well; ``refusal`` is a
    sentence when the plan may not be executed; ``payload`` is private to the mitigation and holds no secret;
    ``user`` is who the server says we are, ``source`` the board name of the system. Times are unix seconds.
    """

    action: str
    title: str
    risk: Risk
    target: Target
    params: dict[str, str]
    context: str
    server: str
    command: str
    made_at: float
    changes: tuple[Change, ...] = ()
    hits: tuple[Hit, ...] = ()
    undone_by: tuple[str, ...] = ()
    reversible: bool = False
    undo: str = ""
    evidence: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    dry_run: str = ""
    refusal: str = ""
    temporary: bool = False
    payload: dict[str, Any] = {}
    user: str = ""
    source: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the plan; the timeline's intent names it, so that what ran is what was shown."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def typed_name(self) -> str:
        """What has to be typed to confirm a destructive plan."""
        return self.target.name


class StepResult(msgspec.Struct, frozen=True):
    """The result on one target of a plan that has many.

    ``status`` tells of a session what ``detail`` says in words: ``signalled``, signalled and still ``going``,
    ``gone`` before it was signalled, ``skipped`` because it may not be ended. It is empty for all else.
    """

    target: str
    ok: bool
    detail: str
    status: Literal["", "signalled", "going", "gone", "skipped"] = ""


class Outcome(msgspec.Struct, frozen=True):
    """What execution did.

    ``failed`` and ``refused`` mean that nothing was changed, ``unknown`` that the answer was lost: it may or
    may not have happened.
    """

    status: Literal["done", "partial", "failed", "refused", "unknown"]
    detail: str
    results: tuple[StepResult, ...] = ()
    undo_params: dict[str, str] | None = None
    undo_action: str = ""
    unrecorded: bool = False
    """Refused for no other reason than that no sink took the intent."""


class Verdict(msgspec.Struct, frozen=True):
    """Whether it helped: judged by what was measured before and after, with that evidence as text."""

    status: Literal["helped", "no_change", "worse", "inconclusive"]
    detail: str
    evidence: tuple[str, ...] = ()


class Progress(msgspec.Struct, frozen=True):
    """Where a running mitigation stands, for the screen."""

    plan: Plan
    stage: Literal["evidence", "executing", "verifying", "finished"]
    text: str
    started: float
    outcome: Outcome | None = None
    verdict: Verdict | None = None
    unrecorded: bool = False
    """The glass was broken: no timeline took the intent, and it is done all the same."""
    by_hand: str = ""
    """What no timeline has and a person has to write down, in lines; "" when it is recorded."""
