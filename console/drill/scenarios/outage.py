"""The storefront is gone: a release that cannot start, rolled out all at once."""

from __future__ import annotations

from console.drill import manifests
from console.drill.cluster import Container, State
from console.drill.scenario import Scenario
from console.drill.shop import BY_NAME

BAD = "v88"
STOREFRONT = BY_NAME["storefront"]


class Outage(Scenario):
    """Storefront v88 ends at once; with the strategy Recreate no older pod is left to serve."""

    name = "outage"
    summary = "Every pod of storefront crashes at its start after a release with strategy Recreate."
    cure = "Roll storefront back to the revision with image v87; restarts only crash again."
    service = "storefront"
    right = ("k8s.rollback", "k8s.set-image", "k8s.apply")

    def prepare(self) -> None:
        """Somebody once set the strategy, for a migration."""
        change = {"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}}
        self.change(STOREFRONT.name, change, manager="kubectl")

    async def begin(self) -> None:
        """Roll out v88."""
        change = manifests.release(STOREFRONT, BAD, "release v88: new session store")
        self.change(STOREFRONT.name, change)

    def present(self) -> bool:
        """Whether the bad image is wanted or a pod of it is left."""
        wanted = any(one["image"] == STOREFRONT.image(BAD) for one in self.containers(STOREFRONT.name))
        return wanted or any(pod.image == STOREFRONT.image(BAD) for pod in self.world.pods)

    def state(self, container: Container, age: float) -> State | None:
        """It ends before it is ready."""
        if container.image != STOREFRONT.image(BAD):
            return None
        words = (b'level=fatal msg="session store: open /etc/shop/session.key: permission denied"',)
        ended = 1 if age >= 0.8 / self.world.speed else None
        return State(ready=False, exit_code=ended, last_words=words, memory=container.memory_request * 0.3)
