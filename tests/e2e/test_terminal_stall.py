"""A terminal that takes nothing for a while, or little: frames are skipped, everything else goes on.

Longer by hand: ``WARROOM_STALL=31 pytest tests/e2e/test_terminal_stall.py``.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.answering import REQUEST, Answering
from tests.e2e.small import Desk, SmallCluster, calm, eventually, followed, row
from tests.e2e.tmux import ROOT, TMUX, Tmux, environment

SECONDS = float(os.environ.get("WARROOM_STALL", "0")) or 4.0
CHANGES = 100_000
LEAVES = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"

PROGRAM = """
import os, sys, threading
from pathlib import Path
import msgspec
import console.ui.app
from console.config import Config, ScreenSettings
from console.model.clock import SystemClock
from console.ui import proven
from console.ui.run import run
from tests.ui.cluster import kubernetes
from tests.ui.fake import FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import everything

folder = Path({folder!r})

def keep(name, text):
    with (folder / name).open("a") as file:
        file.write(text + "\\n")

class Engine(FakeEngine):
    def note(self, text):
        keep("notes", text)
        return super().note(text)

class Calls(list):
    def append(self, call):
        keep("calls", call[0])

def changes():
    shot = kubernetes()
    for count in ({warm}, {changes}):
        while not (folder / f"go{{count}}").exists():
            threading.Event().wait(0.05)
        for number in range(1, count + 1):
            web = msgspec.structs.replace(shot.workloads["w-web"], restarts=number)
            workloads = {{**shot.workloads, "w-web": web}}
            engine.board.publish("kubernetes:prod", msgspec.structs.replace(shot, workloads=workloads))
        keep(f"done{{count}}", "done")

mitigator = FakeMitigator()
mitigator.calls = Calls()
engine = everything(Engine(Config(screen=ScreenSettings(plain_output={plain})), mitigator=mitigator))
engine.clock = SystemClock()
threading.Thread(target=changes, daemon=True).start()

class App(console.ui.app.WarroomApp):
    def __init__(self, engine):
        super().__init__(engine)
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        known = ""
        while True:
            top = self.screen_stack[-1] if self.is_running and self.screen_stack else None
            on_top = type(top).__name__ if top and top.focused else ""
            if on_top != known:
                known = on_top
                keep("screens", known)
            threading.Event().wait(0.02)

