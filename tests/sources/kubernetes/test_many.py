"""Large clusters: what a pod takes, and that a change costs what it changes, however many pods there are."""

import gc
import tracemalloc

import pytest

from console.model.kube import Pod
from console.model.table import Table, changed
from console.sources.kubernetes import rows as rows_module
from console.sources.kubernetes import sickness
from console.sources.kubernetes import store as store_module
from tests.sources.kubernetes.many import Many


def test_a_healthy_pod_takes_less_than_a_kilobyte_with_all_that_it_belongs_to() -> None:
    many = Many(2000)
    gc.collect()
    tracemalloc.start()
    try:
        found = many.list()
        for number, uid in enumerate(found.pods):
            many.store.use(uid, (0.012, (number % 50) * 2**20))
        found = many.snapshot()
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(found.pods) == 2000
    assert taken / 2000 < 1000


def test_what_pods_have_in_common_is_one_object() -> None:
    found = Many(200).list()
    one, *others = found.pods.members(next(iter(found.workloads.values()))).values()
    assert len(others) == 19
    for other in others:
        assert other.uid != one.uid
        for field in ("namespace", "workload", "owner", "owner_uid", "phase", "reason", "containers"):
            assert getattr(other, field) is getattr(one, field), field
        assert other.created is one.created
        assert other.memory_limit is one.memory_limit


def test_a_new_record_of_a_pod_keeps_the_strings_that_tables_have_as_keys() -> None:
    many = Many(100)
    before = many.list()
    (uid,) = many.changes(1)
    after = many.snapshot().pods[uid]
    assert after is not before.pods[uid] and after.resource_version != before.pods[uid].resource_version
    assert after.uid is before.pods[uid].uid and after.ip is before.pods[uid].ip
    assert any(key is after.uid for key in many.snapshot().pods)


@pytest.mark.parametrize("pods", [500, 4000])
def test_a_change_is_judged_and_copied_alone(pods: int, monkeypatch: pytest.MonkeyPatch) -> None:
    many = Many(pods)
    before = many.list()
    judged: list[str] = []

    def judge_pod(pod: Pod, now: float) -> object:
        judged.append("pod")
        return sickness.judge_pod(pod, now)

    def judge_workload(*arguments: object, **more: object) -> object:
        judged.append("workload")
        return sickness.judge_workload(*arguments, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store_module, "judge_pod", judge_pod)
    monkeypatch.setattr(rows_module, "judge_workload", judge_workload)
    (uid,) = many.changes(1)
    after = many.snapshot()
    assert sorted(judged) == ["pod", "workload"]
    assert list(changed(before.pods, after.pods)) == [uid]
    group = (after.pods[uid].namespace, after.pods[uid].workload)
    assert list(changed(before.pods.groups, after.pods.groups)) == [group]
    assert len(list(changed(before.workloads, after.workloads))) == 1
    for old, new in ((before.workloads, after.workloads), (before.pods.groups, after.pods.groups)):
        assert isinstance(old, Table) and isinstance(new, Table)
        copied = [shard for shard, was in zip(new.shards, old.shards, strict=True) if shard is not was]
        assert sum(map(len, copied)) < 200


def test_the_same_pods_stand_under_their_workload_and_among_the_sick() -> None:
    many = Many(400)
    many.list()
    for _ in range(5):
        list(many.changes(60))
        many.clock.advance(120)
        many.store.tick()
        found = many.snapshot()
        grouped = {uid: pod for group in found.pods.groups.values() for uid, pod in group.items()}
        assert grouped == dict(found.pods)
        assert {uid for uid, pod in found.pods.items() if pod.sick} == set(found.pods.sick)
        for row in found.workloads.values():
            members = found.pods.members(row).values()
            assert (row.pods, row.sick_pods) == (len(members), sum(pod.sick for pod in members))
    assert found.pods.sick
    gone = next(iter(found.pods.sick))
    many.store.remove("pods", gone)
    left = many.snapshot().pods
    assert gone not in left and gone not in left.sick and gone in found.pods.sick


def test_timers_do_not_pile_up_while_pods_restart_again_and_again() -> None:
    many = Many(100)
    many.list()
    for _ in range(30):
        list(many.changes(100))
    assert len(many.store._timers) <= 100
    assert len(many.store._rows._timers) <= 5
