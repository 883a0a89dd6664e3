"""What becomes of an error nobody foresaw: a sentence on the screen, the redacted traceback in a file."""

from __future__ import annotations

import asyncio
import os
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

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


def keep_off_the_screen(
    loop: asyncio.AbstractEventLoop, tell: Callable[[str], None], *expected: type[Exception]
) -> None:
    """Give ``tell`` the sentence for an error that no task of ``loop`` handles.

    By itself asyncio prints the traceback on standard error, where the console is drawn. Errors that are
    ``expected`` have been told where they happened.
    """

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, Exception) and not isinstance(error, expected):
            tell(save_crash(error))

    loop.set_exception_handler(handle)
