"""The same terminal for every test, whatever the one it is started from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

SNAPSHOTS = Path(__file__).parent / "snapshots"


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TEXTUAL") or name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def same_text() -> Callable[[str, list[str]], None]:
    """Compare a grid with the one kept under a name; WARROOM_UPDATE_SNAPSHOTS=1 keeps the new one."""

    def compare(name: str, grid: list[str]) -> None:
        file = SNAPSHOTS / f"{name}.txt"
        text = "".join(f"{line.rstrip()}\n" for line in grid)
        if os.environ.get("WARROOM_UPDATE_SNAPSHOTS"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        kept = file.read_text(encoding="utf-8")
        lines = difflib.unified_diff(kept.splitlines(), text.splitlines(), "kept", "now", lineterm="")
        assert kept == text, "\n".join(lines)

    return compare
