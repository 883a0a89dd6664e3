"""When the next update is due, and the words that a team uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.incident.conduct import DEFAULT, NextUpdate, conduct_of, next_update
from console.incident.runbook import load_runbook


@pytest.mark.parametrize(
    ("runbook", "statuses", "minutes"),
    [
        ("agentic-canon", ("investigating",), [(15, 15), (30, 30), (120, 120), None]),
        ("sergas", ("investigating", "update"), [(15, 30), (15, 30), (15, 30), None]),
        ("seekapa", ("investigating", "identified", "monitoring"), [(15, 15), (15, 15), (15, 15), None]),
        ("startup-studio", ("investigating", "mitigating"), [(15, 15), (30, 30), (120, 120), None]),
        ("aragora", ("investigating", "identified", "monitoring"), [(15, 15), (30, 30), (120, 120), None]),
    ],
)
def test_a_runbook_says_how_an_incident_is_conducted(
    runbook: str, statuses: tuple[str, ...], minutes: list[tuple[int, int] | None]
) -> None:
    conduct = conduct_of(load_runbook(runbook, Path()))
    assert conduct.statuses == statuses
    found = [
        None if level.due is None or level.overdue is None else (level.due / 60, level.overdue / 60)
        for level in conduct.levels
    ]
    assert found == minutes


def test_an_update_is_due_and_then_overdue() -> None:
    level = DEFAULT.level(2)
    assert next_update(level, 0) == NextUpdate("due", 1800)
    assert next_update(level, 1799) == NextUpdate("due", 1)
    assert next_update(level, 1900) == NextUpdate("overdue", 100)
    assert next_update(DEFAULT.level(4), 1e6) is None
    assert next_update(DEFAULT.level(None), 1e6) is None
    window = conduct_of(load_runbook("sergas", Path())).level(2)
    assert next_update(window, 1000) == NextUpdate("now")
    assert next_update(window, 1860) == NextUpdate("overdue", 60)
