"""A small world in the test's own process: the simulated cluster on a thread, broken at will.

Starts in well under a second. Prometheus and Alertmanager are scripted; PostgreSQL and Redis are those of
``tests.services``. The console runs as a process of its own, as everywhere in the end-to-end tests.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, TypeVar

from console.drill.cluster import ApiServer, Behaviour, Cluster, Container, Start, State
from console.model.clock import SystemClock
from console.timeline.entry import Entry
from console.timeline.file import read_timeline
from tests.e2e.world import WARROOM
from tests.sources.publishing import Stall, reply, scripted
from tests.terminal import Terminal

T = TypeVar("T")
NAMESPACE = "shop"
MAIN = "no incident"
"""What a console shows once it has painted its first frame."""


def eventually(check: Callable[[], T], what: str, seconds: float = 20.0) -> T:
    """The first true result of ``check``; fails with ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Quick(Behaviour):
    """Containers come up at once; an image whose tag starts with ``sick`` never becomes ready."""

    poll_seconds = 0.1

    def start(self, container: Container) -> Start:
        if self.missing_images.search(container.image):
            return super().start(container)
        return Start(create_seconds=0.0, pull_seconds=0.0, ready_seconds=0.05)

    def state(self, container: Container, age: float) -> State:
        return State(ready=":sick" not in container.image, memory=64 * 2**20, cpu=0.05)

    def stop_seconds(self, container: Container) -> float:
        return 0.0


