"""Logs on demand: any number of pods and containers as one stream of cleaned, ordered lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import msgspec

from console.model.logs import LogLine, LogRequest
from console.model.redact import redact
from console.model.text import clean
from console.sources.kubernetes import wire
from console.sources.kubernetes.connection import PATIENCE, Connection
from console.sources.kubernetes.errors import KubeError, StalledError, garbled
from console.sources.kubernetes.kinds import path
from console.sources.kubernetes.loglines import TEXT_LIMIT, LineSplitter, Stamps

WINDOW = 0.1
"""Seconds over which lines of several streams are put in order before they are handed on."""
OPENING = 1.0
"""Seconds that the first window waits for slow streams."""
ORDERED = 20_000
"""Lines of logs that are not followed which are ordered as a whole; beyond, by windows."""
STALL = 300.0
"""Seconds of silence after which a followed stream is opened anew: a quiet container is no failure."""
RETRY = (1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts at a container that is not there yet, or a stream that was cut."""
_BATCH = 500
_QUEUE = 64
_POD = msgspec.json.Decoder(wire.Pod)


async def read_logs(connection: Connection, request: LogRequest) -> AsyncGenerator[list[LogLine], None]:
    """The lines of ``request`` in batches, ordered by time as far as they came in together.

    What happens to a stream (not started yet, cut, ended, refused) is told by lines marked as notices.
    The iterator ends when all streams have ended, which with ``follow`` means that all pods are gone or
    done; closing it stops the reading. A reader that is slow holds the streams back, nothing is dropped.
    """
    queue: asyncio.Queue[list[LogLine] | None] = asyncio.Queue(_QUEUE)
    streams = [_PodLogs(connection, request, pod, queue) for pod in request.pods]

    async def read_all() -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for stream in streams:
                    tasks.create_task(stream.run())
        except Exception:
            await queue.put(None)
            raise
        await queue.put(None)

    reading = asyncio.create_task(read_all())
    try:
        async for batch in _in_order(queue, streams, request.follow):
            yield batch
        await reading
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def _in_order(
    queue: asyncio.Queue[list[LogLine] | None], streams: list[_PodLogs], follow: bool
) -> AsyncGenerator[list[LogLine], None]:
    """Batches sorted by time within a window; the first waits until every stream has said something."""
    loop = asyncio.get_running_loop()
    first, ended = True, False
    while not ended:
        window: list[LogLine] = []
        closes: float | None = None
        while len(window) < ORDERED:
            try:
                async with asyncio.timeout_at(closes):
                    batch = await queue.get()
            except TimeoutError:
                break
            if batch is None:
                ended = True
                break
            window.extend(batch)
            waiting = first and not all(stream.heard for stream in streams)
            if follow and not waiting:
                closes = min(closes or loop.time() + WINDOW, loop.time() + WINDOW)
            elif follow and closes is None:
                closes = loop.time() + OPENING
        first = False
        if window:
            window.sort(key=_Order())
            yield window


