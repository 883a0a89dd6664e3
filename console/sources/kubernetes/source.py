"""The Kubernetes source: one context, all its watches, at most eight snapshots a second."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from console.config import ClusterSettings
from console.model.clock import Clock
from console.model.kube import Revision, Workload
from console.model.logs import Description, LogLine, LogRequest
from console.model.source import Health
from console.sources.base import Publisher, Reporter, SourceError, backoff

if TYPE_CHECKING:
    from console.sources.kubernetes.connection import Connection
    from console.sources.kubernetes.errors import KubeError
    from console.sources.kubernetes.metrics import MetricsPoll
    from console.sources.kubernetes.store import Store
    from console.sources.kubernetes.watch import Pace, Watcher

PUBLISH_SECONDS = 0.125
TICK_SECONDS = 1.0
"""How often time alone is let change a verdict."""
HEARTBEAT_SECONDS = 5.0
"""How often a quiet but live source says so."""


class KubernetesSource:
    """Reads one context. Logs, descriptions and revisions are read on demand over the same connection."""

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        clock: Clock,
        rng: random.Random,
        *,
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self._connection: Connection | None = None
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._pace = pace
        self._wake = asyncio.Event()
        self._down_since: datetime | None = None
        self._version = ""

    async def run(self, publisher: Publisher) -> None:
        """Open the context, find what may be read, then keep it current until cancelled."""
        reporter = Reporter(self.name, self._settings.context or "", publisher, self._clock)
        connection = await self._open(reporter)
        self._connection = connection
        reporter = Reporter(self.name, connection.server, publisher, self._clock)
        scope, note = await self._scope(connection, reporter)
        await self._follow(connection, scope, note, publisher, reporter)

    async def close(self) -> None:
        """Close the sockets."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def describe(self, kind: str, namespace: str, name: str) -> Description:
        """Everything known of an object, with its events. Raises SourceError."""
        from console.sources.kubernetes.describe import describe

        return await describe(self._connected(), kind, namespace, name)

    async def revisions(self, workload: Workload) -> tuple[Revision, ...]:
        """The revisions that the server keeps of a workload, newest first. Raises SourceError."""
        from console.sources.kubernetes.revisions import read_revisions

        return await read_revisions(self._connected(), workload)

    async def read_logs(self, request: LogRequest) -> AsyncGenerator[list[LogLine], None]:
        """The lines of ``request`` in batches, until all its streams have ended. Raises SourceError."""
        from console.sources.kubernetes.logs import read_logs

        async with aclosing(read_logs(self._connected(), request)) as batches:
            async for batch in batches:
                yield batch

    def _connected(self) -> Connection:
        if self._connection is None:
            raise SourceError(f"{self.name} is not connected yet", "see the state of the source")
        return self._connection

    async def _open(self, reporter: Reporter) -> Connection:
        from console.sources.kubernetes.connection import open_connection

        failures = 0
        while True:
            try:
                return await open_connection(self._settings, clock=self._clock)
            except SourceError as error:
                failures += 1
                reporter.failed(error)
                await asyncio.sleep(backoff(failures, self._rng))

    async def _scope(self, connection: Connection, reporter: Reporter) -> tuple[tuple[str | None, ...], str]:
        """The namespaces to watch, ``(None,)`` for all of them, and what to say when that is fewer."""
        if self._settings.namespaces:
            return self._settings.namespaces, ""
        failures = 0
        while True:
            try:
                await connection.get("/api/v1/pods", {"limit": "1"})
            except SourceError as error:
                if getattr(error, "status", 0) == 403:
                    own = connection.namespace
                    return (own,), f"only namespace {own}, for pods of all namespaces may not be listed"
                failures += 1
                reporter.failed(self._unreachable(error))
                await asyncio.sleep(
                    max(backoff(failures, self._rng, ceiling=15.0), getattr(error, "retry_after", 0) or 0)
                )
            else:
                self._down_since = None
                return (None,), ""

    async def _follow(
        self,
        connection: Connection,
        scope: tuple[str | None, ...],
        note: str,
        publisher: Publisher,
        reporter: Reporter,
    ) -> None:
        from console.sources.kubernetes.kinds import KINDS
        from console.sources.kubernetes.metrics import MetricsPoll
        from console.sources.kubernetes.store import Store
        from console.sources.kubernetes.watch import Pace, Recovery, Watcher

        store = Store(lambda: self._clock.now().timestamp())
        recovery = Recovery()
        watchers = [
            Watcher(
                kind, namespace, connection, store, self._wake.set, recovery, self._rng, self._pace or Pace()
            )
            for kind in KINDS
            for namespace in (scope if kind.namespaced else (None,))
        ]
        metrics = MetricsPoll(connection, scope, store, self._wake.set, self._rng)
        async with asyncio.TaskGroup() as tasks:
            for watcher in watchers:
                tasks.create_task(watcher.run())
            tasks.create_task(metrics.run())
            tasks.create_task(self._read_version(connection))
            tasks.create_task(
                self._publish(connection, scope, note, store, watchers, metrics, publisher, reporter)
            )

    async def _read_version(self, connection: Connection) -> None:
        """The server's version, which is nice to know and not worth a failure."""
        try:
            found = msgspec.json.decode(await connection.get("/version"), type=dict[str, object])
        except (SourceError, msgspec.MsgspecError):
            return
        from console.sources.kubernetes.text import text

        self._version = text(str(found.get("gitVersion", "")))
        self._wake.set()

    async def _publish(
        self,
        connection: Connection,
        scope: tuple[str | None, ...],
        note: str,
        store: Store,
        watchers: list[Watcher],
        metrics: MetricsPoll,
        publisher: Publisher,
        reporter: Reporter,
    ) -> None:
        loop = asyncio.get_running_loop()
        namespaces = tuple(namespace for namespace in scope if namespace is not None)
        reported = 0.0
        said: tuple[object, ...] = ()
        while True:
            try:
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                store.tick()
            self._wake.clear()
            self._settle(store, watchers, metrics)
            if store.touched:
                publisher.publish(
                    self.name,
                    store.snapshot(
                        context=connection.context,
                        namespaces=namespaces,
                        server=connection.server,
                        version=self._version,
                    ),
                )
            health, error = self._health(store, watchers, note)
            saying = (health, error.reason if error else "")
            if saying != said or loop.time() - reported >= HEARTBEAT_SECONDS:
                said, reported = saying, loop.time()
                self._report(reporter, health, error)
            await asyncio.sleep(PUBLISH_SECONDS)

    @staticmethod
    def _settle(store: Store, watchers: list[Watcher], metrics: MetricsPoll) -> None:
        """Tell the store which kinds are complete and which are refused."""
        kinds: dict[str, list[Watcher]] = {}
        for watcher in watchers:
            kinds.setdefault(watcher.kind.name, []).append(watcher)
        for name, group in kinds.items():
            refused = [w for w in group if w.error is not None and w.error.status == 403]
            where = [w.namespace for w in refused if w.namespace is not None and len(group) > 1]
            reason = refused[0].error.reason if refused and refused[0].error else ""
            store.deny(name, f"{', '.join(where)}: {reason}" if where else reason)
            if all(watcher.listed or watcher.absent for watcher in group):
                store.mark_synced(name)
        refusal = metrics.error.reason if metrics.error is not None and metrics.error.status == 403 else ""
        store.deny("metrics", refusal)

    def _health(self, store: Store, watchers: list[Watcher], note: str) -> tuple[Health, SourceError | None]:
        """How the whole is doing: nothing comes in, some of it does not, or all is well."""
        wanted = [w for w in watchers if not w.absent and not _denied(w.error)]
        broken = [(w, w.error) for w in wanted if w.error is not None]
        if not wanted:
            first = next((w.error for w in watchers if _denied(w.error)), None)
            return Health.DENIED, first or SourceError("the server serves none of the kinds that are read")
        if len(broken) == len(wanted):
            return broken[0][1].health, self._unreachable(broken[0][1])
        self._down_since = None
        if not any(watcher.listed for watcher in wanted):
            return Health.CONNECTING, None
        parts = [f"{watcher.kind.name}: {error.reason}" for watcher, error in broken[:1]]
        if store.denied:
            parts.append(f"denied: {', '.join(sorted(store.denied))}")
        if note:
            parts.append(note)
        if not parts:
            return Health.OK, None
        advice = broken[0][1].advice if broken else "ask for the permission to list and watch them"
        return Health.LIMITED, SourceError("; ".join(parts), advice, Health.LIMITED)

    def _unreachable(self, error: SourceError) -> SourceError:
        if error.health is Health.DENIED:
            return error
        if self._down_since is None:
            self._down_since = self._clock.now()
        since = self._down_since.astimezone(UTC).strftime("%H:%M:%S")
        return SourceError(f"API unreachable since {since}: {error.reason}", error.advice, error.health)

    def _report(self, reporter: Reporter, health: Health, error: SourceError | None) -> None:
        if health is Health.CONNECTING:
            return
        if error is not None and health is not Health.LIMITED:
            reporter.failed(error)
        elif error is not None:
            reporter.ok(Health.LIMITED, error.reason, error.advice)
        else:
            reporter.ok()


def _denied(error: KubeError | None) -> bool:
    return error is not None and error.status == 403
