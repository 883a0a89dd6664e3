"""The shop in motion: cluster, traffic and clients brought forward together, one tick a second."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

from console.drill import manifests
from console.drill.apps import Apps
from console.drill.behaviour import PodLogs, ShopBehaviour
from console.drill.clock import DrillClock
from console.drill.cluster import names, quantity
from console.drill.cluster.cluster import Cluster
from console.drill.logbook import lines_of
from console.drill.metrics import INFRASTRUCTURE, JOBS, Gauges, Metrics
from console.drill.probes import Probes
from console.drill.prometheus import History, samples
from console.drill.promql.store import Labels
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, NAMESPACE, SERVICES, PodView, view
from console.drill.traffic import Fault, Links, Traffic

PAST_DAYS = 3
HISTORY = 900
"""Seconds of healthy metrics before the drill."""
HISTORY_STEP = 5
FINE_HISTORY = 60


class Simulation:
    """The simulated part of the world. Nothing in it is thread-safe.

    ``speed`` shortens what a scenario and the cluster take their time for; requests and metrics stay in
    real seconds, of which one of the drill's takes ``pace``. Times are unix seconds of ``clock``.
    """

    def __init__(
        self,
        scenario: type[Scenario],
        *,
        now: datetime,
        seed: int = 0,
        speed: float = 1.0,
        pace: float = 1.0,
    ) -> None:
        self.seed, self.speed, self.pace = seed, speed, pace
        self.clock = DrillClock(now - timedelta(days=PAST_DAYS))
        self._end_of_past = now
        self._rng = random.Random(seed + 2)
        self.logs = PodLogs()
        self._load: dict[str, float] = {}
        self.behaviour = ShopBehaviour(self.logs, speed, lambda uid: self._load.get(uid, 0.3))
        self.cluster = Cluster(self.clock, random.Random(seed), self.behaviour)
        self.traffic = Traffic(seed)
        self.metrics = Metrics()
        self.apps: Apps | None = None
        self.probes: Probes | None = None
        self.outside: dict[str, float] = {"payments": 0.001}
        """Share of failing calls to what is outside the cluster."""
        self.pods: tuple[PodView, ...] = ()
        self._views: dict[str, tuple[int, PodView]] = {}
        self.scenario = scenario(self)
        self.broke_at: float | None = None

    def seconds(self) -> float:
        """The time as unix seconds."""
        return self.clock.now().timestamp()

    # The past

    def live_through_the_past(self, postgres_version: int) -> History:
        """Build the shop release by release up to now; returns the metrics of its last quiet minutes."""
        self.cluster.add_namespace(NAMESPACE)
        for obj in manifests.others(postgres_version):
            self.cluster.create(obj, NAMESPACE)
        self.cluster.settle(90)
        for age, back in ((timedelta(days=PAST_DAYS), 2), (timedelta(hours=26), 1), (timedelta(hours=5), 0)):
            self._jump(self._end_of_past - age)
            for service in SERVICES:
                version = f"v{int(service.version[1:]) - back}"
                if back == 2:
                    self.cluster.create(
                        manifests.deployment(service, version, f"release {version}"), NAMESPACE
                    )
                else:
                    change = manifests.release(service, version, f"release {version}")
                    self.cluster.patch("Deployment", service.name, change, NAMESPACE, manager="deploy-bot")
            self.cluster.settle(90)
        self.scenario.prepare()
        self.cluster.settle(90)
        self.behaviour.sickness = self.scenario
        self._jump(self._end_of_past - timedelta(seconds=HISTORY))
        history: History = []
        # The last minute is as fine as real scrapes, so that short windows see it too.
        coarse = (HISTORY - FINE_HISTORY) // HISTORY_STEP
        for step in (*([HISTORY_STEP] * coarse), *([1] * FINE_HISTORY)):
            self.clock.advance(step)
            self.cluster.tick()
            self._serve(step)
            history.append((self.seconds(), self._scrape()))
        return history

    def go_live(self) -> None:
        """From now on the clock is the machine's."""
        self.clock.go_live()
        self.cluster.tick()

    def _jump(self, to: datetime) -> None:
        self.clock.advance(max(0.0, (to - self.clock.now()).total_seconds()))
        self.cluster.tick()

    def _scrape(self) -> list[tuple[Labels, float]]:
        found = []
        for job in JOBS:
            families = None if job in INFRASTRUCTURE else self.metrics.scrape(job)
            found += samples(job, families or ())
        return found

    # The present

    async def tick(self, seconds: float) -> None:
        """Let ``seconds`` pass for requests and clients; the cluster follows the clock."""
        self.cluster.tick()
        if self.broke_at is not None:
            await self.scenario.step((self.seconds() - self.broke_at) * self.speed)
        self._serve(seconds)
        if self.apps:
            self.apps.tick(self.pods, self.traffic.succeeded)

    async def break_it(self) -> None:
        """Start the scenario."""
        self.broke_at = self.seconds()
        await self.scenario.begin()

    def links(self, pod: PodView) -> Links:
        """What a pod measured of its database and cache."""
        return self.apps.links(pod) if self.apps else Links()

    def queue_depth(self, key: str) -> float | None:
        """Length of a queue as last measured; None while Redis does not answer."""
        measured = self.probes.redis if self.probes else None
        return measured["queue_depth"].get(f"queue={key}") if measured else None

    def complain(self, pod: PodView, level: str, message: str) -> None:
        """Write a line into a pod's log."""
        self.logs.write(pod.uid, self.seconds(), [f'level={level} msg="{message}"'])

    def _serve(self, seconds: float) -> None:
        self._look()
        self.traffic.tick(seconds, self.pods, self.scenario.fault, self.links, self.outside)
        now = self.seconds()
        for pod in self.pods:
            service = BY_NAME.get(pod.workload)
            done = self.traffic.succeeded.get(pod.uid)
            if service is None or done is None:
                continue
            self._load[pod.uid] = done / seconds / service.capacity
            fault: Fault = self.scenario.fault(pod)
            complaint = self.scenario.complaint(pod) if self._rng.random() < fault.errors * 4 else ""
            refused = self.traffic.refused.get(pod.uid, ())
            self.logs.write(pod.uid, now, lines_of(service, self._rng, complaint, pod, refused))
        pools = self.apps.pools() if self.apps else {}
        jobs = (self.apps.jobs_done, self.apps.jobs_failed) if self.apps else (0, 0)
        self.metrics.update(self.pods, self.traffic.counters, pools, jobs, self._gauges())

    def _gauges(self) -> Gauges:
        rows = []
        for entry in self.cluster.store.entries("pods", NAMESPACE):
            pod = entry.obj
            limits = {
                one["name"]: (one.get("resources") or {}).get("limits") or {}
                for one in pod["spec"]["containers"]
            }
            statuses = (pod.get("status") or {}).get("containerStatuses") or ()
            restarts = {one["name"]: int(one["restartCount"]) for one in statuses}
            for name, _, used in self.cluster.view.usage(entry):
                limit = limits[name].get("memory")
                most = None if limit is None else float(quantity.amount(limit))
                rows.append((entry.name, name, used, most, restarts.get(name, 0)))
        return Gauges(
            postgres=self.probes.postgres if self.probes else None,
            redis=self.probes.redis if self.probes else None,
            kubelet=rows,
            payments=self.outside["payments"] < 0.5,
        )

    def _look(self) -> None:
        """Bring the views of the pods up to date, and note containers that started anew."""
        views: dict[str, tuple[int, PodView]] = {}
        for entry in self.cluster.store.entries("pods", NAMESPACE):
            known = self._views.get(entry.uid)
            if known is not None and known[0] == entry.rv:
                views[entry.uid] = known
                continue
            state = ((entry.obj.get("status") or {}).get("containerStatuses") or [{}])[0].get("state") or {}
            text = (state.get("running") or {}).get("startedAt")
            started = names.parse_time(text).timestamp() if text else 0.0
            now = view(entry.obj, started)
            if known is not None and known[1].restarts != now.restarts:
                self.traffic.restart(entry.uid)
            views[entry.uid] = (entry.rv, now)
        self._views = views
        self.pods = tuple(pod for _, pod in views.values())
        self.logs.keep(set(views))