console.ui.app.WarroomApp = App
{extra}
sys.exit(run(engine))
"""
WARM = 2000


class Console:
    """The screen on a made-up world, whose notes and calls are kept in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def program(self, *, plain: bool = False, extra: str = "") -> str:
        return PROGRAM.format(folder=str(self.folder), plain=plain, extra=extra, warm=WARM, changes=CHANGES)

    def start(self, *, plain: bool = False, extra: str = "", **options: Any) -> Answering:
        program = self.program(plain=plain, extra=extra)
        terminal = Answering([sys.executable, "-c", program], cwd=ROOT, **options)
        terminal.wait_for("auth-service", 30)
        terminal.wait_quiet(0.2)
        return terminal

    def kept(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().split("\n")[:-1] if file.exists() else []

    def take_note(self, terminal: Answering, text: str) -> None:
        """Write a note, whether the screen is seen or not, and wait until it is taken."""
        terminal.send("a")
        eventually(lambda: self.kept("screens")[-1] not in ("", "MainScreen"), "the dialog is open")
        terminal.send(f"{text}\r")
        eventually(lambda: text in self.kept("notes"), "the note is taken")
        eventually(lambda: self.kept("screens")[-1] == "MainScreen", "the dialog is closed")

    def change(self, count: int) -> None:
        """Let the program change its world so often, and wait until it has."""
        (self.folder / f"go{count}").touch()
        eventually(lambda: self.kept(f"done{count}"), f"{count} changes", 60)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    return Console(tmp_path)


@pytest.fixture(scope="module")
def cluster() -> Iterator[SmallCluster]:
    made = SmallCluster()
    made.deploy("checkout", "shop/checkout:v1")
    yield made
    made.close()


def told(terminal: Answering) -> float:
    """How long the stall was, as the screen says it."""
    text = terminal.wait_for("took no output for", 10)
    found = re.search(r"took no output for (\d+) s", text)
    assert found
    return float(found.group(1))


def test_the_real_console_goes_on_and_one_frame_catches_up(tmp_path: Path, cluster: SmallCluster) -> None:
    desk = Desk(tmp_path)
    desk.configure(desk.kubernetes(cluster))
    with Answering(desk.argv("run"), env=desk.environment) as terminal:
        terminal.wait_for("▸ checkout", 30)
        followed(desk, cluster)
        terminal.wait_quiet(0.3)
        terminal.stall()
        begin = time.monotonic()
        known = len(desk.entries())
        for count in (7, 5):
            cluster.scale("checkout", count)
            eventually(lambda known=known: len(desk.entries()) > known, "it is recorded")  # type: ignore[misc]
            known = len(desk.entries())
        terminal.send("a")
        for _ in range(15):  # what is typed before the dialog is open is nobody's
            terminal.send("x")
            time.sleep(0.1)
        terminal.send("\r")
        eventually(lambda: "note" in desk.kinds(), "what is typed meanwhile takes effect")
        while time.monotonic() - begin < SECONDS:
            time.sleep(0.05)
        output, asked = len(terminal.output), terminal.asked
        terminal.resume()
        assert abs(told(terminal) - (time.monotonic() - begin)) <= 1.5
        assert len(terminal.output) - output < 12_000
        assert terminal.asked - asked <= 4, "what was sent before it was noticed, one frame, one tick"
        terminal.wait_for(lambda _: " 5/5" in row(terminal, "▸ checkout"), 20)
        calm(terminal)
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
    assert desk.run("timeline", "verify").returncode == 0


@pytest.mark.parametrize("answers", [True, False])
def test_a_hundred_thousand_changes_cost_no_memory_and_few_bytes(console: Console, answers: bool) -> None:
    with console.start(answers=answers) as terminal:
        console.change(WARM)
        terminal.wait_for(lambda _: "2.0k" in row(terminal, "▸ web"))
        terminal.freeze()
        begin = time.monotonic()
        memory = terminal.memory()
        console.change(CHANGES)
        terminal.send("/we")
        terminal.send("b\r")
        terminal.send("z")
        while time.monotonic() - begin < SECONDS:
            time.sleep(0.05)
        assert terminal.memory() - memory < 10_000_000
        output = len(terminal.output)
        terminal.resume()
        terminal.wait_for(lambda _: "100k" in row(terminal, "▸ web"))
        text = terminal.text()
        assert "/web" in text and "SUGGESTIONS" not in text, "filtered and zoomed, as was typed"
        assert len(terminal.output) - output < (20_000 if answers else 90_000)
        calm(terminal)


@pytest.mark.parametrize("plain", [False, True])
def test_without_answers_the_loop_goes_on_too(console: Console, plain: bool) -> None:
    with console.start(answers=False, plain=plain) as terminal:
        assert (REQUEST.search(terminal.output) is None) == plain
        terminal.freeze()
        console.take_note(terminal, "seen while frozen")
        terminal.resume()
        terminal.wait_quiet(0.3)
        terminal.send("?")
        terminal.wait_for("HELP")
        terminal.send("\x1b")
        terminal.wait_for("SUGGESTIONS")
        calm(terminal)


def test_a_dialog_that_nobody_could_see_takes_no_yes(console: Console) -> None:
    with console.start() as terminal:
        terminal.send("1")
        terminal.wait_quiet(0.2)
        terminal.freeze()
        terminal.send("r")
        eventually(lambda: "plan" in console.kept("calls"), "the dialog plans")
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            terminal.send("yg")
            time.sleep(0.1)
        assert "run" not in console.kept("calls")
        terminal.resume()
        terminal.wait_for("Cancel (enter)")
        assert "run" not in console.kept("calls")

        def agreed() -> bool:
            terminal.send("y")
            return "now g" in terminal.text()

        eventually(agreed, "seen, it takes the first yes")
        terminal.send("g")
        eventually(lambda: "run" in console.kept("calls"), "and the second")


def quits(terminal: Answering) -> None:
    terminal.send("\x11")


def ends(number: signal.Signals) -> Callable[[Answering], None]:
    return lambda terminal: terminal.kill(number)


@pytest.mark.parametrize(
    ("how", "leave", "code"),
    [
        ("answers", quits, 0),
        ("answers", ends(signal.SIGTERM), 143),
        ("answers", ends(signal.SIGHUP), 129),
        ("silent", ends(signal.SIGTERM), 143),
        ("silent", quits, 0),
        ("plain", ends(signal.SIGHUP), 129),
    ],
)
def test_leaving_a_stalled_terminal(
    console: Console, how: str, leave: Callable[[Answering], None], code: int
) -> None:
    """It ends within seconds, and the terminal is put back as soon as it takes something again."""
    with console.start(answers=how == "answers", plain=how == "plain") as terminal:
        terminal.freeze()
        begin = time.monotonic()
        leave(terminal)
        assert terminal.wait_exit(5) == code
        assert time.monotonic() - begin < 5
        terminal.resume()
        eventually(lambda: SHOWS_CURSOR in terminal.output[-60:], "the cursor is shown again")
        assert LEAVES in terminal.output[-60:]


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_suspended_and_resumed(console: Console, number: signal.Signals) -> None:
    with console.start() as terminal:
        raw = terminal.modes()
        terminal.kill(number)
        eventually(lambda: terminal.state() == "T", "it is stopped")
        if number == signal.SIGTSTP:
            eventually(lambda: LEAVES in terminal.output, "the terminal is left")
            assert terminal.modes() != raw
        terminal.screen.reset()  # as after other programs
        terminal.kill(signal.SIGCONT)
        terminal.wait_for("SUGGESTIONS")
        terminal.wait_for("auth-service")
        eventually(lambda: terminal.modes() == raw, "keys are read one by one again")
        terminal.wait_quiet(0.3)
        console.take_note(terminal, "once")
        assert console.kept("notes") == ["once"], "each key is read once"
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
        eventually(lambda: terminal.output.endswith(b"\x1b[?1004l"), "the terminal is left")
        assert terminal.modes() != raw
        assert terminal.output.count(b"\x1b[<u") == terminal.output.count(b"\x1b[>25u")


@pytest.mark.skipif(TMUX is None, reason="tmux is not installed")
@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP])
def test_a_shell_stops_it_lets_it_wait_and_brings_it_back(console: Console, number: signal.Signals) -> None:
    """Stopped, let go on in the background where it stops again, and brought to the front by a real shell."""
    file = console.folder / "program.py"
    file.write_text(f"import os; open({str(console.folder / 'pid')!r}, 'w').write(str(os.getpid()))\n")
    with file.open("a") as more:
        more.write(console.program())

    def shown(text: str) -> None:
        eventually(lambda: text in tmux.text("shell"), f"{text!r} on the screen")

    def state() -> str:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]

    with Tmux(console.folder) as tmux:
        setting = {**environment(), "TERM": "tmux-256color", "PS1": "shell> ", "PYTHONPATH": str(ROOT)}
        tmux.start("shell", ["bash", "--norc", "-i"], setting, 120, 40)
        shown("shell>")
        tmux.keys("shell", f"{sys.executable} {file}", "Enter")
        shown("SUGGESTIONS")
        pid = int((console.folder / "pid").read_text())
        os.kill(pid, number)
        eventually(lambda: state() == "T", "it is stopped")
        shown("Stopped")
        tmux.keys("shell", "bg", "Enter")
        tmux.keys("shell", "echo back$((1+1))ground", "Enter")
        shown("back2ground")
        eventually(lambda: state() == "T", "it is stopped again")
        tmux.keys("shell", "fg", "Enter")
        eventually(lambda: "shell>" not in tmux.text("shell"), "the screen is its own again")
        shown("auth-service")
        tmux.keys("shell", "?")
        shown("HELP")
        tmux.keys("shell", "Escape")
        shown("SUGGESTIONS")
        tmux.keys("shell", "C-q")
        shown("shell>")
        tmux.keys("shell", "echo and$((1+1))typed", "Enter")
        shown("and2typed")
        assert "shell> echo and$" in tmux.text("shell"), "nothing else was typed into the shell"


