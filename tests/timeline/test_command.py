import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli import main
from console.incident.record import declare, resolve
from console.timeline.folder import default_spool, spool_path
from tests.timeline.helpers import new_recorder

SECRET = "Tr0ub4dor" + "And3"


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """A state folder with a standby note, a resolved drill and an open incident."""
    recorder = new_recorder(tmp_path)
    recorder.record("note", "all quiet")
    declare(recorder, "SEV3", "practice", drill=True)
    resolve(recorder)
    declare(recorder, "SEV1", "checkout <fails>")
    recorder.record("note", f"tried password={SECRET}")
    return tmp_path


def test_show_prints_the_open_incident(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", "show", "--state-dir", str(state_dir)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[0].startswith("2026-03-01T12:00:00Z  incident.declared  SEV1 checkout <fails>")
    assert "tried password=REDACTED" in out[1]
    assert (
        main(["timeline", "show", "--json", "--incident", "INC-20260301-1", "--state-dir", str(state_dir)])
        == 0
    )
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["incident.declared", "incident.resolved"]


def test_add_writes_a_note_and_never_a_secret(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", "add", "restarted", f"token={SECRET}", "--state-dir", str(state_dir)]) == 0
    assert "INC-20260301-2 3" in capsys.readouterr().out
    text = (state_dir / "incidents" / "INC-20260301-2" / "timeline.jsonl").read_text()
    assert "restarted token=REDACTED" in text
    assert SECRET not in text
    assert main(["timeline", "verify", "--state-dir", str(state_dir)]) == 0


def test_add_names_a_kind(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["timeline", "add", "--kind", "comms.sent", "status", "page", "--state-dir", str(state_dir)]
    assert main(words) == 0
    with pytest.raises(SystemExit):
        main(["timeline", "add", "--kind", "action.intent", "x", "--state-dir", str(state_dir)])
    assert "invalid choice: 'action.intent'" in capsys.readouterr().err
    assert main(["timeline", "show", "--json", "--state-dir", str(state_dir)]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["kind"], last["text"]) == ("comms.sent", "status page")


def test_add_reads_standard_input_and_refuses_nothing(state_dir: Path) -> None:
    words = [sys.executable, "-m", "console.cli", "timeline", "add", "-", "--state-dir", str(state_dir)]
    done = subprocess.run(words, input="from a pipe\n", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    done = subprocess.run(words, input=" \n", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert "nothing to add" in done.stderr
    assert "from a pipe" in (state_dir / "incidents" / "INC-20260301-2" / "timeline.jsonl").read_text()


def test_verify_names_the_first_bad_line_of_any_timeline(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["timeline", "verify", "--state-dir", str(state_dir)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in out] == ["standby: ok", "INC-20260301-1: ok", "INC-20260301-2: ok"]
    path = state_dir / "incidents" / "INC-20260301-1" / "timeline.jsonl"
    path.write_bytes(path.read_bytes().replace(b"practice", b"Practice"))
    assert main(["timeline", "verify", "--state-dir", str(state_dir)]) == 1
    captured = capsys.readouterr()
    assert "INC-20260301-1: BAD, line 1: its hash does not match" in captured.out
    assert "standby: ok" in captured.out
    assert main(["timeline", "verify", "--incident", "INC-20260301-2", "--state-dir", str(state_dir)]) == 0
    capsys.readouterr()
    assert main(["timeline", "verify", "--json", "--state-dir", str(state_dir)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert [(item["timeline"], item["ok"]) for item in report][1] == ("INC-20260301-1", False)
    assert report[1]["bad"][0]["line"] == 1


@pytest.mark.parametrize("verb", ["show", "verify", "export"])
def test_an_unknown_incident_is_exit_2(
    state_dir: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["timeline", verb, "--incident", "INC-20990101-1", "--state-dir", str(state_dir)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the last one is INC-20260301-2" in captured.err
    assert main(["timeline", verb, "--incident", "../..", "--state-dir", str(state_dir)]) == 2


def test_export_keeps_to_standard_output(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["timeline", "export", "--format", "md", "--state-dir", str(state_dir)]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("# INC-20260301-2: checkout \\<fails\\>\n")
    assert captured.err == ""
    words = ["timeline", "export", "--incident", "INC-20260301-1", "--state-dir", str(state_dir), "--format"]
    assert main([*words, "json"]) == 0
    assert json.loads(capsys.readouterr().out)["drill"] is True
    assert main([*words, "csv"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert [row[-1] for row in rows] == ["drill", "yes", "yes"]


def test_a_bad_line_is_reported_beside_the_rest(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = state_dir / "incidents" / "INC-20260301-2" / "timeline.jsonl"
    path.write_bytes(path.read_bytes() + b"\x1b[31mrubbish\n" + b'{"torn')
    assert main(["timeline", "show", "--state-dir", str(state_dir)]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "line 3 is skipped: it is not an entry" in captured.err
    assert "line 4 is skipped: it is torn" in captured.err
    assert "\x1b" not in captured.err


def test_incidents_lists_and_marks_drills(state_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["incidents", "--state-dir", str(state_dir)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "INC-20260301-1  SEV3  2026-03-01T12:00Z  resolved 2026-03-01T12:00Z  DRILL  practice",
        "INC-20260301-2  SEV1  2026-03-01T12:00Z  investigating  checkout <fails>",
    ]
    assert main(["incidents", "--json", "--state-dir", str(state_dir)]) == 0
    assert [item["drill"] for item in json.loads(capsys.readouterr().out)] == [True, False]


def test_an_empty_state_folder_is_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["incidents"], ["timeline", "show"], ["timeline", "verify"], ["timeline", "export"]):
        assert main([*words, "--state-dir", str(tmp_path / "none")]) == 0
    assert "no incident was declared" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "standby.jsonl").mkdir()
    words = [sys.executable, "-m", "console.cli", "timeline", "show", "--state-dir", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "cannot be read: is a directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_only_the_second_place_took_is_shown_and_brought_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    state = tmp_path / "state"
    state.write_text("in the way")
    words = ["--state-dir", str(state)]
    assert main(["timeline", "add", "written", "elsewhere", *words]) == 0
    assert "cannot be written" in capsys.readouterr().err

    state.unlink()
    for verb in ("show", "export"):
        assert main(["timeline", verb, *words]) == 0
        shown = capsys.readouterr()
        assert "written elsewhere" in shown.out
        assert "1 entry is only in" in shown.err

    assert main(["timeline", "add", "after it", *words]) == 0
    assert main(["timeline", "show", *words]) == 0
    shown = capsys.readouterr()
    assert "only in" not in shown.err
    assert shown.out.count("written elsewhere") == 1
    assert "written elsewhere" in (state / "standby.jsonl").read_text()


def test_a_damaged_second_place_leaves_the_record_usable(
    state_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(state_dir / "cache"))
    spooled = spool_path(default_spool(state_dir), "INC-20260301-2")
    spooled.mkdir(parents=True)
    words = ["--state-dir", str(state_dir)]
    assert main(["timeline", "add", "written all the same", *words]) == 0
    said = capsys.readouterr()
    assert said.out.endswith("INC-20260301-2 3\n")
    assert f"The second place for entries, {spooled}, cannot be read: " in said.err
    for command in (["timeline", "show"], ["timeline", "export"], ["postmortem", "INC-20260301-2"]):
        assert main([*command, *words]) == 0
        said = capsys.readouterr()
        assert "written all the same" in said.out
        assert f"The second place for entries, {spooled}, cannot be read: " in said.err


def test_an_incident_that_only_the_second_place_has_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    state = tmp_path / "state"
    state.write_text("in the way")
    incident = declare(new_recorder(state, spool=default_spool(state)), "SEV1", "the disk is gone").id
    spooled = spool_path(default_spool(state), incident)
    words = ["--state-dir", str(state)]
    assert main(["incidents", *words]) == 0
    assert capsys.readouterr().out.startswith(f"{incident}  SEV1  ")
    assert main(["timeline", "add", "swapping it", *words]) == 0
    assert capsys.readouterr().out.endswith(f" {incident} 2\n")
    for command in (
        ["timeline", "show"],
        ["timeline", "show", "--incident", incident],
        ["timeline", "export"],
        ["postmortem", incident],
    ):
        assert main([*command, *words]) == 0
        shown = capsys.readouterr()
        assert "the disk is gone" in shown.out and "swapping it" in shown.out
        assert f"2 entries are only in {spooled}" in shown.err
        assert f"The timeline {state}/incidents/{incident}/timeline.jsonl cannot be read" in shown.err
    assert main(["timeline", "show", "--incident", "INC-20260301-7", *words]) == 2
    assert f"the last one is {incident}" in capsys.readouterr().err
    for named in ([], ["--incident", incident]):
        assert main(["timeline", "verify", *named, *words]) == 0
        assert capsys.readouterr().out.startswith(f"{incident} in the second place: ok, 2 entries, head ")
    spooled.write_bytes(spooled.read_bytes().replace(b"swapping", b"stealing"))
    assert main(["timeline", "verify", *words]) == 1
    assert f"{incident} in the second place: BAD, line 2: its hash" in capsys.readouterr().out


def test_verify_misses_the_timeline_of_an_incident(
    state_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = state_dir / "incidents" / "INC-20260301-1" / "timeline.jsonl"
    lost.unlink()
    assert main(["timeline", "verify", "--state-dir", str(state_dir)]) == 1
    found = capsys.readouterr().out.splitlines()
    assert found[0].startswith("standby: ok") and found[2].startswith("INC-20260301-2: ok"), "all are told of"
    assert "INC-20260301-1: BAD" in found[1] and "timeline.jsonl cannot be read: no such file" in found[1]
    lost.write_bytes(b"")
    assert main(["timeline", "verify", "--state-dir", str(state_dir)]) == 1
    assert "INC-20260301-1: BAD, line 1: nothing declares the incident" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["show", "export"])
def test_what_was_changed_after_it_was_written_is_told_with_it(
    state_dir: Path, verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = state_dir / "incidents" / "INC-20260301-2" / "timeline.jsonl"
    file.write_text(file.read_text().replace("tried", "never tried"))
    assert main(["timeline", verb, "--state-dir", str(state_dir)]) == 0
    printed = capsys.readouterr()
    assert "never tried" in printed.out
    assert "line 2 is not to be relied on: its hash does not match its content" in printed.err


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file of a user with no other settings."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("WARROOM_STATE_DIR", raising=False)
    monkeypatch.setenv("WARROOM_CONFIG", str(tmp_path / "warroom.toml"))
    return tmp_path / "warroom.toml"


def listed(capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    assert main(["incidents", *flags]) == 0
    return "".join(f"{line.split()[-1]}\n" for line in capsys.readouterr().out.splitlines())


def test_the_state_folder_is_that_of_flag_then_environment_then_file(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("file", "environment", "flag", "XDG_STATE_HOME/warroom"):
        declare(new_recorder(tmp_path / name), "SEV3", name)
    assert listed(capsys) == "XDG_STATE_HOME/warroom\n"
    config.write_text(f"state_dir = '{tmp_path / 'file'}'\nunknown = 3\n[prometheus]\nurl = 'no address'\n")
    assert listed(capsys) == "file\n"
    assert main(["timeline", "show"]) == main(["postmortem", "INC-20260301-1"]) == 0
    assert capsys.readouterr().out.count("SEV3 file") == 2
    monkeypatch.setenv("WARROOM_STATE_DIR", str(tmp_path / "environment"))
    assert listed(capsys) == "environment\n"
    assert listed(capsys, "--state-dir", str(tmp_path / "flag")) == "flag\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state_dir = ", "is not valid TOML"),
        ("state_dir = 3", "'state_dir': has to be a path in quotes"),
        ('state_dir = "a\\u0000b"', "state_dir"),
        (None, "cannot be read"),
    ],
)
def test_a_broken_configuration_makes_no_record_unreadable(
    text: str | None, said: str, tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    default = tmp_path / "XDG_STATE_HOME" / "warroom"
    incident = declare(new_recorder(default), "SEV3", "default").id
    if text is None:
        config.mkdir()
    else:
        config.write_text(text)
    for command in (["timeline", "show"], ["timeline", "verify", "--incident", incident], ["incidents"]):
        assert main(command) == 0
        shown = capsys.readouterr()
        assert "default" in shown.out or "ok" in shown.out
        assert shown.err.count("warroom: ") == 1
        assert shown.err.startswith(f"warroom: {config}: ") and said in shown.err
        assert shown.err.endswith(f"The record in {default} is used; --state-dir names another.\n")
    assert listed(capsys, "--state-dir", str(default)) == "default\n"
