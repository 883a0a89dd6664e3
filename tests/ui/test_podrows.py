"""The rows of the pods pane: after any number of changes those of a fresh look, at the cost of the change."""

from __future__ import annotations

import random
from typing import Any

import pytest

from console.model.kube import KubeSnapshot, Pod, Workload
from console.model.source import Health
from console.ui.panes import pods as pane
from console.ui.panes.podrows import Block, PodRows
from tests.sources.kubernetes.many import Many
from tests.ui.cluster import pod, snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine

SORTS = ("sick", "name", "rst", "age")


def rank_of(sort: str) -> Any:
    return pane._RANKS.get(sort, pane._by_trouble)


def fresh(shot: KubeSnapshot, sort: str, *wanted: Any) -> list[Block]:
    """What rows that never saw anything else show."""
    rows = PodRows("kubernetes:prod")
    rows.take(shot, rank_of(sort))
    return rows.blocks(*wanted)


class Turmoil:
    """A cluster in which everything comes and goes; most pods' workloads are known, some are not yet."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.workloads: dict[str, Workload] = {}
        self.pods: dict[str, Pod] = {}

    def step(self) -> KubeSnapshot:
        rng = self.rng
        for _ in range(rng.randrange(1, 6)):
            name, namespace = f"w{rng.randrange(12)}", rng.choice(("shop", "bank"))
            kind = rng.choice(("Deployment", "Deployment", "Pod"))
            row = workload(
                name,
                namespace=namespace,
                uid=f"{kind}-{namespace}-{name}",
                kind=kind,
                sick=rng.random() < 0.3,
                severity=rng.randrange(100),
                restarts=rng.randrange(9),
                created=float(rng.randrange(1000)),
                why=rng.choice(("", "CrashLoopBackOff", "OOMKilled")),
            )
            match rng.randrange(5):
                case 0:
                    self.workloads.pop(row.uid, None)
                case 1:
                    self.workloads[row.uid] = row
                case _:
                    self._pod(row)
        return snapshot(list(self.workloads.values()), list(self.pods.values()))

    def _pod(self, row: Workload) -> None:
        number = self.rng.randrange(4)
        made = pod(row, number, sick=self.rng.random() < 0.3, restarts=self.rng.randrange(5))
        if row.kind == "Pod":  # a bare pod, and the row that stands for it, have the same uid
            made = pod(row, 0, uid=row.uid, name=row.name)
        if self.rng.random() < 0.25:
            self.pods.pop(made.uid, None)
        else:
            self.pods[made.uid] = made


@pytest.mark.parametrize("seed", range(6))
def test_after_any_changes_they_are_those_of_a_fresh_look(seed: int) -> None:
    turmoil = Turmoil(seed)
    rows = PodRows("kubernetes:prod")
    rng = random.Random(seed)
    sort = "sick"
    for turn in range(120):
        shot = turmoil.step()
        sort = rng.choice(SORTS) if turn % 10 == 0 else sort
        rows.take(shot, rank_of(sort))
        needle = rng.choice(("", "w1", "oom", "shop oom", "w", "nothing-has-this"))
        opened = {uid for uid in shot.workloads if rng.random() < 0.3}
        for wanted in (("", "", ()), ("bank", "", opened), ("", needle, opened), ("shop", needle, ())):
            assert rows.blocks(*wanted) == fresh(shot, sort, *wanted)
        loose = [p for p in shot.pods.values() if not _has_row(shot, p)]
        shown: list[Workload | Pod] = [*shot.workloads.values(), *loose]
        assert rows.counts("") == (len(shown), sum(row.sick for row in shown), len(shot.pods))
        bank = [row for row in shown if row.namespace == "bank"]
        pods = [p for p in shot.pods.values() if p.namespace == "bank"]
        assert rows.counts("bank") == (len(bank), sum(row.sick for row in bank), len(pods))
        assert {name for name, count in rows.namespaces.items() if count} == {r.namespace for r in shown}


def _has_row(shot: KubeSnapshot, one: Pod) -> bool:
    return any((row.namespace, row.key) == (one.namespace, one.workload) for row in shot.workloads.values())


def test_what_they_are() -> None:
    well, ill = workload("well", 2), workload("ill", 2, sick=True, severity=90, why="CrashLoopBackOff")
    lost = pod(workload("lost"), 0)
    pods = [pod(well, 0), pod(well, 1, why="Evicted"), pod(ill, 0), lost]
    rows = PodRows("kubernetes:prod")
    rows.take(snapshot([well, ill], pods), rank_of("sick"))

    def keys(namespace: str = "", needle: str = "", *opened: str) -> list[str]:
        found = rows.blocks(namespace, needle, opened)
        return [key.partition("|")[2] for _, first, below in found for key in (first, *below)]

    assert keys() == ["w-ill", "w-lost-p0", "w-well"]
    assert keys("", "", "w-well") == ["w-ill", "w-lost-p0", "w-well", "w-well-p0", "w-well-p1"]
    assert keys("", "crash") == ["w-ill"]
    assert keys("", "evicted") == ["w-well", "w-well-p1"]
    assert keys("", "WELL", "w-well") == ["w-well", "w-well-p0", "w-well-p1"]
    assert keys("elsewhere") == []
    assert rows.counts("") == (3, 1, 4)
    rows.take(snapshot([well, ill, workload("lost")], pods), rank_of("sick"))
    assert keys() == ["w-ill", "w-lost", "w-well"]


@pytest.mark.parametrize("number", [500, 4000])
def test_a_change_is_ranked_alone_and_a_filter_looks_only_at_what_changed(number: int) -> None:
    many = Many(number)
    ranked: list[str] = []

    def rank(row: Workload | Pod) -> tuple[Any, ...]:
        ranked.append(row.name)
        return (row.sick, row.name)

    rows = PodRows("kubernetes:prod")
    rows.take(many.list(), rank)
    ranked.clear()
    (uid,) = many.changes(1)
    shot = many.snapshot()
    rows.take(shot, rank)
    assert len(ranked) == 1
    rows.take(shot, rank)
    assert len(ranked) == 1

    looked: list[str] = []
    real = rows._matches

    def matches(row: Workload | Pod) -> bool:
        looked.append(row.uid)
        return real(row)

    rows._matches = matches  # type: ignore[method-assign]
    name = shot.pods[uid].name
    assert len(rows.blocks("", name[:-1], ())) == 1
    assert len(looked) > number, "a first filter looks at everything"
    looked.clear()
    assert len(rows.blocks("", name, ())) == 1
    assert len(looked) <= 21, "one letter more: only what matched"
    looked.clear()
    (uid,) = many.changes(1)
    rows.take(many.snapshot(), rank)
    rows.blocks("", name, ())
    assert uid in looked and len(looked) <= 21


def test_two_clusters_are_told_apart_and_the_sick_of_both_come_first() -> None:
    here = [workload("checkout", 2, uid="a1"), workload("cart", 1, uid="a2", sick=True, severity=40)]
    there = [workload("checkout", 2, uid="b1", sick=True, severity=90), workload("cart", 1, uid="b2")]
    engine = FakeEngine()
    for name, rows in (("prod-eu", here), ("prod-us", there)):
        engine.health(f"kubernetes:{name}")
        engine.board.publish(f"kubernetes:{name}", snapshot(rows, [pod(row, 0) for row in rows]))

    async def script(ui: Ui) -> None:
        await ui.settle()
        lines = [line for line in ui.grid()[1:] if " prod-eu " in line or " prod-us " in line]
        shown = [tuple(word for word in line.split() if word[0] in "cp")[:2] for line in lines[:4]]
        assert shown == [
            ("checkout", "prod-us"),
            ("cart", "prod-eu"),
            ("cart", "prod-us"),
            ("checkout", "prod-eu"),
        ]
        assert "4 workloads, 4 pods" in ui.text() and "2 sick" in ui.text()
        chosen = ui.main.panes["pods"].selections()[0]
        assert (chosen.source, chosen.target.uid) == ("kubernetes:prod-us", "b1")

    drive(engine, script, (200, 50))


def test_a_cluster_is_named_although_the_other_never_answered() -> None:
    engine = FakeEngine()
    engine.health("kubernetes:prod-eu")
    engine.health("kubernetes:prod-us", Health.FAILED, reason="the host refuses connections")
    row = workload("checkout", uid="a1")
    engine.board.publish("kubernetes:prod-eu", snapshot([row], [pod(row, 0)]))

    async def script(ui: Ui) -> None:
        await ui.settle()
        assert "prod-eu" in ui.line("▸ checkout")
        assert "prod-us ✗ FAILED" in ui.line("PODS")
        assert "prod-eu, prod-us" in ui.grid()[0]

    drive(engine, script, (200, 50))


def test_a_job_runs_and_does_not_roll_out() -> None:
    engine = FakeEngine()
    engine.health("kubernetes:prod")
    running = workload("migrate", 1, kind="Job", ready=0, updated=0, revision=None)
    done = workload("copied", 1, kind="Job", revision=None, finished=engine.clock.now().timestamp() - 9)
    engine.board.publish("kubernetes:prod", snapshot([running, done], []))

    async def script(ui: Ui) -> None:
        await ui.settle()
        assert "running" in ui.line("migrate job") and "!" not in ui.line("migrate job")
        assert "ok" in ui.line("copied job")

    drive(engine, script, (200, 50))
