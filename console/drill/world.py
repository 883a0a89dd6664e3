"""Starts and stops everything of a drill: servers, clients, simulation and the HTTP endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from console.drill import alertmanager, binaries, health, postgres, prometheus, redis, rules, settings, tools
from console.drill.apps import Apps
from console.drill.cluster import ApiServer
from console.drill.losses import Losses
from console.drill.probes import Probes
from console.drill.promql.rules import Active
from console.drill.scenario import Scenario
from console.drill.score import Course
from console.drill.servers import DrillError, Servers
from console.drill.shop import NAMESPACE
from console.drill.simulation import Simulation

CONTEXT = "drill"
LOSSES_EVERY = 5
"""Ticks from one look for losses to the next: it reads every key."""


class World:
    """A running drill; an asynchronous context manager.

    ``seed`` makes it repeatable, ``speed`` shortens the story, ``pods`` adds quiet pods. ``own`` leaves an
    installed Prometheus and Alertmanager aside. With a ``pace`` below 1 (real seconds for one of the
    drill's) time passes only in ``pass_time``. ``state_dir`` is where its consoles shall keep their record.
    Raises DrillError on entering when a part cannot start.
    """

    def __init__(
        self,
        scenario: type[Scenario],
        *,
        seed: int = 1,
        speed: float = 1.0,
        pods: int = 0,
        own: bool = False,
        pace: float = 1.0,
        state_dir: Path | None = None,
    ) -> None:
        self.kind, self.seed, self.speed, self.quiet_pods = scenario, seed, speed, pods
        # A real Prometheus knows real time only.
        self.own, self.pace = own or pace < 1, pace
        self.state_dir = state_dir
        self.course = Course()
        self._stack = contextlib.AsyncExitStack()
        self._due = 0.0
        self._ticks = 0

    async def __aenter__(self) -> World:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def scenario(self) -> Scenario:
        """The scenario of this world."""
        return self.simulation.scenario

    async def run(self) -> None:
        """Tick once a second until cancelled; break things when their time has come."""
        self._due = time.monotonic()
        quiet_until = self._due + self.kind.break_after / self.speed
        last = self._due
        while True:
            now = time.monotonic()
            if self.simulation.broke_at is None and now >= quiet_until and self.kind is not Scenario:
                await self.break_it()
            await self.tick(now - last or 1.0)
            last = now
            # A late tick is not made up for: the next comes a second after it.
            self._due = max(self._due + 1.0, now)
            await asyncio.sleep(max(0.0, self._due - time.monotonic()))

    async def pass_time(self, seconds: int) -> None:
        """Let seconds of the drill pass, at its pace."""
        for _ in range(seconds):
            self.simulation.cluster.advance(1.0)
            await self.tick(1.0)
            await asyncio.sleep(self.pace)

    async def break_it(self) -> None:
        """Let the scenario begin now."""
        await self.simulation.break_it()
        self.course.broke_at = self.simulation.broke_at

    async def tick(self, seconds: float) -> None:
        """One round of everything that the drill drives itself."""
        simulation = self.simulation
        await simulation.tick(seconds)
        await self.probes.measure()
        if self._scraper:
            await self._alert(self._scraper.scrape(), self._scraper.firing())
        if self.course.broke_at is not None:
            present, well = self.scenario.present(), self.scenario.recovered()
            self.course.observe(simulation.seconds(), present=present, well=well)
            self._ticks += 1
            if self._ticks % LOSSES_EVERY == 0:
                await self.count_losses()

    async def count_losses(self) -> None:
        """Take note of what was thrown away since the last look."""
        if self.simulation.apps:
            await self.losses.look(self.simulation.apps.jobs_done)

    async def _start(self) -> None:
        servers = self._servers = Servers()
        self._stack.callback(servers.close)
        began = datetime.now(UTC)
        database = asyncio.create_task(asyncio.to_thread(postgres.start, servers))
        cache = asyncio.create_task(asyncio.to_thread(redis.start, servers))
        try:
            self.simulation = Simulation(
                self.kind, now=began, seed=self.seed, speed=self.speed, pace=self.pace
            )
            history = await asyncio.to_thread(
                self.simulation.live_through_the_past, binaries.major(binaries.postgres() / "postgres")
            )
            exporter = await self._serve(
                [
                    web.get("/metrics/{job}", self.simulation.metrics.handle),
                    *health.routes(self.simulation),
                ]
            )
            await self._start_alerting(exporter, history)
        finally:
            started = await asyncio.gather(database, cache, return_exceptions=True)
        for result in started:
            if isinstance(result, BaseException):
                raise result
        self.postgres, self.redis = database.result(), cache.result()
        if self.pace >= 1:
            self.simulation.go_live()
        if self.quiet_pods:
            self.simulation.cluster.populate(self.quiet_pods, namespaces=max(1, self.quiet_pods // 500))
        await self._start_clients()
        await self._publish(exporter)

    async def _start_clients(self) -> None:
        simulation = self.simulation
        self.probes = simulation.probes = Probes(self.postgres, self.redis)
        self._stack.push_async_callback(self.probes.close)
        self.losses = Losses(self.redis)
        self._stack.push_async_callback(self.losses.close)
        simulation.apps = Apps(
            self.postgres,
            self.redis,
            seed=self.seed,
            now=simulation.seconds,
            pace=self.pace,
            report=simulation.complain,
        )
        self._stack.push_async_callback(simulation.apps.close)
        self._stack.push_async_callback(self.scenario.end)
        self.scenario.postgres, self.scenario.cache = self.postgres, self.redis
        await self.scenario.setup()

    async def _start_alerting(self, exporter: int, history: prometheus.History) -> None:
        now = self.simulation.seconds
        real_manager = None if self.own else binaries.alertmanager()
        self._manager: alertmanager.Alertmanager | None = None
        if real_manager:
            manager = await asyncio.to_thread(alertmanager.start, self._servers, real_manager)
        else:
            self._manager = alertmanager.Alertmanager(now)
            manager = await self._serve(self._manager.routes())
        self.alertmanager_url = f"http://127.0.0.1:{manager}"
        real = None if self.own else binaries.prometheus()
        self._scraper: prometheus.Scraper | None = None
        wanted = rules.rules(self.speed)
        if real:
            await asyncio.to_thread(prometheus.write_history, self._servers, history)
            port = await asyncio.to_thread(
                prometheus.start, self._servers, real, exporter, manager, wanted, max(1.0, 5 / self.speed)
            )
        else:
            base = f"http://127.0.0.1:{exporter}"
            self._scraper = prometheus.Scraper(self.simulation.metrics, wanted, now, base)
            self._scraper.load(history)
            port = await self._serve(self._scraper.api.routes())
        self.prometheus_url = f"http://127.0.0.1:{port}"

    async def _publish(self, exporter: int) -> None:
        tick = 0.2 if self.pace >= 1 else None
        self.api = await self._stack.enter_async_context(ApiServer(self.simulation.cluster, tick=tick))
        folder = self._servers.directory / "client"
        folder.mkdir(mode=0o700)
        kubeconfig = self.api.write_kubeconfig(folder / "kubeconfig", namespace=NAMESPACE, context=CONTEXT)
        config = folder / "warroom.toml"
        self.info = settings.Info(
            kubeconfig=str(kubeconfig),
            context=CONTEXT,
            namespace=NAMESPACE,
            prometheus_url=self.prometheus_url,
            alertmanager_url=self.alertmanager_url,
            postgres_dsn=self.postgres.dsn(postgres.MONITOR_ROLE),
            redis_url=self.redis.url,
            config=str(config),
        )
        health_url = f"http://127.0.0.1:{exporter}"
        settings.write_config(
            config,
            self.info,
            speed=self.speed,
            health=health_url,
            all_namespaces=self.quiet_pods > 0,
            state_dir=self.state_dir,
        )
        tools.write(folder, self.info, self.redis)
        await self.tick(1.0)

    async def _serve(self, routes: Iterable[web.AbstractRouteDef]) -> int:
        """Answer on a free port of 127.0.0.1 and return it."""
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        return port

    async def _alert(self, resolved: Iterable[Active], firing: Iterable[Active]) -> None:
        now = self.simulation.seconds()
        alerts = [_as_posted(alert, now + 60) for alert in firing] + [
            _as_posted(one, now) for one in resolved
        ]
        if not alerts:
            return
        if self._manager:
            self._manager.post(alerts)
            return
        await prometheus.post_alerts(self.alertmanager_url, alerts)


def _as_posted(alert: Active, ends: float) -> dict[str, object]:
    return {
        "labels": dict(alert.labels),
        "annotations": alert.annotations,
        "startsAt": datetime.fromtimestamp(alert.since, UTC).isoformat(),
        "endsAt": datetime.fromtimestamp(ends, UTC).isoformat(),
    }


__all__ = ["DrillError", "Path", "World"]
