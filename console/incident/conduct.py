"""How an incident is conducted: the words of its status, its roles, and when the next update is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from console.model.runbook import Runbook

ROLES: dict[str, str] = {
    "lead": "Incident commander: decides, and does not fix things too.",
    "communications": "Tells users and management, and keeps the updates coming.",
    "operations": "The one whose hands are on the system.",
    "scribe": "Keeps the record.",
}
"""The roles of an incident, as entries name them, with what each does. There may be others in a record."""

RESOLVED = "resolved"
_STATUSES = ("investigating", "identified", "monitoring")


class Level(msgspec.Struct, frozen=True):
    """A severity, 1 (worst) to 4. ``due`` and ``overdue`` are seconds after the last update, None: never."""

    level: int
    definition: str
    due: float | None = None
    overdue: float | None = None


class Conduct(msgspec.Struct, frozen=True):
    """What the team goes by. ``statuses`` are those of an open incident, in their order."""

    statuses: tuple[str, ...]
    levels: tuple[Level, ...]

    def level(self, number: int | None) -> Level | None:
        """The definition of a severity."""
        return next((level for level in self.levels if level.level == number), None)


class NextUpdate(msgspec.Struct, frozen=True):
    """``due`` in so many seconds, due ``now``, or ``overdue`` for so many seconds."""

    state: Literal["due", "now", "overdue"]
    seconds: float = 0.0


DEFAULT = Conduct(
    _STATUSES,
    (
        Level(1, "Complete service down, data loss, security breach", 900.0, 900.0),
        Level(2, "Partial outage, significant performance degradation", 1800.0, 1800.0),
        Level(3, "Minor functionality impaired, workaround available", 7200.0, 7200.0),
        Level(4, "Cosmetic issue, low impact"),
    ),
)
"""Without a runbook: the updates of the bundled runbook that defines them for every level."""


def conduct_of(runbook: Runbook) -> Conduct:
    """The conduct that a runbook asks for. One that says nothing of updates has the default ones."""
    words = tuple(word.lower() for word in runbook.statuses if word.lower() != RESOLVED)
    silent = not any(severity.update_due for severity in runbook.severities)
    levels = []
    for severity in runbook.severities:
        usual = DEFAULT.level(severity.level)
        due, overdue = (usual.due, usual.overdue) if silent and usual else (None, None)
        if severity.update_due:
            due = severity.update_due * 60.0
            overdue = (severity.update_overdue or severity.update_due) * 60.0
        levels.append(Level(severity.level, severity.definition, due, overdue))
    return Conduct(words or _STATUSES, tuple(sorted(levels, key=lambda level: level.level)))


def next_update(level: Level | None, since: float) -> NextUpdate | None:
    """When the next update is due, ``since`` seconds after the last one; None when none is ever due."""
    if level is None or level.due is None:
        return None
    overdue = level.due if level.overdue is None else level.overdue
    if since < level.due:
        return NextUpdate("due", level.due - max(0.0, since))
    return NextUpdate("now") if since < overdue else NextUpdate("overdue", since - overdue)