class _Order:
    """Sort key: a line without a time stays behind the line of its stream before it."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}

    def __call__(self, line: LogLine) -> float:
        stream = (line.pod, line.container)
        at = self._last.get(stream, 0.0) if line.at is None else line.at
        self._last[stream] = at
        return at


class _PodLogs:
    """The logs of one pod: finds its containers, then follows each."""

    def __init__(
        self,
        connection: Connection,
        request: LogRequest,
        pod: str,
        queue: asyncio.Queue[list[LogLine] | None],
    ) -> None:
        self._connection = connection
        self._request = request
        self._pod = pod
        self._queue = queue
        self._path = path("/api/v1", "pods", request.namespace, pod)
        self._open: set[str] = set()
        self._containers: list[str] = []
        self._told: dict[str, str] = {}

    @property
    def heard(self) -> bool:
        """Whether every container has sent lines, or a notice why not."""
        return bool(self._containers) and not self._open

    async def run(self) -> None:
        """Read until all containers have ended; a failure becomes a notice."""
        try:
            pod = await self._describe()
        except KubeError as error:
            self._containers = ["-"]
            await self._notice("", error.reason)
            return
        spec = pod.spec or wire.PodSpec()
        names = [item.name for item in (*(spec.init_containers or ()), *(spec.containers or ()))]
        self._containers = [self._request.container] if self._request.container else names
        self._open = set(self._containers)
        async with asyncio.TaskGroup() as tasks:
            for name in self._containers:
                tasks.create_task(self._container(name))

    async def _describe(self) -> wire.Pod:
        try:
            return _POD.decode(await self._connection.get(self._path, patience=PATIENCE))
        except msgspec.MsgspecError as error:
            raise garbled(f"pod {self._pod}", error) from None

    async def _container(self, name: str) -> None:
        """One container through restarts, cuts and refusals."""
        stamps = Stamps()
        attempt = 0
        while True:
            before = stamps.seen
            try:
                await self._stream(name, stamps)
                ended: KubeError | None = None
            except KubeError as error:
                ended = error
            attempt = 0 if stamps.seen > before else attempt + 1
            if not await self._goes_on(name, ended):
                return
            asked = ended.retry_after if ended is not None else None
            await asyncio.sleep(max(RETRY[min(attempt, len(RETRY) - 1)], asked or 0.0))

    async def _stream(self, name: str, stamps: Stamps) -> None:
        request = self._request
        params = {"container": name, "timestamps": "true", "follow": str(request.follow).lower()}
        if request.previous:
            params["previous"] = "true"
            params["follow"] = "false"
        resume = stamps.resume()
        if resume is not None:
            params["sinceTime"] = resume
        elif request.since is not None:
            params["sinceSeconds"] = str(max(1, round(request.since)))
        else:
            params["tailLines"] = str(request.tail)
        splitter = LineSplitter()
        async with self._connection.stream(f"{self._path}/log", params, stall=STALL) as chunks:
            async for chunk in chunks:
                await self._put(name, splitter.feed(chunk), stamps)
            await self._put(name, splitter.rest(), stamps)

    async def _put(self, name: str, raw_lines: list[bytes], stamps: Stamps) -> None:
        for start in range(0, len(raw_lines), _BATCH):
            batch: list[LogLine] = []
            for raw in raw_lines[start : start + _BATCH]:
                at, content, fresh = stamps.take(raw)
                if fresh:
                    batch.append(LogLine(at, self._pod, name, redact(clean(content, TEXT_LIMIT))))
            if batch:
                self._open.discard(name)
                self._told.pop(name, None)
                await self._queue.put(batch)

    async def _notice(self, container: str, text: str) -> None:
        """Say something once, until the container itself says something again."""
        self._open.discard(container)
        if self._told.get(container) == text:
            return
        self._told[container] = text
        await self._queue.put([LogLine(None, self._pod, container, clean(text), notice=True)])

    async def _goes_on(self, name: str, error: KubeError | None) -> bool:
        """Say what happened to a stream, and whether it is worth opening again."""
        follow = self._request.follow and not self._request.previous
        if error is not None and error.status in (400, 404) and "not found" in error.message:
            await self._notice(name, error.message)
            return False
        if error is not None and error.status in (400, 500):
            # "container … is waiting to start" is a 400; a kubelet that cannot be reached a 500.
            await self._notice(name, error.message)
            return follow
        if error is not None and error.status:
            await self._notice(name, error.reason)
            return follow and (error.status == 429 or error.retry_after is not None)
        if error is not None:
            if not isinstance(error, StalledError):
                await self._notice(name, f"{error.reason}; reading on from there")
            return follow
        return follow and await self._lives(name)

    async def _lives(self, name: str) -> bool:
        """After a normal end: whether the container runs, or will run, again."""
        try:
            pod = await self._describe()
        except KubeError as error:
            await self._notice(name, "the pod is gone" if error.status == 404 else error.reason)
            return error.status == 0
        status = pod.status or wire.PodStatus()
        found = [*(status.init_container_statuses or ()), *(status.container_statuses or ())]
        state = next((item.state for item in found if item.name == name), None) or wire.ContainerState()
        if state.running is not None:
            return True
        ended = state.terminated
        if ended is not None and ended.exit_code == 0 and _is_init(pod, name):
            return False
        over = status.phase in ("Succeeded", "Failed")
        detail = f"ended with {ended.exit_code}" if ended is not None else "is not running"
        await self._notice(name, f"the container {detail}" + ("" if over else "; waiting for its restart"))
        return not over


def _is_init(pod: wire.Pod, name: str) -> bool:
    inits = pod.spec.init_containers if pod.spec is not None else None
    return any(item.name == name for item in inits or ())
