"""A world on a real server, and clients that hold it up."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from console.config import Config, PostgresSettings
from console.engine.board import Board
from console.mitigations.base import Mitigation
from console.mitigations.world import Timing, World
from console.model.clock import ManualClock
from console.model.plan import Outcome, Plan, Target, Verdict
from console.model.strict import convert
from tests.services import PostgresServer, eventually

T = TypeVar("T")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@asynccontextmanager
async def world_on(
    server: PostgresServer, folder: Path, user: str = "postgres", **settings: object
) -> AsyncIterator[World]:
    """A world whose system is ``server``."""
    given = convert({"dsn": server.dsn(user), **settings}, PostgresSettings)
    world = World(
        clock=ManualClock(START),
        config=Config(postgres=(given,)),
        board=Board(),
        source="postgres:main",
        settings=given,
        evidence_dir=folder / "evidence",
        timing=Timing(poll=0.1),
    )
    try:
        yield world
    finally:
        await world.close()


async def carried_out(
    mitigation: Mitigation, world: World, target: Target, **params: str
) -> tuple[Plan, Outcome, Verdict]:
    """Plan, execute and verify; the plan must not be refused."""
    plan = await mitigation.plan(world, target, {key.replace("_", "-"): it for key, it in params.items()})
    assert not plan.refusal, plan.refusal
    outcome = await mitigation.execute(world, plan)
    return plan, outcome, await mitigation.verify(world, plan, outcome)


class Client:
    """A session of an application; it outlives its server process without complaint."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.pid = connection.info.backend_pid
        self.target = Target("pid", str(self.pid))

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows."""
        cursor = self.connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        """Disconnect."""
        with contextlib.suppress(psycopg.Error):
            self.connection.close()


@contextlib.contextmanager
def client(server: PostgresServer, application: str = "api", user: str = "postgres") -> Iterator[Client]:
    """An idle session."""
    found = Client(server.connect(user, application))
    try:
        yield found
    finally:
        found.close()


def alive(server: PostgresServer, session: Client) -> bool:
    """Whether the server still has the session."""
    return server.execute(f"SELECT 1 FROM pg_stat_activity WHERE pid = {session.pid}") == [(1,)]


@contextlib.contextmanager
def busy(server: PostgresServer, statement: str, application: str = "api", **more: str) -> Iterator[Busy]:
    """A session that runs ``statement`` in another thread until the block ends."""
    session = Busy(server.connect(application=application, **more), statement)
    session.wait_active(server)
    try:
        yield session
    finally:
        server.execute(f"SELECT pg_terminate_backend({session.pid})")
        session.join()


class Busy(Client):
    """A statement on its own connection and thread; ``error`` is the SQLSTATE it ended with, if any."""

    def __init__(self, connection: psycopg.Connection, statement: str) -> None:
        super().__init__(connection)
        self.start(statement)

    def start(self, statement: str) -> None:
        """Run a statement; the one before has ended."""
        self.error: str | None = None
        self._thread = threading.Thread(target=self._run, args=(statement,))
        self._thread.start()

    def _run(self, statement: str) -> None:
        try:
            self.execute(statement)
        except psycopg.Error as error:
            self.error = error.sqlstate or type(error).__name__

    @property
    def finished(self) -> bool:
        """Whether the statement has ended, well or not."""
        return not self._thread.is_alive()

    def wait_active(self, server: PostgresServer) -> None:
        """Wait until the server runs the statement."""
        active = f"SELECT 1 FROM pg_stat_activity WHERE pid = {self.pid} AND state = 'active'"
        eventually(lambda: server.execute(active) or self.finished, "a statement to run")

    def wait(self) -> None:
        """Wait for the end of the statement."""
        eventually(lambda: self.finished, "a statement to end")

    def join(self) -> None:
        """Wait for the end of the statement and close."""
        self._thread.join(20)
        assert self.finished
        self.close()


@contextlib.contextmanager
def blocker(
    server: PostgresServer, statement: str, application: str = "api", user: str = "postgres"
) -> Iterator[Client]:
    """A session idle in a transaction that has run ``statement``."""
    with client(server, application, user) as session:
        session.execute("BEGIN")
        session.execute(statement)
        yield session


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine."""
    return asyncio.run(coroutine)
