"""What is wrong in a Kubernetes cluster, one finding a workload and symptom however many pods it has."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from console.model.kube import KubeSnapshot, Pod, Revision, Workload, differences
from console.model.revisions import came_before
from console.model.symptoms.finding import NEAR, BoardView, Finding, Severity, above
from console.model.symptoms.words import names, percent

YOUNG_REVISION = 900.0
"""Seconds a new revision stays worth a look: most bad releases show within a quarter of an hour."""

MEMORY_LIMIT = 0.9
LOOPING = 3
"""Restarts after which a pod that is restarted again is a crash loop, back-off or not."""

_IMAGE = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "ImageInspectError")
_SEVERITIES: Mapping[str, Severity] = {
    "oom-killed": "critical",
    "crash-loop": "critical",
    "image-pull": "critical",
    "pods-pending": "warning",
    "pods-not-ready": "warning",
}


def kube_findings(board: BoardView, now: float) -> Iterator[Finding]:
    """All findings of all clusters."""
    for source, snapshot in board.of_type(KubeSnapshot).items():
        yield from _pods(source, snapshot)
        yield from _workloads(source, snapshot)
        yield from _new_revisions(source, snapshot, now)
        yield from _nodes(source, snapshot)


def clusters_of(board: BoardView) -> frozenset[str]:
    """The board names of all clusters, also of one that has never answered."""
    return frozenset(
        name for name in (*board.statuses, *board.of_type(KubeSnapshot)) if name.startswith("kubernetes:")
    )


def cluster_prefix(clusters: Collection[str], source: str) -> str:
    """``name:`` of a cluster where there are several, else nothing; also for what is no cluster."""
    return f"{source.partition(':')[2]}:" if len(clusters) > 1 and source in clusters else ""


def subject(snapshot: KubeSnapshot, namespace: str, key: str) -> str:
    """``deployment/shop``, with its namespace in front unless only one is looked at."""
    kind, _, name = key.partition("/")
    plain = f"{kind.lower()}/{name}"
    return plain if len(snapshot.namespaces) == 1 else f"{namespace}/{plain}"


def revisions_of(revisions: Iterable[Revision], workload: Workload) -> tuple[Revision, ...]:
    """The revisions of one workload, newest first."""
    own = (
        item for item in revisions if item.namespace == workload.namespace and item.workload == workload.key
    )
    return tuple(sorted(own, key=lambda item: -item.number))


def change_words(before: Revision, after: Revision) -> list[str]:
    """What differs between two revisions, images first: ``image shop:v1 -> shop:v2``; no restart times."""
    changes = [change for change in differences(before, after) if change.path != "restarted at"]
    containers = {change.path.partition(":")[0] for change in changes}
    changes.sort(key=lambda change: not change.path.endswith("image"))
    return [
        f"{change.path if len(containers) > 1 else change.path.partition(': ')[2]}"
        f" {change.before or '(unset)'} -> {change.after or '(unset)'}"
        for change in changes
    ]


def _pods(source: str, snapshot: KubeSnapshot) -> Iterator[Finding]:
    groups: dict[tuple[str, str, str], list[Pod]] = {}
    for pod in snapshot.pods.sick.values():
        symptom = _symptom(pod)
        if symptom:
            groups.setdefault((symptom, pod.namespace, pod.workload), []).append(pod)
    if not groups:
        return
    short = {(w.namespace, w.key) for w in snapshot.workloads.values() if _short(w)}
    for (symptom, namespace, workload), pods in groups.items():
        if symptom == "pods-not-ready" and (namespace, workload) in short:
            continue  # the workload says so itself, with its count
        worst = max(pods, key=lambda pod: pod.severity)
        count = f"{len(pods)} pods, worst {worst.name}" if len(pods) > 1 else worst.name
        yield Finding(
            symptom,
            subject(snapshot, namespace, workload),
            _SEVERITIES[symptom],
            source,
            f"{count}: {worst.why}",
            value=float(len(pods)),
            since=_began(symptom, pods),
        )


def _symptom(pod: Pod) -> str:
    """The one symptom of a sick pod that is the nearest to a cause."""
    looping = False
    for container in pod.containers:
        if "OOMKilled" in (container.reason, container.last_reason):
            return "oom-killed"
        if container.state == "waiting" and container.reason in _IMAGE:
            return "image-pull"
        looping = looping or container.reason == "CrashLoopBackOff" or container.restarts >= LOOPING
    if looping:
        return "crash-loop"
    if pod.phase == "Pending":
        return "pods-pending"
    return "pods-not-ready" if pod.phase == "Running" and not pod.ready else ""


def _began(symptom: str, pods: list[Pod]) -> float | None:
    if symptom == "pods-pending":
        return min(pod.created for pod in pods)
    if symptom == "oom-killed":
        ends = [c.last_finished for pod in pods for c in pod.containers if c.last_reason == "OOMKilled"]
        return min((end for end in ends if end is not None), default=None)
    return None


def _short(workload: Workload) -> bool:
    return workload.sick and workload.kind not in ("Job", "Pod") and workload.ready < workload.desired


def _workloads(source: str, snapshot: KubeSnapshot) -> Iterator[Finding]:
    for workload in snapshot.workloads.values():
        limit = workload.memory_limit
        share = workload.memory / limit if workload.memory is not None and limit else 0.0
        if not workload.sick and share < NEAR * MEMORY_LIMIT:
            continue  # nearly every workload, every second: it must not even be named
        name = subject(snapshot, workload.namespace, workload.key)
        if share:
            yield from above(
                Finding(
                    "memory-near-limit",
                    name,
                    "warning",
                    source,
                    percent(share),
                    value=share,
                    threshold=MEMORY_LIMIT,
                    limit=f"{percent(MEMORY_LIMIT)} of its limit",
                )
            )
        if not workload.sick:
            continue
        if workload.progressing == "ProgressDeadlineExceeded":
            yield Finding("rollout-stuck", name, "critical", source, workload.message or workload.why)
        if workload.kind == "Job" and workload.progressing == "Failed":  # else its pods say what is wrong
            yield Finding("job-failed", name, "warning", source, workload.why, since=workload.finished)
        elif _short(workload):
            ready = f"{workload.ready} of {workload.desired} ready"
            detail = ready if workload.why == ready else f"{ready}; {workload.why}"
            severity: Severity = "warning" if workload.ready else "critical"
            yield Finding(
                "pods-not-ready",
                name,
                severity,
                source,
                detail,
                value=float(workload.desired - workload.ready),
            )


def _new_revisions(source: str, snapshot: KubeSnapshot, now: float) -> Iterator[Finding]:
    young = [
        workload
        for workload in snapshot.workloads.values()
        if workload.revision_at is not None
        and now - workload.revision_at < YOUNG_REVISION
        and workload.revision_at - workload.created > 60
    ]
    if not young:
        return
    by_workload: dict[tuple[str, str], list[Revision]] = {}
    for revision in snapshot.revisions.values():
        by_workload.setdefault((revision.namespace, revision.workload), []).append(revision)
    for workload in young:
        known = revisions_of(by_workload.get((workload.namespace, workload.key), ()), workload)
        present = next((it for it in known if workload.revision in (None, it.number)), None)
        row = _row(present, known, now) if present is not None else []
        what = change_words(row[-1], row[0]) if len(row) > 1 else []
        which = f"revision {workload.revision}"
        if len(row) > 2:
            which = f"revisions {row[-2].number} to {workload.revision}"
        yield Finding(
            "new-revision",
            subject(snapshot, workload.namespace, workload.key),
            "info",
            source,
            f"{which}: {names(what) or 'the same image and environment'}",
            since=workload.revision_at,
        )


def _row(present: Revision, known: Sequence[Revision], now: float) -> list[Revision]:
    """The latest changes, newest first, and what was in force before them: a restart hides none of them.

    A rollback is told against what it took back.
    """
    below = next((item for item in known if item.number < present.number), None)
    if below is not None and below.created > present.created:
        return [present, below]
    row = [present]
    while (earlier := came_before(row[-1], known)) is not None:
        row.append(earlier)
        if now - earlier.created >= YOUNG_REVISION:
            break
    return row


def _nodes(source: str, snapshot: KubeSnapshot) -> Iterator[Finding]:
    for node in snapshot.nodes.values():
        if not node.ready or node.pressures:
            detail = node.why or ("not ready" if not node.ready else names(list(node.pressures)))
            severity: Severity = "warning" if node.ready else "critical"
            yield Finding("node-unhealthy", f"node/{node.name}", severity, source, detail)
