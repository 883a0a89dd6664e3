"""The lock on a target: held by one, also where the disk takes no word about who."""

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
