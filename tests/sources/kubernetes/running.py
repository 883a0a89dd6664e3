"""Running the source against a server, and waiting for what it publishes."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from console.config import ClusterSettings
from console.model.clock import Clock, ManualClock
from console.model.kube import KubeSnapshot
from console.model.source import Health, SourceStatus
from console.sources.kubernetes.connection import Connection, open_connection
from console.sources.kubernetes.kinds import KINDS
from console.sources.kubernetes.source import KubernetesSource
from console.sources.kubernetes.watch import Pace
from tests.sources.kubernetes.fake import FakeApi, kubeconfig
from tests.sources.kubernetes.samples import NOW

FAST = Pace(stall=30.0, base=0.01, ceiling=0.05, refused=0.05, spread=0.05)


class Board:
    """Keeps what was published, and lets a test wait for it."""

    def __init__(self) -> None:
        self.snapshots: list[KubeSnapshot] = []
        self.statuses: list[SourceStatus] = []
        self._news = asyncio.Event()

    def publish(self, name: str, snapshot: Any) -> None:
        self.snapshots.append(snapshot)
        self._news.set()

    def report(self, status: SourceStatus) -> None:
        self.statuses.append(status)
        self._news.set()

    @property
    def last(self) -> KubeSnapshot:
        return self.snapshots[-1]

    @property
    def status(self) -> SourceStatus:
        return self.statuses[-1]

    async def until(self, done: Callable[["Board"], bool], seconds: float = 15.0) -> None:
        """Wait until ``done`` holds after some publication."""
        try:
            async with asyncio.timeout(seconds):
                while not ((self.snapshots or self.statuses) and done(self)):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"never came; last: {self.statuses[-1:]} {self.snapshots[-1:]}") from None

    async def synced(self) -> KubeSnapshot:
        await self.until(lambda b: bool(b.snapshots) and len(b.last.synced) == len(KINDS))
        return self.last

    async def health(self, health: Health, text: str = "") -> SourceStatus:
        await self.until(lambda b: b.status.health is health and text in b.status.reason)
        return self.status


async def eventually(done: Callable[[], bool], seconds: float = 15.0) -> None:
    """Poll with a deadline."""
    async with asyncio.timeout(seconds):
        while not done():  # noqa: ASYNC110 - the server's own counters have nothing to wait on
            await asyncio.sleep(0.01)


def clock() -> ManualClock:
    return ManualClock(NOW)


@asynccontextmanager
async def running(
    folder: Path, api: FakeApi, *, pace: Pace = FAST, clock_: Clock | None = None, **settings: Any
) -> AsyncIterator[tuple[KubernetesSource, Board]]:
    """The source on a context that names ``api``, with the board it publishes to."""
    if "kubeconfig" not in settings:
        settings["kubeconfig"] = kubeconfig(folder, api.url)
    source = KubernetesSource(
        "kubernetes:test", ClusterSettings(**settings), clock_ or clock(), random.Random(1), pace=pace
    )
    board = Board()
    task = asyncio.create_task(source.run(board))
    try:
        yield source, board
        assert not task.done(), "the source ended by itself"
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await source.close()


@asynccontextmanager
async def connected(
    folder: Path, api: FakeApi, *, writable: bool = False, **config: Any
) -> AsyncIterator[Connection]:
    """A connection to ``api``."""
    settings = ClusterSettings(kubeconfig=kubeconfig(folder, api.url, **config))
    connection = await open_connection(settings, writable=writable, clock=clock())
    try:
        yield connection
    finally:
        await connection.close()
