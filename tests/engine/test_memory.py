"""What the C library keeps."""

import platform
import subprocess
import sys

import pytest

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
