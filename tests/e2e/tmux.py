"""A tmux server of a test's own, as the judge of what a terminal shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TMUX = shutil.which("tmux")


class Look(NamedTuple):
    """A cell's SGR state, as tmux writes it."""

    fore: str = "39"
    back: str = "49"
    attributes: frozenset[str] = frozenset()


Cells = list[list[tuple[str, Look]]]
"""Lines of characters, each with how it looks."""


class Tmux:
    """Sessions of one window each. A context manager that ends the servers with all in them.

    Each is looked at by a client, which runs in a second server: capture-pane of the first leaves out erased
    cells at the end of a line, whatever their background, while a client is sent every cell.
    """

    def __init__(self, folder: Path) -> None:
        self._servers = [
            [TMUX or "tmux", "-S", str(folder / name), "-f", "/dev/null"] for name in ("inner", "outer")
        ]

    def __enter__(self) -> Tmux:
        return self

    def __exit__(self, *_exc: object) -> None:
        for server in self._servers:
            subprocess.run([*server, "kill-server"], capture_output=True)

    def _run(self, server: int, *words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
        done = subprocess.run(
            [*self._servers[server], *words], capture_output=True, timeout=30, env=environment
        )
        assert done.returncode == 0, (words, done.stderr.decode())
        return done.stdout.decode()

    def start(
        self, name: str, argv: Sequence[str], environment: Mapping[str, str], columns: int, rows: int
    ) -> None:
        """Run a program in a session of its own; variables that are empty are unset."""
        size = ["-x", str(columns), "-y", str(rows)]
        words = ["env", *(f"-u{key}" for key, value in environment.items() if not value)]
        words += [f"{key}={value}" for key, value in environment.items() if value]
        self._session(0, name, size, [*words, *argv])
        self._run(0, "set", "-g", "terminal-overrides", "*:RGB")
        self._run(0, "set", "-g", "default-terminal", "tmux-256color")
        attach = ["env", "-uTMUX", "TERM=tmux-256color", *self._servers[0], "-u", "attach", "-t", name]
        self._session(1, name, size, attach)

    def _session(self, server: int, name: str, size: Sequence[str], argv: Sequence[str]) -> None:
        self._run(server, "new-session", "-d", "-s", name, *size, "-c", str(ROOT), *argv)
        self._run(server, "set", "-g", "status", "off")
        self._run(server, "set", "-g", "escape-time", "0")
        if server:
            self._run(server, "set", "-t", name, "window-size", "manual")
            self._run(server, "resize-window", "-t", name, *size)

    def keys(self, name: str, *keys: str) -> None:
        """Type keys, by their names in tmux or as text."""
        self._run(0, "send-keys", "-t", name, *keys)

    def resize(self, name: str, columns: int, rows: int) -> None:
        """Give a session's window another size."""
        self._run(1, "resize-window", "-t", name, "-x", str(columns), "-y", str(rows))

    def cells(self, name: str, *, client: bool = True) -> Cells:
        """Every character on the screen with how it looks; a blank only with what is seen of it."""
        screen = self._run(int(client), "capture-pane", "-p", "-e", "-N", "-t", name)
        return [_line(line) for line in _with_looks(screen)]

    def title(self, name: str) -> str:
        """What the program set as its title."""
        return self._run(0, "display-message", "-p", "-t", name, "#{pane_title}").strip()

    def text(self, name: str) -> str:
        """The screen without looks."""
        return self._run(1, "capture-pane", "-p", "-t", name)


def environment() -> dict[str, str]:
    """What is unset in every session: what would change how a console paints."""
    names = [name for name in os.environ if name.startswith("TEXTUAL")]
    return dict.fromkeys([*names, "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "WARROOM_PLAIN_OUTPUT"], "")


def _with_looks(text: str) -> Cells:
    look = Look()
    lines: Cells = []
    for line in text.split("\n"):
        found: list[tuple[str, Look]] = []
        for codes, character in re.findall(r"\x1b\[([\d;:]*)m|(.)", line):
            if character:
                found.append((character, look))
            else:
                look = _turned(look, codes)
        lines.append(found)
    return lines


def _turned(look: Look, text: str) -> Look:
    fore, back, attributes = look
    codes = (text or "0").split(";")
    while codes:
        code = codes.pop(0)
        if code in ("38", "48"):
            count = 4 if codes[0] == "2" else 2
            code = ";".join([code, *codes[:count]])
            del codes[:count]
        number = int(code.partition(";")[0])
        if number == 0:
            fore, back, attributes = Look()
        elif number == 38 or 30 <= number <= 39 or 90 <= number <= 97:
            fore = code
        elif number == 48 or 40 <= number <= 49 or 100 <= number <= 107:
            back = code
        else:
            attributes |= {code}  # tmux ends attributes only all at once
    return Look(fore, back, attributes)


def _line(cells: list[tuple[str, Look]]) -> list[tuple[str, Look]]:
    seen = frozenset(("4", "7", "9"))
    line = [
        (character, Look("39", look.back, frozenset()))
        if character == " " and not look.attributes & seen
        else (character, look)
        for character, look in cells
    ]
    while line and line[-1] == (" ", Look()):
        line.pop()
    return line
