"""What the screen and the commands may ask of the engine beyond its board.

Kept apart from the implementations so that the watch path can name a mitigator without importing one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from console.engine.ledger import Measure
from console.model.logs import LogLine
from console.model.plan import Option, Plan, Progress, Target


class LogFeed(Protocol):
    """A bounded buffer of log lines filled by the engine and drained by the screen, from any thread."""

    def take(self) -> tuple[Sequence[LogLine], int]:
        """Lines since the last call, and how many more were dropped because nobody took them in time."""
        ...

    @property
    def finished(self) -> bool:
        """Whether no further line will come."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


class Mitigator(Protocol):
    """Carries mitigations through their life. Coroutines run on the engine's loop (``Engine.submit``).

    In watch mode there is none.
    """

    async def options(self, action: str, target: Target, param: str, *, source: str) -> tuple[Option, ...]:
        """The choices for one parameter, e.g. the revisions of ``target``; ``source`` is a board name."""
        ...

    async def plan(self, action: str, target: Target, params: dict[str, str], *, source: str) -> Plan:
        """Look, dry-run and describe; changes nothing. Raises PlanError with a sentence."""
        ...

    async def run(self, plan: Plan, reason: str = "", *, break_glass: bool = False) -> Progress:
        """Record the intent, save evidence, execute, record the result, verify, record the verdict.

        ``break_glass`` acts even when no sink takes the intent, says so, and writes to a second place.
        """
        ...

    async def cancel(self, plan: Plan, reason: str) -> None:
        """Record that a person looked at the plan and said no."""
        ...

    async def ledger(self) -> tuple[Measure, ...]:
        """The temporary measures of all incidents that nobody has taken back, oldest first.

        Raises TimelineError.
        """
        ...

    async def accept(self, measure: Measure, owner: str, why: str) -> None:
        """Record that a temporary measure stays for good, and whose it is now. Raises TimelineError."""
        ...

    @property
    def progress(self) -> tuple[Progress, ...]:
        """Running and recent mitigations, newest first; the board's ``mitigations`` version follows it."""
        ...


class PlanError(Exception):
    """Why a plan cannot be made, as a sentence for the screen."""


class FullError(PlanError):
    """The system has no connection left for us just now; in a moment it may have one."""
