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

    It is taken in the state folder and in ``spare``, the user's second place, and one of them will do: a
    folder that takes no file, or none any more, does not let two consoles of this user on one target.
    Raises TargetBusyError when it is taken, OSError when neither place can be written.
    """

    def __init__(
        self, state_dir: Path, source: str, target: Target, holder: str, spare: Path | None = None
    ) -> None:
        mark = hashlib.sha256(f"{source}\0{target.namespace}\0{target}".encode()).hexdigest()[:32]
        self._descriptors: list[int] = []
        problems: list[OSError] = []
        try:
            for place in filter(None, (state_dir, spare)):
                try:
                    self._take(place / "locks" / f"{mark}.lock", target)
                except OSError as error:
                    problems.append(error)
            if not self._descriptors:
                raise problems[0]
            self._say(holder)
        except BaseException:
            self._close()
            raise

    def release(self) -> None:
        """Let others act on the target. The files stay: removing one would let two hold it at once."""
        self._say("")
        self._close()

    def _take(self, path: Path, target: Target) -> None:
        _make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = clean(os.pread(descriptor, 400, 0), 200) or "another console"
            os.close(descriptor)
            raise TargetBusyError(f"{other} is acting on {target}; wait until that is over.") from None
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptors.append(descriptor)

    def _say(self, holder: str) -> None:
        """Write who holds it, for those who find it taken. It holds as well where that cannot be written."""
        for descriptor in self._descriptors:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, holder.encode(errors="replace"), 0)

    def _close(self) -> None:
        while self._descriptors:
            os.close(self._descriptors.pop())


def _make_folder(folder: Path) -> None:
    for missing in [one for one in (*reversed(folder.parents), folder) if not one.is_dir()]:
        missing.mkdir(0o750, exist_ok=True)
