"""The second sink: entries that the timeline could not take wait here and go home when it can.

The spool is a folder on another disk. It holds a file for each timeline, in the timeline's own format with
a chain of its own. Going home keeps an entry's id, times and text; its place and hash are those of the
timeline. A spool file that went home is renamed to *.merged and kept.
"""

import fcntl
import os
from pathlib import Path

from console.timeline.entry import Entry
from console.timeline.file import TimelineFile, failure, read_timeline


def bring_home(spooled: Path, timeline: TimelineFile) -> list[Entry]:
    """Append the entries of `spooled` that `timeline` lacks, and set the spool file aside.

    Return the entries that were appended. Safe against other consoles that do the same. Raise
    TimelineError when the timeline does not take them; the spool then stays, and the next call goes on.
    """
    try:
        descriptor = os.open(spooled, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failure(spooled, "read", error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []  # another console writes to it or brings it home right now
        timeline.probe()
        waiting = read_timeline(spooled).entries
        known = {entry.id for entry in read_timeline(timeline.path).entries}
        moved = [timeline.append(entry, keep_id=True) for entry in waiting if entry.id not in known]
        aside = spooled.with_name(f"{spooled.stem}.{os.fstat(descriptor).st_mtime_ns}.merged")
        if spooled.exists():
            spooled.rename(aside)
        return moved
    except OSError as error:
        raise failure(spooled, "read", error) from error
    finally:
        os.close(descriptor)
