"""The depth of watched keys, with absent told from empty and a wrong type named."""

from __future__ import annotations

from typing import Any

from console.model.reading import Reading, State
from console.model.redis import Queue
from console.model.source import Health
from console.model.symptoms.words import plural
from console.model.text import clean
from console.sources.redis.client import Command, ReadOnlyClient, explain
from console.sources.redis.replies import pairs, whole

LENGTH = {"list": "LLEN", "set": "SCARD", "zset": "ZCARD", "hash": "HLEN", "stream": "XLEN"}
"""The command that counts the members of a key, by its type (Redis manual, TYPE)."""


class QueueWatch:
    """Remembers which keys existed: Redis removes an emptied list, and that is not a mistyped name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._seen: dict[str, str] = {}

    def loading(self) -> tuple[Queue, ...]:
        """The queues while the server loads its data and answers for no key."""
        reading = Reading(State.FAILED, reason="the server is loading its data")
        return tuple(Queue(clean(name, 120), self._seen.get(name, ""), reading) for name in self._names)

    async def read(self, client: ReadOnlyClient) -> tuple[Queue, ...]:
        """The queues in the order of their names. Raises what ``ReadOnlyClient.read`` raises."""
        types = await client.read(*(("TYPE", name) for name in self._names)) if self._names else []
        commands: list[Command] = []
        for name, kind in zip(self._names, types, strict=True):
            if isinstance(kind, str) and kind in LENGTH:
                commands.append((LENGTH[kind], name))
                if kind == "stream":
                    commands.append(("XINFO GROUPS", name))
        answers = iter(await client.read(*commands) if commands else ())
        queues = []
        for name, kind in zip(self._names, types, strict=True):
            if isinstance(kind, str) and kind in LENGTH:
                self._seen[name] = kind
                length = next(answers)
                queues.append(_queue(name, kind, length, next(answers) if kind == "stream" else None))
            else:
                queues.append(self._without_length(name, kind))
        return tuple(queues)

    def _without_length(self, name: str, kind: Any) -> Queue:
        shown = clean(name, 120)
        if isinstance(kind, Exception):
            return Queue(shown, "", _failed(kind))
        if kind != "none":
            return Queue(
                shown, kind, Reading(State.FAILED, reason=f"is a {clean(kind, 40)}, which is no queue")
            )
        before = self._seen.get(name)
        if before is None:
            absent = Reading(State.NO_DATA, reason="absent: never seen, check the name and the database")
            return Queue(shown, "none", absent)
        return Queue(shown, before, Reading(State.OK, 0.0), detail="emptied: Redis removes an empty key")


def _queue(name: str, kind: str, length: Any, groups: Any) -> Queue:
    shown = clean(name, 120)
    if isinstance(length, Exception):
        return Queue(shown, kind, _failed(length))
    depth = Reading(State.OK, float(length))
    if not isinstance(groups, list):
        return Queue(shown, kind, depth)
    found = [pairs(group) for group in groups]
    pending = sum(whole(group.get("pending")) for group in found)
    # lag exists since 7.0 and is None where entries were deleted from the middle of the stream.
    lags = [lag for group in found if (lag := group.get("lag")) is not None]
    lag = f", {sum(lags)} not yet delivered" if lags else ""
    return Queue(
        shown, kind, depth, pending, f"{plural(len(groups), 'consumer group')}, {pending} unacknowledged{lag}"
    )


def _failed(error: Exception) -> Reading:
    """What an error answer means for one key. MOVED and ASK are those of a cluster's other node."""
    said = explain(error)
    state = State.DENIED if said.health is Health.DENIED else State.FAILED
    if type(error).__name__ in ("MovedError", "AskError"):
        return Reading(state, reason=f"lives on another node of the cluster ({clean(str(error), 80)})")
    return Reading(state, reason=said.reason)
