"""Files in the temporary folder, where others can put something of the same name first."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from console.engine.breakglass import second_path, write_second
from console.engine.crash import save_crash
from console.model.clock import SystemClock
from console.timeline.entry import Entry
from console.timeline.identity import Identity
from console.timeline.recorder import Recorder


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def entry(tmp_path: Path) -> Entry:
    return Recorder(tmp_path / "state", SystemClock(), Identity("kim", "desk", "s1")).record("note", "scaled")


def foreign(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of the user who runs the tests, seen by another one who may write into it."""
    path.write_text("of somebody else\n")
    path.chmod(0o666)
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)


def pipe(path: Path, _: pytest.MonkeyPatch) -> None:
    os.mkfifo(path)


def link(path: Path, _: pytest.MonkeyPatch) -> None:
    (path.parent / "precious").write_text("of somebody else\n")
    path.symlink_to(path.parent / "precious")


def second_name(path: Path, _: pytest.MonkeyPatch) -> None:
    (path.parent / "precious").write_text("of somebody else\n")
    path.hardlink_to(path.parent / "precious")


TRAPS = pytest.mark.parametrize("trap", [foreign, pipe, link, second_name])
Trap = Callable[[Path, pytest.MonkeyPatch], None]


def untouched(*paths: Path) -> bool:
    return all(path.read_text() == "of somebody else\n" for path in paths if path.is_file())


@TRAPS
def test_what_others_put_in_the_place_of_the_second_record_is_left_alone(
    temporary: Path, entry: Entry, monkeypatch: pytest.MonkeyPatch, trap: Trap
) -> None:
    name = f"warroom-break-glass-{os.getuid() + (trap is foreign)}.jsonl"
    trap(temporary / name, monkeypatch)
    assert second_path() == temporary / name

    path = write_second(second_path(), entry)

    assert path != second_path()
    assert path.parent == temporary
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["id"] == entry.id
    assert untouched(temporary / "precious", temporary / name)


def test_the_entries_of_one_console_stay_together(temporary: Path, entry: Entry) -> None:
    second_path().symlink_to("/dev/null")
    paths = {write_second(second_path(), entry) for _ in range(3)}
    (path,) = paths
    assert len(path.read_text().splitlines()) == 3


def test_the_second_record_goes_where_it_is_looked_for(temporary: Path, entry: Entry) -> None:
    assert write_second(second_path(), entry) == second_path()
    assert write_second(second_path(), entry) == second_path()
    assert len(second_path().read_text().splitlines()) == 2


@TRAPS
def test_what_others_put_in_the_place_of_a_crash_is_left_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, trap: Trap
) -> None:
    name = f"warroom-crash-{os.getuid() + (trap is foreign)}-{os.getpid()}.txt"
    trap(temporary / name, monkeypatch)

    said = save_crash(ValueError("never foreseen"))

    (kept,) = set(temporary.glob("warroom-crash-*")) - {temporary / name}
    assert f"Details are in {kept};" in said
    assert "never foreseen" in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert untouched(temporary / "precious", temporary / name)


def test_of_two_crashes_the_later_is_kept(temporary: Path) -> None:
    save_crash(ValueError("the first, which is much longer than the other"))
    save_crash(ValueError("the second"))
    (kept,) = temporary.glob("warroom-crash-*")
    assert "the second" in kept.read_text()
    assert "the first" not in kept.read_text()
