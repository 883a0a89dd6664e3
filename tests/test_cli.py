"""The command line itself: answers fast, refuses in sentences, leaks nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from console import __version__
from console.cli import _HANDLERS, build_parser, main


def run(*words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "console.cli", *words],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        env=env,
    )


def test_help_and_version_load_neither_textual_nor_a_client() -> None:
    code = (
        "import sys; from console.cli import main\n"
        "try: main([sys.argv[1]])\n"
        "except SystemExit: pass\n"
        "heavy = {'textual','rich','kubernetes','psycopg','redis','httpx','aiohttp','requests','pydantic'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    for flag in ("--help", "--version"):
        done = subprocess.run([sys.executable, "-c", code, flag], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    assert __version__ in run("--version").stdout


def test_settings_runbooks_and_incidents_load_no_pydantic() -> None:
    code = (
        "import importlib, pkgutil, sys\n"
        "import console.config, console.incident, console.model\n"
        "for package in (console.incident, console.model):\n"
        "    for found in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(found.name)\n"
        "console.config.parse('', 'f', {'runbook': 'sergas'})\n"
        "assert not {'pydantic', 'pydantic_core'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_a_handler() -> None:
    actions = [action for action in build_parser()._actions if action.dest == "command"]
    assert actions[0].choices is not None
    assert set(actions[0].choices) == set(_HANDLERS)


def test_a_wrong_configuration_is_a_sentence_and_exit_2(tmp_path: Path) -> None:
    file = tmp_path / "w.toml"
    file.write_text("[[kubernetes]]\ncontxt = 'x'\n")
    done = run("status", "--config", str(file))
    assert done.returncode == 2
    assert "did you mean 'context'" in done.stderr
    assert f"{file}:2" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_console_without_a_terminal_says_what_to_use_instead() -> None:
    done = run("run")
    assert done.returncode == 2
    assert "warroom status" in done.stderr


def test_nothing_configured_names_the_next_steps(tmp_path: Path) -> None:
    done = run("status", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 2
    assert "warroom init" in done.stderr


@pytest.mark.parametrize("command", ["status", "check"])
def test_a_kubeconfig_that_is_not_there_is_told_once(command: str, tmp_path: Path) -> None:
    home = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "WARROOM_STATE_DIR": str(tmp_path / "state")}
    done = run(command, "--kubeconfig", str(tmp_path / "none"), env=home)
    assert done.returncode != 0
    assert f"{tmp_path / 'none'} cannot be used: the file does not exist or is empty" in done.stdout
    assert done.stderr == ""


def test_check_names_no_file_that_is_not_there(tmp_path: Path) -> None:
    home = {
        **os.environ,
        "HOME": str(tmp_path),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "KUBECONFIG": "",
    }
    home |= {"WARROOM_STATE_DIR": str(tmp_path / "state")}
    done = run("check", "--alertmanager-url", "http://127.0.0.1:1", "--timeout", "5", env=home)
    assert done.returncode == 1, done.stderr
    assert f"only the flags: there is no {tmp_path / 'config'}" in done.stdout


def test_parameters_of_an_action_stand_before_or_after_the_flags(
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["act", "k8s.scale", "deployment/web", "--reason", "more load", "replicas=x"]
    for order in (words, [*words[:3], words[-1], *words[3:-1]], [words[0], "--plan", *words[1:]]):
        assert main(order) == 2
        assert "replicas=x: replicas has to be a whole number" in capsys.readouterr().err
    for wrong in ([*words, "--yess"], ["status", "replicas=3"]):
        with pytest.raises(SystemExit, match="2"):
            main(wrong)
        assert "unrecognized arguments" in capsys.readouterr().err


def test_a_command_that_stands_behind_its_flags_is_told_where_it_belongs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["--config", "w.toml", "check"])
    assert "the command stands first: warroom check …" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["status", "check"])
@pytest.mark.parametrize("wait", ["-1", "0", "nan", "inf"])
def test_a_timeout_is_a_time_to_wait(command: str, wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([command, f"--timeout={wait}"])
    assert f"{wait} is no time to wait; give seconds, e.g. 15" in capsys.readouterr().err


def test_init_refuses_what_it_would_not_write(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["init", "--redis-url", "redis://cache:6379"])
    assert "unrecognized arguments: --redis-url" in capsys.readouterr().err


def test_init_without_a_cluster_is_a_sentence(tmp_path: Path) -> None:
    done = run("init", env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "no kube context can be read: " in done.stderr and "warroom drill" in done.stderr
    assert ".." not in done.stderr and "Traceback" not in done.stderr


def test_a_password_on_the_command_line_gets_a_warning(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    missing = str(tmp_path / "none.toml")
    main(["status", "--config", missing, "--postgres-dsn", "postgresql://u:hunter2@127.0.0.1/d"])
    captured = capsys.readouterr()
    assert "WARROOM_POSTGRES_DSN" in captured.err
    assert "hunter2" not in captured.err
    main(["status", "--config", missing, "--postgres-dsn", "postgresql://u@127.0.0.1/d"])
    assert "WARROOM_POSTGRES_DSN" not in capsys.readouterr().err
