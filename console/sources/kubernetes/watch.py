"""Keeping one kind current: list in pages, watch from there, and go on after whatever goes wrong."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection
from typing import Any, Protocol

import msgspec

from console.sources.base import backoff
from console.sources.kubernetes.connection import Connection
from console.sources.kubernetes.errors import CutError, KubeError, StalledError, garbled, refusal
from console.sources.kubernetes.kinds import PAGE, Kind, path
from console.sources.kubernetes.wire import Body, ErrorEvent

STEP = 100
"""Objects projected before others get a turn."""
SETTLED = 5.0
"""Seconds after which a watch has proven itself, even if there was nothing to say."""
LINE_LIMIT = 32 * 2**20
"""Bytes of one watch event; etcd takes no object beyond 1.5 MiB."""


class Pace(msgspec.Struct, frozen=True):
    """The times of a watch in seconds.

    A server sends a bookmark about once a minute, so silence for ``stall`` means that nobody is there; it
    begins to answer a watch at once, so ``answer`` is how long that may take. After ``quiet`` without a word
    on any watch the server is asked whether it is there. ``watch`` bounds how long one watch is asked for;
    ``refused`` is the pause after a 403 or a missing API. What cuts one watch cuts those of all consoles, so
    each comes back within ``spread`` at a moment of its own.
    """

    watch: tuple[float, float] = (240.0, 300.0)
    stall: float = 90.0
    quiet: float = 10.0
    answer: float = 15.0
    base: float = 0.5
    ceiling: float = 15.0
    refused: float = 120.0
    spread: float = 1.0


def comeback(error: KubeError | None, failures: int, lasted: float, pace: Pace, rng: random.Random) -> float:
    """Seconds until a kind is asked for again: after ``failures`` in a row, the last of which is ``error``
    (None: the watch was ended by the server), and a watch of ``lasted`` seconds.

    Never the same for two consoles, since what happens to one happens to all of them.
    """
    delay = backoff(max(failures, 1), rng, base=pace.base, ceiling=pace.ceiling)
    cut = not failures and isinstance(error, CutError)
    if error is None or error.status == 410 or cut:
        if lasted < SETTLED:
            return delay
        return pace.spread * rng.random() if cut else 0.0
    if error.status in (403, 404):
        return pace.refused * (0.5 + rng.random())
    if error.retry_after is not None:
        return max(delay, error.retry_after * (1 + rng.random() / 4))
    return delay


class Sink(Protocol):
    """Where a watch puts what it learns."""

    def put(self, kind: str, raw: Any) -> None:
        """One object, new or changed."""
        ...

    def remove(self, kind: str, uid: str) -> None:
        """One object is gone."""
        ...

    def retain(self, kind: str, namespace: str | None, seen: Collection[str]) -> None:
        """A list is complete; what is not in it is gone."""
        ...


class Recovery:
    """Wakes those who wait to try again as soon as one of them got through."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Sleep, or less when somebody gets through."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return

    def announce(self) -> None:
        """Somebody got through."""
        self._event.set()
        self._event = asyncio.Event()