class SmallCluster:
    """The cluster behind its API server, on a thread of its own; ``on_loop`` reaches into it."""

    def __init__(self, behaviour: Behaviour | None = None) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.cluster, self.server = self.await_(self._make(behaviour or Quick()))

    async def _make(self, behaviour: Behaviour) -> tuple[Cluster, ApiServer]:
        cluster = Cluster(SystemClock(), random.Random(1), behaviour)
        cluster.add_namespace(NAMESPACE)
        server = ApiServer(cluster, tick=0.05)
        await server.__aenter__()
        return cluster, server

    def await_(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the cluster's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def on_loop(self, function: Callable[[], T]) -> T:
        """Call a function on the cluster's loop and wait for it."""

        async def call() -> T:
            return function()

        return self.await_(call())

    def deploy(self, name: str, image: str, replicas: int = 2, **container: Any) -> None:
        """Create a Deployment in the namespace."""
        labels = {"app": name}
        spec = {
            "name": "app",
            "image": image,
            "readinessProbe": {"httpGet": {"path": "/", "port": 80}},
            **container,
        }
        self.on_loop(
            lambda: self.cluster.create(
                {
                    "apiVersion": "apps/v1",
                    "kind": "Deployment",
                    "metadata": {"name": name, "labels": labels},
                    "spec": {
                        "replicas": replicas,
                        "selector": {"matchLabels": labels},
                        "template": {"metadata": {"labels": labels}, "spec": {"containers": [spec]}},
                    },
                },
                NAMESPACE,
            )
        )
        self.rolled_out(name)

    def set_image(self, name: str, image: str, *, wait: bool = True) -> None:
        """Release another image."""
        change = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
        self.on_loop(lambda: self.cluster.patch("deploy", name, change, NAMESPACE))
        if wait:
            self.rolled_out(name)

    def image(self, name: str) -> str:
        """The image of a Deployment's template."""
        live = self.on_loop(lambda: self.cluster.get("deploy", name, NAMESPACE))
        return str(live["spec"]["template"]["spec"]["containers"][0]["image"])

    def scale(self, name: str, replicas: int) -> None:
        """Set the replicas."""
        self.on_loop(lambda: self.cluster.patch("deploy", name, {"spec": {"replicas": replicas}}, NAMESPACE))

    def rolled_out(self, name: str) -> None:
        """Wait until a Deployment has all pods of its newest template."""

        def done() -> bool:
            live = self.on_loop(lambda: self.cluster.get("deploy", name, NAMESPACE))
            status, wanted = live.get("status", {}), live["spec"]["replicas"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas")]
            return bool(
                status.get("observedGeneration") == live["metadata"]["generation"] and counts == [wanted] * 2
            )

        eventually(done, f"the rollout of {name}")

    def methods(self) -> set[tuple[str, str]]:
        """Method and path of every request so far."""
        return self.on_loop(lambda: {(record.method, record.path) for record in self.server.requests})

    def close(self) -> None:
        """End the server and the thread."""
        self.await_(self.server.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class Metrics:
    """A Prometheus and an Alertmanager whose answers are set by the test."""

    def __init__(self) -> None:
        self.mode: str | int = "ok"
        self.job = "checkout"
        self.alerts: list[dict[str, Any]] = []
        self.url = ""
        self.asked = 0
        self._stalls: list[Stall] = []

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path
        if path.startswith("/api/v2/"):
            body = json.dumps(self.alerts if path.startswith("/api/v2/alerts") else []).encode()
            reply(200, body)(handler)
            return
        self.asked += 1
        if self.mode == "hang":
            self._stalls.append(Stall())
            self._stalls[-1](handler)
            return
        if isinstance(self.mode, int):
            error = {"status": "error", "errorType": "bad_data", "error": "parse error: unexpected <EOF>"}
            reply(self.mode, json.dumps(error).encode())(handler)
            return
        now = time.time()
        if "query_range" in path:
            kind = "matrix"
            sample: dict[str, Any] = {"values": [[now - 60, "0.01"], [now, "0.01"]]}
        else:
            kind, sample = "vector", {"value": [now, "0.01"]}
        result = [{"metric": {"job": self.job}, **sample}]
        data = {"status": "success", "data": {"resultType": kind, "result": result}}
        reply(200, json.dumps(data).encode())(handler)

    def release(self) -> None:
        """Answer again."""
        self.mode = "ok"
        for stall in self._stalls:
            stall.release()


@contextlib.contextmanager
def metrics_server() -> Iterator[Metrics]:
    """Both servers on one port of loopback."""
    metrics = Metrics()
    with scripted(metrics.answer) as (url, _):
        metrics.url = url
        yield metrics
        metrics.release()


class Desk:
    """Where a person sits: a home of its own, a configuration, a state folder, and the command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state_dir = folder / "state"
        self.config = folder / "warroom.toml"
        self.environment = {
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "xdg-state"),
            "XDG_CACHE_HOME": str(folder / "cache"),
            "TMPDIR": str(folder / "tmp"),
            "KUBECONFIG": "",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C.UTF-8",
        }
        (folder / "tmp").mkdir(exist_ok=True)

    def configure(self, *sections: str) -> None:
        """Write the configuration."""
        self.config.write_text("\n".join(sections))

    def kubernetes(self, cluster: SmallCluster, user: str = "admin") -> str:
        """The section of a cluster, with a kubeconfig written for it."""
        file = cluster.server.write_kubeconfig(
            self.folder / f"kubeconfig-{user}", user=user, namespace=NAMESPACE
        )
        return f'[[kubernetes]]\nkubeconfig = "{file}"\nnamespaces = ["{NAMESPACE}"]\n'

    def argv(self, *words: str) -> list[str]:
        """The argv of a warroom command."""
        connects = words[0] in ("run", "watch", "status", "act", "check")
        config = ("--config", str(self.config)) if connects else ()
        return [*WARROOM, words[0], *config, *words[1:], "--state-dir", str(self.state_dir)]

    def terminal(
        self, *words: str, columns: int = 120, rows: int = 40, env: dict[str, str] | None = None
    ) -> Terminal:
        """The command on a pty."""
        environment = {**self.environment, **(env or {})}
        return Terminal(self.argv(*(words or ("run",))), columns=columns, rows=rows, env=environment)

    def run(
        self, *words: str, timeout: float = 60, env: dict[str, str] | None = None, given: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """The command without a terminal."""
        return subprocess.run(
            self.argv(*words),
            env={**os.environ, **self.environment, **(env or {})},
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def entries(self) -> list[Entry]:
        """Every entry of every timeline of the state folder, in order of recording."""
        files = [self.state_dir / "standby.jsonl", *self.state_dir.glob("incidents/*/timeline.jsonl")]
        found = [entry for file in files for entry in read_timeline(file).entries]
        return sorted(found, key=lambda entry: entry.id)

    def kinds(self) -> list[str]:
        """The kinds of all entries."""
        return [entry.kind for entry in self.entries()]


def followed(desk: Desk, cluster: SmallCluster, name: str = "checkout") -> None:
    """Wait until the console records changes: what it finds at its first look is its baseline, no news."""
    for replicas in itertools.cycle((3, 2)):
        cluster.scale(name, replicas)
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if "change" in desk.kinds():
                return
            time.sleep(0.05)


def press(terminal: Terminal, keys: str) -> None:
    """Press keys and wait until the screen has answered, or a second when there is nothing to answer."""
    before = terminal.total
    terminal.send(keys)
    deadline = time.monotonic() + 1
    while terminal.total == before and time.monotonic() < deadline:
        time.sleep(0.01)
    terminal.wait_quiet(0.15)


def cursor_on(terminal: Terminal, text: str) -> None:
    """Move the cursor of the pods pane down from the first row to the one that holds ``text``."""
    press(terminal, "1")
    press(terminal, "\x1b[H")
    for _ in range(30):
        if any(line.startswith("▌") and text in line for line in terminal.text().splitlines()):
            return
        press(terminal, "\x1b[B")
    raise AssertionError(f"no row with {text!r}:\n{terminal.text()}")


def press_until(terminal: Terminal, keys: str, found: str, seconds: float = 20) -> None:
    """Press keys until something shows: a dialog takes none before it has been seen for a moment."""

    def pressed() -> bool:
        if found in terminal.text():
            return True
        press(terminal, keys)
        return found in terminal.text()

    eventually(pressed, f"{found!r} after {keys!r}", seconds)


def calm(terminal: Terminal) -> None:
    """Assert that nothing on the terminal looks like a crash, now or before, and that it still runs."""
    said = terminal.output.decode(errors="replace")
    for word in ("Traceback (most recent call last)", "unexpected error", "ENGINE STOPPED"):
        assert word not in said, terminal.text()


def colour(terminal: Terminal, text: str) -> str:
    """The foreground of the first cell where ``text`` stands on the screen."""
    with terminal._lock:
        for number, line in enumerate(terminal.screen.display):
            column = line.find(text)
            if column >= 0:
                return str(terminal.screen.buffer[number][column].fg)
    raise AssertionError(f"{text!r} is not on the screen:\n{terminal.text()}")


def row(terminal: Terminal, text: str) -> str:
    """The first line of the screen that holds ``text``, or nothing."""
    return next((line for line in terminal.text().splitlines() if text in line), "")