@pytest.mark.parametrize("key", ["", "?", "r", "a"], ids=["panes", "help", "question", "form"])
def test_the_whole_screen_is_painted_again_when_asked_for(console: Console, key: str) -> None:
    """By Ctrl-L, also in a dialog, and by a signal of a size that is the same: another was attached."""
    with console.start() as terminal:
        terminal.send("1")
        terminal.send(key)
        terminal.wait_for({"": "", "?": "HELP", "r": "Cancel (enter)", "a": "esc Close"}[key])
        terminal.wait_quiet(0.3)
        before = terminal.text().splitlines()[1:]
        for way in ("key", "signal"):
            terminal.screen.reset()
            if way == "key":
                terminal.send("\x0c")
            else:
                terminal.kill(signal.SIGWINCH)
            terminal.wait_for(lambda text: text.splitlines()[1:] == before)
        calm(terminal)


def test_a_slow_line_carries_the_newest_frame_only(console: Console) -> None:
    """Forty changes of the whole screen at once, over 60 KB/s: they would take more than five seconds."""
    with console.start(rate=60_000) as terminal:
        before = len(terminal.output)
        terminal.send("z" * 40)
        terminal.send("3")
        terminal.wait_for("▌ DATABASE", 3)
        terminal.wait_quiet(0.3)
        assert len(terminal.output) - before < 60_000
        calm(terminal)


def test_another_version_of_textual_paints_in_its_own_way(console: Console) -> None:
    with console.start(extra='proven.VERSIONS = ("0.1",)') as terminal:
        terminal.wait_for("is not proven here")
        assert REQUEST.search(terminal.output) is None
        terminal.send("?")
        terminal.wait_for("HELP")
        terminal.send("\x1b")
        terminal.wait_for("SUGGESTIONS")
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
