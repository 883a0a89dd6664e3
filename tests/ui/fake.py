"""An engine without a world: a board that tests fill, a clock that stands still, futures that are done."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from console.config import Config
from console.engine.board import Board
from console.engine.logfeed import BufferedFeed
from console.engine.ports import Mitigator
from console.engine.record import IncidentView
from console.incident.change import Change
from console.incident.conduct import DEFAULT, Conduct
from console.model.clock import ManualClock
from console.model.kube import Revision, Workload
from console.model.logs import Description, LogRequest
from console.model.source import Health, SourceStatus
from console.timeline.entry import Entry, format_time

T = TypeVar("T")
START = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)
NOW = START.timestamp()


def incident(severity: int = 1, title: str = "Checkout fails", at: float = NOW - 761) -> IncidentView:
    declared_at = format_time(datetime.fromtimestamp(at, UTC))
    return IncidentView("INC-20260301-1", severity, title, "investigating", "ana", declared_at)


class FakeTimeline:
    def __init__(self) -> None:
        self.entries: tuple[Entry, ...] = ()
        self.behind = False
        self.changed = ""
        self.version = 0
        self.health = "ok"
        self.reason = ""
        self.incident: IncidentView | None = None
        self.over: IncidentView | None = None
        self.open_intents: tuple[Entry, ...] = ()

    def acknowledge(self, changed: str) -> None:
        if self.changed == changed:
            self.changed = ""

    def add(
        self, kind: Any, text: str, *, at: float = NOW, user: str = "ana", ref: str | None = None, **data: Any
    ) -> Entry:
        moment = format_time(datetime.fromtimestamp(at, UTC))
        number = len(self.entries) + 1
        entry = Entry(
            seq=number,
            id=f"{number:026d}",
            ts=moment,
            occurred_at=moment,
            incident=self.incident.id if self.incident else None,
            user=user,
            host="ops1",
            session="s1",
            kind=kind,
            source="operator",
            text=text,
            data=data,
            ref=ref,
            prev="",
            hash="",
        )
        self.entries = (*self.entries, entry)
        self.version += 1
        return entry


class FakeEngine:
    """Everything that the screen asks for; ``calls`` keeps what it was asked to do."""

    def __init__(
        self,
        config: Config | None = None,
        *,
        mode: Literal["live", "watch", "drill"] = "live",
        mitigator: Mitigator | None = None,
    ) -> None:
        self.board = Board()
        self.config = config or Config()
        self.state_dir = self.config.state_dir or Path("/nonexistent")
        self.clock = ManualClock(START)
        self.mode: Literal["live", "watch", "drill"] = mode
        self.mitigator = mitigator
        self.timeline: Any = FakeTimeline()
        self.conduct: Conduct = DEFAULT
        self.calls: list[tuple[Any, ...]] = []
        self.feeds: list[BufferedFeed] = []
        self.started = 0
        self.stopped = 0

    def submit(self, coro: Coroutine[Any, Any, T]) -> Future[T]:
        future: Future[T] = Future()

        def done(task: asyncio.Task[T]) -> None:
            if task.cancelled():
                future.cancel()
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        asyncio.get_running_loop().create_task(coro).add_done_callback(done)
        return future

    def note(self, text: str) -> Future[str]:
        self.calls.append(("note", text))
        future: Future[str] = Future()
        if self.mode == "watch":
            future.set_exception(PermissionError("Watch mode writes nothing."))
        else:
            self.timeline.add("note", text)
            future.set_result("The note is in the timeline.")
        return future

    def declare(self, severity: int, title: str) -> Future[str]:
        self.calls.append(("declare", severity, title))
        self.timeline.incident = incident(severity, title, NOW)
        self.timeline.add("incident.declared", title)
        future: Future[str] = Future()
        future.set_result(f"SEV{severity} is in the timeline.")
        return future

    def change(self, change: Change) -> Future[str]:
        self.calls.append(("change", change))
        future: Future[str] = Future()
        future.set_result("Changed.")
        return future

    def logs(self, source: str, request: LogRequest, wake: Callable[[], None] = lambda: None) -> BufferedFeed:
        self.calls.append(("logs", source, request))
        feed = BufferedFeed(lambda: self.calls.append(("close", source)), wake)
        self.feeds.append(feed)
        return feed

    async def describe(self, source: str, kind: str, namespace: str, name: str) -> Description:
        self.calls.append(("describe", source, kind, namespace, name))
        return Description(f"{kind}/{name}", (("Status", ("Phase: Running", "Node: n1")), ("Events", ())))

    async def revisions(self, source: str, workload: Workload) -> tuple[Revision, ...]:
        self.calls.append(("revisions", source, workload.name))
        return tuple(
            sorted(
                (
                    revision
                    for shot in self.board.of_type(object).values()
                    for revision in getattr(shot, "revisions", {}).values()
                    if revision.workload == workload.key and revision.namespace == workload.namespace
                ),
                key=lambda revision: -revision.number,
            )
        )

    def start(self) -> None:
        self.started += 1

    def stop(self) -> None:
        self.stopped += 1

    def health(
        self,
        name: str,
        health: Health = Health.OK,
        *,
        reason: str = "",
        advice: str = "",
        since: float = NOW - 1000,
        last_ok: float | None = NOW,
        address: str = "",
    ) -> None:
        self.board.report(SourceStatus(name, health, since, last_ok, reason, advice, address))
