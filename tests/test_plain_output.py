"""The way out when the screen looks wrong: a flag, a variable and a key of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.cli import build_parser
from console.config import load


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "WARROOM_POSTGRES_DSN", "WARROOM_CONFIG", "WARROOM_PLAIN_OUTPUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_flag_beats_environment_beats_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "warroom.toml"
    file.write_text("[screen]\nplain_output = true\n")
    assert not load().screen.plain_output
    assert load(file).screen.plain_output
    monkeypatch.setenv("WARROOM_PLAIN_OUTPUT", "0")
    assert not load(file).screen.plain_output
    assert load(file, {"plain_output": True}).screen.plain_output
    monkeypatch.setenv("WARROOM_PLAIN_OUTPUT", "1")
    assert load(flags={"plain_output": False}).screen.plain_output, "a flag that is not given decides nothing"


def test_every_screen_takes_plain_output() -> None:
    parser = build_parser()
    for words in (["run"], ["watch"], ["drill", "bad-release"]):
        assert parser.parse_args([*words, "--plain-output"]).plain_output
        assert not parser.parse_args(words).plain_output
