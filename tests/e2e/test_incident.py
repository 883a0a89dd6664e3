"""An incident by keys on a real terminal: declared, changed, resolved, and another one declared."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.small import Desk, calm, eventually, metrics_server, press


@pytest.mark.parametrize(("columns", "rows"), [(120, 40), (80, 24)])
def test_an_incident_is_declared_changed_and_resolved(tmp_path: Path, columns: int, rows: int) -> None:
    desk = Desk(tmp_path)
    with metrics_server() as metrics:
        desk.configure(f'[alertmanager]\nurl = "{metrics.url}"\n')
        _live_through(desk, columns, rows)
    assert desk.run("timeline", "verify").returncode == 0


def _live_through(desk: Desk, columns: int, rows: int) -> None:
    with desk.terminal("run", columns=columns, rows=rows) as terminal:
        terminal.wait_for("no incident", 30)
        press(terminal, "i")
        terminal.wait_for("Declare an incident")
        press(terminal, "\tcheckout fails\r")
        terminal.wait_for(lambda text: "SEV2" in text and " due " in text)

        press(terminal, "i")
        terminal.wait_for("Status")
        press(terminal, "status\r")
        terminal.wait_for("monitoring")
        press(terminal, "monitoring\r")
        terminal.wait_for("investigating -> monitoring")
        press(terminal, "rolled back to v41\r")
        terminal.wait_for(lambda text: "SEV2" in text and "monitoring" in text.splitlines()[0])

        with desk.terminal("watch", columns=columns, rows=rows) as watching:
            watching.wait_for(lambda text: " due " in text and "monitoring" in text)
            press(watching, "i")
            assert "Resolve" not in watching.text()

        press(terminal, "i")
        terminal.wait_for("Resolve")
        press(terminal, "resolve\r")
        terminal.wait_for("How it was resolved")
        assert "No temporary measure stands." in terminal.text()
        press(terminal, "the release was taken back\r")
        terminal.wait_for(lambda text: "resolved after 0:00:" in text.splitlines()[0])
        first, *changes = [entry for entry in desk.entries() if entry.kind.startswith("incident.")]
        assert (first.kind, first.data["title"]) == ("incident.declared", "checkout fails")
        assert [(entry.kind, entry.data["before"]) for entry in changes] == [
            ("incident.status", "investigating"),
            ("incident.resolved", "monitoring"),
        ]
        assert changes[0].text == "status investigating -> monitoring: rolled back to v41"
        assert changes[1].data["resolution"] == "the release was taken back"

        press(terminal, "i")
        terminal.wait_for("Declare an incident")
        press(terminal, "\tanother\r")
        terminal.wait_for(lambda text: "SEV2" in text.splitlines()[0])
        calm(terminal)
    eventually(lambda: desk.kinds().count("incident.declared") == 2, "the second declaration")
