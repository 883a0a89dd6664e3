"""Files of one user in the temporary folder, which everybody can write."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

_instead: dict[Path, Path] = {}
"""Where goes what was to go to a file whose place somebody else had taken, as long as this process lives."""


def open_own(wanted: Path) -> tuple[int, Path]:
    """Open a file at its end for writing; what is new can be read by us alone. Gives descriptor and path.

    Anybody may have put something in its place, to read or change what we write, to make us wait, or to have
    us write over a file of ours. So only a plain file of ours without a second name will do; else a new one
    beside it is taken, whose name nobody can guess. Raises OSError.
    """
    path = _instead.get(wanted, wanted)
    try:
        return _open(path), path
    except OSError:
        descriptor, name = tempfile.mkstemp(wanted.suffix, f"{wanted.stem}-", wanted.parent)
    path = _instead[wanted] = Path(name)
    return descriptor, path


def _open(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.getuid() or found.st_nlink != 1:
        os.close(descriptor)
        raise PermissionError(13, "It belongs to somebody else", str(path))
    return descriptor
