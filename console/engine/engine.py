"""The engine: a thread with its own event loop that runs the sources and follows the timeline.

The screen may stall for minutes on a frozen terminal; nothing here waits for it. The engine itself cannot
change the world: a mitigator is given to it from outside, and in watch mode there is none.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import random
import sys
import threading
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from console.config import Config, ConfigError
from console.engine.assemble import Factory, factories
from console.engine.board import Board
from console.engine.crash import keep_off_the_screen, save_crash
from console.engine.logfeed import BufferedFeed
from console.engine.ports import LogFeed, Mitigator, PlanError
from console.engine.record import WatchedTimeline
from console.incident.change import Change
from console.incident.conduct import DEFAULT, Conduct, conduct_of
from console.model.clock import Clock
from console.model.kube import Revision, Workload
from console.model.logs import Description, LogLine, LogRequest
from console.model.source import Health, SourceStatus
from console.model.symptoms.words import plural
from console.sources.base import Source, SourceError
from console.timeline.entry import Entry
from console.timeline.folder import default_spool

_LOOK_EVERY = 0.25
"""Seconds between looks at the record."""
_FIRST_SECONDS = 0.3
"""How long a screen's other sources wait at most for the first cluster to have rows: their libraries are
loaded by the same interpreter. A server that is far away answers later, and then nothing is gained."""
_PAINT_SECONDS = 0.2
"""How long after that: the screen gathers for 0.12 s what is news, then paints."""
_RETRY_AFTER = 10.0
"""Seconds until what failed in a way nobody foresaw is started again."""

T = TypeVar("T")
Mode = Literal["live", "watch", "drill"]


class Engine:
    """Runs everything that is not the screen. Public methods may be called from any thread.

    ``shown`` says before the start that a screen paints what comes, so that it gets the pods first.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        state_dir: Path,
        mode: Mode = "live",
        *,
        timeline: WatchedTimeline | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.config = config
        self.clock = clock
        self.state_dir = state_dir
        self.mode: Mode = mode
        self.board = Board()
        self.mitigator: Mitigator | None = None
        self.shown = False
        self._record = timeline or WatchedTimeline(state_dir, clock, default_spool(state_dir))
        self._rng = rng or random.Random()
        self._extras: list[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = []
        self._sources: dict[str, Source] = {}
        # One thread: two that load at the same time would hold up each other and the first rows.
        self._loader = concurrent.futures.ThreadPoolExecutor(1, "warroom-load")
        self._conduct: Conduct | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = threading.Event()
        self._stopping: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def timeline(self) -> WatchedTimeline:
        """What the timeline holds now."""
        return self._record

    @property
    def conduct(self) -> Conduct:
        """The words and clocks of an incident: those of the configured runbook, read once, or the usual."""
        if self._conduct is None:
            self._conduct = _conduct(self.config.runbook)
        return self._conduct

    def attach(self, task: Callable[[], Coroutine[Any, Any, None]], name: str = "background") -> None:
        """Run ``task()`` on the loop beside the sources; called before ``start``.

        When it fails the board has a status of that name, and it is started again.
        """
        self._extras.append((name, task))

    def start(self) -> None:
        """Start the thread; returns as soon as its loop accepts work. A second call does nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._main, name="warroom-engine", daemon=True)
            self._thread.start()
            self._started.wait()

    def stop(self, timeout: float = 5.0) -> None:
        """Cancel the sources and end the thread, within ``timeout`` seconds at most.

        Entries that no sink took are told on standard error.
        """
        if self._loop is None or self._thread is None or not self._thread.is_alive():
            return
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._stop_event().set)
        self._thread.join(timeout)
        _tell_of(self._record.unwritten)

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Run a coroutine on the engine's loop, which is started if need be.

        The future fails with what the coroutine raised.
        """
        self.start()
        if self._loop is None:
            work.close()
            raise RuntimeError("the engine has not been started")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def wait_ready(self, timeout: float) -> bool:
        """Wait until every source has delivered or failed once; False when ``timeout`` seconds went by."""
        ready = threading.Event()
        names = [name for name, _ in factories(self.config)]

        def look(_name: str = "") -> None:
            statuses = self.board.statuses
            if all(name in statuses and statuses[name].health is not Health.CONNECTING for name in names):
                ready.set()

        stop_listening = self.board.listen(look)
        try:
            look()
            return ready.wait(timeout)
        finally:
            stop_listening()

    def note(self, text: str) -> concurrent.futures.Future[str]:
        """Write a note; the future says where it is, or fails with a sentence."""
        return self.submit(self._record.note(text))

    def declare(self, severity: int, title: str) -> concurrent.futures.Future[str]:
        """Declare an incident; from now on the timeline is the incident's."""
        return self.submit(self._record.declare(severity, title))

    def change(self, change: Change) -> concurrent.futures.Future[str]:
        """Change the open incident; the future gives what was done, or fails with a sentence."""
        return self.submit(self._record.change(change))

    def source(self, name: str) -> Any:
        """A running source by its board name. Raises PlanError when there is none."""
        try:
            return self._sources[name]
        except KeyError:
            raise PlanError(f"no source is called {name!r}; there are {', '.join(self._sources)}") from None

    async def describe(self, source: str, kind: str, namespace: str, name: str) -> Description:
        """Everything known of a Kubernetes object, with its events."""
        found: Description = await self.source(source).describe(kind, namespace, name)
        return found

    async def revisions(self, source: str, workload: Workload) -> tuple[Revision, ...]:
        """The revisions of a workload, newest first."""
        found: tuple[Revision, ...] = await self.source(source).revisions(workload)
        return found

    def logs(self, source: str, request: LogRequest, wake: Callable[[], None] = lambda: None) -> LogFeed:
        """Start reading logs into a feed; ``wake`` is called on the engine's thread when lines came."""
        task: concurrent.futures.Future[None] | None = None

        def close() -> None:
            if task is not None:
                task.cancel()

        feed = BufferedFeed(close, wake)

        async def pump() -> None:
            try:
                async for lines in self.source(source).read_logs(request):
                    feed.put(lines)
            except Exception as error:
                feed.put([LogLine(None, "", "", str(error), notice=True)])
            finally:
                feed.finish()

        task = self.submit(pump())
        return feed

    def _stop_event(self) -> asyncio.Event:
        if self._stopping is None:
            raise RuntimeError("the engine has not been started")
        return self._stopping

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._report("engine", Health.FAILED, save_crash(error))
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        keep_off_the_screen(loop, partial(self._report, "background", Health.LIMITED), SourceError, OSError)
        self._stopping = asyncio.Event()
        self._started.set()
        tasks = [asyncio.create_task(self._follow_timeline(), name="timeline")]
        tasks.append(asyncio.create_task(self._start_sources(tasks), name="sources"))
        tasks.extend(asyncio.create_task(self._run_extra(*extra)) for extra in self._extras)
        await self._stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for source in self._sources.values():
            with contextlib.suppress(Exception):
                await asyncio.wait_for(source.close(), 2)
        await self._record.close()
        self._loader.shutdown(wait=False, cancel_futures=True)

    async def _start_sources(self, tasks: list[asyncio.Task[None]]) -> None:
        """Add a task for every source; on a screen the clusters come first, the others a moment later."""
        found = factories(self.config)
        clusters = [(name, factory) for name, factory in found if name.startswith("kubernetes:")]
        others = [one for one in found if one not in clusters]
        tasks += [asyncio.create_task(self._run_source(*one), name=one[0]) for one in clusters]
        if self.shown and clusters:
            await self._wait_for(clusters[0][0])
        tasks += [asyncio.create_task(self._run_source(*one), name=one[0]) for one in others]

    async def _wait_for(self, name: str) -> None:
        """Wait until a source has had the time to be painted, or says why there is nothing to paint."""
        seen = asyncio.Event()

        def look(_name: str) -> None:
            status = self.board.status(name)
            if self.board.snapshot(name) is not None or (status and status.health is not Health.CONNECTING):
                seen.set()

        stop_listening = self.board.listen(look)
        try:
            async with asyncio.timeout(_FIRST_SECONDS):
                await seen.wait()
            await asyncio.sleep(_PAINT_SECONDS)
        except TimeoutError:
            pass
        finally:
            stop_listening()

    async def _run_source(self, name: str, factory: Factory) -> None:
        """A source that fails in a way it did not foresee says so on the screen and is started again."""
        while True:
            try:
                if name not in self._sources:
                    self._sources[name] = await self._load(factory, name)
                await self._sources[name].run(self.board)
            except Exception as error:
                self._report(name, Health.FAILED, save_crash(error))
            await asyncio.sleep(_RETRY_AFTER)

    async def _run_extra(self, name: str, task: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Like a source, but one that ends has done its work; a status appears only after a failure."""
        while True:
            try:
                return await task()
            except Exception as error:
                self._report(name, Health.FAILED, save_crash(error))
            await asyncio.sleep(_RETRY_AFTER)
            self._report(name, Health.OK)

    def _report(self, name: str, health: Health, reason: str = "") -> None:
        self.board.report(SourceStatus(name, health, self.clock.now().timestamp(), reason=reason))

    async def _load(self, factory: Factory, name: str) -> Source:
        """Make a source, with the import of its libraries, after those that were asked for before."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._loader, factory, name, self.clock, self._rng)

    async def _follow_timeline(self) -> None:
        """What nobody foresaw is a problem of the record; after a pause all of it is read again."""
        while True:
            pause = _LOOK_EVERY
            try:
                changed = self._record.refresh()
            except Exception as error:
                self._record.start_over(save_crash(error))
                changed, pause = True, _RETRY_AFTER
            if changed:
                self.board.touch("timeline")
            await asyncio.sleep(0 if self._record.behind else pause)


def _tell_of(unwritten: Sequence[Entry]) -> None:
    if unwritten:
        what = plural(len(unwritten), "entry, which ends", "entries, which end")
        them = "it" if len(unwritten) == 1 else "them"
        print(f"warroom: no timeline has {what} with this console; write {them} down:", file=sys.stderr)
    for entry in unwritten:
        print(f"  {entry.occurred_at[:19]}Z  {entry.kind}  {entry.text}", file=sys.stderr)


def _conduct(runbook: str) -> Conduct:
    """A runbook that could be read at the start, and cannot any more, is no reason to have no clock."""
    if not runbook:
        return DEFAULT
    from console.incident.runbook import load_runbook

    try:
        return conduct_of(load_runbook(runbook))
    except ConfigError:
        return DEFAULT
