"""What needs attention, and why: pure rules over the records. Ages are judged against a given ``now``.

A verdict that time alone will change says when (``until``), so that a quiet cluster is judged without
being asked again.
"""

from __future__ import annotations

import msgspec

from console.model.kube import ContainerStatus, Pod, Workload
from console.model.symptoms.words import plural

FRESH = 60.0
"""Seconds a new pod may take to become ready, and a workload to have all its pods ready."""
RESTART_RECENT = 600.0
"""Seconds a restart counts as recent: after ten good minutes the kubelet forgets its back-off, too."""
OOM_RECENT = 1800.0
"""Seconds a kill for memory stays a reason for attention: leaks come back slowly."""
FAILED_RECENT = 3600.0
"""Seconds a failed pod or job stays one, when a controller has to make up for it."""
UNOBSERVED = 30.0
"""Seconds a controller may take to look at a changed workload."""

_IMAGE = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_CREATE = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PreStartHookError",
        "PostStartHookError",
        "StartError",
        "ContainerCannotRun",
    }
)


class Verdict(msgspec.Struct, frozen=True):
    """Whether something is sick, why, how bad (0 to 100, larger first), and until when that holds."""

    sick: bool = False
    why: str = ""
    severity: int = 0
    until: float | None = None


HEALTHY = Verdict()


def judge_pod(pod: Pod, now: float) -> Verdict:
    """The worst thing about a pod."""
    if pod.phase == "Succeeded":
        return HEALTHY
    if pod.phase == "Failed":
        return _failed(pod, now)
    if pod.terminating:
        return _terminating(pod, now)
    if pod.ready and not pod.restarts:
        return HEALTHY
    worst, until = HEALTHY, None
    for container in pod.containers:
        verdict = _container(container, now)
        if verdict.severity > worst.severity:
            worst = verdict
        if verdict.until is not None:
            until = verdict.until if until is None else min(until, verdict.until)
    if worst.severity < _NOT_READY and not pod.ready:
        waiting = _not_ready(pod, now)
        if waiting.severity > worst.severity:
            worst = waiting
        if waiting.until is not None:
            until = waiting.until if until is None else min(until, waiting.until)
    return Verdict(worst.sick, worst.why, worst.severity, until)


_NOT_READY = 65


def _failed(pod: Pod, now: float) -> Verdict:
    ended = [c for c in pod.containers if c.state == "terminated" and c.exit_code]
    detail = f"{ended[0].name} exited with {ended[0].exit_code}" if ended else pod.message
    why = f"{pod.reason}: {detail}" if detail else pod.reason
    severity = 60 if pod.reason == "Evicted" else 70
    if not pod.owner:
        return Verdict(True, why, severity)
    over = (pod.last_restart or pod.created) + FAILED_RECENT
    return HEALTHY if now >= over else Verdict(True, why, severity, over)


def _terminating(pod: Pod, now: float) -> Verdict:
    if pod.reason == "Unknown":
        return Verdict(True, "its node is lost", 72)
    over = (pod.deleted or now) + FRESH
    if now < over:
        return Verdict(until=over)
    return Verdict(True, "still terminating although its grace period is over", 55)


def _container(container: ContainerStatus, now: float) -> Verdict:
    """What is wrong with one container, readiness apart."""
    name = f"init {container.name}" if container.init else container.name
    oom = _oom(container, now)
    if container.state == "waiting":
        if container.reason == "CrashLoopBackOff":
            last = container.last_reason or "ended"
            code = f" with {container.last_exit_code}" if container.last_exit_code else ""
            return Verdict(
                True,
                f"{name}: CrashLoopBackOff after {last}{code}, {plural(container.restarts, 'restart')}",
                90,
            )
        if container.reason in _IMAGE or container.reason in _CREATE:
            detail = f" ({container.message})" if container.message else ""
            return Verdict(True, f"{name}: {container.reason}{detail}", 80)
    if oom is not None:
        return oom
    if container.state == "terminated" and container.exit_code:
        return Verdict(True, f"{name}: {container.reason or 'ended'} with {container.exit_code}", 78)
    over = (container.last_finished or 0.0) + RESTART_RECENT
    if container.restarts and now < over:
        code = "" if container.last_exit_code is None else f" with {container.last_exit_code}"
        last = container.last_reason or "ended"
        return Verdict(
            True, f"{name}: restarted after {last}{code}, {plural(container.restarts, 'restart')}", 50, over
        )
    return HEALTHY


