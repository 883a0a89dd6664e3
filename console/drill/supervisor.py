"""The child process that owns the drill's servers, so that none outlives the drill.

Run by path with the standard library alone (``python -I -S supervisor.py DIRECTORY``). It reads one JSON
order a line from standard input and answers one JSON line each. End of file on standard input, which the
kernel makes when the parent dies in whatever way, stops every server and removes the directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


class Server:
    """A running server: its process, the signal it ends on and how long that may take (seconds)."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.name: str = order["name"]
        self.signal = signal.Signals(order["signal"])
        self.grace: float = order["grace"]
        user: dict[str, Any] = {}
        if order["uid"] is not None:
            user = {"user": order["uid"], "group": order["gid"], "extra_groups": []}
        with Path(order["log"]).open("ab") as log:
            self.process = subprocess.Popen(
                order["argv"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=order["cwd"],
                env=order["env"],
                preexec_fn=_die_with_parent(self.signal),
                **user,
            )

    def ask(self) -> None:
        """Ask the server to end."""
        if self.process.poll() is None:
            self.process.send_signal(self.signal)

    def end(self) -> None:
        """Wait for its end, and kill it when that does not come within its grace."""
        try:
            self.process.wait(self.grace)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Linux ends the server even when this process is killed; elsewhere only end of file does."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)

    return arrange


def _orders(descriptor: int) -> Any:
    """Yield each order as it comes, and None about twice a second; ends with end of file."""
    pending = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], 0.5)
        if not ready:
            yield None
            continue
        data = os.read(descriptor, 65536)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        for line in lines:
            yield json.loads(line)


def _say(**answer: Any) -> None:
    with contextlib.suppress(OSError):
        os.write(1, json.dumps(answer).encode() + b"\n")


def _stop(servers: list[Server]) -> None:
    for server in servers:
        server.ask()
    for server in servers:
        server.end()


def main(directory: str) -> None:
    """Carry out orders until standard input ends, then stop the servers."""
    servers: dict[str, Server] = {}
    # A Ctrl-C in the terminal is the parent's to handle; it then closes our standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    with contextlib.suppress(OSError, ValueError):
        for order in _orders(0):
            if order is None:
                continue
            name = order["name"]
            if order.get("stop"):
                _stop([servers.pop(name)] if name in servers else [])
                _say(name=name, stopped=True)
                continue
            if order.get("poll"):
                _say(name=name, running=servers[name].process.poll() is None)
                continue
            try:
                servers[name] = Server(order)
            except (OSError, subprocess.SubprocessError) as error:
                _say(name=name, error=str(error))
            else:
                _say(name=name, pid=servers[name].process.pid)
    _stop(list(servers.values()))
    for _ in range(10):
        shutil.rmtree(directory, ignore_errors=True)
        if not Path(directory).exists():
            break
        time.sleep(0.1)


if __name__ == "__main__":
    main(sys.argv[1])
