"""Memory of a console: what is freed is given back, and what stays for good is never searched for garbage.

Modules, style sheets and the first lists are hundreds of thousands of objects that stay. Walking them again
and again takes half a second of a start, and later each full collection would hold up a key for as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import functools
import gc
import itertools
from collections.abc import Collection

from console.engine.board import Board
from console.model.kube import KubeSnapshot
from console.model.source import Health

START_SECONDS = 15.0
"""How long a start may take; after that garbage is collected whatever is still missing."""

TRIM_SECONDS = 5.0
"""Between two times that freed memory is given back."""

COLLECT_EVERY = 12
"""Of those times, the one at which all garbage is looked for, which takes 25 ms.

A page that was closed and what read its logs are cycles, 0.5 MB each, which Python itself lets lie until they
are a quarter of all there is.
"""

_RARELY = (5_000, 10, 10)
"""New objects until garbage is looked for, and how many such looks make a longer and a full one.

By Python's own 700 a console whose text scrolls looks through everything once a second, 15 to 60 ms long, and
hardly any of it is garbage.
"""

_MALLOPT = {"M_TRIM_THRESHOLD": (-1, 2**20), "M_MMAP_THRESHOLD": (-3, 2**19), "M_ARENA_MAX": (-8, 1)}
"""Parameters of glibc's mallopt(3): numbers of malloc.h and values. A page of a list is given back, but the
256 KiB that asyncio reads a socket into are not asked of the kernel anew for every read."""


def keep_small() -> None:
    """Let the C library give back what is freed; called before there are threads.

    By default glibc gives every thread a heap of its own, and once a large block was freed it keeps blocks up
    to twice that size: 27 MB at 10,000 pods. Other C libraries have no mallopt, and nothing is done.
    """
    with contextlib.suppress(AttributeError, OSError):
        mallopt = _library().mallopt
        for number, value in _MALLOPT.values():
            mallopt(number, value)


def hold() -> None:
    """Collect no garbage from now on, until ``release``."""
    gc.disable()


async def release(board: Board, sources: Collection[str]) -> None:
    """Once all ``sources`` have delivered or failed, set aside what there is; collect what comes later.

    From then on the C library gives back, again and again, what was freed between what is in use.
    """
    complete = asyncio.Event()

    def look(_name: str) -> None:
        if _complete(board, sources):
            complete.set()

    stop_listening = board.listen(look)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            await complete.wait()
    stop_listening()
    set_aside()
    gc.set_threshold(*_RARELY)
    gc.enable()
    for number in itertools.count(1):
        if number % COLLECT_EVERY == 0:
            gc.collect()
        trim()
        await asyncio.sleep(TRIM_SECONDS)


def trim() -> None:
    """Give back the whole pages between blocks in use: of itself glibc does so at the end of its heap only.

    A log that was read leaves some 5 MB of them. It takes half a millisecond.
    """
    with contextlib.suppress(AttributeError, OSError):
        _library().malloc_trim(0)


@functools.cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def set_aside() -> None:
    """Never again search what there is now for garbage: modules that were loaded, lists that came in.

    A search of it takes 30 to 150 ms, and every two seconds that would hold up a person who scrolls.
    """
    gc.freeze()


def _complete(board: Board, sources: Collection[str]) -> bool:
    statuses = board.statuses
    return all(
        name in statuses and statuses[name].health is not Health.CONNECTING for name in sources
    ) and all("pods" in one.synced or "pods" in one.denied for one in board.of_type(KubeSnapshot).values())
