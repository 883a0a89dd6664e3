"""The state of one context, kept up to date object by object at a cost that grows with changes only.

Pods are joined to workloads in whatever order they arrive; a record that does not change stays the same
object; ``snapshot`` copies only the tables that changed.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection
from typing import Any

from msgspec.structs import replace

from console.model.kube import Event, KubeSnapshot, Pod, Revision
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.kinds import CONTROLLERS
from console.sources.kubernetes.objects import project_event, project_hpa, project_node, project_pdb
from console.sources.kubernetes.pods import project_pod
from console.sources.kubernetes.rows import Rows
from console.sources.kubernetes.sickness import judge_pod
from console.sources.kubernetes.text import controller, text, word
from console.sources.kubernetes.workloads import (
    owner_key,
    project_replicaset,
    project_workload,
    rollout_finished,
)

EVENTS_KEPT = 5_000
Usage = tuple[float, int]
"""Cores and bytes in use."""


class Store:
    """Everything known of one context. ``now`` gives unix seconds; nothing here is awaited."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._pods: dict[str, Pod] = {}
        self._revisions: dict[str, Revision] = {}
        self._plain: dict[str, dict[str, Any]] = {
            "nodes": {},
            "horizontalpodautoscalers": {},
            "poddisruptionbudgets": {},
            "events": {},
        }
        self._versions: dict[str, dict[str, tuple[str, str]]] = {}
        self._by_owner: dict[str, set[str]] = {}
        self._owner_of: dict[str, str] = {}
        self._usage: dict[tuple[str, str], Usage] = {}
        self._timers: list[tuple[float, str]] = []
        self._due: dict[str, float] = {}
        self._rows = Rows(now)
        self._dirty: set[str] = set()
        self._copies: dict[str, dict[str, Any]] = {}
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
                "poddisruptionbudgets", raw.metadata.uid, project_pdb(raw)
            ),
            "events": self._put_event,
        }

    # --- what the watches tell -------------------------------------------------------------------------

    def put(self, kind: str, raw: Any) -> None:
        """Take in one object of a kind; the version that is already known costs nothing."""
        metadata: wire.Metadata = raw.metadata
        if not metadata.uid or text(metadata.uid) != metadata.uid:
            return
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
        self._touch(kind)

    def remove(self, kind: str, uid: str) -> None:
        """Forget one object; an unknown one is not an error."""
        if self._versions.get(kind, {}).pop(uid, None) is None:
            return
        if kind == "pods":
            pod = self._pods.pop(uid)
            self._due.pop(uid, None)
            self._rows.drop_pod(pod)
            self._by_owner.get(pod.owner_uid, set()).discard(uid)
        elif kind == "replicasets":
            self._revisions.pop(uid, None)
            self._rows.remove(uid)
            self._owner_of.pop(uid, None)
            if not self._by_owner.get(uid):
                self._by_owner.pop(uid, None)
        elif kind in self._plain:
            record = self._plain[kind].pop(uid, None)
            if kind == "horizontalpodautoscalers" and record is not None:
                self._rows.set_hpa(record.namespace, record.workload, "")
        else:
            self._rows.remove(uid)
        self._touch(kind)

    def retain(self, kind: str, namespace: str | None, seen: Collection[str]) -> None:
        """A complete list came in: forget what was known of that namespace (None: all) and is not in it."""
        gone = [
            uid
            for uid, (_, place) in self._versions.get(kind, {}).items()
            if uid not in seen and (namespace is None or place == namespace)
        ]
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

    def _touch(self, kind: str) -> None:
        self._dirty.add(kind)
        self.touched = True

    # --- pods ------------------------------------------------------------------------------------------

    def _put_pod(self, raw: wire.Pod) -> None:
        pod = project_pod(raw, self._workload_of(raw.metadata))
        usage = self._usage.get((pod.namespace, pod.name))
        if usage is not None:
            pod = replace(pod, cpu=usage[0], memory=usage[1])
        if pod.owner.startswith("ReplicaSet/"):
            self._by_owner.setdefault(pod.owner_uid, set()).add(pod.uid)
        self._judge(pod)

    def _judge(self, pod: Pod) -> None:
        verdict = judge_pod(pod, self._now())
        if verdict.sick or pod.sick:
            pod = replace(pod, sick=verdict.sick, why=verdict.why, severity=verdict.severity)
        if verdict.until is not None and self._due.get(pod.uid) != verdict.until:
            self._due[pod.uid] = verdict.until
            heapq.heappush(self._timers, (verdict.until, pod.uid))
        self._swap_pod(pod)

    def _swap_pod(self, pod: Pod) -> None:
        old = self._pods.get(pod.uid)
        if old == pod:
            return
        if old is not None:
            self._rows.drop_pod(old)
        self._pods[pod.uid] = pod
        self._rows.add_pod(pod)
        self._touch("pods")

    def _workload_of(self, metadata: wire.Metadata) -> str:
        """``Kind/name`` of the owner a person would name, as far as it is known yet."""
        owner = controller(metadata)
        if owner is None or owner.kind == "Node":
            return f"Pod/{word(metadata.name)}"
        if owner.kind == "ReplicaSet":
            known = self._owner_of.get(owner.uid)
            if known is not None:
                return known
            suffix = "-" + (metadata.labels or {}).get("pod-template-hash", "\n")
            if owner.name.endswith(suffix):
                return word(f"Deployment/{owner.name.removesuffix(suffix)}")
        return word(f"{owner.kind}/{owner.name}")

    # --- the other kinds -------------------------------------------------------------------------------

    def _put_replicaset(self, raw: shapes.Workload) -> None:
        uid, name = raw.metadata.uid, word(raw.metadata.name)
        owner = owner_key(raw.metadata)
        workload = owner or f"ReplicaSet/{name}"
        if owner:
            self._revisions[uid] = revision = project_replicaset(raw, owner)
            self._rows.put_revision(revision)
        else:
            self._rows.put(project_workload("ReplicaSet", raw), None)
        self._owner_of[uid] = workload
        for pod_uid in self._by_owner.get(uid, ()):
            pod = self._pods[pod_uid]
            if pod.workload != workload:
                self._swap_pod(replace(pod, workload=workload))

    def _put_plain(self, kind: str, uid: str, record: Any) -> None:
        if self._plain[kind].get(uid) != record:
            self._plain[kind][uid] = record

    def _put_hpa(self, raw: shapes.Hpa) -> None:
        record = project_hpa(raw)
        old = self._plain["horizontalpodautoscalers"].get(record.uid)
        if old is not None and old.workload != record.workload:
            self._rows.set_hpa(old.namespace, old.workload, "")
        bounds = f"{record.name} {record.minimum}-{record.maximum}"
        self._rows.set_hpa(record.namespace, record.workload, bounds)
        self._put_plain("horizontalpodautoscalers", record.uid, record)

    def _put_event(self, raw: shapes.Event) -> None:
        events: dict[str, Event] = self._plain["events"]
        self._put_plain("events", raw.metadata.uid, project_event(raw))
        if len(events) > EVENTS_KEPT:
            oldest = sorted(events.values(), key=lambda event: event.last)[: EVENTS_KEPT // 10]
            for event in oldest:
                self.remove("events", event.uid)

    # --- metrics and time ------------------------------------------------------------------------------

    def set_usage(self, usage: dict[tuple[str, str], Usage]) -> None:
        """Replace what every pod, by namespace and name, uses. Apply it with ``use`` in slices."""
        self._usage = usage

    def use(self, uids: Collection[str]) -> None:
        """Join the present usage into some of the pods."""
        for uid in uids:
            pod = self._pods.get(uid)
            if pod is None:
                continue
            cpu, memory = self._usage.get((pod.namespace, pod.name), (None, None))
            if pod.cpu != cpu or pod.memory != memory:
                self._swap_pod(replace(pod, cpu=cpu, memory=memory))

    @property
    def pod_uids(self) -> tuple[str, ...]:
        """The pods there are."""
        return tuple(self._pods)

    def tick(self) -> None:
        """Judge anew whatever the passing of time alone may have changed."""
        now = self._now()
        while self._timers and self._timers[0][0] <= now:
            when, uid = heapq.heappop(self._timers)
            if self._due.get(uid) == when:
                del self._due[uid]
                self._judge(self._pods[uid])
        if self._rows.tick(now):
            self.touched = True

    # --- out -------------------------------------------------------------------------------------------

    def snapshot(
        self, *, context: str, namespaces: tuple[str, ...], server: str, version: str
    ) -> KubeSnapshot:
        """The state now; tables that did not change are those of the last snapshot."""
        if self._rows.settle_changes() or "workloads" not in self._copies:
            self._copies["workloads"] = dict(self._rows.workloads)
        tables: dict[str, dict[str, Any]] = {
            "pods": self._pods,
            "replicasets": self._revisions,
            **self._plain,
        }
        for name, table in tables.items():
            if name in self._dirty or name not in self._copies:
                self._copies[name] = dict(table)
        self._dirty.clear()
        self.touched = False
        copies = self._copies
        return KubeSnapshot(
            context=context,
            namespaces=namespaces,
            server=server,
            version=version,
            at=self._now(),
            pods=copies["pods"],
            workloads=copies["workloads"],
            revisions=copies["replicasets"],
            nodes=copies["nodes"],
            hpas=copies["horizontalpodautoscalers"],
            pdbs=copies["poddisruptionbudgets"],
            events=copies["events"],
            denied=dict(self.denied),
            synced=frozenset(self.synced),
            metrics=self.metrics,
        )
