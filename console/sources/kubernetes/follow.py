"""Following one context: all its watches, one store, at most six snapshots a second, honest health."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from console.model.clock import Clock
from console.model.source import Health
from console.sources.base import Publisher, Reporter, SourceError, backoff
from console.sources.kubernetes.connection import Connection
from console.sources.kubernetes.disruption import Known
from console.sources.kubernetes.errors import KubeError
from console.sources.kubernetes.kinds import CONTROLLERS, KINDS, PODS, Kind, path
from console.sources.kubernetes.metrics import MetricsPoll
from console.sources.kubernetes.pulse import Pulse
from console.sources.kubernetes.store import Store
from console.sources.kubernetes.text import text
from console.sources.kubernetes.watch import Pace, Recovery, Watcher
from console.sources.kubernetes.wire import Body

FIRST_SECONDS = 2.0
"""How long everything else waits for the first pods, and the first snapshot for workloads; the latter up to
``TICK_SECONDS`` longer."""
PUBLISH_SECONDS = 1 / 6
TICK_SECONDS = 1.0
"""How often time alone is let change a verdict."""
HEARTBEAT_SECONDS = 5.0
"""How often a live source says so; it is not known to be alive unless the server was heard lately."""

Found = tuple[Health, SourceError | None]


class Following:
    """Keeps one context current and publishes it under ``name`` until cancelled."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        namespaces: tuple[str, ...],
        publisher: Publisher,
        clock: Clock,
        rng: random.Random,
        pace: Pace | None,
    ) -> None:
        self._name = name
        self._connection = connection
        self._namespaces = namespaces
        self._publisher = publisher
        self._clock = clock
        self._rng = rng
        self._pace = pace or Pace()
        self._reporter = Reporter(name, connection.server, publisher, clock)
        self._store = Store(lambda: clock.now().timestamp())
        self._watchers: list[Watcher] = []
        self._wake = asyncio.Event()
        self._pulse = Pulse(connection, self._pace.quiet, self._wake.set, self._renew)
        self._down_since: datetime | None = None
        self._version = ""
        self._note = ""

    async def run(self) -> None:
        """Find what may be read, then watch it: the first pods are asked for before all else."""
        scope, begun = await self._begin()
        recovery = Recovery()
        self._namespaces = tuple(namespace for namespace in scope if namespace is not None)

        def watcher(kind: Kind[Any], namespace: str | None) -> Watcher:
            return Watcher(
                kind,
                namespace,
                self._connection,
                self._store,
                self._wake.set,
                recovery,
                self._rng,
                self._pace,
                begun if kind is PODS else None,
            )

        pods = [watcher(PODS, namespace) for namespace in scope]
        others = [
            watcher(kind, namespace)
            for kind in KINDS
            if kind is not PODS
            for namespace in (scope if kind.namespaced else (None,))
        ]
        self._watchers = [*pods, *others]
        metrics = MetricsPoll(self._connection, scope, self._store, self._wake.set, self._rng)
        async with asyncio.TaskGroup() as tasks:
            for one in pods:
                tasks.create_task(one.run())
            tasks.create_task(self._publish(metrics))
            await _within(FIRST_SECONDS, (one.answered for one in pods))
            for one in others:
                tasks.create_task(one.run())
            tasks.create_task(self._read_version())
            tasks.create_task(self._pulse.run())
            tasks.create_task(self._measure(metrics, pods))

    def budgets(self) -> Known:
        """The disruption budgets that are watched, and why some may be missing."""
        kind, store = "poddisruptionbudgets", self._store
        errors = (one.error for one in self._watchers if one.kind.name == kind and not one.absent)
        error = next((one for one in errors if one is not None), None)
        unread = "" if kind in store.synced else "not read yet"
        return Known(store.budgets, unread if error is None else f"cannot be read: {error.reason}")

    def _renew(self) -> None:
        for watcher in self._watchers:
            watcher.renew()

    async def _measure(self, metrics: MetricsPoll, pods: list[Watcher]) -> None:
        """Read usage once there is somebody whose it is."""
        for one in pods:
            await one.settled.wait()
        await metrics.run()

    async def _begin(self) -> tuple[tuple[str | None, ...], Body | None]:
        """The namespaces to watch, ``(None,)`` for all of them, and the first page of pods if it was read."""
        if self._namespaces:
            return self._namespaces, None
        failures = 0
        while True:
            try:
                begun = await self._connection.get(path("/api/v1", "pods"), {"limit": str(PODS.first)})
            except KubeError as error:
                if error.status == 403:
                    own = self._connection.namespace
                    self._note = f"only namespace {own}, for pods of all namespaces may not be listed"
                    return (own,), None
                failures += 1
                self._reporter.failed(self._unreachable(error))
                delay = backoff(failures, self._rng, base=self._pace.base, ceiling=self._pace.ceiling)
                await asyncio.sleep(max(delay, error.retry_after or 0.0))
            else:
                self._down_since = None
                return (None,), begun

    async def _read_version(self) -> None:
        """The server's version, which is nice to know and not worth a failure."""
        try:
            found = msgspec.json.decode(await self._connection.get("/version"), type=dict[str, object])
        except (SourceError, msgspec.MsgspecError):
            return
        self._version = text(str(found.get("gitVersion", "")))
        self._store.touched = True
        self._wake.set()

    async def _publish(self, metrics: MetricsPoll) -> None:
        loop = asyncio.get_running_loop()
        store, reported, ticked, said = self._store, 0.0, 0.0, (Health.CONNECTING, "")
        started, begun = loop.time(), False
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            if loop.time() - ticked >= TICK_SECONDS:
                ticked = loop.time()
                store.tick()
            self._settle(metrics)
            begun = begun or self._has_rows() or loop.time() - started >= FIRST_SECONDS
            if store.touched and begun:
                snapshot = store.snapshot(
                    context=self._connection.context,
                    namespaces=self._namespaces,
                    server=self._connection.server,
                    version=self._version,
                )
                self._publisher.publish(self._name, snapshot)
            health, error = self._health()
            saying = (health, error.reason if error else "")
            due = loop.time() - reported >= HEARTBEAT_SECONDS > self._connection.silent
            if saying != said or due:
                said, reported = saying, loop.time()
                self._report(health, error)
            if begun:
                await asyncio.sleep(PUBLISH_SECONDS)

    def _has_rows(self) -> bool:
        """Whether a first of every kind of row is known; until then pods may belong to what is to come."""
        return all(one.answered.is_set() for one in self._watchers if one.kind.name in CONTROLLERS)

    def _settle(self, metrics: MetricsPoll) -> None:
        """Tell the store which kinds are complete and which are refused."""
        kinds: dict[str, list[Watcher]] = {}
        for watcher in self._watchers:
            kinds.setdefault(watcher.kind.name, []).append(watcher)
        for name, group in kinds.items():
            refused = [(w.namespace, w.error) for w in group if w.error is not None and w.error.status == 403]
            where = ", ".join(namespace for namespace, _ in refused if namespace and len(group) > 1)
            reason = refused[0][1].reason if refused else ""
            self._store.deny(name, f"{where}: {reason}" if where else reason)
            if all(watcher.listed or watcher.absent for watcher in group):
                self._store.mark_synced(name)
        refusal = metrics.error.reason if metrics.error is not None and metrics.error.status == 403 else ""
        self._store.deny("metrics", refusal)

    def _health(self) -> Found:
        """How the whole is doing: nothing comes in, some of it does not, or all is well."""
        wanted = [w for w in self._watchers if not w.absent and not _denied(w.error)]
        broken = [(w, w.error) for w in wanted if w.error is not None]
        if not wanted:
            first = next((w.error for w in self._watchers if _denied(w.error)), None)
            return Health.DENIED, first or SourceError("the server serves none of the kinds that are read")
        if len(broken) == len(wanted):
            return broken[0][1].health, self._unreachable(broken[0][1])
        if self._pulse.error is not None:
            return Health.FAILED, self._unreachable(self._pulse.error)
        self._down_since = None
        if not all(watcher.listed or watcher.error is not None for watcher in wanted):
            return Health.CONNECTING, None  # what is not listed yet may be what is sick
        parts = [f"{watcher.kind.name}: {error.reason}" for watcher, error in broken[:1]]
        if self._store.denied:
            parts.append(f"denied: {', '.join(sorted(self._store.denied))}")
        if self._note:
            parts.append(self._note)
        if not parts:
            return Health.OK, None
        advice = broken[0][1].advice if broken else "ask for the permission to list and watch them"
        return Health.LIMITED, SourceError("; ".join(parts), advice, Health.LIMITED)

    def _unreachable(self, error: KubeError) -> SourceError:
        """``error`` with the time since when; a refusal stays what it is, for the server does answer."""
        if error.health is Health.DENIED:
            return error
        if self._down_since is None:
            self._down_since = self._clock.now()
        since = self._down_since.astimezone(UTC).strftime("%H:%M:%S")
        return SourceError(f"API unreachable since {since}: {error.reason}", error.advice, error.health)

    def _report(self, health: Health, error: SourceError | None) -> None:
        if error is not None and health is not Health.LIMITED:
            self._reporter.failed(error)
        elif error is not None:
            self._reporter.ok(Health.LIMITED, error.reason, error.advice)
        elif health is not Health.CONNECTING:
            self._reporter.ok()


async def _within(seconds: float, events: Iterable[asyncio.Event]) -> None:
    """Wait until one of the events has come, at most ``seconds``."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


def _denied(error: KubeError | None) -> bool:
    return error is not None and error.status == 403
