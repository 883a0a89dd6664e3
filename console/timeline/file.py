"""One timeline file: appended by any number of processes at once, never truncated, never rewritten.

An append takes an exclusive flock on the file, reads the last sound entry, chains the new one to it, writes
the line in one call on an O_APPEND descriptor and syncs it to the disk. A torn last line (a crash or a full
disk in the middle of a write) stays as evidence; the next append closes it with a newline.
"""

import errno
import fcntl
import math
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from console.timeline.entry import (
    GENESIS,
    BadLine,
    Entry,
    TimelineError,
    decode,
    decode_sound,
    encode,
    parse_time,
    seal,
)
from console.timeline.ulid import new_ulid

FILE_MODE = 0o640
FOLDER_MODE = 0o750
_BLOCK = 64 * 1024
_REMOTE = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}
_ADVICE = {
    errno.ENOSPC: "free space on that disk, or set --state-dir to another one",
    errno.EDQUOT: "free space in your quota, or set --state-dir to another disk",
    errno.EFBIG: "raise the file size limit (ulimit -f), or set --state-dir to another disk",
    errno.EROFS: "the file system is read-only; set --state-dir to a writable one",
    errno.EACCES: "ask its owner for write permission, or set --state-dir to a folder of yours",
    errno.EPERM: "the file or folder is protected (lsattr shows it); set --state-dir to another folder",
    errno.ENOTDIR: "something that is not a folder stands in the way; remove it or set --state-dir",
    errno.ELOOP: "it is a symbolic link; put the file itself there",
}


class Loaded(msgspec.Struct, frozen=True):
    """What a file holds: its sound-looking entries in file order, and the lines that are none."""

    entries: tuple[Entry, ...] = ()
    bad: tuple[BadLine, ...] = ()


class _Tail(msgspec.Struct, frozen=True):
    """The end of a file: the last sound entry, and whether the file ends in the middle of a line."""

    seq: int = 0
    id: str = ""
    hash: str = GENESIS
    torn: bool = False


def failure(path: Path, doing: str, error: OSError) -> TimelineError:
    """Turn an error of the system into a sentence: what failed, on what, why, what to do."""
    advice = _ADVICE.get(error.errno or 0, "check the disk, or set --state-dir to another folder")
    reason = (error.strerror or str(error)).lower()
    return TimelineError(f"The timeline {path} cannot be {doing}: {reason}; {advice}.")


def make_folder(folder: Path) -> None:
    """Create `folder` and what is missing above it, each with mode 0750; raise TimelineError."""
    missing = []
    try:
        while not folder.is_dir():
            missing.append(folder)
            folder = folder.parent
        for new in reversed(missing):
            try:
                new.mkdir(FOLDER_MODE)
            except FileExistsError:
                if not new.is_dir():
                    raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(new)) from None
                continue
            new.chmod(FOLDER_MODE)
            sync_folder(new.parent)
    except OSError as error:
        raise failure(missing[0] if missing else folder, "written", error) from error


def sync_folder(folder: Path) -> None:
    """Put the names in `folder` on the disk, so that a new file survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remote_file_system(path: Path) -> str | None:
    """Return the type of the network file system that `path` is on, or None; Linux only, best effort.

    Such file systems neither append atomically nor, always, keep locks between machines.
    """
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
        real = path.resolve()
    except OSError:
        return None
    best, kind = -1, ""
    for line in mounts:
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = Path(fields[1].replace("\\040", " "))
        if len(mount.parts) >= best and (real == mount or mount in real.parents):
            best, kind = len(mount.parts), fields[2]
    return kind if kind in _REMOTE else None


def read_timeline(path: Path) -> Loaded:
    """Read a whole file; bad lines are skipped and reported, a missing file is empty.

    Hashes are not checked here (see `console.timeline.chain`). Raise TimelineError when it cannot be read.
    """
    entries: list[Entry] = []
    bad: list[BadLine] = []
    for found in walk(path):
        if isinstance(found, Entry):
            entries.append(found)
        else:
            bad.append(found)
    return Loaded(tuple(entries), tuple(bad))


def walk(path: Path, start: int = 0) -> Iterator[Entry | BadLine]:
    """Yield what a file holds, line by line from the byte `start` on; it may be of any length.

    Like `read_timeline`: hashes are not checked but for a torn last line, which is reported and, when it is
    sound, an entry as well. A missing file is empty. Raise TimelineError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            for _, found in scan(file, start):
                yield found
    except FileNotFoundError:
        return
    except OSError as error:
        raise failure(path, "read", error) from error


