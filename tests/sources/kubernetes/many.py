"""Thousands of pods with their workloads, as the simulated API server sends them, in a store."""

from __future__ import annotations

import random
from collections.abc import Iterator

from console.drill.cluster import Cluster
from console.drill.cluster.store import Event
from console.model.clock import ManualClock
from console.model.kube import KubeSnapshot
from console.sources.kubernetes.kinds import KINDS
from console.sources.kubernetes.store import Store
from console.sources.kubernetes.wire import Change
from tests.sources.kubernetes.samples import NOW

BY_NAME = {kind.name: kind for kind in KINDS}
TABLES = {"pods": "pods", "replicasets": "replicasets.apps", "deployments": "deployments.apps"}


class Many:
    """A cluster of quiet pods and the store that has listed them; ``changes`` turns pods over."""

    def __init__(self, pods: int, *, per_workload: int = 20) -> None:
        self.clock = ManualClock(NOW)
        self.cluster = Cluster(self.clock, random.Random(1))
        self.cluster.populate(pods, namespaces=max(1, pods // 500), per_workload=per_workload)
        self.clock.advance(3600)
        self.store = Store(lambda: self.clock.now().timestamp())
        self._lines: list[bytes] = []
        self.cluster.store.listeners.append(self._hear)

    def list(self) -> KubeSnapshot:
        """Let the store take in everything."""
        for kind, table in TABLES.items():
            head = b'{"metadata":{"resourceVersion":"1"},"items":['
            entries = self.cluster.store.entries(table)
            for start in range(0, len(entries), 500):
                page = head + b",".join(entry.raw for entry in entries[start : start + 500]) + b"]}"
                for item in BY_NAME[kind].page(page).items or ():
                    self.store.put(kind, item)
        for kind in BY_NAME:
            self.store.mark_synced(kind)
        return self.snapshot()

    def snapshot(self) -> KubeSnapshot:
        """The state now."""
        return self.store.snapshot(context="c", namespaces=(), server="https://k", version="v1")

    def changes(self, count: int) -> Iterator[str]:
        """Change ``count`` pods, each of which the store hears of when its uid is asked for."""
        self._lines.clear()
        self.cluster.churn(count)
        self.clock.advance(1)
        self.cluster.tick()
        self.cluster.churn(0)
        for line in self._lines:
            change = BY_NAME["pods"].change(line)
            assert isinstance(change, Change)
            self.store.put("pods", change.object)
            yield change.object.metadata.uid

    def _hear(self, event: Event) -> None:
        if event.table == "pods":
            self._lines.append(b'{"type":"MODIFIED","object":' + event.entry.raw + b"}")
