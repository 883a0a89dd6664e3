"""The rows of the pods pane: workloads with their pods counted in, and rows for pods that have none."""

from __future__ import annotations

import heapq
from collections.abc import Callable

from msgspec.structs import replace

from console.model.kube import Pod, Revision, Workload
from console.sources.kubernetes.kinds import CONTROLLERS
from console.sources.kubernetes.sickness import judge_workload
from console.sources.kubernetes.tally import Tally

Key = tuple[str, str]
"""Namespace and ``Kind/name``."""

_WATCHED = frozenset(CONTROLLERS.values())


class Rows:
    """``workloads`` by uid. Changes only mark a key; ``settle_changes`` makes the records."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.workloads: dict[str, Workload] = {}
        self._bases: dict[Key, Workload] = {}
        self._finished: dict[Key, float | None] = {}
        self._keys: dict[str, Key] = {}
        self._tallies: dict[Key, Tally] = {}
        self._orphans: dict[Key, Pod] = {}
        self._stand_ins: dict[Key, str] = {}
        self._hpas: dict[Key, str] = {}
        self._current: dict[Key, Revision] = {}
        self._newest: dict[Key, float] = {}
        self._short: dict[str, float] = {}
        self._unobserved: dict[str, float] = {}
        self._settled: set[str] = set()
        self._timers: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._dirty: set[Key] = set()

    # --- changes ---------------------------------------------------------------------------------------

    def put(self, base: Workload, finished: float | None) -> None:
        """A workload as the server has it; ``finished`` is when its last rollout completed, if known."""
        key = (base.namespace, base.key)
        old = self._bases.get(key)
        if old is not None and old.uid != base.uid:
            self.remove(old.uid)
        self._bases[key] = base
        self._finished[key] = finished
        self._keys[base.uid] = key
        self._dirty.add(key)

    def remove(self, uid: str) -> None:
        """A workload is gone; pods it leaves behind keep a row."""
        key = self._keys.pop(uid, None)
        if key is None:
            return
        if self._bases[key].uid == uid:
            del self._bases[key]
            self._finished.pop(key, None)
            self._current.pop(key, None)
            self._newest.pop(key, None)
        self.workloads.pop(uid, None)
        self._short.pop(uid, None)
        self._unobserved.pop(uid, None)
        self._dirty.add(key)

    def add_pod(self, pod: Pod) -> None:
        """Count a pod in with its workload."""
        key = (pod.namespace, pod.workload)
        tally = self._tallies.get(key)
        if tally is None:
            tally = self._tallies[key] = Tally()
        tally.add(pod)
        self._orphans[key] = pod
        self._dirty.add(key)

    def drop_pod(self, pod: Pod) -> None:
        """Count a pod out; it must be the record that was counted in."""
        key = (pod.namespace, pod.workload)
        tally = self._tallies[key]
        tally.drop(pod)
        if not tally.pods:
            del self._tallies[key]
            self._orphans.pop(key, None)
        self._dirty.add(key)

    def put_revision(self, revision: Revision) -> None:
        """A ReplicaSet of a Deployment; the highest number is the present revision."""
        key = (revision.namespace, revision.workload)
        current = self._current.get(key)
        if current is None or revision.number >= current.number:
            self._current[key] = revision
            self._dirty.add(key)
        self._newest[key] = max(revision.created, self._newest.get(key, 0.0))

    def set_hpa(self, namespace: str, workload: str, text: str) -> None:
        """Name the autoscaler of a workload, or none."""
        key = (namespace, workload)
        if text:
            self._hpas[key] = text
        else:
            self._hpas.pop(key, None)
        self._dirty.add(key)

    def settle(self, kind: str) -> None:
        """No more workloads of ``kind`` are to be expected: pods without theirs get a row now."""
        if kind and kind not in self._settled:
            self._settled.add(kind)
            self._dirty.update(key for key in self._tallies if key[1].startswith(f"{kind}/"))

    def tick(self, now: float) -> bool:
        """Mark the rows that time alone may have changed; tell whether there are any."""
        due = False
        while self._timers and self._timers[0][0] <= now:
            when, key = heapq.heappop(self._timers)
            if self._due.get(key) == when:
                del self._due[key]
                self._dirty.add(key)
                due = True
        return due

    # --- records ---------------------------------------------------------------------------------------

    def settle_changes(self) -> bool:
        """Make the records of all marked keys; tell whether any differs from before."""
        changed = False
        now = self._now()
        for key in self._dirty:
            changed = self._settle_key(key, now) or changed
        self._dirty.clear()
        return changed

    def _settle_key(self, key: Key, now: float) -> bool:
        tally = self._tallies.get(key)
        base = self._bases.get(key)
        stand_in = self._stand_ins.pop(key, None)
        if base is None and tally is not None and self._may_stand_in(key):
            base = self._stand_in(key, tally)
            self._stand_ins[key] = base.uid
        changed = False
        if stand_in is not None and (base is None or base.uid != stand_in):
            changed = self.workloads.pop(stand_in, None) is not None
            self._short.pop(stand_in, None)
        if base is None:
            return True
        row = self._judged(key, self._counted(key, base, tally), tally, now)
        if self.workloads.get(row.uid) == row:
            return changed
        self.workloads[row.uid] = row
        return True

    def _may_stand_in(self, key: Key) -> bool:
        kind = key[1].partition("/")[0]
        return kind not in _WATCHED or kind in self._settled

    def _stand_in(self, key: Key, tally: Tally) -> Workload:
        """A row for pods whose workload cannot be seen, or that have none."""
        pod = self._orphans[key]
        kind, _, name = key[1].partition("/")
        return Workload(
            uid=pod.uid if kind == "Pod" else f"{key[0]}/{key[1]}",
            kind=kind,
            namespace=key[0],
            name=name,
            resource_version=pod.resource_version if kind == "Pod" else "",
            generation=0,
            observed_generation=0,
            desired=0 if pod.phase == "Succeeded" and kind == "Pod" else len(tally.pods),
            ready=tally.ready,
            updated=len(tally.pods),
            available=tally.ready,
            created=pod.created,
        )

    def _counted(self, key: Key, base: Workload, tally: Tally | None) -> Workload:
        current = self._current.get(key)
        revision, since = base.revision, None
        if current is not None and (revision is None or current.number == revision):
            revision, since = current.number, current.created
            if since < self._newest[key]:
                # Rolled back: the ReplicaSet is an old one, so the end of its rollout is the better time.
                since = self._finished.get(key) or self._newest[key]
        hpa = self._hpas.get(key, "")
        if tally is None:
            if hpa or since is not None:
                return replace(base, hpa=hpa, revision=revision, revision_at=since)
            return base
        return replace(
            base,
            hpa=hpa,
            revision=revision,
            revision_at=since,
            pods=len(tally.pods),
            sick_pods=tally.sick,
            restarts=tally.restarts,
            last_restart=tally.last_restart,
            cpu=tally.cpu,
            memory=tally.memory,
            cpu_limit=tally.cpu_limit,
            memory_limit=tally.memory_limit,
        )

    def _judged(self, key: Key, row: Workload, tally: Tally | None, now: float) -> Workload:
        short = row.ready < row.desired and row.kind not in ("Job", "Pod") and row.resource_version != ""
        behind = row.observed_generation < row.generation
        verdict = judge_workload(
            row,
            now,
            worst=tally.worst if tally is not None else None,
            short_since=self._since(self._short, row.uid, short, now),
            unobserved_since=self._since(self._unobserved, row.uid, behind, now),
        )
        if verdict.until is not None and self._due.get(key) != verdict.until:
            self._due[key] = verdict.until
            heapq.heappush(self._timers, (verdict.until, key))
        if not verdict.sick:
            return row
        return replace(row, sick=True, why=verdict.why, severity=verdict.severity)

    @staticmethod
    def _since(table: dict[str, float], uid: str, holds: bool, now: float) -> float | None:
        """When a condition that holds began to hold."""
        if not holds:
            table.pop(uid, None)
            return None
        return table.setdefault(uid, now)
