"""PostgreSQL, Redis and Prometheus fail one at a time: each pane says so, the others go on, all come back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import psycopg
import pytest

from tests.e2e.small import Desk, Metrics, SmallCluster, calm, colour, eventually, metrics_server, row
from tests.services import PostgresFactory, PostgresServer
from tests.services_redis import RedisFactory, RedisServer
from tests.terminal import Terminal

PANES = ("PODS", "ERRORS", "DATABASE", "CACHE", "ALERTS")
TROUBLE = ("FAILED", "DENIED", "LIMITED", "connecting")


class Scene(NamedTuple):
    desk: Desk
    cluster: SmallCluster
    postgres: PostgresServer
    redis: RedisServer
    metrics: Metrics
    terminal: Terminal

    def head(self, pane: str) -> str:
        """The title line of a pane: in the column where its name stands, up to the next pane's."""
        for line in self.terminal.text().splitlines():
            at = line.find(f" {pane}")
            if at >= 0:
                ends = [line.find(f"  {other}", at + 1) for other in (*PANES, "SUGGESTIONS", "TIMELINE")]
                return line[at : min((end for end in ends if end > at), default=len(line))]
        return ""

    def in_trouble(self, pane: str) -> bool:
        return any(word in self.head(pane) for word in TROUBLE)

    def fails(self, pane: str, seconds: float = 30) -> str:
        """Wait until a pane says that it fails; the others must not. Its title."""
        self.terminal.wait_for(lambda _: "FAILED since" in self.head(pane), seconds)
        for other in PANES:
            assert other == pane or not self.in_trouble(other), self.terminal.text()
        return self.head(pane)

    def recovers(self, seconds: float = 60) -> None:
        self.terminal.wait_for(lambda _: not any(self.in_trouble(pane) for pane in PANES), seconds)
        calm(self.terminal)

    def others_go_on(self) -> None:
        """A change in the cluster still reaches the screen."""
        live = self.cluster.on_loop(lambda: self.cluster.cluster.get("deploy", "checkout", "shop"))
        wanted = 5 - live["spec"]["replicas"]
        self.cluster.scale("checkout", wanted)
        self.terminal.wait_for(lambda _: f" {wanted}/{wanted}" in row(self.terminal, "▸ checkout"))


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, wheel_postgres: PostgresFactory, wheel_redis: RedisFactory
) -> Iterator[Scene]:
    desk = Desk(tmp_path_factory.mktemp("stores"))
    postgres, redis = wheel_postgres.create(), wheel_redis.create()
    postgres.execute("CREATE ROLE watcher LOGIN IN ROLE pg_monitor")
    cluster = SmallCluster()
    cluster.deploy("checkout", "shop/checkout:v1")
    with metrics_server() as metrics:
        desk.configure(
            desk.kubernetes(cluster),
            f'[prometheus]\nurl = "{metrics.url}"\ninterval = 1\nservices = [{{ name = "checkout" }}]\n',
            f'[alertmanager]\nurl = "{metrics.url}"\ninterval = 1\n',
            f'[[postgres]]\ndsn = "{postgres.dsn("watcher")}"\ninterval = 1\n',
            f'[[redis]]\nurl = "{redis.url()}"\nqueues = ["jobs"]\ninterval = 1\n',
        )
        with desk.terminal("run", columns=200, rows=50) as terminal:
            made = Scene(desk, cluster, postgres, redis, metrics, terminal)
            terminal.wait_for("▸ checkout", 30)
            made.recovers()
            yield made
            terminal.send("\x11")
            assert terminal.wait_exit() == 0
            calm(terminal)
    cluster.close()
    postgres.stop()
    redis.stop()


def test_postgres_without_a_free_slot(scene: Scene) -> None:
    held: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError):
            while True:
                held.append(scene.postgres.connect("watcher", "hoarder"))
        scene.terminal.send("3")
        scene.terminal.wait_for("hoarder")
        scene.terminal.wait_for(lambda text: "17/17" in text or "17 of 17" in text)
        scene.others_go_on()
        assert not scene.in_trouble("DATABASE"), "the console holds on to its own connection"
        newcomer = scene.desk.run("status", "--timeout", "10")
        assert newcomer.returncode in (1, 2)
        line = next(line for line in newcomer.stdout.splitlines() if "postgres:main" in line)
        assert "failed" in line and "connection" in line
        assert "Traceback" not in newcomer.stderr
    finally:
        for connection in held:
            connection.close()
        scene.terminal.send("1")
    scene.terminal.wait_for(lambda text: "17/17" not in text)
    scene.recovers()


def test_postgres_restarted(scene: Scene) -> None:
    scene.postgres.stop()
    try:
        head = scene.fails("DATABASE")
        assert "old" in head
        scene.others_go_on()
    finally:
        scene.postgres.start()
    scene.recovers()


def test_postgres_hung(scene: Scene) -> None:
    scene.postgres.pause()
    try:
        assert "old" in scene.fails("DATABASE", 40)
        scene.others_go_on()
    finally:
        scene.postgres.resume()
    scene.recovers()


def test_redis_hung(scene: Scene) -> None:
    scene.redis.pause()
    try:
        assert "old" in scene.fails("CACHE", 40)
        scene.others_go_on()
    finally:
        scene.redis.resume()
    scene.recovers()


def test_redis_restarted(scene: Scene) -> None:
    scene.redis.stop()
    try:
        scene.fails("CACHE")
    finally:
        scene.redis.start()
    scene.recovers()


@pytest.mark.parametrize("mode", [400, 503, "hang"])
def test_prometheus_that_refuses_or_hangs(scene: Scene, mode: int | str) -> None:
    usual = colour(scene.terminal, "1.0%")
    scene.metrics.mode = mode
    try:
        head = scene.fails("ERRORS", 40)
        assert "old" in head
        assert "1.0%" in scene.terminal.text(), "the last known numbers stay"
        assert colour(scene.terminal, "1.0%") != usual, "and are greyed"
        scene.others_go_on()
    finally:
        scene.metrics.release()
    scene.recovers()
    eventually(lambda: colour(scene.terminal, "1.0%") == usual, "the numbers in their own colour")
