"""The open incident through the real screen, into the real record."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import msgspec
import pytest

from console.engine.ledger import Measure
from console.engine.live import RecordedTimeline
from console.incident.change import Change
from console.model.actions import INCIDENT_ACTIONS, available
from console.model.plan import Target
from console.timeline.chain import verify
from console.timeline.entry import Entry
from console.timeline.file import read_timeline
from console.timeline.folder import timeline_path
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine, incident
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import everything

ID = "INC-20260301-1"


class RecordingEngine(FakeEngine):
    """A world that stands still, and a record that is real."""

    def __init__(self, state_dir: Path) -> None:
        self.ledger = FakeMitigator()
        super().__init__(mitigator=self.ledger)
        self.state_dir = state_dir
        self.record = RecordedTimeline(state_dir, self.clock)
        self.timeline = self.record

    def note(self, text: str) -> Future[str]:
        return self.submit(self.record.note(text))

    def declare(self, severity: int, title: str) -> Future[str]:
        return self.submit(self.record.declare(severity, title))

    def change(self, change: Change) -> Future[str]:
        return self.submit(self.record.change(change))

    def written(self) -> list[Entry]:
        """What the file holds; its chain is sound."""
        path = timeline_path(self.state_dir, ID)
        assert verify(path).ok
        return list(read_timeline(path).entries)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordingEngine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return RecordingEngine(tmp_path / "state")


async def written(ui: Ui, engine: RecordingEngine, kind: str, count: int = 1) -> Entry:
    """Wait for the entry, and let the screen follow it."""
    for _ in range(500):
        found = [entry for entry in engine.written() if entry.kind == kind]
        if len(found) == count and ui.at_home:
            for _ in range(3):
                engine.record.look_again()
                engine.record.refresh()
                await ui.settle()
            return found[-1]
        await ui.pilot.pause(0.01)
    raise AssertionError(f"no {count} entries {kind}:\n{ui.text()}")


async def type_in(ui: Ui, text: str, *keys: str) -> None:
    await ui.press(*(" " if key == " " else key for key in text), *keys)
    await ui.settle()


async def declare(ui: Ui, engine: RecordingEngine) -> None:
    await ui.press("i", "tab")
    await type_in(ui, "slow", "enter")
    timeline = timeline_path(engine.state_dir, ID)
    for _ in range(500):
        if timeline.exists() and timeline.stat().st_size:
            break
        await ui.pilot.pause(0.01)
    await written(ui, engine, "incident.declared")


def test_what_only_the_second_place_took_is_not_said_to_be_in_the_timeline(engine: RecordingEngine) -> None:
    standby = timeline_path(engine.state_dir, None)
    standby.mkdir(parents=True)

    async def script(ui: Ui) -> None:
        await ui.press("a")
        await type_in(ui, "errors", "enter")
        for _ in range(500):
            if engine.record.health == "degraded" and ui.at_home:
                break
            await ui.pilot.pause(0.01)
        await ui.settle()
        assert "The note is in the timeline." not in ui.text()
        assert "The note waits in the second place until the timeline can be written: /" in ui.text()
        standby.rmdir()
        await ui.press("a")
        await type_in(ui, "again", "enter")
        for _ in range(500):
            if engine.record.health == "ok" and ui.at_home:
                break
            await ui.pilot.pause(0.01)
        await ui.settle()
        assert "The note is in the timeline." in ui.text()

    drive(engine, script, (200, 50))


async def choose(ui: Ui, word: str) -> None:
    """Search the menu that is open, and take what was found."""
    await ui.settle()
    await type_in(ui, word, "enter")


def test_an_incident_from_its_declaration_to_its_end(engine: RecordingEngine) -> None:
    target = Target("deployment", "checkout", "shop", "u", "1")
    engine.ledger.measures = (
        Measure(
            "1", "Temporary: scale checkout to 9", target, "kubernetes:prod", "2026-03-01T14:00:00Z", "ana"
        ),
    )

    async def script(ui: Ui) -> None:
        await declare(ui, engine)
        assert "SEV2  0:00:00  next update due 30:00  investigating" in ui.grid()[0]

        await ui.press("i")
        await ui.settle()
        me = engine.record.recorder.identity.user
        for present in ("investigating.", "SEV2.", f"lead {me}.", "slow."):
            assert present in ui.text(), present
        await choose(ui, "severity")
        assert "Complete service down" in ui.text()
        assert "An update every 30 minutes." in ui.text()
        await choose(ui, "sev1")
        severity = await written(ui, engine, "incident.severity")
        assert (severity.text, severity.data["before"]) == ("severity SEV2 -> SEV1", "SEV2")
        assert "SEV1  0:00:00  next update due 15:00" in ui.grid()[0]

        await ui.wait(600)
        assert "next update due 05:00" in ui.grid()[0]
        await ui.press("i")
        await choose(ui, "status")
        await choose(ui, "identified")
        await type_in(ui, "release 42", "enter")
        status = await written(ui, engine, "incident.status")
        assert status.text == "status investigating -> identified: release 42"
        assert status.data["before"] == "investigating"
        assert "0:10:00  next update due 15:00  identified" in ui.grid()[0]

        await ui.press("i")
        await choose(ui, "roles")
        await ui.press("ctrl+u", *"ben", "tab", *"eva", "enter")
        await ui.settle()
        await written(ui, engine, "incident.role", 2)
        roles = [entry.text for entry in engine.written() if entry.kind == "incident.role"]
        assert roles == [f"lead: {me} -> ben", "communications: nobody -> eva"]
        assert "lead ben" in ui.grid()[0]

        await ui.press("i")
        await choose(ui, "title")
        await ui.press("ctrl+u")
        await type_in(ui, "down", "enter")
        title = await written(ui, engine, "correction")
        assert (title.data["title"], title.data["before"]) == ("down", "slow")
        assert engine.record.incident is not None and engine.record.incident.title == "down"

        await ui.wait(300)
        await ui.press("i")
        await choose(ui, "resolve")
        assert "Resolve INC-20260301-1 after 0:15:00" in ui.text()
        assert "Still in force: 1. They stay on the ledger; b takes one back." in ui.text()
        assert "Temporary: scale checkout to 9 (by ana at 2026-03-01T14:00Z)" in ui.text()
        await ui.press("enter")
        assert "resolution is needed." in ui.text()
        await type_in(ui, "rolled back", "enter")
        resolved = await written(ui, engine, "incident.resolved")
        assert resolved.text == "resolved after 15 min: rolled back"
        assert resolved.data["before"] == "identified"
        assert f"{ID} resolved after 0:15:00" in ui.grid()[0]

        await ui.press("i")
        await ui.settle()
        assert "Declare an incident" in ui.text()
        await ui.press("escape", "colon")
        await choose(ui, "reopen")
        await type_in(ui, "it is back", "enter")
        reopened = await written(ui, engine, "incident.reopened")
        assert reopened.text == "reopened: it is back"
        assert "next update due 15:00  investigating" in ui.grid()[0]

    drive(engine, script)


def test_an_update_without_another_status_needs_a_word_and_starts_the_clock_anew(
    engine: RecordingEngine,
) -> None:
    async def script(ui: Ui) -> None:
        await declare(ui, engine)
        await ui.wait(1860)
        assert " update overdue 01:00 " in ui.grid()[0]
        await ui.press("i")
        await choose(ui, "status")
        await ui.press("enter", "enter")
        await ui.settle()
        assert "update is needed." in ui.text()
        await type_in(ui, "still looking", "enter")
        assert (await written(ui, engine, "incident.status")).text == "update, investigating: still looking"
        assert "next update due 30:00" in ui.grid()[0]

    drive(engine, script)


def test_closing_a_dialog_changes_nothing(engine: RecordingEngine) -> None:
    async def script(ui: Ui) -> None:
        await declare(ui, engine)
        for word in ("status", "severity", "roles", "title", "resolve"):
            await ui.press("i")
            await choose(ui, word)
            await ui.press("escape")
            await ui.settle()
            assert ui.at_home
        assert [entry.kind for entry in engine.written()] == ["incident.declared"]

    drive(engine, script)


def test_without_an_incident_there_is_nothing_to_change() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("colon")
        await choose(ui, "set the severity")
        assert "No incident is open; i declares one." in ui.text()
        await ui.press("colon")
        await choose(ui, "reopen")
        assert "There is no resolved incident" in ui.text()

    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    engine.timeline.incident = None
    drive(engine, script)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_an_overdue_update_is_loud_while_watching_too(size: tuple[int, int]) -> None:
    engine = everything(FakeEngine(mode="watch"))
    engine.timeline.incident = incident(1, "Checkout fails for everybody who pays by card", NOW - 1000)

    async def script(ui: Ui) -> None:
        assert " update overdue 01:40 " in ui.grid()[0]
        bar = ui.main.status_line.lines[0]
        assert "alarm" in {role for text, role in bar if "overdue" in text}
        await ui.wait(3600)
        assert " update overdue 1:01:40 " in ui.grid()[0]

    drive(engine, script, size=size)


@pytest.mark.parametrize(("label", "shown"), [("critical", "critical  0:12:41  "), ("", "0:12:41  ")])
def test_a_severity_without_a_number_is_shown_as_it_stands(label: str, shown: str) -> None:
    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    engine.timeline.incident = msgspec.structs.replace(incident(), severity=None, label=label)

    async def script(ui: Ui) -> None:
        assert ui.grid()[0].startswith(shown)
        await ui.press("i")
        await ui.settle()
        assert f"{label or 'none'}. Set the severity" in ui.line("Severity")

    drive(engine, script)


def test_the_reminder_is_coloured_before_it_is_due() -> None:
    engine = everything(FakeEngine())
    engine.timeline.incident = incident(1, at=NOW - 700)

    async def script(ui: Ui) -> None:
        for seconds, wanted in ((0, "dim"), (100, "warn")):
            await ui.wait(seconds)
            assert {role for text, role in ui.main.status_line.lines[0] if "due" in text} == {wanted}

    drive(engine, script)


def test_what_is_over_is_told_for_an_hour() -> None:
    engine = everything(FakeEngine())
    over = incident(1, at=NOW - 900)
    engine.timeline.incident = None
    engine.timeline.over = msgspec.structs.replace(
        over, status="resolved", resolved_at="2026-03-01T14:30:00Z"
    )

    async def script(ui: Ui) -> None:
        assert f"{ID} resolved after 0:15:00" in ui.grid()[0]
        await ui.wait(3601)
        assert "no incident" in ui.grid()[0]

    drive(engine, script)


def test_watching_has_no_key_and_no_command_that_writes() -> None:
    engine = everything(FakeEngine(mode="watch"))
    engine.timeline.incident = incident()
    live = {"ui.note", "ui.declare", "ui.reopen", "ui.actions", "ui.ledger"} | {
        a.name for a in INCIDENT_ACTIONS
    }
    assert live.isdisjoint(action.name for action in available(watch=True))
    assert live <= {action.name for action in available(watch=False)}

    async def script(ui: Ui) -> None:
        await ui.press("i")
        await ui.settle()
        assert ui.at_home
        await ui.press("colon")
        await ui.settle()
        for word in ("Incident", "Resolve", "Severity", "Reopen"):
            assert word not in "\n".join(ui.grid()[10:34]), word

    drive(engine, script)
