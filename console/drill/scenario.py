"""What a scenario is: what breaks, when, what shows, and what ends it."""

from __future__ import annotations

import contextlib
import random
from typing import TYPE_CHECKING, ClassVar

from console.drill.cluster import ApiError, Container, Start, State
from console.drill.manifests import Obj
from console.drill.shop import NAMESPACE, PodView
from console.drill.traffic import Fault

if TYPE_CHECKING:
    from console.drill.postgres import Postgres
    from console.drill.redis import Redis
    from console.drill.simulation import Simulation


class Scenario:
    """One way in which the shop breaks; the base class is a shop that stays healthy.

    ``service`` is the workload that users notice, ``cure`` the mitigation that ends it, ``errors`` and
    ``seconds`` the ratio and the mean latency under which the service counts as recovered. ``break_after``
    is seconds of quiet at speed 1.
    """

    name: ClassVar[str] = "healthy"
    summary: ClassVar[str] = "Nothing breaks: a healthy shop to look around in."
    cure: ClassVar[str] = "Nothing is to be done."
    service: ClassVar[str] = "storefront"
    errors: ClassVar[float] = 0.02
    seconds: ClassVar[float] = 0.5
    break_after: ClassVar[float] = 20.0
    right: ClassVar[tuple[str, ...]] = ()
    """Actions (as the console names them) that can end it."""

    postgres: Postgres
    cache: Redis

    def __init__(self, world: Simulation) -> None:
        self.world = world
        self.rng = random.Random(world.seed + 1)

    def prepare(self) -> None:
        """Change the past: called while the clock still stands in it, before the last quiet minutes."""

    async def setup(self) -> None:
        """Change the real servers before the drill starts; ``postgres`` and ``cache`` are set."""

    async def begin(self) -> None:
        """Break it."""

    async def step(self, elapsed: float) -> None:
        """Go on breaking it: ``elapsed`` seconds of the drill (wall seconds times speed) since ``begin``."""

    async def end(self) -> None:
        """Let go of what the scenario holds."""

    def present(self) -> bool:
        """Whether the cause is still there; called once a tick after ``begin``."""
        return False

    def containers(self, workload: str) -> list[Obj]:
        """The containers that a Deployment asks for; none once somebody has deleted it."""
        with contextlib.suppress(ApiError):
            entry = self.world.cluster.entry("Deployment", workload, NAMESPACE)
            found: list[Obj] = entry.obj["spec"]["template"]["spec"]["containers"]
            return found
        return []

    def change(self, workload: str, patch: Obj, *, manager: str = "deploy-bot") -> None:
        """Patch a Deployment as a deployment tool would; one that is gone stays gone."""
        with contextlib.suppress(ApiError):
            self.world.cluster.patch("Deployment", workload, patch, NAMESPACE, manager=manager)

    def recovered(self) -> bool:
        """Whether users notice nothing any more."""
        moment = self.world.traffic.recent(self.service, max(3, round(15 / self.world.speed)))
        return moment.ratio < self.errors and moment.seconds < self.seconds

    def fault(self, _: PodView) -> Fault:
        """What is wrong with one pod's code."""
        return Fault()

    def complaint(self, _: PodView) -> str:
        """What a pod writes into its log when its own code fails a request."""
        return "internal error"

    def start(self, _: Container) -> Start | None:
        """How a container comes up; None for as usual."""
        return None

    def state(self, _: Container, __: float) -> State | None:
        """What a container does at an age; None for as usual."""
        return None
