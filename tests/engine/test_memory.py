"""What the C library and Python keep."""

import asyncio
import contextlib
import gc
import platform
import subprocess
import sys
import weakref

import pytest

from console.engine import memory
from console.engine.board import Board

_SCRIPT = """
import ctypes, os, sys, threading
from console.engine.memory import keep_small
if sys.argv[1] == "small":
    keep_small()
started = threading.Barrier(6)
def work():
    started.wait()
    kept.append([bytes(4096) for _ in range(200)])
kept = []
threads = [threading.Thread(target=work) for _ in range(6)]
[one.start() for one in threads]
[one.join() for one in threads]
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
out = libc.fdopen(1, b"w")
libc.malloc_info(0, ctypes.c_void_p(out))
libc.fflush(ctypes.c_void_p(out))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has a heap for every thread")
def test_all_threads_share_one_heap() -> None:
    def heaps(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, how], capture_output=True, text=True, check=True
        )
        return done.stdout.count("<heap nr=")

    assert heaps("as it is") > 1
    assert heaps("small") == 1


_HOLES = """
import re
from console.engine.memory import keep_small, trim
def resident():
    with open("/proc/self/status") as status:
        return int(re.search(r"VmRSS:\\s+(\\d+)", status.read())[1])
keep_small()
blocks = [bytes(5000) for _ in range(10_000)]
full = resident()
blocks = blocks[::20]
before = resident()
trim()
print(full, before, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is asked to")
def test_what_is_free_between_blocks_in_use_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", _HOLES], capture_output=True, text=True, check=True)
    full, before, after = map(int, done.stdout.split())
    assert full - before < 10_000, "without being asked it gives nothing back"
    assert full - after > 25_000


def test_what_refers_to_itself_is_let_go_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "set_aside", lambda: None)
    monkeypatch.setattr(memory, "_RARELY", (0, 0, 0))  # nobody else collects it
    monkeypatch.setattr(memory, "START_SECONDS", 0.0)
    monkeypatch.setattr(memory, "TRIM_SECONDS", 0.001)

    class Page:
        itself: object

    async def closed_pages() -> None:
        releasing = asyncio.create_task(memory.release(Board(), ()))
        for _ in range(2):
            gone = asyncio.Event()
            page = Page()
            page.itself = page
            weakref.finalize(page, gone.set)
            del page
            await asyncio.wait_for(gone.wait(), 20)
        releasing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await releasing

    thresholds = gc.get_threshold()
    gc.disable()
    try:
        asyncio.run(closed_pages())
    finally:
        gc.set_threshold(*thresholds)
        gc.enable()
