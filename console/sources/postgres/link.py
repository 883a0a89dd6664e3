"""One kept connection whose statements are bounded in time on the client's side too."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from typing import Any, Self

import psycopg
from psycopg import sql
from psycopg.abc import Buffer, Params
from psycopg.adapt import Loader
from psycopg.conninfo import make_conninfo

from console.model.conninfo import parameters
from console.model.text import clean

CONNECT_SECONDS = 3
ANSWER_SECONDS = 2.5
"""How long a statement is waited for: beyond statement_timeout, so that the server's word comes first."""

GIVE_UP_SECONDS = 30.0
"""How long an unanswered statement is kept before the connection is given up."""


class NoAnswerError(Exception):
    """The server did not answer a statement in time; ``seconds`` is how long it has been silent."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"no answer for {seconds:.0f} s")


class _LenientText(Loader):
    """Text of any encoding: pg_stat_activity shows the queries of all databases as they were sent."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "replace")


def address(dsn: str) -> str:
    """Where a connection string leads, as host:port/database without user and password."""
    given = parameters(dsn)
    host, port = given.get("host") or given.get("hostaddr") or "local", given.get("port") or 5432
    return clean(f"{host}:{port}/{given.get('dbname') or given.get('user') or ''}", 120)


def _forget(task: asyncio.Task[list[tuple[Any, ...]]]) -> None:
    """Take note of the error of a statement whose caller has gone, which asyncio would print otherwise."""
    if not task.cancelled():
        task.exception()


class Link:
    """A connection in autocommit with one statement at a time.

    A statement that the server does not answer in time is not given up with its connection: on a full
    server there would be no other. It stays pending, every further call waits for it first, and after
    GIVE_UP_SECONDS the link is severed.
    """

    def __init__(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        self.connection = connection
        self._pending: asyncio.Task[list[tuple[Any, ...]]] | None = None
        self._asked = 0.0

    @classmethod
    async def open(cls, dsn: str, application: str, settings: dict[str, str]) -> Self:
        """Connect within CONNECT_SECONDS a host. ``settings`` are server settings of the session.

        They travel in the start-up packet, so a pooler that would leak them to others refuses instead.
        Raises psycopg.Error.
        """
        given: dict[str, Any] = dict(parameters(dsn))
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        conninfo = make_conninfo(
            "",
            **{
                **given,
                "application_name": application,
                "connect_timeout": CONNECT_SECONDS,
                "client_encoding": "UTF8",
                "keepalives": 1,
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 15000,
                "options": f"{given.get('options') or ''} {options}".strip(),
            },
        )
        connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True, prepare_threshold=None)
        for type_name in ("text", "name", "varchar", "bpchar"):
            connection.adapters.register_loader(type_name, _LenientText)
        return cls(connection)

    @property
    def version(self) -> int:
        """The server's version as a number, e.g. 150018."""
        return self.connection.info.server_version

    @property
    def server(self) -> str:
        """The server reached, as host:port/database."""
        info = self.connection.info
        return clean(f"{info.host}:{info.port}/{info.dbname}", 120)

    @property
    def closed(self) -> bool:
        """Whether the connection is lost or was closed."""
        return self.connection.closed

    async def fetch(
        self, statement: str | sql.Composed, params: Params | None = None, *, seconds: float | None = None
    ) -> list[tuple[Any, ...]]:
        """The rows of one statement. Raises psycopg.Error, or NoAnswerError after ``seconds``.

        Cancelling the caller leaves the statement pending like a late one: psycopg would wait for the
        server's answer to the cancellation.
        """
        seconds = ANSWER_SECONDS if seconds is None else seconds
        if self._pending is not None:
            with contextlib.suppress(psycopg.Error):
                await self._settle(seconds)
        self._asked = time.monotonic()
        self._pending = asyncio.create_task(self._execute(statement, params))
        self._pending.add_done_callback(_forget)
        return await self._settle(seconds)

    async def _execute(self, statement: str | sql.Composed, params: Params | None) -> list[tuple[Any, ...]]:
        query = statement.encode() if isinstance(statement, str) else statement
        cursor = await self.connection.execute(query, params)
        return await cursor.fetchall() if cursor.description else []

    async def _settle(self, seconds: float) -> list[tuple[Any, ...]]:
        task = self._pending
        assert task is not None
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if not done:
            silent = time.monotonic() - self._asked
            if silent >= GIVE_UP_SECONDS:
                await self.close()
            raise NoAnswerError(silent)
        self._pending = None
        return task.result()

    async def close(self) -> None:
        """End the session at once, also while the server is silent."""
        if self._pending is not None:
            self._sever()
            with contextlib.suppress(Exception):
                await self._pending
            self._pending = None
        with contextlib.suppress(Exception):
            await self.connection.close()

    def _sever(self) -> None:
        """Shut the socket down under libpq, which then reports a lost connection to whoever waits on it."""
        with (
            contextlib.suppress(OSError, psycopg.Error),
            socket.socket(fileno=os.dup(self.connection.fileno())) as line,
        ):
            line.shutdown(socket.SHUT_RDWR)
