"""The state of one context, kept up to date object by object at a cost that grows with changes only.

Pods are joined to workloads in whatever order they arrive; a record that does not change stays the same
object; ``snapshot`` copies only the tables that changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from msgspec.structs import replace

from console.model.budgets import Budget
from console.model.kube import Event, KubeSnapshot, Pod, Pods, Revision, WorkloadKey
from console.model.table import TableBuilder
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.kinds import CONTROLLERS
from console.sources.kubernetes.objects import project_budget, project_event, project_hpa, project_node
from console.sources.kubernetes.pods import project_pod
from console.sources.kubernetes.rows import Rows
from console.sources.kubernetes.sickness import judge_pod
from console.sources.kubernetes.text import Shared, controller, text, word
from console.sources.kubernetes.timers import Timers
from console.sources.kubernetes.workloads import (
    owner_key,
    project_replicaset,
    project_workload,
    rollout_finished,
)

EVENTS_KEPT = 5_000
Usage = tuple[float, int]
"""Cores and bytes in use."""

_whys: Shared[str] = Shared()


class Store:
    """Everything known of one context. ``now`` gives unix seconds; nothing here is awaited."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pods: TableBuilder[str, Pod] = TableBuilder()
        self._sick: TableBuilder[str, Pod] = TableBuilder()
        self._revisions: TableBuilder[str, Revision] = TableBuilder()
        self._plain: dict[str, TableBuilder[str, Any]] = {
            "nodes": TableBuilder(),
            "horizontalpodautoscalers": TableBuilder(),
            "poddisruptionbudgets": TableBuilder(),
            "events": TableBuilder(),
        }
        self._versions: dict[str, dict[str, tuple[str, str]]] = {}
        """Version and namespace by uid, of all kinds but pods, whose records have both."""
        self._owner_of: dict[str, str] = {}
        self._timers: Timers[str] = Timers()
        self._rows = Rows(now)
        self._published = Pods.of(())
        self.denied: dict[str, str] = {}
        self.synced: set[str] = set()
        self.metrics = False
        self.touched = True
        self._putters: dict[str, Callable[[Any], None]] = {
            "pods": self._put_pod,
            "replicasets": self._put_replicaset,
            "nodes": lambda raw: self._put_plain("nodes", raw.metadata.uid, project_node(raw)),
            "horizontalpodautoscalers": self._put_hpa,
            "poddisruptionbudgets": lambda raw: self._put_plain(
                "poddisruptionbudgets", raw.metadata.uid, project_budget(raw)
            ),
            "events": self._put_event,
        }

    # --- what the watches tell -------------------------------------------------------------------------

    def put(self, kind: str, raw: Any) -> None:
        """Take in one object of a kind; the version that is already known costs nothing."""
        metadata: wire.Metadata = raw.metadata
        if not metadata.uid or text(metadata.uid) != metadata.uid:
            return
        if kind == "pods":
            pod = self._pods.get(metadata.uid)
            if pod is not None and pod.resource_version == metadata.resource_version:
                return
        else:
            versions = self._versions.setdefault(kind, {})
            known = versions.get(metadata.uid)
            if known is not None and known[0] == metadata.resource_version:
                return
            versions[metadata.uid] = (metadata.resource_version, word(metadata.namespace))
        putter = self._putters.get(kind)
        if putter is not None:
            putter(raw)
        else:
            self._rows.put(project_workload(CONTROLLERS[kind], raw), rollout_finished(raw))
        self.touched = True

    def remove(self, kind: str, uid: str) -> None:
        """Forget one object; an unknown one is not an error."""
        if kind == "pods":
            pod = self._pods.drop(uid)
            if pod is None:
                return
            self._sick.drop(uid)
            self._timers.drop(uid)
            self._rows.drop_pod(pod)
        elif self._versions.get(kind, {}).pop(uid, None) is None:
            return
        elif kind == "replicasets":
            self._revisions.drop(uid)
            self._rows.remove(uid)
            self._owner_of.pop(uid, None)
        elif kind in self._plain:
            record = self._plain[kind].drop(uid)
            if kind == "horizontalpodautoscalers" and record is not None:
                self._rows.set_hpa(record.namespace, record.workload, "")
        else:
            self._rows.remove(uid)
        self.touched = True

    def retain(self, kind: str, namespace: str | None, seen: Collection[str]) -> None:
        """A complete list came in: forget what was known of that namespace (None: all) and is not in it."""
        if kind == "pods":
            known = ((uid, pod.namespace) for uid, pod in self._pods.items())
        else:
            known = ((uid, place) for uid, (_, place) in self._versions.get(kind, {}).items())
        gone = [uid for uid, place in known if uid not in seen and (namespace is None or place == namespace)]
        for uid in gone:
            self.remove(kind, uid)

    def mark_synced(self, kind: str) -> None:
        """All lists of a kind are complete; pods whose owner is not among them now get rows of their own."""
        if kind not in self.synced:
            self.synced.add(kind)
            self._rows.settle(CONTROLLERS.get(kind, ""))
            self.touched = True

    def deny(self, kind: str, reason: str) -> None:
        """The server refuses a kind, for the given reason; an empty one takes that back."""
        if reason and self.denied.get(kind) != reason:
            self.denied[kind] = reason
            self._rows.settle(CONTROLLERS.get(kind, ""))
            self.touched = True
        elif not reason and self.denied.pop(kind, None) is not None:
            self.touched = True

    # --- pods ------------------------------------------------------------------------------------------

    def _put_pod(self, raw: wire.Pod) -> None:
        before = self._pods.get(raw.metadata.uid)
        self._judge(project_pod(raw, self._workload_of(raw.metadata), before))

    def _judge(self, pod: Pod) -> None:
        verdict = judge_pod(pod, self._now())
        if verdict.sick or pod.sick:
            pod = replace(pod, sick=verdict.sick, why=_whys(verdict.why), severity=verdict.severity)
        self._timers.set(pod.uid, verdict.until)
        self._swap_pod(pod)

    def _swap_pod(self, pod: Pod) -> None:
        old = self._pods.get(pod.uid)
        if old == pod:
            return
        if old is None:
            self._rows.add_pod(pod)
        else:
            self._rows.change_pod(old, pod)
        self._pods.put(pod.uid, pod)
        if pod.sick:
            self._sick.put(pod.uid, pod)
        elif old is not None and old.sick:
            self._sick.drop(pod.uid)
        self.touched = True

    def _workload_of(self, metadata: wire.Metadata) -> str:
        """``Kind/name`` of the owner a person would name, as far as it is known yet."""
        owner = controller(metadata)
        if owner is None or owner.kind == "Node":
            return f"Pod/{word(metadata.name)}"
        if owner.kind == "ReplicaSet":
            return self._owner_of.get(owner.uid) or _guess(owner.name, metadata)
        return word(f"{owner.kind}/{owner.name}")

    # --- the other kinds -------------------------------------------------------------------------------

    def _put_replicaset(self, raw: shapes.Workload) -> None:
        uid, name = raw.metadata.uid, word(raw.metadata.name)
        owner = owner_key(raw.metadata)
        workload = owner or f"ReplicaSet/{name}"
        if owner:
            revision = project_replicaset(raw, owner)
            self._revisions.put(uid, revision)
            self._rows.put_revision(revision)
        else:
            self._rows.put(project_workload("ReplicaSet", raw), None)
        earlier = {self._owner_of.get(uid) or _guess(name, raw.metadata), f"ReplicaSet/{name}"}
        self._owner_of[uid] = workload
        for taken_for in earlier - {workload}:
            self._move_pods(uid, (word(raw.metadata.namespace), taken_for), workload)

    def _move_pods(self, owner: str, group: WorkloadKey, workload: str) -> None:
        """Count the pods of a ReplicaSet with its workload instead of with the one that it was taken for."""
        for pod in list(self._rows.members(group).values()):
            if pod.owner_uid == owner:
                self._swap_pod(replace(pod, workload=workload))

    def _put_plain(self, kind: str, uid: str, record: Any) -> None:
        if self._plain[kind].get(uid) != record:
            self._plain[kind].put(uid, record)

    def _put_hpa(self, raw: shapes.Hpa) -> None:
        record = project_hpa(raw)
        old = self._plain["horizontalpodautoscalers"].get(record.uid)
        if old is not None and old.workload != record.workload:
            self._rows.set_hpa(old.namespace, old.workload, "")
        bounds = f"{record.name} {record.minimum}-{record.maximum}"
        self._rows.set_hpa(record.namespace, record.workload, bounds)
        self._put_plain("horizontalpodautoscalers", record.uid, record)

    def _put_event(self, raw: shapes.Event) -> None:
        events: TableBuilder[str, Event] = self._plain["events"]
        self._put_plain("events", raw.metadata.uid, project_event(raw))
        if len(events) > EVENTS_KEPT:
            oldest = sorted(events.values(), key=lambda event: event.last)[: EVENTS_KEPT // 10]
            for event in oldest:
                self.remove("events", event.uid)

    # --- metrics and time ------------------------------------------------------------------------------

    def use(self, uid: str, usage: Usage | None) -> None:
        """Join what a pod uses, None when nobody says; a pod that is not there is not an error."""
        pod = self._pods.get(uid)
        if pod is None:
            return
        cpu, memory = usage or (None, None)
        if pod.cpu != cpu or pod.memory != memory:
            self._swap_pod(replace(pod, cpu=cpu, memory=memory))

    def usage(self, uid: str) -> tuple[float | None, int | None]:
        """What a pod uses as far as it is known."""
        pod = self._pods.get(uid)
        return (None, None) if pod is None else (pod.cpu, pod.memory)

    def troubled(self) -> list[str]:
        """The namespaces in which something is sick, or runs and is not measured yet; the worst first."""
        worst: dict[str, int] = {}
        for row in self._rows.workloads.values():
            if row.sick or (row.ready and row.cpu is None and row.kind != "Job"):
                worst[row.namespace] = max(row.severity, worst.get(row.namespace, 0))
        return sorted(worst, key=lambda name: (-worst[name], name))

    def names(self) -> dict[str, dict[str, str]]:
        """The uids of the pods there are, by namespace and name."""
        found: dict[str, dict[str, str]] = {}
        for uid, pod in self._pods.items():
            found.setdefault(pod.namespace, {})[pod.name] = uid
        return found

    def tick(self) -> None:
        """Judge anew whatever the passing of time alone may have changed."""
        now = self._now()
        for uid in self._timers.pop(now):
            self._judge(self._pods[uid])
        if self._rows.tick(now):
            self.touched = True

    # --- out -------------------------------------------------------------------------------------------

    def snapshot(
        self, *, context: str, namespaces: tuple[str, ...], server: str, version: str
    ) -> KubeSnapshot:
        """The state now; tables that did not change are those of the last snapshot."""
        self._rows.settle_changes()
        pods, groups, sick = self._pods.freeze(), self._rows.groups(), self._sick.freeze()
        if self._published.groups is not groups:
            self._published = Pods(pods, groups, sick)
        self.touched = False
        return KubeSnapshot(
            context=context,
            namespaces=namespaces,
            server=server,
            version=version,
            at=self._now(),
            pods=self._published,
            workloads=self._rows.workloads.freeze(),
            revisions=self._revisions.freeze(),
            nodes=self._plain["nodes"].freeze(),
            events=self._plain["events"].freeze(),
            denied=dict(self.denied),
            synced=frozenset(self.synced),
            metrics=self.metrics,
            budgets=self._plain["poddisruptionbudgets"].freeze(),
        )

    @property
    def budgets(self) -> Mapping[str, Budget]:
        """The disruption budgets by uid, as they are now."""
        return self._plain["poddisruptionbudgets"]


def _guess(replicaset: str, metadata: wire.Metadata) -> str:
    """The workload of a ReplicaSet's pods, or of the ReplicaSet, by its name and their hash."""
    suffix = "-" + (metadata.labels or {}).get("pod-template-hash", "\n")
    if replicaset.endswith(suffix):
        return word(f"Deployment/{replicaset.removesuffix(suffix)}")
    return word(f"ReplicaSet/{replicaset}")
