"""The draft of a post-mortem says what the record says, and asks for the rest."""

from pathlib import Path

import pytest

from console.cli import main
from console.incident.change import Resolve, Severity, Status, apply
from console.incident.record import declare
from console.model.clock import ManualClock
from console.timeline.recorder import Recorder
from tests.timeline.helpers import ALICE, START

SECRET = "Tr0ub4dor" + "And3"
TEMPLATE = (
    *("Summary", "Timeline", "Root cause", "Contributing factors", "Resolution", "Communication"),
    *("What went well", "What could have gone better", "Where we got lucky", "Five whys", "Action items"),
)


@pytest.fixture
def incident(tmp_path: Path) -> Path:
    """An incident from its first sign to its end, of 42 minutes."""
    clock = ManualClock(START)
    recorder = Recorder(tmp_path, clock, identity=ALICE)
    declare(recorder, "SEV3", "Checkout | fails", drill=True)

    def after(minutes: float) -> Recorder:
        clock.advance(60 * minutes)
        return recorder

    after(1).record("signal", "error-ratio-high(checkout) 12 % > 5 %", data={"phase": "start"})
    about = {"uid": "u-checkout"}
    after(1).record("change", "deployment/checkout: image v41 -> v42", data=about)
    apply(after(3), Severity(1))
    after(0).record("comms.sent", "status page: we look into it")
    apply(after(5), Status("identified", "v42 it is"))
    plan = {"plan": {"action": "k8s.rollback", "target": {"uid": "u-checkout"}}}
    after(2).record("action.intent", "Roll back checkout", data=plan)
    after(0).record("change", "deployment/checkout: image v42 -> v41", data=about)
    verdict = {"verdict": {"status": "helped"}}
    after(3).record("action.verdict", "Roll back checkout: helped. 12 % before, 0 % after", data=verdict)
    kept = after(0).record("ledger.opened", "Temporary: scale checkout to 8")
    gone = after(0).record("ledger.opened", "Temporary: flag off")
    after(1).record("ledger.closed", "Taken back", ref=gone.id)
    after(1).record("note", f"tried token={SECRET} <b>")
    after(1).record("signal", "error-ratio-high(checkout) ended", data={"phase": "end"})
    apply(after(24), Resolve("rolled back to v41"), ({"id": kept.id, "text": kept.text},))
    return tmp_path


def test_the_draft_is_kept_once_in_the_incidents_folder(
    incident: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = written(incident, capsys)
    file = incident / "incidents" / "INC-20260301-1" / "postmortem.md"
    assert file.read_text() == text and file.stat().st_mode & 0o777 == 0o640
    file.write_text("edited")
    assert written(incident, capsys) == text and file.read_text() == "edited"
    assert main(["postmortem", "INC-20260301-1", "--state-dir", str(incident)]) == 0
    assert f"{file} exists and is left as it is." in capsys.readouterr().err


def sections(text: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part.partition("\n")[2].strip() for part in text.split("\n## ")}


def written(folder: Path, capsys: pytest.CaptureFixture[str], incident: str = "INC-20260301-1") -> str:
    assert main(["postmortem", incident, "--state-dir", str(folder)]) == 0
    return capsys.readouterr().out


def test_what_the_record_knows_is_filled_in(incident: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(incident, capsys)
    found = sections(text)
    assert text.startswith("# Post-mortem: Checkout \\| fails (DRILL)\n")
    assert "| Severity | SEV1 |" in text
    assert "| Duration | 42 min, declared 2026-03-01T12:00Z, resolved 2026-03-01T12:42Z |" in text
    assert [line.split(" | ")[0] for line in found["Milestones"].splitlines()[2:]] == [
        *("| Declared", "| First sign", "| Cause found", "| First mitigation that helped", "| Resolved")
    ]
    assert "| Cause found | 12:10Z | 10 min |" in found["Milestones"]
    assert found["Resolution"].splitlines()[0] == "rolled back to v41"
    assert "12 % before, 0 % after" in found["Resolution"]
    assert "12:02 deployment/checkout: image v41 -\\> v42" in found["Contributing factors"]
    assert "image v42" not in found["Contributing factors"], "that was the cure"
    assert found["Communication"] == "- 12:05 status page: we look into it"
    assert "Take back or keep for good: Temporary: scale checkout to 8" in found["Action items"]
    assert "flag off" not in text


def test_what_only_people_know_is_asked_for(incident: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(incident, capsys)
    found = sections(text)
    assert set(TEMPLATE) <= set(found)
    for heading in ("Summary", "Root cause", *TEMPLATE[6:]):
        assert "*to be filled in" in found[heading], heading
    for label in ("Users affected", "Requests failed", "Downtime", "Data lost", "Revenue lost"):
        assert f"| {label} | *to be filled in" in text
    assert found["Five whys"].count("Why?") == 5


def test_its_timeline_is_that_of_the_record(incident: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = written(incident, capsys)
    lines = sections(text)["Timeline"].splitlines()[2:]
    times = ["12:00", "12:01", "12:02", "12:05", "12:05", "12:10", "12:12", "12:15", "12:17", "12:42"]
    assert [line[4:9] for line in lines] == times
    assert "ended" not in "".join(lines)
    assert "tried token=REDACTED \\<b\\>" in text and SECRET not in text


def test_an_incident_that_goes_on_is_said_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare(Recorder(tmp_path, ManualClock(START), identity=ALICE), "SEV2", "Login is slow")
    text = written(tmp_path, capsys)
    assert "resolved not yet: investigating" in text
    assert "Resolved |" not in text


def test_an_unknown_incident_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["postmortem", "INC-20260301-7", "--state-dir", str(tmp_path)]) == 2
    assert "There is no incident INC-20260301-7" in capsys.readouterr().err
