"""What the screen needs of the engine, as protocols: the screen knows no other way to the world."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from console.config import Config
from console.engine.board import Board
from console.engine.ports import LogFeed, Mitigator
from console.engine.record import IncidentView
from console.incident.change import Change
from console.incident.conduct import Conduct
from console.model.clock import Clock
from console.model.kube import Revision, Workload
from console.model.logs import Description, LogRequest
from console.timeline.entry import Entry

T = TypeVar("T")

Mode = Literal["live", "watch", "drill"]


class TimelineView(Protocol):
    """The record as the screen reads it; every property is safe to read from any thread."""

    @property
    def entries(self) -> Sequence[Entry]:
        """All entries of the open incident, or of the standby file; grows, or is replaced by another."""
        ...

    @property
    def behind(self) -> bool:
        """Whether a long record is still being read; none of it is shown before its end is known."""
        ...

    @property
    def version(self) -> int:
        """Rises with every change."""
        ...

    @property
    def health(self) -> str:
        """ok, degraded or failed."""
        ...

    @property
    def reason(self) -> str:
        """Why it is not ok, as a sentence."""
        ...

    @property
    def changed(self) -> str:
        """That the file was replaced or cut, as a sentence, until somebody has read it."""
        ...

    def acknowledge(self, changed: str) -> None:
        """A person has read this sentence."""
        ...

    @property
    def incident(self) -> IncidentView | None:
        """The open incident, or None."""
        ...

    @property
    def over(self) -> IncidentView | None:
        """The incident that was resolved last, while none is open."""
        ...

    @property
    def open_intents(self) -> tuple[Any, ...]:
        """Intents whose result was never recorded: their outcome is unknown."""
        ...


class Engine(Protocol):
    """The engine, seen from the screen. Futures are of the engine's thread."""

    @property
    def board(self) -> Board:
        """The latest snapshots."""
        ...

    @property
    def config(self) -> Config:
        """What the console was started with."""
        ...

    @property
    def state_dir(self) -> Path:
        """Where the record is kept."""
        ...

    @property
    def clock(self) -> Clock:
        """The one source of time."""
        ...

    @property
    def mode(self) -> Mode:
        """How the console was started."""
        ...

    @property
    def mitigator(self) -> Mitigator | None:
        """None in watch mode."""
        ...

    @property
    def timeline(self) -> TimelineView:
        """The record."""
        ...

    def submit(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the engine's loop."""
        ...

    def note(self, text: str) -> Future[str]:
        """Write a note into the timeline; the sentence says where it is. Refused in watch mode."""
        ...

    def declare(self, severity: int, title: str) -> Future[str]:
        """Declare an incident; refused in watch mode."""
        ...

    def change(self, change: Change) -> Future[str]:
        """Change the open incident, end it, or take one up again; refused in watch mode."""
        ...

    @property
    def conduct(self) -> Conduct:
        """The words and clocks of an incident."""
        ...

    def logs(self, source: str, request: LogRequest, wake: Callable[[], None]) -> LogFeed:
        """Start to read logs; ``wake`` is called on the engine's thread when lines came."""
        ...

    async def describe(self, source: str, kind: str, namespace: str, name: str) -> Description:
        """One object, fresh from its system."""
        ...

    async def revisions(self, source: str, workload: Workload) -> tuple[Revision, ...]:
        """The revisions of a workload, newest first."""
        ...

    def start(self) -> None:
        """Start the engine's thread and sources."""
        ...

    def stop(self) -> None:
        """Stop them, waiting for what must be written."""
        ...