class Watcher:
    """Lists and watches one kind in one namespace (None: all of them) until cancelled.

    ``error`` is why it is not current, None when it is; ``listed`` whether one list has been complete.
    ``answered`` is set once its first objects are known, or that there are none or none may be read;
    ``settled`` when its list is complete or refused.
    ``changed`` is called after every step that may matter to a reader. ``begun`` is the first page, where
    it has been read already.
    """

    def __init__(
        self,
        kind: Kind[Any],
        namespace: str | None,
        connection: Connection,
        sink: Sink,
        changed: Callable[[], None],
        recovery: Recovery,
        rng: random.Random,
        pace: Pace,
        begun: Body | None = None,
    ) -> None:
        self.kind = kind
        self.namespace = namespace
        self.answered = asyncio.Event()
        self.settled = asyncio.Event()
        self.error: KubeError | None = None
        self.listed = False
        self.absent = False
        self._connection = connection
        self._sink = sink
        self._changed = changed
        self._recovery = recovery
        self._rng = rng
        self._pace = pace
        self._begun = begun
        self._root = 0
        self._version: str | None = None
        self._opened: float | None = None
        self._heard = False
        self._until: asyncio.Timeout | None = None

    def renew(self) -> None:
        """Open the watch anew from where it is: its connection may be dead without a sign."""
        if self._until is not None:
            self._until.reschedule(0)

    async def run(self) -> None:
        """Read for ever; no error ends it."""
        failures = 0
        while True:
            self._heard, self._opened = False, None
            try:
                if self._version is None:
                    self._version = await self._list()
                try:
                    async with asyncio.timeout(None) as self._until:
                        await self._watch(self._version)
                except TimeoutError:
                    raise CutError(f"the watch of {self.kind.name} is opened anew") from None
                finally:
                    self._until = None
                error: KubeError | None = None
            except StalledError as stalled:
                error = None if self._heard else stalled
            except KubeError as refused:
                error = refused
            except msgspec.MsgspecError as broken:
                error = garbled(f"{self.kind.name} of {self._connection.server}", broken)
                self._version = None
            except Exception as surprise:  # one object of a new shape must not take the other kinds along
                error = KubeError(f"{self.kind.name}: {type(surprise).__name__}: {surprise}")
                self._version = None
            lasted = self._lasted()
            failures = 0 if self._heard or lasted >= SETTLED else failures + 1
            await self._pause(error, failures, lasted)

    def _lasted(self) -> float:
        """Seconds since the present watch was opened."""
        return 0.0 if self._opened is None else asyncio.get_running_loop().time() - self._opened

    async def _pause(self, error: KubeError | None, failures: int, lasted: float) -> None:
        pause = comeback(error, failures, lasted, self._pace, self._rng)
        if error is not None and error.status == 410:
            self._version = None
            error = None
        if error is None or (not failures and isinstance(error, CutError)):
            await asyncio.sleep(pause)  # an end that was announced, or a first cut: no word about it
            return
        if error.status == 404 and self._root + 1 < len(self.kind.roots):
            self._root += 1
            return
        self.absent = error.status == 404
        self.error = error
        self.answered.set()
        self.settled.set()
        self._changed()
        if error.status in (403, 404):
            self._version = None
            await asyncio.sleep(pause)
            self._root = 0
        elif error.retry_after is not None:
            await asyncio.sleep(pause)
        else:
            await self._recovery.wait(pause)

    def _alive(self) -> None:
        if self.error is not None:
            self.error = None
            self.absent = False
            self._recovery.announce()
            self._changed()

    @property
    def _path(self) -> str:
        return path(self.kind.roots[self._root], self.kind.name, self.namespace)

    async def _list(self) -> str:
        """All objects, page by page; returns the version to watch from.

        The server makes the next page while this one is taken in. A list that takes so long that its token
        expires is gone on with, by the token of the refusal, in the state of now: the watch then begins at
        the version of the first page and tells what has changed since on those that were read. See
        https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
        """
        seen: set[str] = set()
        version, expired = "", False
        coming = asyncio.create_task(self._first_page())
        try:
            while True:
                try:
                    body = await coming
                except KubeError as error:
                    if error.status != 410 or expired:
                        raise
                    expired = True
                    if not error.token:
                        # A server that gives none: one list in one piece always comes through.
                        seen.clear()
                        version = ""
                    coming = asyncio.create_task(self._page(error.token))
                    continue
                page = self.kind.page(body)
                del body
                self._alive()
                version, expired = version or page.metadata.resource_version, False
                if page.metadata.continue_:
                    coming = asyncio.create_task(self._page(page.metadata.continue_))
                await self._take(page.items or [], seen)
                if not page.metadata.continue_:
                    break
        finally:
            coming.cancel()
        self._sink.retain(self.kind.name, self.namespace, seen)
        self.listed = True
        self.answered.set()
        self.settled.set()
        self._changed()
        return version

    async def _first_page(self) -> Body:
        begun, self._begun = self._begun, None
        if begun is not None:
            return begun
        limit = self.kind.first if not self.listed else PAGE
        return await self._connection.get(self._path, {**self.kind.params, "limit": str(limit)})

    async def _page(self, token: str) -> Body:
        """The page of a token; without one, everything."""
        more = {"limit": str(PAGE), "continue": token} if token else {}
        return await self._connection.get(self._path, {**self.kind.params, **more})

    async def _take(self, items: list[Any], seen: set[str]) -> None:
        for start in range(0, len(items), STEP):
            await asyncio.sleep(0)
            for item in items[start : start + STEP]:
                self._sink.put(self.kind.name, item)
                seen.add(item.metadata.uid)
            self.answered.set()
            self._changed()

    async def _watch(self, version: str) -> None:
        """Follow changes from ``version`` until the server ends the watch; keeps ``_version`` up to date."""
        low, high = self._pace.watch
        params = {
            **self.kind.params,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(max(1, round(low + (high - low) * self._rng.random()))),
        }
        rest = b""
        async with self._connection.stream(
            self._path, params, stall=self._pace.stall, answer=self._pace.answer
        ) as chunks:
            self._opened = asyncio.get_running_loop().time()
            self._alive()
            async for chunk in chunks:
                self._heard = True
                self._connection.heard()
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > LINE_LIMIT:
                    raise msgspec.DecodeError(f"a watch event of more than {LINE_LIMIT} bytes")
                for index, line in enumerate(lines, start=1):
                    if line:
                        self._apply(line)
                    if index % STEP == 0:
                        await asyncio.sleep(0)
                self._changed()
        if rest.strip():
            raise msgspec.DecodeError("it ended in the middle of an event")

    def _apply(self, line: bytes) -> None:
        change = self.kind.change(line)
        if isinstance(change, ErrorEvent):
            status = change.object
            code = status.code if status is not None and status.code is not None else 500
            raise refusal(code, {}, msgspec.json.encode(status), f"watch of {self.kind.name}")
        metadata = change.object.metadata
        if change.type == "DELETED":
            self._sink.remove(self.kind.name, metadata.uid)
        elif change.type in ("ADDED", "MODIFIED"):
            self._sink.put(self.kind.name, change.object)
        if metadata.resource_version:
            self._version = metadata.resource_version
