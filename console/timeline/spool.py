"""The second sink: entries that the timeline could not take wait here and go home when it can.

The spool is a folder on another disk. It holds a file for each timeline, in the timeline's own format with
a chain of its own. Going home keeps an entry's id, times and text; its place and hash are those of the
timeline. A spool file that went home is renamed to *.merged and kept.
"""

import fcntl
import os
import stat
from pathlib import Path
from typing import BinaryIO

from console.timeline.entry import Entry, TimelineError
from console.timeline.file import TimelineFile, read_timeline, scan


class SpoolError(TimelineError):
    """What waits in the second place cannot be had, which says nothing of the timeline."""


def bring_home(spooled: Path, timeline: TimelineFile) -> list[Entry]:
    """Append the entries of `spooled` that `timeline` lacks, and set the spool file aside.

    Return the entries that were appended. Safe against other consoles that do the same. Raise SpoolError
    when the spool file cannot be read, TimelineError when the timeline does not take them; the spool then
    stays, and the next call goes on.
    """
    file = open_spool(spooled)
    if file is None:
        return []
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []  # another console writes to it or brings it home right now
        except OSError as error:
            raise _failure(spooled, "locked", error) from error
        timeline.probe()
        waiting = _entries(spooled, file)
        known = {entry.id for entry in read_timeline(timeline.path).entries}
        moved = [timeline.append(entry, keep_id=True) for entry in waiting if entry.id not in known]
        try:
            aside = spooled.with_name(f"{spooled.stem}.{os.fstat(file.fileno()).st_mtime_ns}.merged")
            if spooled.exists():
                spooled.rename(aside)
        except OSError as error:
            raise _failure(spooled, "set aside", error) from error
        return moved


def waiting_in(spooled: Path) -> tuple[Entry, ...]:
    """Return the entries that wait in a spool file, none while there is no such file; raise SpoolError."""
    file = open_spool(spooled)
    if file is None:
        return ()
    with file:
        return _entries(spooled, file)


def open_spool(spooled: Path) -> BinaryIO | None:
    """Open a spool file, None while there is none; raise SpoolError when it is no file that can be read."""
    try:
        descriptor = os.open(spooled, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(spooled, "read", error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SpoolError(_sentence(spooled, "read", "it is not a regular file"))
    return os.fdopen(descriptor, "rb")


def _entries(spooled: Path, file: BinaryIO) -> tuple[Entry, ...]:
    try:
        return tuple(found for _, found in scan(file) if isinstance(found, Entry))
    except OSError as error:
        raise _failure(spooled, "read", error) from error


def _failure(spooled: Path, doing: str, error: OSError) -> SpoolError:
    return SpoolError(_sentence(spooled, doing, (error.strerror or str(error)).lower()))


def _sentence(spooled: Path, doing: str, reason: str) -> str:
    return f"The second place for entries, {spooled}, cannot be {doing}: {reason}; move it out of the way."
