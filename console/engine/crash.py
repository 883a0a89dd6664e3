"""What becomes of an error nobody foresaw: a sentence on the screen, the redacted traceback in a file."""

from __future__ import annotations

import os
import tempfile
import traceback
from pathlib import Path

from console.engine.private import open_own
from console.model.redact import redact
from console.model.text import clean


def save_crash(error: BaseException) -> str:
    """Write the traceback, without local variables and redacted, to a private file; return the sentence.

    The file is named after user and process, so a console that fails twice keeps the later one.
    """
    trace = "".join(traceback.format_exception(error))
    what = clean(redact(f"{type(error).__name__}: {error}"), 300)
    file = Path(tempfile.gettempdir()) / f"warroom-crash-{os.getuid()}-{os.getpid()}.txt"
    try:
        descriptor, file = open_own(file)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.truncate(0)
            stream.write(redact(trace))
    except OSError as problem:
        return f"an unexpected error: {what} (its details could not be saved: {problem.strerror})."
    return f"an unexpected error: {what}. Details are in {file}; please report it with that file."
