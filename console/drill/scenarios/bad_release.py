"""A release that fails one order in ten, and two later revisions that hide it from a plain undo."""

from __future__ import annotations

from console.drill import manifests
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME, PodView
from console.drill.traffic import Fault

BAD = "v42"
CHECKOUT = BY_NAME["checkout"]


class BadRelease(Scenario):
    """Checkout v42 fails; a restart and a changed log level follow, so that an undo stays bad."""

    name = "bad-release"
    summary = "A new checkout image answers about one request in ten with 500; two more revisions follow it."
    cure = "Roll checkout back to the revision with image v41; the previous revisions carry the bad image."
    service = "checkout"
    right = ("k8s.rollback", "k8s.set-image", "k8s.apply")

    RESTART_AFTER = 14.0
    SET_ENV_AFTER = 30.0

    async def begin(self) -> None:
        """Roll out v42."""
        self.ratio = self.rng.uniform(0.09, 0.14)
        self._done: set[str] = set()
        self.change(CHECKOUT.name, manifests.release(CHECKOUT, BAD, "release v42: new tax tables"))

    async def step(self, elapsed: float) -> None:
        """Somebody tries a restart, then more logging, unless the release is already taken back."""
        if elapsed >= self.RESTART_AFTER and self._still("restart"):
            at = self.world.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
            self.change(CHECKOUT.name, manifests.restart(at, "restart, hoping that it helps"))
        if elapsed >= self.SET_ENV_AFTER and self._still("env"):
            change = manifests.release(CHECKOUT, BAD, "more logging", {"LOG_LEVEL": "debug"})
            self.change(CHECKOUT.name, change)

    def present(self) -> bool:
        """Whether the bad image is what the Deployment asks for or still runs."""
        return any(pod.image == CHECKOUT.image(BAD) for pod in self.world.pods) or self._wanted()

    def fault(self, pod: PodView) -> Fault:
        """The bad image fails and is slower."""
        if pod.image == CHECKOUT.image(BAD):
            return Fault(errors=self.ratio, slower=1.6)
        return Fault()

    def complaint(self, _: PodView) -> str:
        """What the bad image writes."""
        return "tax: no rate for region '': nil pointer in TaxTable.lookup"

    def _still(self, what: str) -> bool:
        """Whether a later change is due: once, and only while the bad image is wanted."""
        if what in self._done:
            return False
        self._done.add(what)
        return self._wanted()

    def _wanted(self) -> bool:
        return any(one["image"] == CHECKOUT.image(BAD) for one in self.containers(CHECKOUT.name))
