"""``warroom runbook``: what it prints and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from console.cli import main

BAD = """\
name = "bad"
title = "Bad"
description = "Bad"

[[severities]]
level = 1
label = "SEV1"
title = "SEV1"
definition = "Outage"
response = "15 min"
respond_within = 15

[[commands]]
name = "clear"
run = "redis-cli -h cache FLUSHALL"
"""


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WARROOM_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def test_the_list_names_what_is_overdue_and_unverified(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runbook", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [
        "agentic-canon",
        "aragora",
        "seekapa",
        "sergas",
        "startup-studio",
    ]
    assert "review overdue since 2024-04-15; 5 of 8 contacts unverified" in lines[2]
    assert main(["runbook", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[2]["review_overdue"] is True
    assert rows[2]["owner"] == "DevOps Team"
    assert "CTO" in rows[4]["unverified_contacts"]


def test_a_broken_own_runbook_does_not_hide_the_others(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "config" / "warroom" / "runbooks"
    folder.mkdir(parents=True)
    (folder / "bad.toml").write_text("x = 1")
    assert main(["runbook", "list"]) == 1
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 5
    assert "unknown key 'x'" in captured.err


@pytest.mark.parametrize("name", ["agentic-canon", "aragora", "seekapa", "sergas", "startup-studio"])
def test_show_prints_severities_steps_and_messages(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runbook", "show", name]) == 0
    out = capsys.readouterr().out
    for title in ("Severities", "Escalation and contacts", "Phase: ", "Scenario: ", "Message: ", "Queries"):
        assert title in out
    assert "    k8s.rollback deployment/" in out
    assert main(["runbook", "show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == name


def test_unverified_contacts_are_marked(capsys: pytest.CaptureFixture[str]) -> None:
    main(["runbook", "show", "startup-studio"])
    assert "CTO: [Phone/Slack], level 1 only  (UNVERIFIED)" in capsys.readouterr().out


def test_lint_is_clean_for_the_bundled_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runbook", "lint"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["runbook", "lint", "sergas", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_lint_names_file_line_and_rule(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(BAD)
    assert main(["runbook", "lint", str(file)]) == 1
    line = capsys.readouterr().out.strip()
    assert line.startswith(f"{file}:15: flush: FLUSHALL and FLUSHDB wipe sessions")
    assert main(["runbook", "lint", str(file), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert [(item["line"], item["rule"]) for item in found] == [(15, "flush")]
    file.write_text(BAD.replace("[[commands]]", "[[comands]]"))
    assert main(["runbook", "lint", str(file)]) == 1
    assert "unknown key 'comands'; did you mean 'commands'?" in capsys.readouterr().out


@pytest.mark.parametrize("content", [None, b"a = = 1", b"\xff\xfe"])
def test_what_cannot_be_read_ends_with_2(
    content: bytes | None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "bad.toml"
    if content is not None:
        file.write_bytes(content)
    assert main(["runbook", "lint", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert str(file) in captured.err
    assert main(["runbook", "show", str(file)]) == 2


def test_the_command_loads_no_client_and_no_screen() -> None:
    code = (
        "import sys; from console.cli import main; main(['runbook', 'lint'])\n"
        "heavy = {'textual','rich','kubernetes','psycopg','redis','httpx','aiohttp','requests'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
