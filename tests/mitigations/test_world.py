"""Who may read the evidence that is saved."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.config import Config
from console.engine.board import Board
from console.mitigations.world import World
from console.model.clock import ManualClock


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def world_with(folder: Path, spare: Path | None = None) -> World:
    return World(
        clock=ManualClock(datetime(2026, 3, 1, tzinfo=UTC)),
        config=Config(),
        board=Board(),
        source="",
        settings=None,
        evidence_dir=folder,
        spare_dir=spare,
    )


def modes(*paths: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_evidence_and_every_folder_made_for_it_are_closed_to_others(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "evidence" / "one"
    world = world_with(folder)
    world.save_evidence("pod.log", b"last words")
    world.save_evidence("pod.log", b"more")

    assert modes(folder, folder.parent, folder.parent.parent) == {0o750}
    assert modes(*folder.iterdir()) == {0o640}
    assert len((folder / "SHA256SUMS").read_text().splitlines()) == 2


def test_the_spare_folder_is_closed_to_all_others(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("in the way")
    spare = tmp_path / "spare"
    world_with(tmp_path / "full" / "evidence", spare).save_evidence("pod.log", b"last words")

    assert modes(spare) == {0o700}
    assert modes(*spare.iterdir()) == {0o640}
    assert (spare / "pod.log").read_bytes() == b"last words"
