"""Two clusters in one console: told apart, acted on one at a time, and one that is gone leaves the other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tests.e2e.small import NAMESPACE, Desk, SmallCluster, calm, colour, eventually, press, press_until
from tests.terminal import Terminal

NAMES = ("eu", "us")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


class Scene(NamedTuple):
    desk: Desk
    clusters: dict[str, SmallCluster]
    terminal: Terminal

    def row(self, workload: str, cluster: str) -> str:
        """The line of a workload of one of the clusters, or nothing."""
        lines = self.terminal.text().splitlines()
        return next((line for line in lines if f"▸ {workload} " in line and f" {cluster} " in line), "")

    def cursor_on(self, workload: str, cluster: str) -> None:
        """Put the cursor of the pods pane on that line."""
        press(self.terminal, "1")
        press(self.terminal, "\x1b[H")
        for _ in range(10):
            if self.row(workload, cluster).startswith("▌"):
                return
            press(self.terminal, "\x1b[B")
        raise AssertionError(f"no row of {workload} in {cluster}:\n{self.terminal.text()}")

    def writes(self, name: str) -> list[tuple[str, str, dict[str, str]]]:
        """Method, path and query of what was asked of a cluster that is more than reading or a dry run."""
        server = self.clusters[name].server
        found = self.clusters[name].on_loop(
            lambda: [(one.method, one.path, one.query) for one in server.requests if one.method in WRITES]
        )
        return [one for one in found if "dryRun" not in one[2] and "selfsubject" not in one[1]]

    def restarted(self, name: str) -> bool:
        live = self.clusters[name].on_loop(
            lambda: self.clusters[name].cluster.get("deploy", "checkout", NAMESPACE)
        )
        return "annotations" in live["spec"]["template"]["metadata"]


def section(desk: Desk, name: str, cluster: SmallCluster) -> str:
    """A cluster of that name. The kubeconfigs call both contexts the same, as those of two tools may."""
    file = cluster.server.write_kubeconfig(desk.folder / f"kubeconfig-{name}", namespace=NAMESPACE)
    return f'[[kubernetes]]\nname = "{name}"\nkubeconfig = "{file}"\nnamespaces = ["{NAMESPACE}"]\n'


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    desk = Desk(tmp_path_factory.mktemp("two"))
    clusters = {name: SmallCluster() for name in NAMES}
    for cluster in clusters.values():
        cluster.deploy("checkout", "shop/checkout:v1")
    clusters["us"].deploy("cart", "shop/cart:v1")
    desk.configure(*(section(desk, name, cluster) for name, cluster in clusters.items()))
    with desk.terminal("run", columns=200, rows=50) as terminal:
        made = Scene(desk, clusters, terminal)
        for place in (("checkout", "eu"), ("checkout", "us"), ("cart", "us")):
            terminal.wait_for(lambda _, place=place: " 2/2 " in made.row(*place), 30)  # type: ignore[misc]
        yield made
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
        calm(terminal)
    for cluster in clusters.values():
        cluster.close()


def test_both_are_shown_and_told_apart(scene: Scene) -> None:
    text = scene.terminal.text()
    assert "3 workloads, 6 pods" in text
    assert "eu, us" in text.splitlines()[0]
    assert not scene.row("cart", "eu")
    scene.clusters["us"].set_image("checkout", "shop/checkout:missing", wait=False)
    scene.terminal.wait_for(lambda _: "ImagePull" in scene.row("checkout", "us"), 30)
    lines = [line for line in scene.terminal.text().splitlines() if "▸ checkout" in line]
    assert " us " in lines[0] and "ImagePull" not in lines[1], "the sick of all clusters come first"
    scene.terminal.wait_for("us:checkout image-pull", 20)
    scene.terminal.wait_for("image-pull(us:deployment/checkout)", 20)
    scene.clusters["us"].set_image("checkout", "shop/checkout:v1")
    scene.terminal.wait_for(lambda _: " 2/2 " in scene.row("checkout", "us"), 30)


def test_a_mitigation_goes_to_the_cluster_of_its_row_alone(scene: Scene) -> None:
    terminal = scene.terminal
    before = {name: len(scene.writes(name)) for name in NAMES}
    scene.cursor_on("checkout", "us")
    press_until(terminal, "r", "restartedAt")
    text = terminal.text()
    assert "in us (context drill) / shop?" in text
    assert f"127.0.0.1:{scene.clusters['us'].server.port}" in text
    press_until(terminal, "y", "now g")
    press_until(terminal, "g", "done")
    eventually(lambda: scene.restarted("us"), "the restart")
    assert not scene.restarted("eu")
    assert len(scene.writes("us")) > before["us"]
    assert len(scene.writes("eu")) == before["eu"]
    intent = next(entry for entry in scene.desk.entries() if entry.kind == "action.intent")
    assert f":{scene.clusters['us'].server.port}" in str(intent.data)
    press(terminal, "\x1b")
    press(terminal, "\x1b")


def test_on_the_command_line_the_cluster_is_told_or_clear(scene: Scene) -> None:
    desk = scene.desk
    unclear = desk.run("act", "k8s.restart", "deployment/checkout", "--plan")
    assert unclear.returncode == 2
    assert "it exists in eu, us; name it with --context" in unclear.stderr
    clear = desk.run("act", "k8s.restart", "deployment/cart", "--plan")
    assert clear.returncode == 0 and f"127.0.0.1:{scene.clusters['us'].server.port}" in clear.stdout
    told = desk.run("act", "k8s.restart", "deployment/checkout", "--plan", "--context", "eu")
    assert told.returncode == 0 and f"127.0.0.1:{scene.clusters['eu'].server.port}" in told.stdout


def test_one_that_is_gone_leaves_the_other_working(scene: Scene) -> None:
    desk, terminal, eu, us = scene.desk, scene.terminal, scene.clusters["eu"], scene.clusters["us"]
    terminal.wait_for(lambda _: " 2/2 " in scene.row("checkout", "eu"), 30)
    eu.await_(eu.server.stop())
    try:
        terminal.wait_for(lambda _: "✗ eu" in terminal.text() and "eu ✗ FAILED" in terminal.text(), 30)
        assert " 2/2 " in next(line for line in terminal.text().splitlines() if "✗ eu" in line)
        assert "✗ us " not in terminal.text()
        us.scale("cart", 3)
        terminal.wait_for(lambda _: " 3/3 " in scene.row("cart", "us"), 30)
        assert colour(terminal, "cart") != colour(terminal, "✗ eu")
        status = desk.run("status", "--json")
        report = json.loads(status.stdout)
        health = {source["name"]: source["health"] for source in report["sources"]}
        assert health == {"kubernetes:eu": "failed", "kubernetes:us": "ok"}
        check = desk.run("check", "--json")
        rows = {row["check"]: row["state"] for row in json.loads(check.stdout)}
        assert check.returncode == 1
        assert (rows["kubernetes:eu"], rows["kubernetes:us"]) == ("failed", "ok")
        assert (rows["k8s.scale on kubernetes:eu"], rows["k8s.scale on kubernetes:us"]) == ("unknown", "ok")
        unclear = desk.run("act", "k8s.restart", "deployment/cart", "--plan")
        assert "eu could not be looked at; name it with --context" in unclear.stderr
        told = desk.run("act", "k8s.restart", "deployment/cart", "--plan", "--context", "us")
        assert told.returncode == 0
    finally:
        eu.await_(eu.server.start())
    terminal.wait_for(lambda _: "✗ eu" not in terminal.text() and " 2/2 " in scene.row("checkout", "eu"), 40)
    calm(terminal)
