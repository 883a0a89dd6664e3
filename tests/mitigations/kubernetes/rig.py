"""A simulated cluster with a runner on it, for the tests of the mitigations."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from console.config import ClusterSettings, Config
from console.drill.cluster import ApiServer, Behaviour, Cluster, Container, Start, State
from console.engine.act import ActionRunner
from console.engine.board import Board
from console.mitigations.world import Timing
from console.model.clock import SystemClock
from console.model.kube import KubeSnapshot, Node, Pods
from console.model.plan import Plan, Target
from console.timeline.entry import Entry
from console.timeline.identity import Identity
from console.timeline.recorder import Recorder

SOURCE = "kubernetes:drill"
NAMESPACE = "production"


class Fast(Behaviour):
    """Everything takes next to no time; images whose tag starts with ``sick`` never become ready."""

    poll_seconds = 0.1

    def start(self, container: Container) -> Start:
        return Start(create_seconds=0.0, pull_seconds=0.0, ready_seconds=0.05)

    def state(self, container: Container, age: float) -> State:
        return State(ready=re.search(r":sick[^/]*$", container.image) is None)

    def stop_seconds(self, container: Container) -> float:
        return 0.0


class Rig:
    """What a test needs: the cluster behind the API, and the runner in front of it."""

    def __init__(self, folder: Path, cluster: Cluster, server: ApiServer, user: str) -> None:
        self.folder = folder
        self.cluster = cluster
        self.server = server
        kubeconfig = server.write_kubeconfig(folder / f"kubeconfig-{user}", user=user)
        self.config = Config(
            kubernetes=(ClusterSettings(name="drill", kubeconfig=kubeconfig, namespaces=(NAMESPACE,)),)
        )
        self.board = Board()
        self.state = folder / "state"
        self.recorder = Recorder(self.state, SystemClock(), Identity("kim", "desk", "s1"))
        self.timing = Timing(request=2.0, poll=0.02, rollout=10.0, settle=0.5)
        self.runner = self.make_runner()

    def publish_node(self, *, cpu: float, memory: int) -> None:
        """Let the board know a cluster of one node with so many cores and bytes."""
        node = Node("u", "n1", ready=True, unschedulable=False, pressures=(), cpu=cpu, memory=memory)
        snapshot = KubeSnapshot(
            context="drill",
            namespaces=(NAMESPACE,),
            server="",
            version="",
            at=0.0,
            pods=Pods.of(()),
            workloads={},
            revisions={},
            nodes={"u": node},
            events={},
            denied={},
            synced=frozenset(),
        )
        self.board.publish(SOURCE, snapshot)

    def make_runner(self) -> ActionRunner:
        return ActionRunner(
            self.board, self.config, SystemClock(), self.recorder, self.state, timing=self.timing
        )

    def deploy(self, name: str, image: str, replicas: int = 3, **spec: Any) -> None:
        """Create a Deployment, and a Service in front of it unless there is one."""
        labels = {"app": name}
        container = {"name": "app", "image": image, "readinessProbe": {"httpGet": {"path": "/", "port": 80}}}
        self.cluster.create(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": name, "labels": labels, **spec.pop("metadata", {})},
                "spec": {
                    "replicas": replicas,
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
                    **spec,
                },
            },
            NAMESPACE,
        )
        if self.cluster.exists("svc", name, NAMESPACE):
            return
        self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": name},
                "spec": {"selector": labels, "ports": [{"port": 80}]},
            },
            NAMESPACE,
        )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        return self.cluster.get(kind, name, NAMESPACE)

    def image(self, name: str) -> str:
        return str(self.get("deploy", name)["spec"]["template"]["spec"]["containers"][0]["image"])

    def set_image(self, name: str, image: str) -> None:
        change = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
        self.cluster.patch("deploy", name, change, NAMESPACE)

    def pods(self, name: str) -> list[dict[str, Any]]:
        return [
            pod for pod in self.cluster.pods_of(name, NAMESPACE) if "deletionTimestamp" not in pod["metadata"]
        ]

    async def rolled_out(self, name: str) -> None:
        """Wait until the Deployment has all its pods of the newest template."""

        def done() -> bool:
            live = self.get("deploy", name)
            status, wanted = live.get("status", {}), live["spec"]["replicas"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            return bool(
                status.get("observedGeneration") == live["metadata"]["generation"] and counts == [wanted] * 3
            )

        await until(done, f"the rollout of {name}")

    async def plan(self, action: str, target: str, **params: str) -> Plan:
        kind, _, name = target.partition("/")
        return await self.runner.plan(action, Target(kind, name, NAMESPACE), params, source=SOURCE)

    def entries(self) -> list[Entry]:
        return self.recorder.entries()

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries()]


@asynccontextmanager
async def rig(folder: Path, user: str = "admin", behaviour: Behaviour | None = None) -> AsyncIterator[Rig]:
    """A running cluster with an empty namespace."""
    cluster = Cluster(SystemClock(), random.Random(1), behaviour or Fast())
    cluster.add_namespace(NAMESPACE)
    async with ApiServer(cluster, tick=0.02) as server:
        yield Rig(folder, cluster, server, user)


class Proxy:
    """A TCP proxy that, once armed, passes a real change on and cuts the line instead of the answer."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.armed = False
        self.lost = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._port)
        cut = asyncio.Event()

        async def up() -> None:
            while data := await reader.read(65536):
                head = data.partition(b"\r\n")[0]
                if self.armed and head.startswith((b"PATCH", b"DELETE")) and b"dryRun" not in head:
                    cut.set()
                back.write(data)
            back.close()

        async def down() -> None:
            while data := await there.read(65536):
                if cut.is_set():
                    self.lost += 1
                    writer.transport.abort()
                    return
                writer.write(data)
            writer.close()

        await asyncio.gather(up(), down(), return_exceptions=True)
        back.close()


@asynccontextmanager
async def losing_answers(r: Rig) -> AsyncIterator[Proxy]:
    """Let the runner reach the server through a Proxy."""
    proxy = Proxy(int(r.server.url.rpartition(":")[2]))
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    kubeconfig = r.config.kubernetes[0].kubeconfig
    assert kubeconfig is not None
    port = listener.sockets[0].getsockname()[1]
    kubeconfig.write_text(kubeconfig.read_text().replace(r.server.url, f"http://127.0.0.1:{port}"))
    try:
        yield proxy
    finally:
        listener.close()


async def until(check: Callable[[], bool], what: str, seconds: float = 15.0) -> None:
    """Poll until ``check`` holds; fails the test after ``seconds``."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        if check():
            return
        assert asyncio.get_running_loop().time() < deadline, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.01)


def run(test: Awaitable[None]) -> None:
    """Run one asynchronous test with a deadline."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())
