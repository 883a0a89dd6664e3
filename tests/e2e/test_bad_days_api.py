"""A Kubernetes API that goes away, refuses, lies, lags: what is known stays, greyed, and comes back."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from console.drill.cluster import Fault, Match
from tests.e2e.small import Desk, SmallCluster, calm, colour, eventually, row
from tests.terminal import Terminal


def cut_watches(cluster: SmallCluster) -> None:
    """End every watch in mid-stream."""

    def end() -> None:
        for watcher in list(cluster.server.hub.watchers):
            watcher.end()

    cluster.on_loop(end)


class Scene(NamedTuple):
    desk: Desk
    cluster: SmallCluster
    terminal: Terminal

    def cut(self) -> None:
        """End every watch in mid-stream, so that the console has to ask again."""

        cut_watches(self.cluster)

    @contextlib.contextmanager
    def fault(self, make: Callable[[], Fault]) -> Iterator[Fault]:
        """A fault in force, with every watch cut; afterwards all is well again, without another cut."""
        fault = self.cluster.on_loop(make)
        self.cut()
        try:
            yield fault
        finally:
            self.cluster.on_loop(lambda: self.cluster.server.faults.remove(fault))

    def well(self) -> bool:
        text = self.terminal.text()
        heads = [line for line in text.splitlines() if "PODS" in line]
        return bool(heads) and not any(
            word in text.splitlines()[0] + heads[0] for word in ("unreachable", "FAILED", "DENIED", "LIMITED")
        )

    def lives(self, seconds: float = 40) -> None:
        """All is well, and a change in the cluster reaches the screen."""
        self.terminal.wait_for(lambda _: self.well(), seconds)
        live = self.cluster.on_loop(lambda: self.cluster.cluster.get("deploy", "checkout", "shop"))
        wanted = 5 - live["spec"]["replicas"]
        self.cluster.scale("checkout", wanted)
        self.terminal.wait_for(lambda _: f" {wanted}/{wanted}" in row(self.terminal, "▸ checkout"), 20)
        calm(self.terminal)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One console for all tests here: each breaks the API, and leaves it and the console well."""
    folder: Path = tmp_path_factory.mktemp("api")
    cluster = SmallCluster()
    cluster.deploy("checkout", "shop/checkout:v1")
    desk = Desk(folder)
    desk.configure(desk.kubernetes(cluster))
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        terminal.wait_for(lambda _: " 2/2" in row(terminal, "▸ checkout"))
        yield Scene(desk, cluster, terminal)
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
        calm(terminal)
    cluster.close()


def test_api_gone_and_back(scene: Scene) -> None:
    terminal, cluster = scene.terminal, scene.cluster
    before = colour(terminal, "checkout")
    asked = len(cluster.server.requests)
    cluster.await_(cluster.server.stop())
    try:
        terminal.wait_for("API unreachable since ", 20)
        head = terminal.text().splitlines()
        assert "API unreachable since" in head[0], "it stands in the status line"
        terminal.wait_for(lambda _: "data " in terminal.text().splitlines()[1])
        assert "FAILED since" in terminal.text().splitlines()[1]
        assert " old" in terminal.text().splitlines()[1]
        line = row(terminal, "▸ checkout")
        assert " 2/2" in line or " 3/3" in line, "the last known data stays"
        assert colour(terminal, "checkout") != before, "and is greyed"
        terminal.send("s")
        text = terminal.wait_for("refuses connections")
        assert "127.0.0.1" in text
        terminal.send("\x1b")
        terminal.wait_for("▸ checkout")
        eventually(
            lambda: any(
                "source-failed" in entry.text and "unreachable" in entry.text
                for entry in scene.desk.entries()
            ),
            "the outage is in the timeline",
        )
    finally:
        cluster.await_(cluster.server.start())
    scene.lives()
    eventually(lambda: colour(terminal, "checkout") == before, "the row in its own colour again")
    assert len(cluster.server.requests) - asked < 200, "no storm of requests when it came back"


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        (401, "does not accept the credentials (401)"),
        (429, "Too many requests"),
        (500, "the API server failed (500)"),
        (503, "the API server failed (503)"),
    ],
)
def test_refusals_of_everything(scene: Scene, status: int, shown: str) -> None:
    faults = scene.cluster.server.faults
    with scene.fault(lambda: faults.fail(status, retry_after=1 if status == 429 else None)):
        scene.terminal.wait_for(lambda _: not scene.well(), 20)
        scene.terminal.send("s")
        scene.terminal.wait_for(shown)
        scene.terminal.send("\x1b")
        scene.terminal.wait_for("▸ checkout")
    scene.lives()


