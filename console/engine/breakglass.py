"""The second place of an intent that no timeline takes: a file of the user in the temporary folder."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from console.timeline.entry import Entry, encode


def second_path() -> Path:
    """The file; one a user, so that nobody else's file is in the way."""
    return Path(tempfile.gettempdir()) / f"warroom-break-glass-{os.getuid()}.jsonl"


def write_second(path: Path, entry: Entry) -> None:
    """Append the entry and fsync it. A link in the place of the file is refused. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        line = encode(entry) + b"\n"
        if os.write(descriptor, line) != len(line):
            raise OSError(28, "No space left on device", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
