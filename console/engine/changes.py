"""Deploys and scalings as they are seen: the difference between two snapshots of a cluster, as notices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from console.model.kube import KubeSnapshot, Revision, Workload, WorkloadKey
from console.model.revisions import came_before
from console.model.symptoms.kube import change_words, revisions_of, subject
from console.model.symptoms.words import names
from console.model.table import changed
from console.timeline.entry import Kind

SETTLE = 3.0
"""Seconds to wait for the number of a new revision, which comes a moment after the changed template."""

RECENT = 3600.0
"""Seconds for which a release that was made before the first look is told all the same."""

_RESTARTED = "restarted, the same image and environment"

WATCHED = ("Deployment", "StatefulSet", "DaemonSet")


class Notice(msgspec.Struct, frozen=True):
    """Something for the timeline. ``key`` and ``phase`` together are the same in every console that sees it.

    ``at`` is when it happened, unix seconds.
    """

    kind: Kind
    key: str
    phase: str
    text: str
    at: float
    data: Mapping[str, Any] = {}


class _Pending(msgspec.Struct, frozen=True):
    before: Workload
    snapshot: KubeSnapshot
    since: float


class ChangeWatch:
    """Follows one cluster. What is there at the first complete look is the baseline and no news, but for the
    releases of the last hour: who opens a console because something broke comes after them."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._last: KubeSnapshot | None = None
        self._pending: dict[str, _Pending] = {}
        self._began = 0.0
        self._place = ""

    @property
    def waiting(self) -> bool:
        """Whether a change waits for its revision, so that another look is due without any news."""
        return bool(self._pending)

    def look(self, snapshot: KubeSnapshot, now: float, place: str = "") -> list[Notice]:
        """What changed since the last look; ``place`` goes before the names (see ``cluster_prefix``)."""
        self._place = place
        known = snapshot.synced | set(snapshot.denied)
        if not {"deployments", "replicasets"} <= known:
            return []
        last, self._last = self._last, snapshot
        if last is None:
            self._began = now
            return list(self._recent(snapshot, now))
        found: list[Notice] = []
        if last.workloads is not snapshot.workloads:
            found += self._compare(last, snapshot, now)
        found += self._settled(snapshot, now)
        return found

    def _recent(self, snapshot: KubeSnapshot, now: float) -> Iterator[Notice]:
        """The releases of the last hour, as far as the revisions before them are kept."""
        young = [item for item in snapshot.revisions.values() if 0 <= now - item.created < RECENT]
        owners = {(item.namespace, item.workload) for item in young}
        workloads = {
            (row.namespace, row.key): row
            for row in snapshot.workloads.values()
            if _seen(row) and (row.namespace, row.key) in owners
        }
        known: dict[WorkloadKey, list[Revision]] = {owner: [] for owner in workloads}
        for item in snapshot.revisions.values():
            known.get((item.namespace, item.workload), []).append(item)
        for item in sorted(young, key=lambda item: (item.created, item.number)):
            workload = workloads.get((item.namespace, item.workload))
            before = came_before(item, known[item.namespace, item.workload]) if workload else None
            if workload is not None and before is not None:
                what = change_words(before, item)
                text = f"revision {before.number} -> {item.number}: {names(what, 8) or _RESTARTED}"
                data = {"before": before.number, "after": item.number, "changes": what}
                yield self._notice(snapshot, workload, f"revision-{item.number}", text, item.created, data)

    def _compare(self, last: KubeSnapshot, snapshot: KubeSnapshot, now: float) -> Iterator[Notice]:
        uids = list(changed(last.workloads, snapshot.workloads))
        for uid in uids:
            workload, before = snapshot.workloads.get(uid), last.workloads.get(uid)
            if workload is None or not _seen(workload):
                continue
            if before is None:
                if workload.created >= self._began - SETTLE:
                    images = ", ".join(container.image for container in workload.containers)
                    yield self._notice(
                        snapshot, workload, "created", f"created with {images}", workload.created
                    )
                continue
            if _template(before) != _template(workload) and uid not in self._pending:
                self._pending[uid] = _Pending(before, last, now)
            if before.desired != workload.desired:
                by = f" ({workload.hpa})" if workload.hpa else ""
                text = f"scaled {before.desired} -> {workload.desired}{by}"
                sizes = {"before": before.desired, "after": workload.desired}
                phase = f"scaled-{workload.generation}-{workload.desired}"
                yield self._notice(snapshot, workload, phase, text, now, sizes)
            if before.paused != workload.paused:
                text = f"rollout {'paused' if workload.paused else 'resumed'}"
                yield self._notice(snapshot, workload, f"paused-{workload.generation}", text, now)
        for uid in uids:
            before = last.workloads.get(uid)
            if before is not None and uid not in snapshot.workloads and _seen(before):
                self._pending.pop(uid, None)
                yield self._notice(snapshot, before, "deleted", "deleted", now)

    def _settled(self, snapshot: KubeSnapshot, now: float) -> Iterator[Notice]:
        for uid, pending in list(self._pending.items()):
            workload = snapshot.workloads.get(uid)
            if workload is None:
                continue
            numbered = workload.revision != pending.before.revision
            if numbered or now - pending.since >= SETTLE:
                del self._pending[uid]
                notice = self._release(pending, workload, snapshot, now)
                if notice is not None:
                    yield notice

    def _release(
        self, pending: _Pending, workload: Workload, snapshot: KubeSnapshot, now: float
    ) -> Notice | None:
        before = pending.before
        what = change_words(_as_revision(before), _as_revision(workload))
        same_number = workload.revision == before.revision
        if same_number and not what:
            return None  # taken back before it was rolled out
        number = "" if same_number else f"revision {before.revision} -> {workload.revision}: "
        again = _earlier_number(pending.snapshot, snapshot, workload)
        text = f"{number}{names(what, 8) or _RESTARTED}"
        if again is not None:
            text += f"; the template of revision {again} again"
        data = {"before": before.revision, "after": workload.revision, "changes": what}
        phase = f"revision-{workload.generation if same_number else workload.revision}"
        # A rollback takes up an old ReplicaSet, whose age says nothing of when it was done.
        made = workload.revision_at
        at = pending.since if made is None or made < pending.since - SETTLE else min(now, made)
        return self._notice(snapshot, workload, phase, text, at, data)

    def _notice(
        self,
        snapshot: KubeSnapshot,
        workload: Workload,
        phase: str,
        text: str,
        at: float,
        data: Mapping[str, Any] | None = None,
    ) -> Notice:
        about = {
            "source": self._source,
            "context": snapshot.context,
            "namespace": workload.namespace,
            "workload": workload.key,
            "uid": workload.uid,
        }
        label = f"{self._place}{subject(snapshot, workload.namespace, workload.key)}"
        return Notice(
            "change", f"workload/{workload.uid}", phase, f"{label} {text}", at, about | dict(data or {})
        )


def _seen(workload: Workload) -> bool:
    """Whether it is an object of the cluster, not a row for pods whose controller cannot be read."""
    return workload.kind in WATCHED and workload.resource_version != ""


def _template(workload: Workload) -> tuple[Any, ...]:
    return (workload.revision, workload.containers)


def _as_revision(workload: Workload) -> Revision:
    return Revision(
        workload.revision or 0, "", workload.uid, workload.key, workload.namespace, 0.0, workload.containers
    )


def _earlier_number(before: KubeSnapshot, snapshot: KubeSnapshot, workload: Workload) -> int | None:
    """The number that the present revision had before: a rollback renumbers the old ReplicaSet."""
    for revision in revisions_of(snapshot.revisions.values(), workload):
        if revision.number == workload.revision:
            known = before.revisions.get(revision.uid)
            return known.number if known is not None and known.number != revision.number else None
    return None
