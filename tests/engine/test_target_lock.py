"""The lock on a target: held by one, also where the disk takes no word about who, or no lock at all."""

import fcntl
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.engine.target_lock import TargetBusyError, TargetLock
from tests.engine.fakes import SOURCE, TARGET


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_takes_the_lock_though_not_the_name_of_its_holder(tmp_path: Path) -> None:
    with full_disk():
        lock = TargetLock(tmp_path, SOURCE, TARGET, "kim@desk")
    with pytest.raises(TargetBusyError, match="another console is acting on deployment/shop"):
        TargetLock(tmp_path, SOURCE, TARGET, "ann@desk")
    lock.release()
    TargetLock(tmp_path, SOURCE, TARGET, "ann@desk").release()


def test_a_lock_that_fails_leaves_the_target_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock

    def fail(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        raise OSError(37, "No locks available")

    with monkeypatch.context() as broken:
        broken.setattr(fcntl, "flock", fail)
        with pytest.raises(OSError, match="No locks available"):
            TargetLock(tmp_path, SOURCE, TARGET, "kim@desk")
    TargetLock(tmp_path, SOURCE, TARGET, "ann@desk").release()


@pytest.mark.parametrize("then", ["as before", "failing"])
def test_a_state_folder_that_takes_none_leaves_the_one_in_the_second_place(tmp_path: Path, then: str) -> None:
    """Also when the folder takes none only since the first was taken."""
    state, spare = tmp_path / "state", tmp_path / "cache" / "spare"
    if then == "as before":
        state.write_text("in the way")
    lock = TargetLock(state, SOURCE, TARGET, "kim@desk", spare)
    if then == "failing":
        state.rename(tmp_path / "away")
        state.write_text("in the way")
    with pytest.raises(TargetBusyError, match="kim@desk is acting on deployment/shop"):
        TargetLock(state, SOURCE, TARGET, "ann@desk", spare)
    lock.release()
    TargetLock(state, SOURCE, TARGET, "ann@desk", spare).release()
    assert spare.stat().st_mode & 0o027 == 0


def test_where_no_place_takes_one_the_state_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(OSError, match="state"):
        TargetLock(tmp_path / "state", SOURCE, TARGET, "kim@desk", tmp_path / "state" / "spare")


def test_one_that_is_held_in_the_state_folder_keeps_nothing_in_the_second_place(tmp_path: Path) -> None:
    state, spare = tmp_path / "state", tmp_path / "spare"
    lock = TargetLock(state, SOURCE, TARGET, "kim@desk")
    with pytest.raises(TargetBusyError, match="kim@desk"):
        TargetLock(state, SOURCE, TARGET, "ann@desk", spare)
    lock.release()
    TargetLock(state, SOURCE, TARGET, "ann@desk", spare).release()
