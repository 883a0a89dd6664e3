"""One mitigation per target at a time, across all consoles that share a state folder."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from pathlib import Path

from console.model.plan import Target
from console.model.text import clean


class TargetBusyError(Exception):
    """Somebody else acts on the target; the message says who."""


class TargetLock:
    """An advisory lock (flock) on a file of its own for each target; the kernel drops it when we die.

    Raises TargetBusyError when it is taken, OSError when the folder cannot be written.
    """

    def __init__(self, state_dir: Path, source: str, target: Target, holder: str) -> None:
        mark = hashlib.sha256(f"{source}\0{target.namespace}\0{target}".encode()).hexdigest()[:32]
        folder = state_dir / "locks"
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._path = folder / f"{mark}.lock"
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            self._take(target)
            self._say(holder)
        except BaseException:
            os.close(self._descriptor)
            raise

    def release(self) -> None:
        """Let others act on the target. The file stays: removing it would let two hold it at once."""
        self._say("")
        os.close(self._descriptor)

    def _take(self, target: Target) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = clean(os.pread(self._descriptor, 400, 0), 200) or "another console"
            raise TargetBusyError(f"{other} is acting on {target}; wait until that is over.") from None

    def _say(self, holder: str) -> None:
        """Write who holds it, for those who find it taken. It holds as well where that cannot be written."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder.encode(errors="replace"), 0)
