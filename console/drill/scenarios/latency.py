"""More traffic than the pods of catalog can take."""

from __future__ import annotations

from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, of_workload

CATALOG = BY_NAME["catalog"]
BUSY = 0.75
"""Load of a pod above which it is too slow."""


class Latency(Scenario):
    """A campaign multiplies the traffic of catalog; storefront waits for it."""

    name = "latency"
    summary = "A campaign nearly triples the traffic of catalog; its pods are too few and answer slowly."
    cure = "Scale catalog to six pods or more, with the database's free connections in view."
    service = "catalog"
    errors = 0.03
    seconds = 0.12
    right = ("k8s.scale",)

    async def begin(self) -> None:
        """Start the campaign."""
        self.world.traffic.surge[CATALOG.name] = self.rng.uniform(2.75, 2.85)

    def present(self) -> bool:
        """Whether the ready pods are still too few."""
        ready = [pod for pod in of_workload(self.world.pods, CATALOG.name) if pod.ready]
        wanted = CATALOG.rps * self.world.traffic.surge.get(CATALOG.name, 1.0)
        return wanted > BUSY * CATALOG.capacity * len(ready)
