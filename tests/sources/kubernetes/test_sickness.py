"""What makes a pod or a workload sick, as a table."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from console.model.kube import Pod, Workload
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.pods import project_pod
from console.sources.kubernetes.sickness import (
    FAILED_RECENT,
    FRESH,
    OOM_RECENT,
    RESTART_RECENT,
    judge_pod,
    judge_workload,
)
from console.sources.kubernetes.workloads import project_workload
from tests.sources.kubernetes.samples import NOW, container_status, deployment, owned, pod, stamp

AT = NOW.timestamp()
OWNER = owned("ReplicaSet", "web-abc", "rs")


def project(obj: dict[str, Any]) -> Pod:
    return project_pod(msgspec.convert(obj, wire.Pod, strict=False), "Deployment/web")


def waiting(reason: str, **more: Any) -> dict[str, Any]:
    message = more.pop("message", "")
    state = {"waiting": {"reason": reason, "message": message}}
    return container_status(ready=False, state=state, **more)


def ended(code: int, reason: str, ago: float = 60) -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason, "finishedAt": stamp(ago)}}


def unschedulable(message: str) -> dict[str, Any]:
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


CASES: list[tuple[str, dict[str, Any], str, str]] = [
    ("healthy", pod(), "Running", ""),
    ("fresh and not ready yet", pod(age=30, ready=False), "Running", ""),
    ("not ready", pod(ready=False), "Running", "not ready: app"),
    (
        "crash loop",
        pod(
            ready=False,
            containerStatuses=[waiting("CrashLoopBackOff", restarts=7, lastState=ended(1, "Error"))],
        ),
        "CrashLoopBackOff",
        "app: CrashLoopBackOff after Error with 1, 7 restarts",
    ),
    (
        "crash loop of a fresh pod counts at once",
        pod(age=20, ready=False, containerStatuses=[waiting("CrashLoopBackOff", restarts=2)]),
        "CrashLoopBackOff",
        "app: CrashLoopBackOff after ended, 2 restarts",
    ),
    (
        "killed for memory a while ago, running and ready again",
        pod(containerStatuses=[container_status(restarts=1, lastState=ended(137, "OOMKilled", 1200))]),
        "Running",
        "app: OOMKilled, 1 restart",
    ),
    (
        "killed for memory long ago",
        pod(containerStatuses=[container_status(restarts=1, lastState=ended(137, "OOMKilled", 7200))]),
        "Running",
        "",
    ),
    (
        "restarted recently",
        pod(containerStatuses=[container_status(restarts=3, lastState=ended(2, "Error", 120))]),
        "Running",
        "app: restarted after Error with 2, 3 restarts",
    ),
    (
        "restarted long ago",
        pod(containerStatuses=[container_status(restarts=3, lastState=ended(2, "Error", 4000))]),
        "Running",
        "",
    ),
    (
        "image",
        pod(phase="Pending", ready=False, containerStatuses=[waiting("ImagePullBackOff", message="no v9")]),
        "ImagePullBackOff",
        "app: ImagePullBackOff (no v9)",
    ),
    (
        "configuration",
        pod(
            phase="Pending",
            ready=False,
            containerStatuses=[waiting("CreateContainerConfigError", message='secret "x" not found')],
        ),
        "CreateContainerConfigError",
        'app: CreateContainerConfigError (secret "x" not found)',
    ),
    (
        "unschedulable",
        pod(
            phase="Pending",
            age=5,
            conditions=[unschedulable("0/3 nodes are available: 3 Insufficient cpu.")],
            containerStatuses=None,
        ),
        "Pending",
        "Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.",
    ),
    (
        "pending for long",
        pod(phase="Pending", ready=False, containerStatuses=[waiting("ContainerCreating")]),
        "ContainerCreating",
        "Pending, ContainerCreating",
    ),
    (
        "creating",
        pod(phase="Pending", age=10, ready=False, containerStatuses=[waiting("ContainerCreating")]),
        "ContainerCreating",
        "",
    ),
    (
        "gated on purpose",
        pod(
            phase="Pending",
            conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
            containerStatuses=None,
        ),
        "SchedulingGated",
        "",
    ),
    (
        "init container fails",
        pod(
            phase="Pending",
            ready=False,
            spec={"initContainers": [{"name": "migrate"}]},
            initContainerStatuses=[
                container_status("migrate", ready=False, restarts=2, state=ended(1, "Error"))
            ],
            containerStatuses=[waiting("PodInitializing")],
        ),
        "Init:Error",
        "init migrate: Error with 1",
    ),
    (
        "init container in a loop",
        pod(
            phase="Pending",
            ready=False,
            spec={"initContainers": [{"name": "migrate"}]},
            initContainerStatuses=[
                {**waiting("CrashLoopBackOff", restarts=4, lastState=ended(1, "Error")), "name": "migrate"}
            ],
            containerStatuses=[waiting("PodInitializing")],
        ),
        "Init:CrashLoopBackOff",
        "init migrate: CrashLoopBackOff after Error with 1, 4 restarts",
    ),
    (
        "one of two init containers done",
        pod(
            phase="Pending",
            age=10,
            ready=False,
            spec={"initContainers": [{"name": "a"}, {"name": "b"}]},
            initContainerStatuses=[
                container_status("a", state=ended(0, "Completed")),
                container_status("b", ready=False),
            ],
            containerStatuses=[waiting("PodInitializing")],
        ),
        "Init:1/2",
        "",
    ),
    (
        "a started sidecar does not hold up the status",
        pod(
            spec={"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]},
            initContainerStatuses=[container_status("proxy")],
        ),
        "Running",
        "",
    ),
    (
        "evicted",
        pod(
            owner=OWNER,
            phase="Failed",
            reason="Evicted",
            message="The node was low on resource: memory.",
            ready=False,
            age=600,
            containerStatuses=None,
        ),
        "Evicted",
        "Evicted: The node was low on resource: memory.",
    ),
    (
        "evicted yesterday, and replaced since",
        pod(
            owner=OWNER,
            phase="Failed",
            reason="Evicted",
            ready=False,
            age=86400,
            containerStatuses=None,
        ),
        "Evicted",
        "",
    ),
    (
        "a bare pod that failed stays failed",
        pod(
            phase="Failed",
            ready=False,
            age=86400,
            containerStatuses=[container_status(ready=False, state=ended(3, "Error"))],
        ),
        "Error",
        "Error: app exited with 3",
    ),
    (
        "completed",
        pod(
            phase="Succeeded",
            ready=False,
            containerStatuses=[container_status(ready=False, state=ended(0, "Completed"))],
        ),
        "Completed",
        "",
    ),
    ("terminating", pod(metadata={"deletionTimestamp": stamp(10)}), "Terminating", ""),
    (
        "stuck while terminating",
        pod(metadata={"deletionTimestamp": stamp(300)}),
        "Terminating",
        "still terminating although its grace period is over",
    ),
    (
        "lost with its node",
        pod(reason="NodeLost", metadata={"deletionTimestamp": stamp(300)}),
        "Unknown",
        "its node is lost",
    ),
    (
        "exit code without a reason",
        pod(
            ready=False,
            containerStatuses=[
                container_status(ready=False, state={"terminated": {"exitCode": 143, "signal": 15}})
            ],
        ),
        "Signal:15",
        "app: ended with 143",
    ),
    ("without a status at all", {"metadata": {"name": "x", "uid": "u"}}, "Unknown", "Unknown, Unknown"),
]


@pytest.mark.parametrize(("obj", "word", "why"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_pods(obj: dict[str, Any], word: str, why: str) -> None:
    found = project(obj)
    verdict = judge_pod(found, AT)
    assert found.reason == word
    assert verdict.why == why
    assert verdict.sick == bool(why)
    assert (verdict.severity > 0) == bool(why)


def test_worse_things_come_first() -> None:
    def severity(obj: dict[str, Any]) -> int:
        return judge_pod(project(obj), AT).severity

    loop, image, oom, slow, restarted = (
        pod(containerStatuses=[waiting("CrashLoopBackOff", restarts=1)], ready=False),
        pod(containerStatuses=[waiting("ErrImagePull")], ready=False),
        pod(containerStatuses=[container_status(restarts=1, lastState=ended(137, "OOMKilled"))]),
        pod(ready=False),
        pod(containerStatuses=[container_status(restarts=1, lastState=ended(1, "Error"))]),
    )
    assert severity(loop) > severity(oom) > severity(image) > severity(slow) > severity(restarted)


@pytest.mark.parametrize(
    ("obj", "until", "sick_then"),
    [
        (pod(age=20, ready=False), -20 + FRESH, True),
        (
            pod(containerStatuses=[container_status(restarts=1, lastState=ended(1, "Error", 60))]),
            -60 + RESTART_RECENT,
            False,
        ),
        (
            pod(containerStatuses=[container_status(restarts=1, lastState=ended(137, "OOMKilled", 60))]),
            -60 + OOM_RECENT,
            False,
        ),
        (pod(metadata={"deletionTimestamp": stamp(10)}), -10 + FRESH, True),
        (
            pod(owner=OWNER, phase="Failed", reason="Evicted", age=60, ready=False, containerStatuses=None),
            -60 + FAILED_RECENT,
            False,
        ),
    ],
)
def test_verdicts_say_when_time_alone_will_change_them(
    obj: dict[str, Any], until: float, sick_then: bool
) -> None:
    found = project(obj)
    first = judge_pod(found, AT)
    assert first.until == AT + until
    assert judge_pod(found, AT + until).sick == sick_then
    assert judge_pod(found, AT + until - 1).sick != sick_then


def workload(kind: str = "Deployment", **more: Any) -> Workload:
    return project_workload(kind, msgspec.convert(deployment(**more), shapes.Workload, strict=False))


def progressing(status: str, reason: str, message: str) -> list[dict[str, Any]]:
    return [{"type": "Progressing", "status": status, "reason": reason, "message": message}]


def judged(row: Workload, worst: Pod | None = None, short: float | None = None) -> str:
    return judge_workload(row, AT, worst=worst, short_since=short, unobserved_since=None).why


def test_rollouts() -> None:
    assert judged(workload()) == ""
    stuck = progressing("False", "ProgressDeadlineExceeded", 'ReplicaSet "web-abc" has timed out')
    assert judged(workload(conditions=stuck)) == 'rollout stuck: ReplicaSet "web-abc" has timed out'
    paused = progressing("Unknown", "DeploymentPaused", "Deployment is paused")
    assert judged(workload(conditions=paused)) == ""
    quota = [
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota"}
    ]
    assert judged(workload(conditions=quota)) == "FailedCreate: exceeded quota"


def test_missing_pods_get_a_grace() -> None:
    row = workload(replicas=3, ready=1)
    fresh = judge_workload(row, AT, worst=None, short_since=AT - 10, unobserved_since=None)
    assert not fresh.sick and fresh.until == AT + 50
    assert judged(row, short=AT - 61) == "1 of 3 ready"
    none = workload(replicas=3, ready=0)
    some = judge_workload(row, AT, worst=None, short_since=AT - 61, unobserved_since=None)
    all_of_them = judge_workload(none, AT, worst=None, short_since=AT - 61, unobserved_since=None)
    assert all_of_them.severity > some.severity


def test_a_controller_that_does_not_look() -> None:
    row = workload(metadata={"generation": 5})
    late = judge_workload(row, AT, worst=None, short_since=None, unobserved_since=AT - 31)
    assert "has not yet seen generation 5" in late.why
    assert not judge_workload(row, AT, worst=None, short_since=None, unobserved_since=AT - 1).sick


def test_a_workload_is_as_sick_as_its_sickest_pod() -> None:
    loop = project(pod(ready=False, containerStatuses=[waiting("CrashLoopBackOff", restarts=1)]))
    verdict = judge_pod(loop, AT)
    sick = replace(loop, sick=True, why=verdict.why, severity=verdict.severity)
    row = replace(workload(), pods=4, sick_pods=1)
    assert judged(row, sick).startswith("1 of 4 pods: app: CrashLoopBackOff")


def test_jobs() -> None:
    def job(*conditions: dict[str, Any]) -> Workload:
        obj = deployment(conditions=list(conditions), succeeded=0)
        obj["spec"].pop("replicas")
        return project_workload("Job", msgspec.convert(obj, shapes.Workload, strict=False))

    failed = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "too often"}
    assert judged(job({**failed, "lastTransitionTime": stamp(60)})).startswith("job failed: BackoffLimit")
    assert judged(job({**failed, "lastTransitionTime": stamp(86400)})) == ""
    assert judged(job({"type": "Complete", "status": "True"}), short=AT - 9999) == ""
