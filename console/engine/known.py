"""What the automatic entries of one timeline say, gathered as they are read: none has to be read again."""

from __future__ import annotations

from collections.abc import Mapping

from console.timeline.entry import Entry, Kind

AUTOMATIC: frozenset[Kind] = frozenset(("signal", "change"))
"""The kinds of automatic entries."""
_KEPT = 10_000
"""Subjects, and changes, that are remembered; of more the oldest are forgotten."""


class Known:
    """``timeline`` is the incident of the last entry of any kind (None: the standby record).

    ``writer`` is the session that wrote the last automatic entry, empty when there is none.
    """

    def __init__(self) -> None:
        self.timeline: str | None = None
        self.writer = ""
        self._latest: dict[str, tuple[str, str]] = {}
        self._changes: dict[tuple[str, str], None] = {}

    def take(self, entry: Entry) -> None:
        """Learn from an automatic entry; they come in the order of the file."""
        phases = _phases(entry)
        if not phases:
            return
        self.writer = entry.session
        for key, phase in phases.items():
            self._latest.pop(key, None)
            self._latest[key] = (phase, entry.ts)
            self._changes.pop((key, phase), None)
            self._changes[key, phase] = None
        for kept in (self._latest, self._changes):
            while len(kept) > _KEPT:
                del kept[next(iter(kept))]  # type: ignore[arg-type]

    def latest(self, key: str) -> tuple[str, str]:
        """The last phase of ``key`` and when it was recorded; two empty texts when it is unknown."""
        return self._latest.get(key, ("", ""))

    def has(self, key: str, phase: str) -> bool:
        """Whether ``key`` was ever recorded in this phase."""
        return (key, phase) in self._changes


def _phases(entry: Entry) -> Mapping[str, str]:
    """What an automatic entry says: key -> phase. What another hand wrote in another shape is left out."""
    phases, key = entry.data.get("phases"), entry.data.get("key")
    if not isinstance(phases, dict):
        phases = {key: entry.data.get("phase")} if isinstance(key, str) else {}
    return {key: phase for key, phase in phases.items() if isinstance(phase, str)}
