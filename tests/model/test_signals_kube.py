"""What Kubernetes tells: pods by their cause, workloads, revisions, nodes."""

from typing import Any

import pytest

from console.model.kube import Node
from tests.model.board import KUBE, NOW, Records, cluster, container, pod, revision, template, workload
from tests.model.looking import look, names, texts


def test_pods_of_a_workload_make_one_signal() -> None:
    looping = container(state="waiting", reason="CrashLoopBackOff", last_reason="Error", restarts=5)
    pods = [pod(f"shop-{index}", why="app: CrashLoopBackOff", containers=(looping,)) for index in range(500)]
    (signal,) = look(Records({KUBE: cluster(workload(), *pods)}))
    assert signal.text.startswith("crash-loop(deployment/shop) 500 pods, worst shop-0: app: CrashLoopBackOff")
    assert signal.value == 500


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (
            pod("p", why="x", containers=(container(last_reason="OOMKilled", last_finished=NOW - 60),)),
            "oom-killed",
        ),
        (
            pod(
                "p",
                why="x",
                containers=(container(state="waiting", reason="CrashLoopBackOff", last_reason="OOMKilled"),),
            ),
            "oom-killed",  # the cause, not its consequence
        ),
        (pod("p", why="x", containers=(container(state="waiting", reason="ErrImagePull"),)), "image-pull"),
        (pod("p", why="x", phase="Pending"), "pods-pending"),
        (pod("p", why="not ready: app"), "pods-not-ready"),
        (pod("p", why="x", containers=(container(restarts=3),)), "crash-loop"),
    ],
)
def test_a_sick_pod_is_told_by_its_cause(made: Any, name: str) -> None:
    assert names(Records({KUBE: cluster(made)})) == [name]


def test_an_oom_kill_begins_when_it_happened() -> None:
    killed = container(last_reason="OOMKilled", last_finished=NOW - 60)
    (signal,) = look(Records({KUBE: cluster(pod("p", why="x", containers=(killed,)))}))
    assert signal.since == NOW - 60


def test_workloads_that_are_short_or_stuck() -> None:
    board = Records(
        {
            KUBE: cluster(
                workload("down", ready=0, sick=True, why="0 of 3 ready"),
                workload("short", ready=2, sick=True, why="quota exceeded"),
                workload("stuck", sick=True, progressing="ProgressDeadlineExceeded", message="timed out"),
                workload("full", memory=95, memory_limit=100),
                workload("copy", kind="Job", sick=True, why="job failed: x", ready=0, progressing="Failed"),
                workload("waiting", kind="Job", sick=True, why="Unschedulable: no node fits", ready=0),
                pod("short-1", "Deployment/short", why="not ready: app"),
            )
        }
    )
    assert sorted(texts(board)) == [
        "job-failed(job/copy) job failed: x",
        "memory-near-limit(deployment/full) 95 % > 90 % of its limit",
        "pods-not-ready(deployment/down) 0 of 3 ready",
        "pods-not-ready(deployment/short) 2 of 3 ready; quota exceeded",
        "rollout-stuck(deployment/stuck) timed out",
    ]
    assert [item.severity for item in look(board) if item.subject == "deployment/down"] == ["critical"]


def test_namespaces_are_named_when_there_are_several() -> None:
    made = pod("p", why="not ready: app")
    (signal,) = look(Records({KUBE: cluster(made, namespaces=())}))
    assert signal.subject == "prod/deployment/shop"


def test_a_young_revision_is_told_with_what_it_changed() -> None:
    fresh = workload(revision=42, revision_at=NOW - 300, containers=template("shop:v2", LEVEL="debug"))
    older = revision(41, "shop:v1", 9000, LEVEL="info")
    newer = revision(42, "shop:v2", 300, LEVEL="debug")
    (signal,) = look(Records({KUBE: cluster(fresh, older, newer)}))
    assert signal.text == (
        "new-revision(deployment/shop) revision 42: image shop:v1 -> shop:v2, env LEVEL info -> debug"
        " since 20:21Z"
    )
    assert signal.severity == "info"
    assert look(Records({KUBE: cluster(fresh, older, newer)}), now=NOW + 700) == ()
    assert look(Records({KUBE: cluster(workload(revision=1, revision_at=NOW - 60, created=NOW - 61))})) == ()


def test_since_follows_a_rollback_to_the_revision_that_it_made() -> None:
    older, newer = revision(41, "shop:v1", 9000), revision(42, "shop:v2", 300)
    released = look(Records({KUBE: cluster(workload(revision=42, revision_at=NOW - 300), older, newer)}))
    again = look(
        Records({KUBE: cluster(workload(revision=42, revision_at=NOW - 300), older, newer)}), released
    )
    assert [signal.since for signal in again] == [NOW - 300]
    back = cluster(workload(revision=43, revision_at=NOW - 60), revision(43, "shop:v1", 9000), newer)
    (signal,) = look(Records({KUBE: back}), again)
    assert signal.since == NOW - 60
    assert signal.text == "new-revision(deployment/shop) revision 43: image shop:v2 -> shop:v1 since 20:25Z"


def test_a_restart_does_not_hide_the_change_before_it_and_a_rollback_is_told_against_what_it_took_back() -> (
    None
):
    records = (
        revision(2, "shop:v1", 90_000, TTL="3600"),
        revision(3, "shop:v2", 18_000, TTL="3600"),
        revision(4, "shop:v2", 300, TTL="1"),
        revision(5, "shop:v2", 100, TTL="1"),
    )
    (signal,) = look(Records({KUBE: cluster(workload(revision=5, revision_at=NOW - 100), *records)}))
    assert signal.detail == "revisions 4 to 5: env TTL 3600 -> 1"
    back = (records[0], revision(6, "shop:v2", 18_000, TTL="3600"), *records[2:])
    (signal,) = look(Records({KUBE: cluster(workload(revision=6, revision_at=NOW - 9), *back)}))
    assert signal.detail == "revision 6: env TTL 1 -> 3600"
    alone = (records[1], revision(4, "shop:v2", 300, TTL="3600"))
    (signal,) = look(Records({KUBE: cluster(workload(revision=4, revision_at=NOW - 300), *alone)}))
    assert signal.detail == "revision 4: the same image and environment"


def test_nodes() -> None:
    nodes = {
        "a": Node("a", "n1", False, False, (), 4, 8, why="not ready: kubelet stopped"),
        "b": Node("b", "n2", True, False, ("MemoryPressure",), 4, 8),
        "c": Node("c", "n3", True, False, (), 4, 8),
    }
    assert texts(Records({KUBE: cluster(nodes=nodes)})) == [
        "node-unhealthy(node/n1) not ready: kubelet stopped",
        "node-unhealthy(node/n2) MemoryPressure",
    ]
