"""What pods use, from metrics.k8s.io where a cluster has it: polled slowly, for it moves once a minute."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Sequence

import msgspec

from console.model.quantity import cores, size
from console.sources.base import backoff
from console.sources.kubernetes.connection import READ_SECONDS, Connection
from console.sources.kubernetes.errors import KubeError, garbled
from console.sources.kubernetes.items import ItemSplitter
from console.sources.kubernetes.kinds import path
from console.sources.kubernetes.store import Store, Usage
from console.sources.kubernetes.text import Shared
from console.sources.kubernetes.watch import STEP
from console.sources.kubernetes.wire import Metadata, Quantities, Wire

INTERVAL = 20.0
"""Seconds between two readings; a metrics server measures every 15 to 60 s."""
PODS_A_SECOND = 500.0
"""How many pods' usage is read a second at most: it comes as one list, and nearly every value is another."""
ABSENT = 300.0
"""Seconds until a cluster without metrics, or one that refuses them, is asked again."""
ROOT = "/apis/metrics.k8s.io/v1beta1"


class _Container(Wire):
    usage: Quantities | None = None


class _PodMetrics(Wire):
    metadata: Metadata = msgspec.field(default_factory=Metadata)
    containers: list[_Container] | None = None


TROUBLED = 10
"""Namespaces with something wrong whose usage is read every ``INTERVAL`` however large the cluster is."""
TURN = 0.01
"""Seconds between two steps of taking them in, so that tens of thousands hold up neither keys nor watches."""
SPREAD = 0.1
"""Seconds between two such steps once there are numbers: a pod's record is replaced by another, and who still
looks at the old ones keeps them alive. All at once that would be 4 MB of 10,000 pods."""

_MILLICORE = 1000
_GRAIN = 2**18
_cores: Shared[float] = Shared()
_sizes: Shared[int] = Shared()

_ITEM = msgspec.json.Decoder(_PodMetrics)


class MetricsPoll:
    """Reads the usage of all pods of some namespaces (``(None,)``: of all) into the store until cancelled.

    ``error`` is why there is none, None when there is or when the cluster just has no metrics API.
    """

    def __init__(
        self,
        connection: Connection,
        namespaces: tuple[str | None, ...],
        store: Store,
        changed: Callable[[], None],
        rng: random.Random,
    ) -> None:
        self.error: KubeError | None = None
        self._connection = connection
        self._namespaces = namespaces
        self._store = store
        self._changed = changed
        self._rng = rng

    async def run(self) -> None:
        """Poll for ever; no error ends it."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                told = await self._read(self._namespaces)
            except KubeError as error:
                failures += 1
                absent = error.status in (403, 404)
                if self._store.metrics:
                    self._store.metrics = False
                    await self._forget(self._store.names())
                self.error = None if error.status == 404 else error
                self._changed()
                pause = ABSENT if absent else backoff(failures, self._rng, base=INTERVAL, ceiling=120.0)
                await asyncio.sleep(max(pause, error.retry_after or 0.0))
            else:
                failures = 0
                self.error = None
                self._store.metrics = self._store.touched = True
                self._changed()
                pause = max(INTERVAL, told / PODS_A_SECOND) - (loop.time() - began)
                await self._rest(max(pause, INTERVAL / 4))

    async def _rest(self, pause: float) -> None:
        """Let time pass until the next reading of everything; where something is wrong, read as ever."""
        rounds = max(1, round(pause / INTERVAL))
        for number in range(1, rounds + 1):
            await asyncio.sleep(pause / rounds * (0.9 + self._rng.random() / 5))
            if number < rounds:
                with contextlib.suppress(KubeError):  # the next reading of everything tells
                    await self._read(self._store.troubled()[:TROUBLED])

    async def _read(self, namespaces: Sequence[str | None]) -> int:
        """Read what all pods of some namespaces use into the store, in steps; returns of how many it is
        known."""
        told = 0
        names = self._store.names()
        if None not in namespaces:
            names = {place: names.get(place, {}) for place in namespaces if place is not None}
        for namespace in namespaces:
            count, used = await self._ask(namespace, names)
            told += count
            for number, (uid, usage) in enumerate(used.items(), start=1):
                self._store.use(uid, usage)
                if number % STEP == 0:
                    await asyncio.sleep(SPREAD if self._store.metrics else TURN)
        await self._forget(names)
        return told

    async def _ask(
        self, namespace: str | None, names: dict[str, dict[str, str]]
    ) -> tuple[int, dict[str, Usage]]:
        """Of how many pods it is told what they use, and by uid what is not known yet.

        Those that are told of are taken out of ``names``. The answer is never held as a whole: from 10,000
        pods it is 4 MB.
        """
        told = 0
        used: dict[str, Usage] = {}
        items = ItemSplitter(_ITEM)
        try:
            async with self._connection.stream(path(ROOT, "pods", namespace), stall=READ_SECONDS) as chunks:
                async for chunk in chunks:
                    self._connection.heard()
                    for item in items.feed(chunk):
                        told += 1
                        place, name, usage = _usage(item)
                        uid = names.get(place, {}).pop(name, None)
                        if uid is not None and self._store.usage(uid) != usage:
                            used[uid] = usage
                        if told % STEP == 0:
                            await asyncio.sleep(TURN)
            items.finish()
        except msgspec.MsgspecError as error:
            raise garbled("pod metrics", error) from None
        for place, left in names.items():
            names[place] = left.copy()  # without the room of those that were taken out
        return told, used

    async def _forget(self, names: dict[str, dict[str, str]]) -> None:
        """Nobody says what these pods use."""
        for uids in names.values():
            for number, uid in enumerate(uids.values(), start=1):
                self._store.use(uid, None)
                if number % STEP == 0:
                    await asyncio.sleep(TURN)


def _usage(item: _PodMetrics) -> tuple[str, str, Usage]:
    """Namespace and name of a pod, and what its containers use together.

    In whole millicores and quarters of a MiB, which is finer than any cell shows: so a quiet pod's record
    stays as it is, and thousands of pods share their numbers.
    """
    values = [container.usage or {} for container in item.containers or ()]
    used = sum(cores(str(value.get("cpu", "0"))) or 0.0 for value in values)
    held = sum(size(str(value.get("memory", "0"))) or 0 for value in values)
    usage = (_cores(round(used * _MILLICORE) / _MILLICORE), _sizes(round(held / _GRAIN) * _GRAIN))
    return item.metadata.namespace, item.metadata.name, usage