def test_history_that_the_server_forgot_is_read_anew(scene: Scene) -> None:
    faults = scene.cluster.server.faults
    lists = scene.cluster.on_loop(lambda: scene.cluster.server.counts()[("list", "pods")])
    fault = scene.cluster.on_loop(lambda: faults.fail(410, Match(verb="watch", path="/pods$"), times=1))
    scene.cut()
    eventually(lambda: fault.hits == 1, "the watch of pods is refused with 410")
    eventually(
        lambda: scene.cluster.on_loop(lambda: scene.cluster.server.counts()[("list", "pods")]) > lists,
        "pods are listed anew",
    )
    scene.lives()


def test_answers_that_break_off(scene: Scene) -> None:
    faults = scene.cluster.server.faults
    with scene.fault(faults.malformed):
        scene.terminal.wait_for(lambda _: not scene.well(), 20)
        scene.terminal.send("s")
        scene.terminal.wait_for("cannot be read")
        scene.terminal.send("\x1b")
        scene.terminal.wait_for("▸ checkout")
    scene.lives()


def test_connections_that_are_reset(scene: Scene) -> None:
    with scene.fault(scene.cluster.server.faults.reset):
        scene.terminal.wait_for("API unreachable since ", 20)
    scene.lives()


def test_a_slow_server_is_waited_for(scene: Scene) -> None:
    faults = scene.cluster.server.faults
    with scene.fault(lambda: faults.slow(2.0)) as fault:
        eventually(lambda: fault.hits >= 3, "the slow server is asked")
        scene.lives()


@pytest.mark.timeout(120)
def test_connections_that_are_accepted_and_never_answered(scene: Scene) -> None:
    """A half-open load balancer: the handshake succeeds, no byte ever comes."""
    with scene.fault(scene.cluster.server.faults.hang):
        scene.terminal.wait_for("API unreachable since ", 40)
        scene.terminal.send("s")
        scene.terminal.wait_for("did not answer in time")
        scene.terminal.send("\x1b")
        scene.terminal.wait_for("▸ checkout")
    scene.lives()


def test_one_kind_that_may_not_be_read_leaves_the_others(tmp_path: Path) -> None:
    cluster = SmallCluster()
    try:
        cluster.deploy("checkout", "shop/checkout:v1")
        cluster.on_loop(lambda: cluster.server.faults.fail(403, Match(path="/statefulsets")))
        desk = Desk(tmp_path)
        desk.configure(desk.kubernetes(cluster))
        with desk.terminal("run") as terminal:
            terminal.wait_for("▸ checkout", 30)
            terminal.wait_for("LIMITED")
            assert "unreachable" not in terminal.text()
            cluster.scale("checkout", 3)
            terminal.wait_for(lambda _: " 3/3" in row(terminal, "▸ checkout"))
            terminal.send("s")
            terminal.wait_for("denied: statefulsets")
            calm(terminal)
    finally:
        cluster.close()


def kubeconfig(current: str, **servers: str) -> str:
    """A kubeconfig with a context for each server; JSON is YAML."""
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": current,
            "clusters": [{"name": name, "cluster": {"server": url}} for name, url in servers.items()],
            "users": [{"name": "me", "user": {"token": "admin-token"}}],
            "contexts": [
                {"name": name, "context": {"cluster": name, "user": "me", "namespace": "shop"}}
                for name in servers
            ],
        }
    )


def test_the_pinned_context_is_used_whatever_another_shell_does(tmp_path: Path) -> None:
    """Another shell switches the current context, then redefines ours: nothing goes to the other cluster."""
    mine, other = SmallCluster(), SmallCluster()
    try:
        mine.deploy("checkout", "shop/checkout:v1")
        other.deploy("checkout", "shop/checkout:v1", replicas=3)
        desk = Desk(tmp_path)
        file = tmp_path / "kubeconfig"
        file.write_text(kubeconfig("mine", mine=mine.server.url, other=other.server.url))
        desk.configure(f'[[kubernetes]]\nkubeconfig = "{file}"\nnamespaces = ["shop"]\n')
        with desk.terminal("run") as terminal:
            terminal.wait_for("▸ checkout", 30)
            file.write_text(kubeconfig("other", mine=mine.server.url, other=other.server.url))
            cut_watches(mine)
            mine.scale("checkout", 4)
            terminal.wait_for(lambda _: " 4/4" in row(terminal, "▸ checkout"))
            assert "mine/shop" in terminal.text().splitlines()[0]

            terminal.send("r")
            terminal.wait_for("Cancel (enter)", 30)
            assert "mine" in terminal.text()
            terminal.wait_quiet(0.3)
            terminal.send("\x1b")
            terminal.wait_for("was not done")

            file.write_text(kubeconfig("mine", mine=other.server.url))
            terminal.send("r")
            terminal.wait_for("now points to", 30)
            terminal.wait_for("no plan")
            calm(terminal)
        assert not other.on_loop(lambda: list(other.server.requests)), "the other cluster was never asked"
    finally:
        mine.close()
        other.close()