def _oom(container: ContainerStatus, now: float) -> Verdict | None:
    name = f"init {container.name}" if container.init else container.name
    why = f"{name}: OOMKilled, {plural(container.restarts, 'restart')}"
    if container.state == "terminated" and container.reason == "OOMKilled":
        return Verdict(True, why, 85)
    over = (container.last_finished or 0.0) + OOM_RECENT
    if container.last_reason == "OOMKilled" and now < over:
        return Verdict(True, why, 85, over)
    return None


def _not_ready(pod: Pod, now: float) -> Verdict:
    if pod.message.startswith("Unschedulable"):
        return Verdict(True, pod.message, 75)
    if pod.reason == "SchedulingGated":
        return HEALTHY
    waiting = [c for c in pod.containers if not c.ready and not _done(c)]
    if not waiting and pod.containers:
        return HEALTHY
    over = pod.created + FRESH
    if now < over:
        return Verdict(until=over)
    if pod.phase == "Running":
        names = ", ".join(c.name for c in waiting if not c.init)
        return Verdict(True, f"not ready: {names}" if names else f"not ready: {pod.reason}", _NOT_READY)
    detail = f": {pod.message}" if pod.message else ""
    return Verdict(True, f"{pod.phase}, {pod.reason}{detail}", _NOT_READY)


def _done(container: ContainerStatus) -> bool:
    return container.state == "terminated" and container.exit_code == 0


def judge_workload(
    workload: Workload,
    now: float,
    *,
    worst: Pod | None,
    short_since: float | None,
    unobserved_since: float | None,
) -> Verdict:
    """The worst thing about a workload whose pods are counted in.

    ``worst`` is its sickest pod; ``short_since`` and ``unobserved_since`` are when fewer pods than desired
    were first seen ready, and when the controller was first seen behind.
    """
    found = [_rollout(workload), _job(workload, now)]
    if worst is not None:
        everywhere = workload.sick_pods >= max(workload.pods, 1)
        count = "" if workload.pods == 1 else f"{workload.sick_pods} of {workload.pods} pods: "
        found.append(Verdict(True, count + worst.why, min(99, worst.severity + (5 if everywhere else 0))))
    if short_since is not None and workload.kind != "Job":
        over = short_since + FRESH
        none = workload.ready == 0
        short = Verdict(True, f"{workload.ready} of {workload.desired} ready", 92 if none else 62)
        found.append(short if now >= over else Verdict(until=over))
    if unobserved_since is not None:
        over = unobserved_since + UNOBSERVED
        behind = Verdict(
            True, f"its controller has not yet seen generation {workload.generation}; is it running?", 58
        )
        found.append(behind if now >= over else Verdict(until=over))
    top = max(found, key=lambda verdict: verdict.severity)
    until = min((verdict.until for verdict in found if verdict.until is not None), default=None)
    return Verdict(top.sick, top.why, top.severity, until)


def _rollout(workload: Workload) -> Verdict:
    if workload.progressing == "ProgressDeadlineExceeded":
        return Verdict(True, f"rollout stuck: {workload.message}", 95)
    if workload.message and workload.kind != "Job":
        return Verdict(True, workload.message, 88)
    return HEALTHY


def _job(workload: Workload, now: float) -> Verdict:
    if workload.kind != "Job" or workload.progressing != "Failed":
        return HEALTHY
    over = (workload.finished or workload.created) + FAILED_RECENT
    return HEALTHY if now >= over else Verdict(True, f"job failed: {workload.message}", 70, over)
