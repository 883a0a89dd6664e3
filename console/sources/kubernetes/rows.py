"""The rows of the pods pane: workloads with their pods counted in, and rows for pods that have none."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from console.model.kube import Pod, Revision, Workload, WorkloadKey
from console.model.table import Table, TableBuilder
from console.sources.kubernetes.kinds import CONTROLLERS
from console.sources.kubernetes.sickness import judge_workload
from console.sources.kubernetes.tally import Tally
from console.sources.kubernetes.timers import Timers

_WATCHED = frozenset(CONTROLLERS.values())


class Rows:
    """``workloads`` by uid. Changes only mark a key; ``settle_changes`` makes the records."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self.workloads: TableBuilder[str, Workload] = TableBuilder()
        self._bases: dict[WorkloadKey, Workload] = {}
        self._finished: dict[WorkloadKey, float | None] = {}
        self._keys: dict[str, WorkloadKey] = {}
        self._groups: TableBuilder[WorkloadKey, Mapping[str, Pod]] = TableBuilder()
        self._own: dict[WorkloadKey, dict[str, Pod]] = {}
        """The groups that no table shares."""
        self._tallies: dict[WorkloadKey, Tally] = {}
        self._stand_ins: dict[WorkloadKey, str] = {}
        self._hpas: dict[WorkloadKey, str] = {}
        self._current: dict[WorkloadKey, Revision] = {}
        self._newest: dict[WorkloadKey, float] = {}
        self._short: dict[str, float] = {}
        self._unobserved: dict[str, float] = {}
        self._settled: set[str] = set()
        self._timers: Timers[WorkloadKey] = Timers()
        self._dirty: set[WorkloadKey] = set()

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
        self.workloads.drop(uid)
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
        self._group(key)[pod.uid] = pod
        self._dirty.add(key)

    def drop_pod(self, pod: Pod) -> None:
        """Count a pod out; it must be the record that was counted in."""
        key = (pod.namespace, pod.workload)
        tally = self._tallies[key]
        tally.drop(pod)
        if tally.pods:
            del self._group(key)[pod.uid]
        else:
            del self._tallies[key]
            self._groups.drop(key)
            self._own.pop(key, None)
        self._dirty.add(key)

    def change_pod(self, old: Pod, pod: Pod) -> None:
        """Count the next record of a pod instead of the last."""
        key = (pod.namespace, pod.workload)
        if old.workload != pod.workload or old.namespace != pod.namespace:
            self.drop_pod(old)
            self.add_pod(pod)
            return
        tally = self._tallies[key]
        tally.drop(old)
        tally.add(pod)
        self._group(key)[pod.uid] = pod
        self._dirty.add(key)

    def members(self, key: WorkloadKey) -> Mapping[str, Pod]:
        """The pods that are counted with a workload."""
        return self._groups.get(key, {})

    def groups(self) -> Table[WorkloadKey, Mapping[str, Pod]]:
        """The pods by workload, as they are now; later changes leave it alone."""
        self._own.clear()
        return self._groups.freeze()

    def _group(self, key: WorkloadKey) -> dict[str, Pod]:
        """The pods of a workload, to be changed."""
        own = self._own.get(key)
        if own is None:
            own = self._own[key] = dict(self._groups.get(key, {}))
            self._groups.put(key, own)
        return own

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
        due = set(self._timers.pop(now))
        self._dirty |= due
        return bool(due)

    # --- records ---------------------------------------------------------------------------------------

    def settle_changes(self) -> bool:
        """Make the records of all marked keys; tell whether any differs from before."""
        changed = False
        now = self._now()
        for key in self._dirty:
            changed = self._settle_key(key, now) or changed
        self._dirty.clear()
        return changed

    def _settle_key(self, key: WorkloadKey, now: float) -> bool:
        tally = self._tallies.get(key)
        base = self._bases.get(key)
        stand_in = self._stand_ins.pop(key, None)
        if base is None and tally is not None and self._may_stand_in(key):
            base = self._stand_in(key, tally)
            self._stand_ins[key] = base.uid
        changed = False
        if stand_in is not None and (base is None or base.uid != stand_in):
            changed = self.workloads.drop(stand_in) is not None
            self._short.pop(stand_in, None)
        if base is None:
            return True
        row = self._judged(key, self._counted(key, base, tally), tally, now)
        if self.workloads.get(row.uid) == row:
            return changed
        self.workloads.put(row.uid, row)
        return True

    def _may_stand_in(self, key: WorkloadKey) -> bool:
        kind = key[1].partition("/")[0]
        return kind not in _WATCHED or kind in self._settled

    def _stand_in(self, key: WorkloadKey, tally: Tally) -> Workload:
        """A row for pods whose workload cannot be seen, or that have none."""
        pod = next(iter(self._groups[key].values()))
        kind, _, name = key[1].partition("/")
        return Workload(
            uid=pod.uid if kind == "Pod" else f"{key[0]}/{key[1]}",
            kind=kind,
            namespace=key[0],
            name=name,
            resource_version=pod.resource_version if kind == "Pod" else "",
            generation=0,
            observed_generation=0,
            desired=0 if pod.phase == "Succeeded" and kind == "Pod" else tally.pods,
            ready=tally.ready,
            updated=tally.pods,
            created=pod.created,
        )

    def _counted(self, key: WorkloadKey, base: Workload, tally: Tally | None) -> Workload:
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
            pods=tally.pods,
            sick_pods=tally.sick,
            restarts=tally.restarts,
            last_restart=tally.last_restart,
            cpu=tally.cpu,
            memory=tally.memory,
            cpu_limit=tally.cpu_limit,
            memory_limit=tally.memory_limit,
        )

    def _judged(self, key: WorkloadKey, row: Workload, tally: Tally | None, now: float) -> Workload:
        short = row.ready < row.desired and row.kind not in ("Job", "Pod") and row.resource_version != ""
        behind = row.observed_generation < row.generation
        verdict = judge_workload(
            row,
            now,
            worst=tally.worst if tally is not None else None,
            short_since=self._since(self._short, row.uid, short, now),
            unobserved_since=self._since(self._unobserved, row.uid, behind, now),
        )
        self._timers.set(key, verdict.until)
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
