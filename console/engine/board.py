"""The board: the latest snapshot of every source, its status, and one version a source.

Written on the engine's loop, read from the screen's thread. Every value is immutable and replaced whole;
a reader compares versions, then reads, and can only be one version behind.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from console.model.source import SourceStatus

T = TypeVar("T")


class Board:
    """What is known now. ``publish`` and ``report`` make it the Publisher of the sources."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Any] = {}
        self._statuses: dict[str, SourceStatus] = {}
        self._versions: dict[str, int] = {}
        self._listeners: list[Callable[[str], None]] = []

    def publish(self, name: str, snapshot: Any) -> None:
        """Replace the snapshot of ``name`` and tell the listeners."""
        self._snapshots[name] = snapshot
        self.touch(name)

    def report(self, status: SourceStatus) -> None:
        """Replace the status of a source and tell the listeners."""
        self._statuses[status.name] = status
        self.touch(status.name)

    def snapshot(self, name: str) -> Any | None:
        """The latest snapshot of a source, or None before its first."""
        return self._snapshots.get(name)

    def of_type(self, kind: type[T]) -> dict[str, T]:
        """All latest snapshots of one record type, by source name."""
        return {name: value for name, value in list(self._snapshots.items()) if isinstance(value, kind)}

    def status(self, name: str) -> SourceStatus | None:
        """The status of a source."""
        return self._statuses.get(name)

    @property
    def statuses(self) -> dict[str, SourceStatus]:
        """The status of every source, by name."""
        return dict(self._statuses)

    def version(self, name: str) -> int:
        """How often a source's snapshot or status was replaced."""
        return self._versions.get(name, 0)

    def listen(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call ``listener(name)`` on the engine's thread after each change; returns how to stop that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def touch(self, name: str) -> None:
        """Raise the version of ``name`` and tell the listeners."""
        self._versions[name] = self._versions.get(name, 0) + 1
        for listener in tuple(self._listeners):
            listener(name)
