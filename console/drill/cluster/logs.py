"""Container logs: one `Run` a start of a container, filled by the behaviour when somebody reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import msgspec

from console.drill.cluster import names
from console.drill.cluster.behaviour import Behaviour, Container

KEPT_LINES = 20_000
GENERATED_SECONDS = 3600.0


class Options(msgspec.Struct, frozen=True):
    """The parameters of a log request. `since` is unix seconds."""

    tail: int | None = None
    since: float | None = None
    limit_bytes: int | None = None
    timestamps: bool = False


class Run:
    """The log of one run of a container, from its start to its end (`ended`, unix seconds, None while it
    runs)."""

    def __init__(self, container: Container) -> None:
        self.container = container
        self.ended: float | None = None
        self.lines: deque[tuple[float, bytes]] = deque(maxlen=KEPT_LINES)
        self.written = 0
        self._until = container.started - 0.001

    def fill(self, behaviour: Behaviour, now: float) -> None:
        """Let the behaviour write what it writes up to now, at most the last hour of it."""
        started = self.container.started
        until = min(now, self.ended) if self.ended is not None else now
        if until <= self._until:
            return
        since = max(self._until, until - GENERATED_SECONDS)
        for line in behaviour.logs(self.container, since - started, until - started):
            self.append(started + line.age, line.data)
        self._until = until

    def append(self, at: float, data: bytes) -> None:
        """Write one line."""
        self.lines.append((at, data))
        self.written += 1

    def end(self, behaviour: Behaviour, at: float, last_words: Iterable[bytes]) -> None:
        """Close the log."""
        self.fill(behaviour, at)
        self.ended = at
        for line in last_words:
            self.append(at, line)

    def after(self, written: int) -> list[tuple[float, bytes]]:
        """Return the lines since `written` lines had been written, for a follower."""
        fresh = min(self.written - written, len(self.lines))
        return [self.lines[i] for i in range(len(self.lines) - fresh, len(self.lines))] if fresh > 0 else []


def render(lines: Iterable[tuple[float, bytes]], options: Options) -> bytes:
    """Return the bytes of a log answer."""
    chosen = [line for line in lines if options.since is None or line[0] >= options.since]
    if options.tail is not None:
        chosen = chosen[len(chosen) - options.tail :] if options.tail > 0 else []
    if options.timestamps:
        data = b"".join(names.nano(at).encode() + b" " + text + b"\n" for at, text in chosen)
    else:
        data = b"".join(text + b"\n" for _, text in chosen)
    return data if options.limit_bytes is None else data[: options.limit_bytes]
