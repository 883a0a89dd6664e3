"""``warroom drill``: the list, what is refused, and the console that is opened on the world."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from console import config
from console.drill import binaries, command
from console.drill.scenarios import SCENARIOS
from console.drill.servers import accepts
from console.timeline.file import read_timeline
from console.timeline.folder import standby_path


def arguments(**changed: Any) -> argparse.Namespace:
    usual = {
        "scenario": "bad-release",
        "seed": 1,
        "pods": 0,
        "speed": 1.0,
        "list": False,
        "headless": False,
        "info": None,
        "state_dir": None,
        "plain_output": False,
    }
    return argparse.Namespace(**{**usual, **changed})


def test_list_names_every_scenario_in_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.run(arguments(list=True)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(SCENARIOS)
    assert {"bad-release", "connections-exhausted", "memory-leak", "error-spike", "latency"} <= set(SCENARIOS)
    assert {"outage", "dependency-down", "queue-backup", "pipeline-failure", "cache-stampede"} <= set(
        SCENARIOS
    )
    assert max(map(len, lines)) <= 130


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"scenario": "bad-realease"}, "there is no scenario 'bad-realease'; known are bad-release,"),
        ({"speed": 0}, "--speed is a factor from 0.1 to 60."),
        ({"pods": -1}, "--pods is a number from 0 to 100000."),
        ({"headless": True}, "--headless needs --info FILE"),
        ({"info": Path("x")}, "--info goes with --headless."),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    changed: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(arguments(**changed)) == 2
    assert said in capsys.readouterr().err


def test_without_a_terminal_no_world_is_started(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "console.cli",
        "drill",
        "bad-release",
        "--state-dir",
        str(tmp_path / "state"),
    ]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == (
        "warroom: the console needs a terminal; for the world alone use --headless --info FILE.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_missing_parts_are_named_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(binaries, "_machine_postgres", list)
    monkeypatch.setattr(binaries, "_package", lambda _: None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert command.run(arguments(headless=True, info=tmp_path / "info.json")) == 1
    said = capsys.readouterr().err
    assert said.startswith("warroom drill: PostgreSQL 14 or later was not found on this machine.")
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_the_console_is_opened_on_the_world_and_the_score_follows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    opened: list[tuple[config.Config, Path]] = []

    def open_console(settings: config.Config, state_dir: Path) -> int:
        opened.append((settings, state_dir))
        assert settings.prometheus
        port = httpx.URL(settings.prometheus.url).port
        assert port
        assert accepts(port)
        return 3

    monkeypatch.setattr("console.engine.launch.open_console", open_console)
    monkeypatch.setattr("console.engine.watch.need_terminal", lambda instead: None)
    assert command.run(arguments(scenario="healthy", state_dir=tmp_path)) == 3
    ((settings, state_dir),) = opened
    assert settings.drill
    assert state_dir == tmp_path
    said = capfd.readouterr()
    assert said.out == "Drill healthy\nEnded before anything broke.\n"
    first, told = said.err.splitlines()
    assert first == "The drill is starting …"
    assert told.startswith(". /") and "/env  " in told
    noted = [entry.text for entry in read_timeline(standby_path(tmp_path)).entries if entry.kind == "note"]
    assert noted == [told]
