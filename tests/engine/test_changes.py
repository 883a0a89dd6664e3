from typing import Any

import pytest
from msgspec.structs import replace

from console.engine.changes import ChangeWatch, Notice
from console.model.kube import KubeSnapshot
from tests.model.board import KUBE, NOW, cluster, revision, template, workload


def watch(*snapshots: KubeSnapshot, step: float = 1.0) -> list[Notice]:
    """All notices of a console that saw these snapshots a second apart."""
    follower = ChangeWatch(KUBE)
    return [
        notice
        for index, snapshot in enumerate(snapshots)
        for notice in follower.look(snapshot, NOW + index * step)
    ]


def texts(*snapshots: KubeSnapshot) -> list[str]:
    return [notice.text for notice in watch(*snapshots)]


OLD = (workload(revision=41, revision_at=NOW - 9000), revision(41, "shop:v1", 9000))
NEW = (
    workload(revision=42, revision_at=NOW, generation=2, containers=template("shop:v2", LEVEL="debug")),
    revision(41, "shop:v1", 9000),
    revision(42, "shop:v2", 0, LEVEL="debug"),
)


SINCE_LONG = (
    workload(revision=42, revision_at=NOW - 4000, generation=2),
    revision(41, "shop:v1", 9000),
    revision(42, "shop:v2", 4000),
)


def test_what_existed_at_the_start_is_no_news() -> None:
    assert watch(cluster(*SINCE_LONG), cluster(*SINCE_LONG)) == []


def test_releases_of_the_hour_before_the_start_are_told_with_their_own_time() -> None:
    broken = (
        workload(revision=43, revision_at=NOW - 60, generation=3),
        revision(41, "shop:v1", 9000),
        revision(42, "shop:v2", 600),
        revision(43, "shop:v2", 60),
    )
    found = watch(cluster(*broken), cluster(*broken))
    assert [(notice.phase, notice.at) for notice in found] == [
        ("revision-42", NOW - 600),
        ("revision-43", NOW - 60),
    ]
    assert [notice.text for notice in found] == [
        "deployment/shop revision 41 -> 42: image shop:v1 -> shop:v2",
        "deployment/shop revision 42 -> 43: restarted, the same image and environment",
    ]
    assert watch(cluster(workload(revision=1), revision(1, "shop:v1", 60))) == [], "made, not changed"


def test_an_incomplete_first_list_is_no_baseline() -> None:
    partial = cluster(synced=frozenset({"pods", "deployments"}))
    assert watch(partial, cluster(*SINCE_LONG), cluster(*SINCE_LONG)) == []
    denied = cluster(*OLD, synced=frozenset({"deployments"}), denied={"replicasets": "403"})
    assert len(watch(denied, cluster(*NEW, synced=denied.synced, denied=denied.denied))) == 1


def test_a_deploy_is_told_with_image_and_environment() -> None:
    (notice,) = watch(cluster(*OLD), cluster(*NEW))
    assert notice.text == (
        "deployment/shop revision 41 -> 42: image shop:v1 -> shop:v2, env LEVEL (unset) -> debug"
    )
    assert (notice.kind, notice.key, notice.phase, notice.at) == (
        "change",
        "workload/uid-shop",
        "revision-42",
        NOW,
    )
    assert notice.data["changes"] == ["image shop:v1 -> shop:v2", "env LEVEL (unset) -> debug"]
    assert (notice.data["before"], notice.data["after"], notice.data["namespace"]) == (41, 42, "prod")


def test_a_template_that_changes_before_its_number_makes_one_entry() -> None:
    half = workload(revision=41, revision_at=NOW - 9000, generation=2, containers=template("shop:v2"))
    (notice,) = watch(cluster(*OLD), cluster(half), cluster(half), cluster(*NEW), cluster(*NEW))
    assert notice.text.startswith("deployment/shop revision 41 -> 42: image shop:v1 -> shop:v2")


def test_a_workload_without_numbers_is_told_after_a_moment() -> None:
    before = workload("db", kind="StatefulSet")
    after = replace(before, generation=2, containers=template("db:v2"))
    (notice,) = watch(cluster(before), *(cluster(after) for _ in range(6)))
    assert (notice.text, notice.phase) == ("statefulset/db image shop:v1 -> db:v2", "revision-2")


def test_a_change_that_is_taken_back_at_once_is_none() -> None:
    half = workload(revision=41, revision_at=NOW - 9000, containers=template("shop:v2"))
    assert watch(cluster(*OLD), cluster(half), *(cluster(*OLD) for _ in range(5))) == []


def test_a_restart_and_a_rollback_say_what_they_are() -> None:
    restarted = (
        workload(revision=42, revision_at=NOW),
        revision(41, "shop:v1", 9000),
        revision(42, "shop:v1", 0),
    )
    assert texts(cluster(*OLD), cluster(*restarted)) == [
        "deployment/shop revision 41 -> 42: restarted, the same image and environment"
    ]
    old_again = replace(revision(41, "shop:v1", 9000), number=43)
    undone = (workload(revision=43, revision_at=NOW, generation=3), old_again, revision(42, "shop:v2", 0))
    assert texts(cluster(*NEW), cluster(*undone))[1:] == [
        "deployment/shop revision 42 -> 43: image shop:v2 -> shop:v1, env LEVEL debug -> (unset);"
        " the template of revision 41 again"
    ]


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"desired": 5}, "deployment/shop scaled 3 -> 5"),
        ({"desired": 5, "hpa": "HPA shop 2-10"}, "deployment/shop scaled 3 -> 5 (HPA shop 2-10)"),
        ({"desired": 0}, "deployment/shop scaled 3 -> 0"),
        ({"paused": True}, "deployment/shop rollout paused"),
    ],
)
def test_scalings_and_pauses(changed: dict[str, Any], text: str) -> None:
    before = workload(revision=41)
    after = replace(before, generation=2, **changed)
    assert texts(cluster(before), cluster(after), cluster(after)) == [text]


def test_pods_that_come_and_go_are_no_change() -> None:
    before = workload(revision=41)
    after = replace(before, ready=1, updated=2, resource_version="8", sick=True, why="1 of 3 ready")
    assert watch(cluster(before), cluster(after)) == []


def test_workloads_that_are_made_and_deleted() -> None:
    made = workload("fresh", created=NOW)
    assert texts(cluster(*OLD), cluster(*OLD, made), cluster(*OLD)) == [
        "deployment/fresh created with shop:v1",
        "deployment/fresh deleted",
    ]
    job = workload("copy", kind="Job", created=NOW)
    stand_in = workload("hidden", resource_version="", created=NOW)
    old = workload("late", created=NOW - 9000)
    assert watch(cluster(*OLD), cluster(*OLD, job, stand_in, old), cluster(*OLD, old)) == []


def test_several_namespaces_are_told_apart() -> None:
    before, after = cluster(*OLD, namespaces=()), cluster(*NEW, namespaces=())
    assert texts(before, after)[0].startswith("prod/deployment/shop revision 41 -> 42")
