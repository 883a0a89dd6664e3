"""The payment provider is down; nothing in the cluster is broken."""

from __future__ import annotations

from console.drill.scenario import Scenario
from console.drill.shop import PAYMENTS, of_workload

BACK_AFTER = 900.0
"""Seconds at speed 1 after which the provider is back by itself."""
HEALTHY = 0.001


class DependencyDown(Scenario):
    """Checkout fails for as long as it insists on taking the money at once."""

    name = "dependency-down"
    summary = "The external payment provider fails nearly every call; checkout passes that on to its users."
    cure = "Let checkout take payments later: set PAYMENTS_MODE=deferred, and take it back once all is well."
    service = "checkout"
    right = ("k8s.set-env", "k8s.apply")

    async def begin(self) -> None:
        """The provider goes into unplanned maintenance."""
        self.world.outside[PAYMENTS] = self.rng.uniform(0.94, 0.98)

    async def step(self, elapsed: float) -> None:
        """It comes back in the end."""
        if elapsed >= BACK_AFTER:
            self.world.outside[PAYMENTS] = HEALTHY

    def present(self) -> bool:
        """Whether a pod that serves still needs the provider while that is down."""
        pods = [pod for pod in of_workload(self.world.pods, "checkout") if pod.ready]
        needed = not pods or any(pod.env.get("PAYMENTS_MODE") != "deferred" for pod in pods)
        return needed and self.world.outside[PAYMENTS] > 0.5
