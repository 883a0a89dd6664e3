"""A record that cannot be written, a torn one, and consoles killed in the middle of a mitigation."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.drill.cluster import Match
from tests.e2e.small import Desk, SmallCluster, calm, eventually, followed, press_until, row
from tests.terminal import Terminal


@pytest.fixture
def cluster() -> Iterator[SmallCluster]:
    made = SmallCluster()
    made.deploy("checkout", "shop/checkout:v1")
    made.set_image("checkout", "shop/checkout:v2")
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, cluster: SmallCluster) -> Desk:
    made = Desk(tmp_path)
    made.configure(made.kubernetes(cluster))
    return made


def no_room(pid: int, full: bool) -> None:
    """Let no file of a process grow, as on a full disk; or let it again."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if full else hard, hard))


def write_note(terminal: Terminal, text: str) -> None:
    terminal.send("a")
    terminal.wait_for("esc")
    terminal.send(text)
    terminal.wait_for(text)
    terminal.send("\r")


def ask_for_restart(terminal: Terminal) -> None:
    """Open the dialog on the workload and say yes."""
    terminal.send("1r")
    terminal.wait_for("Cancel (enter)", 30)
    press_until(terminal, "y", "now g")
    terminal.send("g")


def test_a_full_disk(desk: Desk, cluster: SmallCluster) -> None:
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        followed(desk, cluster)
        no_room(terminal.pid, full=True)
        cluster.scale("checkout", 4)
        terminal.wait_for("LOG FAILED", 20)
        assert "LOG FAILED" in terminal.text().splitlines()[0]
        assert " 4/4" in terminal.wait_for(lambda _: " 4/4" in row(terminal, "▸ checkout"))

        template = cluster.on_loop(lambda: cluster.cluster.get("deploy", "checkout", "shop"))["spec"][
            "template"
        ]
        ask_for_restart(terminal)
        text = terminal.wait_for(lambda text: "nothing was done" in text or "efused" in text, 20)
        assert "state folder" in text or "timeline" in text
        terminal.send("\x1b")
        now = cluster.on_loop(lambda: cluster.cluster.get("deploy", "checkout", "shop"))["spec"]["template"]
        assert now == template, "nothing may be done that cannot be recorded"

        no_room(terminal.pid, full=False)
        terminal.wait_for(lambda text: "LOG FAILED" not in text, 30)
        eventually(
            lambda: any("-> 4" in entry.text for entry in desk.entries()),
            "what happened meanwhile is recorded later",
        )
        calm(terminal)
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
    assert "action.intent" not in desk.kinds()
    assert "action.refused" in desk.kinds(), "the refusal itself is told once there is room"


def test_a_note_that_cannot_be_written_is_not_lost(desk: Desk) -> None:
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        no_room(terminal.pid, full=True)
        write_note(terminal, "the pager is quiet")
        terminal.wait_for("LOG FAILED", 20)
        terminal.wait_for("held in memory")
        assert "note" not in desk.kinds()
        no_room(terminal.pid, full=False)
        eventually(lambda: "note" in desk.kinds(), "the note is written as soon as there is room", 30)
        calm(terminal)
    (note,) = [entry for entry in desk.entries() if entry.kind == "note"]
    assert note.text == "the pager is quiet"


def without_override(argv: list[str]) -> list[str]:
    """The command without root's right to write wherever it likes."""
    if os.geteuid() != 0:
        return argv
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *argv]


def test_a_state_folder_that_may_not_be_written(desk: Desk, cluster: SmallCluster) -> None:
    desk.state_dir.mkdir()
    (desk.folder / "cache").mkdir()
    for folder in (desk.state_dir, desk.folder / "cache"):
        folder.chmod(0o555)
    try:
        with Terminal(without_override(desk.argv("run")), env=desk.environment) as terminal:
            terminal.wait_for("▸ checkout", 30)
            terminal.wait_for("LOG FAILED", 20)
            ask_for_restart(terminal)
            terminal.wait_for(lambda text: "nothing was done" in text or "efused" in text, 20)
            terminal.send("\x1b")
            live = cluster.on_loop(lambda: cluster.cluster.get("deploy", "checkout", "shop"))
            assert "annotations" not in live["spec"]["template"]["metadata"], "nothing was restarted"
            calm(terminal)
            for folder in (desk.state_dir, desk.folder / "cache"):
                folder.chmod(0o755)
            terminal.wait_for(lambda text: "LOG FAILED" not in text, 30)
            write_note(terminal, "writable again")
            eventually(lambda: "note" in desk.kinds(), "the note is written")
    finally:
        for folder in (desk.state_dir, desk.folder / "cache"):
            folder.chmod(0o755)


