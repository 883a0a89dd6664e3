"""A Redis client that can only read, and what its errors mean."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions
from redis.asyncio.connection import AbstractConnection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from console.model.redact import redact
from console.model.source import Health
from console.model.text import clean
from console.sources.base import SourceError

CLIENT_NAME = "warroom"
ANSWER_SECONDS = 1.5

Command = tuple[str | int, ...]

READS = frozenset(
    {"INFO", "TYPE", "EXISTS", "LLEN", "SCARD", "ZCARD", "HLEN", "XLEN", "XINFO GROUPS", "SLOWLOG GET"}
)
CONFIG_READS = frozenset({"maxmemory*", "save", "stop-writes-on-bgsave-error"})
"""Parameters that CONFIG GET is asked for; others may hold passwords (requirepass, masterauth)."""


class ForbiddenCommandError(Exception):
    """A command that is not on the list of reads was refused before it reached the network."""


class BadAddressError(Exception):
    """The URL cannot be read. The reason is withheld: it may quote a password."""


def address(url: str) -> str:
    """Where a URL leads, as host:port/database, without user and password; "" if unreadable."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return clean(parts.path, 120)
        host, port = parts.hostname or "localhost", parts.port or 6379
    except ValueError:
        return ""
    return clean(f"{host}:{port}/{parts.path.strip('/') or 0}", 120)


def is_read(command: Command) -> bool:
    """Whether ``command`` is on the list. Its first part is the name, with the subcommand if it has one."""
    if not command:
        return False
    name = str(command[0]).upper()
    if name == "CONFIG GET":
        return len(command) == 2 and command[1] in CONFIG_READS
    return name in READS


class ReadOnlyClient:
    """One connection, no retries, 1.5 s for an answer: a stopped server shows at once.

    The library's own defaults (5 s and ten retries) hide it for a minute. The protocol is RESP2: all that is
    read are strings, integers and flat lists, and RESP3 would need HELLO, which a monitoring user is often
    not allowed and which Redis before 6 does not know.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._named = True
        self._pool: ConnectionPool | None = None

    async def read(self, *commands: Command) -> list[Any]:
        """The raw answers in order, asked for in one go; an error stands in its place as an exception.

        Raises ForbiddenCommandError, BadAddressError or, when there is no connection, a RedisError.
        """
        for command in commands:
            if not is_read(command):
                raise ForbiddenCommandError(f"{command[:2]} is not on the list of commands that read")
        try:
            return await self._send(commands)
        except exceptions.NoPermissionError:
            # Naming the connection is a courtesy that a restricted user may not be allowed.
            if not self._named:
                raise
            self._named = False
            await self.close()
            return await self._send(commands)

    async def _send(self, commands: Sequence[Command]) -> list[Any]:
        pool = self._pool = self._pool or self._open()
        connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            return [await _answer(connection) for _ in commands]
        except BaseException:
            # Answers that are still to come must never be taken for those of the next round.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)

    def _open(self) -> ConnectionPool:
        # A socket of the file system is never half open, and its connection does not take the option.
        over_network = {} if self._url.startswith("unix:") else {"socket_keepalive": True}
        try:
            pool = ConnectionPool.from_url(
                self._url,
                protocol=2,
                decode_responses=True,
                encoding_errors="replace",
                client_name=CLIENT_NAME if self._named else None,
                socket_timeout=ANSWER_SECONDS,
                socket_connect_timeout=ANSWER_SECONDS,
                retry=Retry(NoBackoff(), 0),
                max_connections=1,
                **over_network,
            )
            pool.make_connection()  # type: ignore[no-untyped-call]  # which looks at the options of the URL
        except (ValueError, TypeError, AttributeError, exceptions.RedisError):
            raise BadAddressError from None
        return pool

    async def close(self) -> None:
        """Close the connection; the next read opens another."""
        pool, self._pool = self._pool, None
        if pool is not None:
            with contextlib.suppress(exceptions.RedisError, OSError):
                await pool.aclose()


async def _answer(connection: AbstractConnection) -> Any:
    """The next answer; an error of the server is one too."""
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error


_MEANINGS: tuple[tuple[str, str, str, Health], ...] = (
    (
        "NOAUTH",
        "the server wants a password",
        "write it into the URL as redis://user:password@host or redis://:password@host",
        Health.DENIED,
    ),
    ("WRONGPASS", "the server refused user or password", "check them in the URL", Health.DENIED),
    ("invalid password", "the server refused the password", "check it in the URL", Health.DENIED),
    (
        "NOPERM",
        "the user may not read this",
        "ACL SETUSER name +info +type +slowlog|get and the length commands on the queues' keys",
        Health.DENIED,
    ),
    (
        "BUSY",
        "the server is busy: a script or function runs and nothing else is answered",
        "SCRIPT KILL (FUNCTION KILL) ends it if it has not written yet; the server is not down",
        Health.FAILED,
    ),
    ("LOADING", "the server is loading its data", "wait; it answers when that is done", Health.FAILED),
    (
        "MASTERDOWN",
        "a replica without its master that refuses to serve old data",
        "look at the master and at the link between them",
        Health.FAILED,
    ),
    ("MISCONF", "the server cannot save to disk", "look at its log and at the disk", Health.FAILED),
    (
        "CLUSTERDOWN",
        "the cluster is down: not every slot is served",
        "CLUSTER NODES on any node names the ones that failed",
        Health.FAILED,
    ),
    (
        "max number of clients reached",
        "the server is full: it takes no more clients",
        "free connections at the applications, or raise maxclients",
        Health.FAILED,
    ),
    (
        "DB index is out of range",
        "the server has no database of that number",
        "check the number at the end of the URL",
        Health.FAILED,
    ),
)


def explain(error: Exception) -> SourceError:
    """The sentence for an error of the client library."""
    words = wording(error)
    for sign, meaning, advice, health in _MEANINGS:
        if sign in words:
            return SourceError(f"{meaning} ({words})", advice, health)
    if isinstance(error, exceptions.TimeoutError):
        return SourceError(
            f"no answer within {ANSWER_SECONDS:g} s",
            "the server hangs, the network is cut, or with rediss:// the port speaks no TLS; look at the host"
            " itself",
        )
    if isinstance(error, exceptions.ConnectionError | OSError):
        return SourceError(
            f"no connection: {words}", "check host, port and TLS (rediss://), and whether the server runs"
        )
    return SourceError(f"the server reported: {words}", "see the server's log")


def wording(error: Exception) -> str:
    """The server's message with its code, one clean line without secrets.

    The library takes known codes off the message and keeps them beside it.
    """
    code = getattr(error, "status_code", None)
    text = clean(str(error) or type(error).__name__, 200)
    if isinstance(code, str) and not text.startswith(code):
        text = f"{code} {text}"
    return redact(text)
