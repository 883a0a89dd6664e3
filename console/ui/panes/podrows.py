"""The rows that a cluster has in the pods pane, and their order, at the cost of what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from console.model.kube import KubeSnapshot, Pod, Workload, WorkloadKey
from console.model.table import changed

Row = Workload | Pod
Rank = Callable[[Row], tuple[Any, ...]]
"""What rows are sorted by."""

Block = tuple[tuple[Any, ...], str, tuple[str, ...]]
"""A row with the pods below it: its rank, its key, their keys."""

_NOTHING: Mapping[str, Any] = {}


class _Entry(NamedTuple):
    rank: tuple[Any, ...]
    row: Row


class _Hit(NamedTuple):
    """What a filter made of a row and its pods: the row itself matches, or these pods do, by key."""

    row: Row
    pods: Mapping[str, Pod]
    itself: bool
    members: tuple[str, ...]


class PodRows:
    """The rows of one cluster: workloads, and the pods whose workload is not known yet.

    Keys are ``source|uid``. ``sick`` counts the sick rows, ``namespaces`` the rows of each namespace.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._snapshot: KubeSnapshot | None = None
        self._rank: Rank | None = None
        self._entries: dict[str, _Entry] = {}
        self._order: list[Block] = []
        self._moved: set[str] = set()
        self._named: dict[WorkloadKey, str] = {}
        self._loose: dict[WorkloadKey, tuple[str, ...]] = {}
        self._words: list[str] = []
        self._needle = ""
        self._hits: dict[str, _Hit] = {}
        self._opened: dict[str, tuple[Mapping[str, Pod], tuple[str, ...]]] = {}
        self.sick = 0
        self.namespaces: Counter[str] = Counter()

    def take(self, snapshot: KubeSnapshot, rank: Rank) -> None:
        """Take in a snapshot; ``rank`` is the order from now on."""
        before = self._snapshot
        self._snapshot = snapshot
        self._change(
            before.workloads if before is not None else _NOTHING,
            before.pods.groups if before is not None else {},
            snapshot,
            rank,
        )
        if rank is not self._rank:
            self._rank = rank
            self._opened.clear()
            self._hits.clear()
            self._entries = {key: _Entry(rank(entry.row), entry.row) for key, entry in self._entries.items()}
            self._order = sorted((entry.rank, key, ()) for key, entry in self._entries.items())
        elif self._moved:
            self._order = [item for item in self._order if item[1] not in self._moved]
            self._order += ((self._entries[key].rank, key, ()) for key in self._moved if key in self._entries)
            self._order.sort()
        self._moved.clear()

    def blocks(self, namespace: str, needle: str, opened: Collection[str]) -> list[Block]:
        """What to show, in order: of a namespace ("" is all), what matches ``needle``, with the pods of what
        is open (uids of workloads)."""
        self._set_needle(needle)
        if not namespace and not needle and not opened:
            return self._order
        found: list[Block] = []
        for block in self._order:
            rank, key, _ = block
            row = self._entries[key].row
            if namespace and row.namespace != namespace:
                continue
            hit = self._hit(key, row) if needle else None
            if hit is not None and not hit.itself:
                if hit.members:
                    found.append((rank, key, hit.members))
            elif row.uid in opened and isinstance(row, Workload):
                found.append((rank, key, self._members(key, row)))
            else:
                found.append(block)
        return found

    def counts(self, namespace: str) -> tuple[int, int, int]:
        """How many rows, how many of them sick, and how many pods a namespace has ("" is all)."""
        assert self._snapshot is not None
        pods = self._snapshot.pods
        if not namespace:
            return len(self._entries), self.sick, len(pods)
        rows = [entry.row for entry in self._entries.values() if entry.row.namespace == namespace]
        number = sum(len(group) for (place, _), group in pods.groups.items() if place == namespace)
        return len(rows), sum(row.sick for row in rows), number

    # What changed

    def _change(
        self,
        workloads: Mapping[str, Workload],
        groups: Mapping[WorkloadKey, Mapping[str, Pod]],
        snapshot: KubeSnapshot,
        rank: Rank,
    ) -> None:
        uids = set(changed(workloads, snapshot.workloads))
        gone = [workloads[uid] for uid in uids if uid in workloads]
        there = [snapshot.workloads[uid] for uid in uids if uid in snapshot.workloads]
        touched = set(changed(groups, snapshot.pods.groups))
        for row in gone:
            touched.add(key := (row.namespace, row.key))
            if row.uid not in snapshot.workloads and self._named.get(key) == row.uid:
                del self._named[key]
        for row in there:
            touched.add(key := (row.namespace, row.key))
            self._named[key] = row.uid
        # A bare pod and the row that stands for it have the same uid: the pod has to go first.
        for key in touched:
            for uid in self._loose.pop(key, ()):
                self._place(uid, None, rank)
        for row in gone:
            if row.uid not in snapshot.workloads:
                self._place(row.uid, None, rank)
        for row in there:
            self._place(row.uid, row, rank)
        for key in touched:
            group = snapshot.pods.groups.get(key)
            if group and key not in self._named:
                self._loose[key] = tuple(group)
                for uid, pod in group.items():
                    self._place(uid, pod, rank)

    def _place(self, uid: str, row: Row | None, rank: Rank) -> None:
        """Add, replace or take out a row."""
        key = f"{self._source}|{uid}"
        old = self._entries.pop(key, None)
        if old is not None:
            self.sick -= old.row.sick
            self.namespaces[old.row.namespace] -= 1
            if row is None:
                self._hits.pop(key, None)
                self._opened.pop(key, None)
        if row is not None:
            entry = self._entries[key] = _Entry(rank(row), row)
            self.sick += row.sick
            self.namespaces[row.namespace] += 1
            if old is not None and old.rank == entry.rank:
                return
        self._moved.add(key)

    # Pods under their workload

    def _members(self, key: str, row: Workload) -> tuple[str, ...]:
        """The keys of all pods of a workload, in order."""
        pods = self._pods(row)
        known = self._opened.get(key)
        if known is None or known[0] is not pods:
            known = self._opened[key] = (pods, self._sorted(pods.values()))
        return known[1]

    def _pods(self, row: Row) -> Mapping[str, Pod]:
        if self._snapshot is None or isinstance(row, Pod):
            return _NOTHING
        return self._snapshot.pods.groups.get((row.namespace, row.key), _NOTHING)

    def _sorted(self, pods: Collection[Pod]) -> tuple[str, ...]:
        assert self._rank is not None
        return tuple(f"{self._source}|{pod.uid}" for pod in sorted(pods, key=self._rank))

    # The filter

    def _set_needle(self, needle: str) -> None:
        if needle == self._needle:
            return
        # What did not match does not match more letters either.
        kept = bool(self._needle) and needle.startswith(self._needle)
        missed = ((key, hit) for key, hit in self._hits.items() if not hit.itself and not hit.members)
        self._hits = dict(missed) if kept else {}
        self._needle = needle
        self._words = needle.casefold().split()

    def _hit(self, key: str, row: Row) -> _Hit:
        """What the filter makes of a row; looked at again only when the row or its pods changed."""
        pods = self._pods(row)
        known = self._hits.get(key)
        if known is None or known.row is not row or known.pods is not pods:
            itself = self._matches(row)
            some = [] if itself else [pod for pod in pods.values() if self._matches(pod)]
            known = self._hits[key] = _Hit(row, pods, itself, self._sorted(some))
        return known

    def _matches(self, row: Row) -> bool:
        what = row.reason if isinstance(row, Pod) else row.kind
        text = f"{row.name} {row.namespace} {what} {row.why}".casefold()
        return all(word in text for word in self._words)
