"""Watches: every change goes to every watcher that wants it, encoded once, batched per turn of the loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Final

from console.drill.cluster import errors, forms, listing
from console.drill.cluster.forms import Form
from console.drill.cluster.resources import Resource
from console.drill.cluster.store import Entry, Event, Store
from console.model.clock import Clock

_BACKLOG: Final = 50_000


class Watcher:
    """One watch: what it has still to be sent. `cut` asks it to end: "" not, "break" at once, else an ERROR
    line."""

    def __init__(self, resource: Resource, choice: listing.Choice, form: Form, clock: Clock) -> None:
        self.resource = resource
        self.choice = choice
        self.form = form
        self.waiting: deque[Event] = deque()
        self.wake = asyncio.Event()
        self.broken = False
        self.last_words = b""
        self.sent = 0
        self._clock = clock
        self._first = True

    def offer(self, event: Event) -> None:
        """Take an event into the backlog; one that lags too far behind is ended, as the API server does."""
        if event.table != self.resource.table:
            return
        if self.choice.namespace and event.entry.namespace != self.choice.namespace:
            return
        if len(self.waiting) >= _BACKLOG:
            self.broken = True
        else:
            self.waiting.append(event)
        self.wake.set()

    def render(self, event: Event) -> bytes:
        """Return the line for an event, or nothing when it does not concern this watcher."""
        now_in = self.choice.admits(event.entry)
        if self.choice.everything:
            kind = event.type
        else:
            was_in = event.old is not None and self.choice.admits(event.old)
            if event.type == "DELETED":
                kind = "DELETED" if was_in else ""
            else:
                kind = {(False, True): "ADDED", (True, True): "MODIFIED", (True, False): "DELETED"}.get(
                    (was_in, now_in), ""
                )
        if not kind:
            return b""
        self.sent += 1
        first, self._first = self._first, False
        return forms.frame(self.resource, event, kind, self.form, self._clock.now(), first=first)

    def initial(self, entry: Entry) -> bytes:
        """Return the ADDED line of something that was there before the watch."""
        self.sent += 1
        first, self._first = self._first, False
        return forms.line(self.resource, entry, "ADDED", self.form, self._clock.now(), first=first)

    def end(self, last_words: bytes = b"") -> None:
        """End the watch, in mid-stream or with a last line."""
        self.broken, self.last_words = True, last_words
        self.wake.set()


class Hub:
    """All watches of a server."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.watchers: set[Watcher] = set()
        self.bookmark_seconds = 10.0
        self._store = store
        self._clock = clock
        store.listeners.append(self._hear)

    def close(self) -> None:
        """End all watches and hear no more."""
        self._store.listeners.remove(self._hear)
        for watcher in self.watchers:
            watcher.end()

    def _hear(self, event: Event) -> None:
        for watcher in self.watchers:
            watcher.offer(event)

    def open(
        self, resource: Resource, namespace: str, query: Mapping[str, str], form: Form
    ) -> tuple[Watcher, bytes]:
        """Start a watch; return it with the lines to send at once. Raises ApiError."""
        choice = listing.choose(resource, namespace, query)
        watcher = Watcher(resource, choice, form, self._clock)
        rv = listing.number(query, "resourceVersion")
        initial_events = query.get("sendInitialEvents") == "true"
        if query.get("sendInitialEvents") and query.get("resourceVersionMatch") != "NotOlderThan":
            cause = errors.forbidden_field(
                "resourceVersionMatch",
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
            )
            raise errors.invalid("ListOptions", "meta.k8s.io", "", [cause])
        table = self._store.tables[resource.table]
        lines: list[bytes] = []
        if initial_events or (rv == 0 and not query.get("sendInitialEvents")):
            entries = (table.entries[key] for key in table.keys(choice.namespace))
            lines += [watcher.initial(entry) for entry in entries if choice.admits(entry)]
            if initial_events and query.get("allowWatchBookmarks") in ("1", "true"):
                lines.append(forms.bookmark(resource, self._store.rv, form, initial_end=True))
        elif rv:
            try:
                missed = self._store.since(resource.table, rv)
            except LookupError:
                watcher.end(forms.failure(errors.too_old(rv, table.floor)))
                return watcher, b""
            for event in missed:
                watcher.offer(event)
        self.watchers.add(watcher)
        return watcher, b"".join(lines)

    async def stream(
        self, watcher: Watcher, timeout: float, *, bookmarks: bool, limit: int | None
    ) -> AsyncIterator[bytes]:
        """Yield batches of lines until the timeout (real seconds), the end of the watch, or `limit`
        events."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        mark = loop.time() + self.bookmark_seconds
        while True:
            batch: list[bytes] = []
            while watcher.waiting and (limit is None or watcher.sent < limit):
                batch.append(watcher.render(watcher.waiting.popleft()))
            data = b"".join(batch)
            if data:
                yield data
            if watcher.broken or (limit is not None and watcher.sent >= limit):
                if watcher.last_words:
                    yield watcher.last_words
                return
            now = loop.time()
            if bookmarks and (now >= mark or now >= end):
                mark = now + self.bookmark_seconds
                yield forms.bookmark(watcher.resource, self._store.rv, watcher.form)
            if now >= end:
                return
            watcher.wake.clear()
            if watcher.waiting or watcher.broken:
                continue
            pause = min(end, mark) - now if bookmarks else end - now
            try:
                async with asyncio.timeout(pause):
                    await watcher.wake.wait()
            except TimeoutError:
                continue
