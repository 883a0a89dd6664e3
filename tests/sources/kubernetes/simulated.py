"""The simulated cluster, served on loopback, for tests of the source."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from console.config import ClusterSettings
from console.drill.cluster import ApiServer, Behaviour, Cluster
from console.model.clock import ManualClock
from console.sources.kubernetes import KubernetesSource
from console.sources.kubernetes.connection import Connection, open_connection
from tests.sources.kubernetes.running import FAST, Board
from tests.sources.kubernetes.samples import NOW

Obj = dict[str, Any]


def workload(
    name: str = "shop", image: str = "registry.example/shop:v1", replicas: int = 3, **template: Any
) -> Obj:
    """A Deployment with one container ``app``."""
    container = {
        "name": "app",
        "image": image,
        "env": [{"name": "API_TOKEN", "value": "s3cr3t-value"}, {"name": "MODE", "value": "fast"}],
        "resources": {"limits": {"memory": "128Mi", "cpu": "500m"}, "requests": {"memory": "64Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 5},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [container], **template},
            },
        },
    }


def make_cluster(behaviour: Behaviour | None = None, **options: Any) -> Cluster:
    """A cluster that stands still at NOW, with the namespace ``production``."""
    cluster = Cluster(ManualClock(NOW), random.Random(3), behaviour, **options)
    cluster.add_namespace("production")
    return cluster


@asynccontextmanager
async def served(cluster: Cluster) -> AsyncIterator[ApiServer]:
    async with ApiServer(cluster, tick=None) as server:
        yield server


@asynccontextmanager
async def talking(server: ApiServer, folder: Path, user: str = "admin") -> AsyncIterator[Connection]:
    file = server.write_kubeconfig(folder / f"{user}.yaml", user, "production")
    settings = ClusterSettings(kubeconfig=file)
    connection = await open_connection(settings, clock=server.cluster.clock)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def watching(
    server: ApiServer, folder: Path, user: str = "admin"
) -> AsyncIterator[tuple[KubernetesSource, Board]]:
    """The source of a user of the cluster, with the board it publishes to."""
    file = server.write_kubeconfig(folder / f"{user}.yaml", user, "production")
    settings = ClusterSettings(kubeconfig=file)
    clock = server.cluster.clock
    source = KubernetesSource("kubernetes:sim", settings, clock, random.Random(1), pace=FAST)
    board = Board()
    task = asyncio.create_task(source.run(board))
    try:
        yield source, board
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()
