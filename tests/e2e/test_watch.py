"""Watch mode cannot change anything: seen from outside, on a running console."""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from console.config import ClusterSettings
from console.model.actions import ACTIONS, MITIGATIONS, Action, available
from console.model.clock import SystemClock
from console.sources.kubernetes.connection import open_connection
from console.sources.kubernetes.errors import ReadOnlyError
from console.sources.redis.client import is_read
from tests.e2e.small import Desk, SmallCluster, calm, cursor_on, metrics_server, press, row
from tests.e2e.world import WARROOM
from tests.services import PostgresServer
from tests.services_redis import RedisFactory, RedisServer
from tests.terminal import Terminal

LAUNCHER = """
import atexit, json, sys
atexit.register(lambda: open(sys.argv[1], "w").write(json.dumps(sorted(sys.modules))))
from console.cli import main
sys.exit(main(sys.argv[2:]))
"""


class Scene(NamedTuple):
    desk: Desk
    cluster: SmallCluster
    postgres: PostgresServer
    redis: RedisServer
    terminal: Terminal


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder with the digest of what is in it."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def scene(
    tmp_path_factory: pytest.TempPathFactory, postgres_18: PostgresServer, wheel_redis: RedisFactory
) -> Iterator[Scene]:
    desk = Desk(tmp_path_factory.mktemp("watch"))
    cluster = SmallCluster()
    cluster.deploy("checkout", "shop/checkout:v1")
    cluster.set_image("checkout", "shop/checkout:v2")
    server = wheel_redis.create()
    with metrics_server() as metrics:
        desk.configure(
            desk.kubernetes(cluster),
            f'[prometheus]\nurl = "{metrics.url}"\ninterval = 1\n',
            f'[alertmanager]\nurl = "{metrics.url}"\ninterval = 1\n',
            f'[[postgres]]\ndsn = "{postgres_18.dsn()}"\ninterval = 1\n',
            f'[[redis]]\nurl = "{server.url()}"\nqueues = ["jobs"]\ninterval = 1\n',
        )
        assert desk.run("timeline", "add", "before the watch").returncode == 0
        with desk.terminal("watch", columns=140, rows=42) as terminal:
            terminal.wait_for("▸ checkout", 30)
            terminal.wait_for("WATCH")
            yield Scene(desk, cluster, postgres_18, server, terminal)
    cluster.close()
    server.stop()


def test_no_mutating_key_does_anything(scene: Scene) -> None:
    terminal, desk = scene.terminal, scene.desk
    session = scene.postgres.connect(application="victim")
    session.execute("select 1")
    before = contents(desk.state_dir)
    image = scene.cluster.image("checkout")
    pods = uids(scene.cluster)
    try:
        for action in MITIGATIONS:
            if action.pane == "pods":
                cursor_on(terminal, "checkout")
                if action.targets == ("pod",):
                    if "▸ checkout" in terminal.text():
                        press(terminal, "\r")
                    press(terminal, "\x1b[B")
            else:
                press(terminal, "3")
                terminal.wait_for("victim")
            for keys in (action.key, "yg"):
                press(terminal, keys)
                assert "Cancel (enter)" not in terminal.text(), action.name
            close(terminal)
        for keys in ("a", "i", "m"):
            press(terminal, f"1{keys}")
            press(terminal, "x\r")
            close(terminal)
        assert session.execute("select 1").fetchone() == (1,), "the session lives"
    finally:
        session.close()
    assert scene.cluster.image("checkout") == image
    assert uids(scene.cluster) == pods
    assert {method for method, _ in scene.cluster.methods()} == {"GET"}
    assert contents(desk.state_dir) == before, "no file of the record is touched"
    calm(terminal)


def close(terminal: Terminal) -> None:
    """Close whatever may be open."""
    while "esc" in terminal.text():
        press(terminal, "\x1b")


def uids(cluster: SmallCluster) -> list[str]:
    found = cluster.on_loop(lambda: cluster.cluster.list("pods", "shop"))
    return [pod["metadata"]["uid"] for pod in found]


def test_no_mutating_action_is_named_anywhere(scene: Scene) -> None:
    terminal = scene.terminal
    titles = [action.title for action in MITIGATIONS]
    for pane in "1234567":
        press(terminal, pane)
        assert not any(title in terminal.text().splitlines()[-1] for title in titles)
        press(terminal, "?")
        help_text = terminal.text()
        press(terminal, "\x1b[6~")
        help_text += terminal.text()
        assert not any(action.help[:30] in help_text for action in MITIGATIONS), help_text
        close(terminal)
    press(terminal, ":")
    for action in MITIGATIONS:
        press(terminal, action.title)
        assert action.help[:30] not in terminal.text()
        press(terminal, "\x7f" * len(action.title))
    close(terminal)
    calm(terminal)


def test_what_it_shows_goes_on(scene: Scene) -> None:
    scene.cluster.scale("checkout", 3)
    scene.terminal.wait_for(lambda _: " 3/3" in row(scene.terminal, " checkout "))
    assert scene.desk.run("timeline", "add", "seen by the watchers").returncode == 0
    scene.terminal.wait_for("seen by the watchers")
    assert {method for method, _ in scene.cluster.methods()} == {"GET"}


def test_the_process_never_loads_what_mutates(scene: Scene) -> None:
    """A launcher writes down, at the end of a watch, every module that was loaded during it."""
    modules = scene.desk.folder / "modules.json"
    words = scene.desk.argv("watch")[len(WARROOM) :]
    argv = [sys.executable, "-c", LAUNCHER, str(modules), *words]
    with Terminal(argv, env=scene.desk.environment, columns=140, rows=42) as terminal:
        terminal.wait_for(" checkout ", 30)
        for keys in ("1l", "1d", "1h", "1e", "1r", "1u", "1x", "3t", "m", "a", "i", "s", ":", "?"):
            press(terminal, keys)
            close(terminal)
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
        calm(terminal)
    loaded = set(json.loads(modules.read_text()))
    assert {"console.ui.app", "console.sources.kubernetes.follow", "console.sources.redis"} <= loaded
    assert not [name for name in loaded if name.startswith("console.mitigations")]
    assert not loaded & {"console.engine.act", "console.engine.live", "console.engine.launch"}
    # Each is loaded by the whole of a client library, of which a few modules are used: 17 MB.
    assert not loaded & {"pydantic", "redis.commands", "kubernetes.client", "charset_normalizer"}


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_registered_action_is_filtered_by_whether_it_mutates_or_records(action: Action) -> None:
    assert (action in available(watch=True)) == (not action.mutating and not action.live)
    assert action.mutating == (not action.name.startswith("ui."))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_kubernetes_transport_refuses_to_write(tmp_path: Path, method: str) -> None:
    cluster = SmallCluster()
    try:
        file = cluster.server.write_kubeconfig(tmp_path / "kubeconfig")

        async def write() -> None:
            connection = await open_connection(ClusterSettings(kubeconfig=file), clock=SystemClock())
            try:
                await connection.request(method, "/api/v1/namespaces/shop/pods", b'{"kind":"Pod"}')
            finally:
                await connection.close()

        with pytest.raises(ReadOnlyError):
            asyncio.run(write())
        assert not cluster.methods(), "nothing was sent"
    finally:
        cluster.close()


def test_the_redis_transport_knows_reads_only() -> None:
    for command in ("FLUSHALL", "FLUSHDB", "DEL", "SET", "EVAL", "CONFIG SET", "SHUTDOWN", "KEYS", "DEBUG"):
        assert not is_read((command, "x"))
