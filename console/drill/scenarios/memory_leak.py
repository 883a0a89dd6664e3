"""A release whose memory grows with its age beyond the limit: OOMKilled, again and again."""

from __future__ import annotations

from console.drill import manifests
from console.drill.behaviour import MIB, hash_of
from console.drill.cluster import Container, State, quantity
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, NAMESPACE, PodView
from console.drill.traffic import Fault

BAD = "v64"
CATALOG = BY_NAME["catalog"]
PLATEAU = 400 * MIB
"""The index that the bad release loads has this size; a limit above it is enough."""
TIGHT = 0.9
"""Share of its limit from which a container mostly collects garbage."""
FULL_AFTER = 130.0
"""Seconds at speed 1 until the plateau."""


class MemoryLeak(Scenario):
    """Catalog v64 keeps what it reads; near its limit it slows down and fails, then the kernel ends it."""

    name = "memory-leak"
    summary = (
        "The memory of a new catalog image grows past its limit: OOMKilled, restarts, errors in between."
    )
    cure = "Roll catalog back to v63, or raise the memory limit above 400Mi; a restart helps for a minute."
    service = "catalog"
    right = ("k8s.rollback", "k8s.set-resources", "k8s.set-image", "k8s.apply")

    async def begin(self) -> None:
        """Roll out v64."""
        self._pressure: dict[str, float] = {}
        change = manifests.release(CATALOG, BAD, "release v64: faster search")
        self.change(CATALOG.name, change)

    def present(self) -> bool:
        """Whether the bad image runs, or is wanted, under a limit that is too low for it."""
        pods = [entry.obj for entry in self.world.cluster.store.entries("pods", NAMESPACE)]
        running = [one for pod in pods for one in pod["spec"]["containers"]]
        return any(_dies(one) for one in (*self.containers(CATALOG.name), *running))

    def state(self, container: Container, age: float) -> State | None:
        """Memory by age, a little different in each pod."""
        if container.image != CATALOG.image(BAD):
            return None
        pace = FULL_AFTER / self.world.speed * (0.8 + hash_of(container.pod) % 40 / 100)
        start = 60 * MIB
        memory = start + (PLATEAU - start) * min(1.0, age / pace)
        if container.memory_limit:
            self._pressure[container.uid] = memory / container.memory_limit
        if container.memory_limit and memory > container.memory_limit:
            words = (b'level=warn msg="search index: allocation of 8388608 bytes"',)
            return State(memory=memory, cpu=container.cpu_request, last_words=words)
        return State(memory=memory, cpu=container.cpu_request * 0.8)

    def fault(self, pod: PodView) -> Fault:
        """Close to its limit a container mostly collects garbage."""
        pressure = self._pressure.get(pod.uid, 0.0) if self.world.broke_at is not None else 0.0
        if pod.image != CATALOG.image(BAD) or pressure < TIGHT:
            return Fault()
        over = min(1.0, (pressure - TIGHT) / (1 - TIGHT))
        return Fault(errors=0.1 + 0.5 * over, slower=2 + 6 * over)

    def complaint(self, _: PodView) -> str:
        """What a container without memory writes."""
        return "search: out of memory while growing the index"


def _dies(container: manifests.Obj) -> bool:
    limit = ((container.get("resources") or {}).get("limits") or {}).get("memory")
    low = limit is not None and quantity.amount(limit) < PLATEAU
    return container["image"] == CATALOG.image(BAD) and low
