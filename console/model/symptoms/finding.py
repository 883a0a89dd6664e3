"""One thing that is seen now, and the small memory that some of them need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol, TypeVar

import msgspec

from console.model.reading import Point
from console.model.source import SourceStatus

T = TypeVar("T")
Severity = Literal["critical", "warning", "info"]

NEAR = 0.9
"""Share of its threshold below which a finding is quiet; between that and the threshold it is kept."""


class BoardView(Protocol):
    """What is read of the board."""

    @property
    def statuses(self) -> Mapping[str, SourceStatus]:
        """The status of every source."""
        ...

    def of_type(self, kind: type[T]) -> Mapping[str, T]:
        """All latest snapshots of one record type, by source name."""
        ...


class Memory(msgspec.Struct, frozen=True):
    """What one round tells the next: depths of queues lately, and which services had data once."""

    depths: Mapping[str, tuple[Point, ...]] = {}
    served: frozenset[str] = frozenset()


class Finding(msgspec.Struct, frozen=True):
    """A symptom. With a ``threshold`` it is active above that, and worth reporting from ``NEAR`` on.

    ``detail`` follows the name; with a threshold it is the value in words, and ``limit`` the threshold.
    ``held`` means that nobody can tell now (the data went away): it keeps a signal alive but starts none.
    ``since`` is when it began, where the data say so; else the time of the first look counts.
    """

    name: str
    subject: str
    severity: Severity
    source: str
    detail: str
    value: float | None = None
    threshold: float | None = None
    limit: str = ""
    held: bool = False
    since: float | None = None

    @property
    def key(self) -> str:
        """The same for the same symptom of the same subject in every round."""
        return f"{self.source}/{self.name}/{self.subject}"

    @property
    def active(self) -> bool:
        """Whether it starts a signal."""
        if self.held:
            return False
        return self.value is None or self.threshold is None or self.value > self.threshold


def above(finding: Finding) -> tuple[Finding, ...]:
    """The finding when its value is near or above its threshold, else nothing."""
    assert finding.value is not None and finding.threshold is not None
    return (finding,) if finding.value >= NEAR * finding.threshold else ()
