"""``warroom act`` on a PostgreSQL server that has no slot left."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from console.cli import build_parser
from console.engine import act_command
from tests.services import POSTGRES_SERVERS, PostgresServer, eventually


@pytest.fixture(params=POSTGRES_SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[PostgresServer]:
    """A server with 17 slots for everyone and 3 for superusers, of whom ``helper`` is none."""
    found: PostgresServer = request.getfixturevalue(request.param)
    others = "SELECT FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    eventually(lambda: not found.execute(others), "the clients to leave")
    found.execute("CREATE ROLE app LOGIN")
    found.execute("CREATE ROLE helper LOGIN IN ROLE pg_monitor, pg_signal_backend")
    yield found
    found.execute("DROP ROLE app, helper")


@contextlib.contextmanager
def full(server: PostgresServer, user: str = "app") -> Iterator[list[psycopg.Connection]]:
    """As many sessions of a user as the server takes."""
    held: list[psycopg.Connection] = []
    try:
        with pytest.raises(psycopg.OperationalError, match=r"too many clients|connection slots"):
            while True:
                held.append(server.connect(user, "api"))
        yield held
    finally:
        for connection in held:
            connection.close()


def act(server: PostgresServer, folder: Path, user: str = "helper") -> int:
    """The command that would end the idle sessions of ``app``, as far as its plan."""
    words = ["act", "pg.terminate-matching", "db/postgres", "state=idle", "older-than=0s", "user=app"]
    more = ["--postgres-dsn", server.dsn(user), "--state-dir", str(folder), "--plan"]
    return act_command.run(build_parser().parse_args([*words, *more]))


def test_without_a_slot_it_says_how_long_it_tried_and_who_gets_in(
    server: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(act_command, "SLOT_SECONDS", 0.5)
    with full(server) as held:
        assert len(held) == 17
        assert act(server, tmp_path) == 1
        said = capsys.readouterr().err
        assert "no connection yet, trying for 0.5 s: Cannot connect to postgres:main" in said
        assert "only the slots of superuser_reserved_connections are left" in said
        assert "a superuser gets in, and no other role" in said
        assert "tries in 0.5 s got no slot." in said
        assert act(server, tmp_path, "postgres") == 0
        assert "17 sessions idle" in capsys.readouterr().out


def test_with_the_reserved_slots_gone_too_nobody_gets_in(
    server: PostgresServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(act_command, "SLOT_SECONDS", 0.5)
    with full(server), full(server, "postgres") as reserved:
        assert len(reserved) == 3
        assert act(server, tmp_path, "postgres") == 1
        said = capsys.readouterr().err
        assert "all max_connections are taken, the reserved ones too" in said
        assert "not even a superuser gets in until a session ends" in said
        assert "a console that runs keeps one" in said


def test_one_slot_that_comes_free_is_enough(
    server: PostgresServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with full(server) as held:
        leave = threading.Timer(0.6, held[0].close)
        leave.start()
        assert act(server, tmp_path) == 0
        leave.join()
        said = capsys.readouterr()
        assert "no connection yet" in said.err
        assert "16 sessions idle" in said.out
