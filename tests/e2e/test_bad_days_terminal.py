"""A terminal that freezes, hangs up, shrinks or knows few colours; a console that is told to end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import struct
import termios
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from tests.e2e.small import Desk, SmallCluster, calm, eventually, followed, row
from tests.e2e.world import WARROOM
from tests.terminal import Terminal

LEAVES = b"\x1b[?1049l"
SHOWS_CURSOR = b"\x1b[?25h"


@pytest.fixture(scope="module")
def cluster() -> Iterator[SmallCluster]:
    made = SmallCluster()
    made.deploy("checkout", "shop/checkout:v1")
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, cluster: SmallCluster) -> Desk:
    made = Desk(tmp_path)
    made.configure(made.kubernetes(cluster))
    return made


def unread(terminal: Terminal) -> int:
    """Bytes that the program has written and nobody has read."""
    found: int = struct.unpack("i", fcntl.ioctl(terminal._fd, termios.FIONREAD, b"\0" * 4))[0]
    return found


def freeze(terminal: Terminal) -> None:
    """Stop reading and let the program write until the pty takes no more."""
    terminal.stall()
    seen: list[int] = []

    def full() -> bool:
        terminal.send("\x0c")
        seen.append(unread(terminal))
        return len(seen) > 10 and seen[-1] > 1000 and len(set(seen[-8:])) == 1

    eventually(full, "the pty is full")


def changes(desk: Desk) -> int:
    return sum(entry.kind == "change" for entry in desk.entries())


def more_changes(desk: Desk, known: int) -> bool:
    return changes(desk) > known


def test_a_frozen_terminal_stops_nothing_but_the_picture(desk: Desk, cluster: SmallCluster) -> None:
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        followed(desk, cluster)
        freeze(terminal)
        for count in (7, 5):
            known = changes(desk)
            cluster.scale("checkout", count)
            eventually(partial(more_changes, desk, known), "the change is recorded meanwhile")
        written = terminal.total
        terminal.resume()
        terminal.wait_for(lambda _: " 5/5" in row(terminal, "▸ checkout"), 20)
        assert terminal.total - written < 300_000, "the frames of the freeze are not replayed"
        terminal.send("?")
        terminal.wait_for("HELP")
        terminal.send("\x1b")
        terminal.wait_for("PODS")
        cluster.scale("checkout", 2)
        terminal.wait_for(lambda _: " 2/2" in row(terminal, "▸ checkout"))
        calm(terminal)
        terminal.send("\x11")
        assert terminal.wait_exit() == 0
    assert desk.run("timeline", "verify").returncode == 0


def family(pid: int) -> list[psutil.Process]:
    """A process and all its descendants."""
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGHUP, 129), (signal.SIGTERM, 143)])
def test_told_to_end(desk: Desk, number: signal.Signals, code: int) -> None:
    with desk.terminal("run") as terminal:
        modes = termios.tcgetattr(terminal._fd)
        terminal.wait_for("▸ checkout", 30)
        assert termios.tcgetattr(terminal._fd) != modes, "the console runs in raw mode"
        running = family(terminal.pid)
        terminal.kill(number)
        assert terminal.wait_exit() == code
        eventually(lambda: LEAVES in terminal.output, "the alternate screen is left")
        assert terminal.output.rindex(SHOWS_CURSOR) > terminal.output.rindex(b"\x1b[?25l")
        assert terminal.output.rindex(LEAVES) > terminal.output.rindex(b"\x1b[?1049h")
        assert termios.tcgetattr(terminal._fd) == modes, "the terminal is as it was"
        assert gone(running)
        calm(terminal)
    assert desk.run("timeline", "verify").returncode == 0


@pytest.mark.parametrize("frozen", [False, True])
def test_the_line_is_cut(desk: Desk, frozen: bool) -> None:
    """The pty goes away, as when the SSH server notices that the client is gone."""
    terminal = desk.terminal("run")
    try:
        terminal.wait_for("▸ checkout", 30)
        if frozen:
            freeze(terminal)
        running = family(terminal.pid)
        os.close(terminal._fd)
        assert terminal.wait_exit(20) == 129
        assert gone(running)
    finally:
        with contextlib.suppress(OSError):
            terminal.close()
    assert desk.run("timeline", "verify").returncode == 0


def test_the_line_of_a_drill_is_cut(tmp_path: Path) -> None:
    """The simulated world, with its databases and clients, goes with the console."""
    desk = Desk(tmp_path)
    argv = [*WARROOM, "drill", "bad-release", "--state-dir", str(desk.state_dir)]
    terminal = Terminal(argv, env=desk.environment)
    try:
        terminal.wait_for("storefront", 60)
        running = family(terminal.pid)
        assert len(running) > 5
        os.close(terminal._fd)
        assert terminal.wait_exit(30) == 129
        eventually(lambda: gone(running), "everything of the drill has ended")
    finally:
        with contextlib.suppress(OSError):
            terminal.close()


def test_terminated_while_frozen(desk: Desk) -> None:
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        freeze(terminal)
        running = family(terminal.pid)
        terminal.kill(signal.SIGTERM)
        terminal.resume()
        assert terminal.wait_exit(20) == 143
        assert gone(running)


SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
def test_sizes(desk: Desk, size: tuple[int, int]) -> None:
    columns, rows = size
    with desk.terminal("run", columns=columns, rows=rows) as terminal:
        terminal.wait_for("▸ checkout", 30)
        whole = columns >= 118
        for number, name in enumerate(("PODS", "ERRORS", "DATABASE", "CACHE", "ALERTS"), start=1):
            terminal.send(str(number))
            terminal.wait_for(f"▌ {name}")
            lines = terminal.text().splitlines()
            assert "no incident" in lines[0], "the status line is always there"
            terminal.wait_for(lambda text: "Help" in text.splitlines()[-1])
            assert whole == ("SUGGESTIONS" in terminal.text())
        calm(terminal)


def test_the_screen_stays_on_the_terminal_when_errors_go_elsewhere(desk: Desk, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    argv = ["/bin/sh", "-c", 'exec "$@" 2>"$0"', str(errors), *desk.argv("run")]
    with Terminal(argv, env=desk.environment) as terminal:
        terminal.wait_for("▸ checkout", 30)
        terminal.send(b"\x11")
        assert terminal.wait_exit() == 0
    assert errors.read_text() == ""


def test_live_resize(desk: Desk, cluster: SmallCluster) -> None:
    with desk.terminal("run", columns=200, rows=50) as terminal:
        terminal.wait_for("▸ checkout", 30)
        for columns, rows in (
            (120, 40),
            (80, 24),
            (60, 15),
            (40, 10),
            (20, 5),
            (40, 10),
            (100, 30),
            (160, 45),
        ):
            terminal.resize(columns, rows)
            if (columns, rows) == (20, 5):
                continue
            terminal.wait_for(lambda text: "checkout" in text and "no incident" in text.splitlines()[0])
            assert all(len(line) <= columns for line in terminal.text().splitlines())
        terminal.wait_for("SUGGESTIONS")
        cluster.scale("checkout", 3)
        terminal.wait_for(lambda _: " 3/3" in row(terminal, "▸ checkout"))
        cluster.scale("checkout", 2)
        terminal.wait_for(lambda _: " 2/2" in row(terminal, "▸ checkout"))
        calm(terminal)


def colours(output: bytes) -> set[str]:
    """Which ways of naming a colour the output uses: rgb, grey (rgb of equal parts), 256, 16."""
    found: set[str] = set()
    for group in re.findall(rb"\x1b\[([\d;]*)m", output):
        codes = [int(code or 0) for code in group.split(b";")]
        while codes:
            code = codes.pop(0)
            if code in (38, 48) and codes[:1] == [2]:
                found.add("grey" if len(set(codes[1:4])) == 1 else "rgb")
                del codes[:4]
            elif code in (38, 48) and codes[:1] == [5]:
                found.add("256")
                del codes[:2]
            elif code in range(30, 38) or code in range(40, 48) or code in range(90, 108):
                found.add("16")
    return found


@pytest.mark.parametrize(
    ("env", "wanted", "unwanted"),
    [
        ({"COLORTERM": "truecolor"}, {"rgb"}, {"256", "16"}),
        ({"COLORTERM": ""}, {"256"}, {"rgb", "grey"}),
        ({"COLORTERM": "", "TERM": "xterm"}, {"16"}, {"rgb", "grey", "256"}),
        ({"NO_COLOR": "1"}, set(), {"rgb", "256", "16"}),
    ],
    ids=["truecolor", "256", "16", "no-color"],
)
def test_colours(desk: Desk, env: dict[str, str], wanted: set[str], unwanted: set[str]) -> None:
    with desk.terminal("run", env=env) as terminal:
        terminal.wait_for("▸ checkout", 30)
        terminal.send("?")
        terminal.wait_for("HELP")
        used = colours(bytes(terminal.output))
        assert wanted <= used
        assert not used & unwanted
        calm(terminal)


def test_a_locale_without_unicode(desk: Desk) -> None:
    """LANG=C: nothing but ASCII may be sent, and everything is still there."""
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    with desk.terminal("run", env=plain) as terminal:
        terminal.wait_for("checkout", 30)
        terminal.wait_for("PODS")
        terminal.send("?")
        terminal.wait_for("HELP")
        calm(terminal)
        foreign = sorted({byte for byte in terminal.output if byte > 0x7F})
        assert not foreign, terminal.text()
