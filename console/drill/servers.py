"""The drill's side of the supervisor: start real servers on loopback, find free ports, pick a user."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec


class DrillError(Exception):
    """Why the drill cannot start or go on, as a sentence for the terminal."""


class Account(msgspec.Struct, frozen=True):
    """The unprivileged user that servers run as; None ids mean the present user."""

    uid: int | None = None
    gid: int | None = None


def account() -> Account:
    """The user for servers: the present one, or ``nobody`` when that is root (PostgreSQL refuses root)."""
    if os.geteuid() != 0:
        return Account()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise DrillError(
            "PostgreSQL does not run as root and there is no user 'nobody' to run it as; "
            "start the drill as an ordinary user."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid)


def reachable(path: Path) -> bool:
    """Whether any user may enter every folder above ``path``."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _base(user: Account) -> str | None:
    """Where the directory is made: root's own TMPDIR may be closed to the servers' user."""
    usual = Path(tempfile.gettempdir())
    if user.uid is None or reachable(usual / "any"):
        return None
    if not Path("/tmp").is_dir():  # noqa: S108 - mkdtemp makes a private folder in it
        raise DrillError(f"The user that runs the drill's servers cannot enter {usual}; set TMPDIR.")
    return "/tmp"  # noqa: S108


_PORTS = range(15_000, 30_000)
"""Below the ports that systems give to outgoing connections, which could take one before its server does."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that was free a moment ago. Raises DrillError when hardly any is."""
    for _ in range(100):
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise DrillError("No port is free on 127.0.0.1.")


def wait_until(ready: Callable[[], bool], what: str, *, seconds: float = 15) -> None:
    """Poll until ``ready`` is true. Raises DrillError naming ``what`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise DrillError(f"{what} did not answer within {seconds:g} s.")
        time.sleep(0.02)


def accepts(port: int) -> bool:
    """Whether something listens on 127.0.0.1:``port``."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Servers:
    """A private directory and the processes in it; all of it goes with this process.

    Safe to call from several threads.
    """

    def __init__(self) -> None:
        self.account = account()
        self.directory = Path(tempfile.mkdtemp(prefix="warroom-drill-", dir=_base(self.account)))
        self.directory.chmod(0o711)
        self._lock = threading.Lock()
        script = Path(__file__).with_name("supervisor.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), str(self.directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )

    def folder(self, name: str) -> Path:
        """A directory below the drill's own, writable by the servers' user."""
        path = self.directory / name
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Make the servers' user the owner of a file or directory."""
        if self.account.uid is not None and self.account.gid is not None:
            os.chown(path, self.account.uid, self.account.gid)

    def run(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> None:
        """Run a tool to its end as the servers' user. Raises DrillError with its last line."""
        user: dict[str, Any] = {}
        if self.account.uid is not None:
            user = {"user": self.account.uid, "group": self.account.gid, "extra_groups": []}
        try:
            done = subprocess.run(
                argv,
                cwd=cwd,
                env=dict(env or _plain_environment()),
                capture_output=True,
                timeout=60,
                check=False,
                **user,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise DrillError(f"{Path(argv[0]).name} could not be run: {error}.") from None
        if done.returncode:
            lines = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
            raise DrillError(f"{Path(argv[0]).name} failed: {lines[-1] if lines else done.returncode}")

    def start(
        self,
        name: str,
        argv: Sequence[str],
        *,
        cwd: Path,
        stop: signal.Signals = signal.SIGTERM,
        grace: float = 3,
    ) -> int:
        """Start a server and return its pid. ``stop`` is the signal it ends on. Raises DrillError."""
        answer = self._ask(
            name=name,
            argv=list(argv),
            cwd=str(cwd),
            env=_plain_environment(),
            uid=self.account.uid,
            gid=self.account.gid,
            signal=int(stop),
            grace=grace,
            log=str(self.directory / f"{name}.log"),
        )
        if "error" in answer:
            raise DrillError(f"{name} could not be started: {answer['error']}.")
        return int(answer["pid"])

    def await_ready(self, name: str, ready: Callable[[], bool], *, seconds: float = 15) -> None:
        """Wait until a server answers. Raises DrillError with its last words when it has ended."""

        def answers() -> bool:
            if ready():
                return True
            if not self._ask(name=name, poll=True)["running"]:
                raise DrillError(f"{name} ended as it started: {self.log(name) or 'it left no message'}.")
            return False

        wait_until(answers, name, seconds=seconds)

    def stop(self, name: str) -> None:
        """Stop one server and wait for it."""
        self._ask(name=name, stop=True)

    def log(self, name: str) -> str:
        """The last line that a server wrote, for a message."""
        with contextlib.suppress(OSError):
            lines = (self.directory / f"{name}.log").read_text(errors="replace").strip().splitlines()
            return lines[-1] if lines else ""
        return ""

    def close(self) -> None:
        """Stop every server and remove the directory; returns when that is done."""
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _ask(self, **order: Any) -> dict[str, Any]:
        with self._lock:
            stdin, stdout = self._process.stdin, self._process.stdout
            assert stdin and stdout
            try:
                stdin.write(json.dumps(order).encode() + b"\n")
                stdin.flush()
                line = stdout.readline()
            except (OSError, ValueError):
                line = b""
        if not line:
            raise DrillError("The process that holds the drill's servers has ended; start the drill again.")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _plain_environment() -> dict[str, str]:
    """No variable of the user changes what a server does (PGPORT, TZ, LC_ALL …)."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC", "HOME": "/"}
