"""What the shop's containers do: how they start, what they use, what they write."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from console.drill.cluster.behaviour import Behaviour, Container, LogLine, Start, State
from console.drill.shop import BY_NAME

MIB = 2**20


class Sickness(Protocol):
    """What a scenario may change in a container; None leaves it as it is."""

    def start(self, container: Container) -> Start | None:
        """How it comes up."""
        ...

    def state(self, container: Container, age: float) -> State | None:
        """What it does at an age in seconds."""
        ...


class PodLogs:
    """The lines that the simulation wrote for each pod, by uid, with unix times."""

    def __init__(self, kept: int = 1000) -> None:
        self._kept = kept
        self._lines: dict[str, deque[tuple[float, bytes]]] = {}

    def write(self, uid: str, at: float, lines: Iterable[str]) -> None:
        """Add lines of a pod's main container."""
        log = self._lines.setdefault(uid, deque(maxlen=self._kept))
        log.extend((at, line.encode()) for line in lines)

    def between(self, uid: str, since: float, until: float) -> list[tuple[float, bytes]]:
        """The lines after ``since`` up to and with ``until``."""
        return [line for line in self._lines.get(uid, ()) if since < line[0] <= until]

    def keep(self, uids: set[str]) -> None:
        """Forget the pods that are gone."""
        self._lines = {uid: lines for uid, lines in self._lines.items() if uid in uids}


class ShopBehaviour(Behaviour):
    """The shop's containers. ``speed`` shortens their starts; ``load`` gives a pod's load, 1 being full."""

    def __init__(self, logs: PodLogs, speed: float, load: Callable[[str], float]) -> None:
        self._logs, self._speed, self._load = logs, speed, load
        self.sickness: Sickness | None = None

    def missing(self, container: Container) -> bool:
        """A service has images of its own up to the release after the healthy one, and no others."""
        service = BY_NAME.get(container.name)
        if service is None:
            return super().missing(container)
        return container.image not in {service.image(version) for version in service.versions}

    def start(self, container: Container) -> Start:
        """Some seconds to pull, create and become ready."""
        plan = self.sickness.start(container) if self.sickness else None
        if plan is not None:
            return plan
        if self.missing(container):
            return super().start(container)
        return Start(
            create_seconds=0.4 / self._speed, pull_seconds=0.6 / self._speed, ready_seconds=2 / self._speed
        )

    def state(self, container: Container, age: float) -> State:
        """Memory near the request, processor by load."""
        found = self.sickness.state(container, age) if self.sickness else None
        if found is not None:
            return found
        if container.init:
            return State(exit_code=0 if age >= 1 / self._speed else None)
        # The same container always uses the same within a few per cent, so that a trend can be seen.
        breath = (hash_of(container.pod) % 100 + int(age / 10) % 7) / 1000
        memory = (container.memory_request or 64 * MIB) * (0.62 + breath)
        cpu = (container.cpu_request or 0.05) * (0.15 + 0.6 * self._load(container.uid) + breath)
        return State(memory=memory, cpu=cpu)

    def stop_seconds(self, _: Container) -> float:
        """A container ends quickly when asked to."""
        return 1.0 / self._speed

    def logs(self, container: Container, since: float, until: float) -> Sequence[LogLine]:
        """What the simulation wrote for the pod's first container; others are as the default has them."""
        if container.name != container.workload:
            return super().logs(container, since, until)
        start = container.started
        lines = self._logs.between(container.uid, start + since, start + until)
        return [LogLine(at - start, data) for at, data in lines]


def hash_of(text: str) -> int:
    """A small number from a text that is the same in every process."""
    return sum(ord(letter) * (index + 1) for index, letter in enumerate(text))