def scan(file: BinaryIO, start: int = 0, end: float = math.inf) -> Iterator[tuple[int, Entry | BadLine]]:
    """Yield what lies between two bytes of an open file as `walk` does, each with the byte it begins at."""
    file.seek(start)
    at = start
    for number, read in enumerate(file, 1):
        line = read if at + len(read) <= end else read[: int(end) - at]
        if not line:
            return
        complete = line.endswith(b"\n")
        if not complete:
            yield at, BadLine(number, "it is torn: it does not end in a newline", torn=True)
        try:
            yield at, decode(line) if complete else decode_sound(line)
        except ValueError as error:
            if complete:
                yield at, BadLine(number, str(error))
        at += len(line)


class TimelineFile:
    """Appends to one file. Not for several threads at once; several processes are what it is made for."""

    def __init__(self, path: Path, lock_timeout: float = 2.0) -> None:
        self.path = path
        self._lock_timeout = lock_timeout
        self._seen: tuple[int, int] = (-1, -1)  # inode and size after our last append, when _tail is true
        self._tail = _Tail()

    def append(self, draft: Entry, *, keep_id: bool = False) -> Entry:
        """Seal `draft` and put it on the disk; its seq, prev and hash are set here.

        Its id is replaced when it does not sort after the last one in the file, unless `keep_id`. Raise
        TimelineError when the whole line did not reach the disk, or when another process holds the
        lock for longer than the timeout.
        """
        make_folder(self.path.parent)
        try:
            descriptor = self._open_locked()
            try:
                return self._append_locked(descriptor, draft, keep_id)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._seen = (-1, -1)
            raise failure(self.path, "written", error) from error

    def probe(self) -> None:
        """Open and lock the file like an append does, creating it, but write nothing; raise TimelineError.

        A full disk does not show before the first write.
        """
        make_folder(self.path.parent)
        try:
            os.close(self._open_locked())
        except OSError as error:
            raise failure(self.path, "written", error) from error

    def _open_locked(self) -> int:
        deadline = time.monotonic() + self._lock_timeout
        while True:
            descriptor = self._open()
            try:
                self._lock(descriptor, deadline)
                if self._is_current(descriptor):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # the file was moved away while we waited for its lock

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(self.path, flags)
        except FileNotFoundError:
            try:
                descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, FILE_MODE)
            except FileExistsError:
                return os.open(self.path, flags)
            os.fchmod(descriptor, FILE_MODE)
            sync_folder(self.path.parent)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise TimelineError(f"The timeline {self.path} is not a regular file; move it out of the way.")
        return descriptor

    def _lock(self, descriptor: int, deadline: float) -> None:
        pause = 0.0005
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise TimelineError(
                        f"The timeline {self.path} has been locked by another process for "
                        f"{self._lock_timeout:g} s; find it with `fuser {self.path}` and continue or end it."
                    ) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def _is_current(self, descriptor: int) -> bool:
        try:
            named = self.path.stat()
        except FileNotFoundError:
            return False
        ours = os.fstat(descriptor)
        return (named.st_dev, named.st_ino) == (ours.st_dev, ours.st_ino)

    def _append_locked(self, descriptor: int, draft: Entry, keep_id: bool) -> Entry:
        status = os.fstat(descriptor)
        if self._seen != (status.st_ino, status.st_size):
            self._tail = _read_tail(descriptor, status.st_size)
        tail = self._tail
        entry_id = draft.id
        if not keep_id and entry_id <= tail.id:
            entry_id = new_ulid(int(parse_time(draft.ts).timestamp() * 1000), tail.id)
        entry = seal(draft, seq=tail.seq + 1, entry_id=entry_id, prev=tail.hash)
        line = (b"\n" if tail.torn else b"") + encode(entry) + b"\n"
        self._seen = (-1, -1)
        written = os.write(descriptor, line)
        if written != len(line):
            raise OSError(errno.ENOSPC, f"only {written} of {len(line)} bytes of an entry fit")
        os.fsync(descriptor)
        self._seen = (status.st_ino, status.st_size + written)
        self._tail = _Tail(seq=entry.seq, id=entry.id, hash=entry.hash)
        return entry


def _read_tail(descriptor: int, size: int) -> _Tail:
    """Read backwards from the end of the file to the last sound entry."""
    rest = b""
    position = size
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    while position > 0:
        step = min(_BLOCK, position)
        position -= step
        lines = (os.pread(descriptor, step, position) + rest).split(b"\n")
        rest = lines[0]
        for line in reversed(lines if position == 0 else lines[1:]):
            if not line:
                continue
            try:
                entry = decode_sound(line)
            except ValueError:
                continue
            return _Tail(seq=entry.seq, id=entry.id, hash=entry.hash, torn=torn)
    return _Tail(torn=torn)
