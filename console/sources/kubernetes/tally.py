"""Sums over the pods of one workload, kept by adding and taking away single pods.

CPU is summed in whole nanocores, so that a thousand additions and removals leave no rounding behind.
"""

from __future__ import annotations

from console.model.kube import Pod

_NANO = 1_000_000_000


class Tally:
    """The pods of one workload and what they come to."""

    __slots__ = (
        "_cpu",
        "_cpu_known",
        "_cpu_limit",
        "_cpu_limited",
        "_memory",
        "_memory_known",
        "_memory_limit",
        "_memory_limited",
        "_restarted",
        "_sick",
        "_worst",
        "pods",
        "ready",
        "restarts",
    )

    def __init__(self) -> None:
        self.pods = 0
        self.ready = 0
        self.restarts = 0
        self._sick: dict[str, Pod] = {}
        self._worst: Pod | None = None
        self._restarted: dict[str, float] = {}
        self._cpu = self._cpu_known = self._cpu_limit = self._cpu_limited = 0
        self._memory = self._memory_known = self._memory_limit = self._memory_limited = 0

    def add(self, pod: Pod) -> None:
        """Count a pod in."""
        self.pods += 1
        self._count(pod, 1)
        if pod.sick:
            self._sick[pod.uid] = pod
            if self._worst is not None and _rank(pod) < _rank(self._worst):
                self._worst = pod
        if pod.last_restart is not None:
            self._restarted[pod.uid] = pod.last_restart

    def drop(self, pod: Pod) -> None:
        """Count a pod out; it must be the record that was counted in."""
        self.pods -= 1
        self._count(pod, -1)
        self._sick.pop(pod.uid, None)
        if self._worst is not None and self._worst.uid == pod.uid:
            self._worst = None
        self._restarted.pop(pod.uid, None)

    def _count(self, pod: Pod, sign: int) -> None:
        self.ready += sign * pod.ready
        self.restarts += sign * pod.restarts
        if pod.cpu is not None:
            self._cpu += sign * round(pod.cpu * _NANO)
            self._cpu_known += sign
        if pod.memory is not None:
            self._memory += sign * pod.memory
            self._memory_known += sign
        if pod.cpu_limit is not None:
            self._cpu_limit += sign * round(pod.cpu_limit * _NANO)
            self._cpu_limited += sign
        if pod.memory_limit is not None:
            self._memory_limit += sign * pod.memory_limit
            self._memory_limited += sign

    @property
    def sick(self) -> int:
        """How many pods need attention."""
        return len(self._sick)

    @property
    def worst(self) -> Pod | None:
        """The sickest pod; among equals the first by name, so that the reason does not flicker."""
        if self._worst is None:
            self._worst = min(self._sick.values(), key=_rank, default=None)
        return self._worst

    @property
    def last_restart(self) -> float | None:
        """The latest restart of any container."""
        return max(self._restarted.values(), default=None)

    @property
    def cpu(self) -> float | None:
        """Cores in use, None without metrics."""
        return self._cpu / _NANO if self._cpu_known else None

    @property
    def memory(self) -> int | None:
        """Bytes in use, None without metrics."""
        return self._memory if self._memory_known else None

    @property
    def cpu_limit(self) -> float | None:
        """The limit of all pods together, None when one of them has none."""
        return self._cpu_limit / _NANO if self._cpu_limited == self.pods > 0 else None

    @property
    def memory_limit(self) -> int | None:
        """The limit of all pods together, None when one of them has none."""
        return self._memory_limit if self._memory_limited == self.pods > 0 else None


def _rank(pod: Pod) -> tuple[int, str]:
    return -pod.severity, pod.name