def test_a_torn_line(desk: Desk) -> None:
    assert desk.run("timeline", "add", "before").returncode == 0
    file = desk.state_dir / "standby.jsonl"
    with file.open("ab") as stream:
        stream.write(b'{"v":1,"seq":2,"id":"01ABC","text":"half a l')
    verify = desk.run("timeline", "verify")
    assert verify.returncode == 1
    assert "line 2" in verify.stdout and "torn" in verify.stdout
    shown = desk.run("timeline", "show")
    assert "before" in shown.stdout and "line 2" in shown.stderr
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        write_note(terminal, "after the crash")
        eventually(lambda: len(desk.entries()) >= 2, "the note is written")
        terminal.wait_for("after the crash")
        calm(terminal)
    lines = file.read_bytes().split(b"\n")
    assert lines[1] == b'{"v":1,"seq":2,"id":"01ABC","text":"half a l', "it is kept as it was"
    notes = [entry for entry in desk.entries() if entry.kind == "note"]
    assert [entry.text for entry in notes] == ["before", "after the crash"]
    assert "line 2" in desk.run("timeline", "verify").stdout


# --- Killed in the middle of a mitigation -----------------------------------------------------------------


def rollback(desk: Desk) -> subprocess.Popen[str]:
    argv = desk.argv("act", "k8s.rollback", "deployment/checkout", "--yes", "--reason", "v2 is bad")
    return subprocess.Popen(
        argv,
        env={**os.environ, **desk.environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed_at(desk: Desk, cluster: SmallCluster, stage: str) -> None:
    """Roll back, with the API hanging on the logs for the evidence, and kill -9 the command at a stage."""
    faults = cluster.server.faults
    fault = cluster.on_loop(lambda: faults.hang(Match(path="/log$"))) if stage == "evidence" else None
    process = rollback(desk)
    try:
        if fault is not None:
            eventually(lambda: fault.hits > 0, "the evidence is being saved", 60)
        else:
            eventually(lambda: "action.result" in desk.kinds(), "the result", 60)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        cluster.on_loop(faults.clear)


@pytest.mark.parametrize("stage", ["evidence", "verifying"])
def test_killed_in_the_middle_of_a_rollback(desk: Desk, cluster: SmallCluster, stage: str) -> None:
    killed_at(desk, cluster, stage)
    kinds = desk.kinds()
    assert "action.intent" in kinds
    assert "action.verdict" not in kinds
    assert ("action.result" in kinds) == (stage == "verifying")
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        if stage == "evidence":
            eventually(lambda: "action.result" in desk.kinds(), "the next console closes the record")
            (result,) = [entry for entry in desk.entries() if entry.kind == "action.result"]
            assert result.data["outcome"]["status"] == "unknown"
            terminal.send("7z")
            text = terminal.wait_for(lambda text: "nknown" in text)
            assert "checkout" in text
        else:
            terminal.wait_quiet(0.3)
            assert "OUTCOME UNKNOWN" not in terminal.text(), "the result was recorded"
        calm(terminal)
    assert cluster.image("checkout") == ("shop/checkout:v1" if stage == "verifying" else "shop/checkout:v2")
    verified = desk.run("timeline", "verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert all(report["ok"] for report in json.loads(verified.stdout))


def test_killed_on_the_screen_while_the_change_is_under_way(desk: Desk, cluster: SmallCluster) -> None:
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        terminal.send("1r")
        terminal.wait_for("Cancel (enter)", 30)
        fault = cluster.on_loop(lambda: cluster.server.faults.hang(Match(method="PATCH")))
        press_until(terminal, "y", "now g")
        terminal.send("g")
        eventually(lambda: fault.hits > 0, "the restart is under way")
        terminal.kill(signal.SIGKILL)
        assert terminal.wait_exit() == 137
    cluster.on_loop(cluster.server.faults.clear)
    assert "action.result" not in desk.kinds()
    watched = desk.terminal("watch")
    with watched as terminal:
        terminal.wait_for("OUTCOME UNKNOWN", 30)
    with desk.terminal("run") as terminal:
        eventually(lambda: "action.result" in desk.kinds(), "the next console closes the record", 30)
        terminal.send("m")
        terminal.wait_for("nknown", 20)
        calm(terminal)
    assert desk.run("timeline", "verify").returncode == 0
