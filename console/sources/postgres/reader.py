"""One round of reads over one connection that is opened early and kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg

from console.config import PostgresSettings
from console.model.clock import Clock
from console.model.postgres import READER, PostgresSnapshot, Standby
from console.sources.base import SourceError
from console.sources.postgres import queries, rows
from console.sources.postgres.errors import explain
from console.sources.postgres.link import Link, NoAnswerError
from console.sources.postgres.statements import StatementWatch

T = TypeVar("T")

SESSION = {
    "default_transaction_read_only": "on",
    "statement_timeout": "1500",
    "lock_timeout": "500",
    "idle_in_transaction_session_timeout": "5000",
}
"""Settings of the reading session; times are milliseconds."""


class Reader:
    """Reads rounds. What is expensive or may fail for a while is kept from the last one."""

    def __init__(self, settings: PostgresSettings, clock: Clock) -> None:
        self._dsn = settings.dsn
        self._clock = clock
        self._link: Link | None = None
        self._statements = StatementWatch()
        self._limits: tuple[int, tuple[str, ...]] | None = None

    async def close(self) -> None:
        """End the session, also while the server is silent."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def read(self) -> PostgresSnapshot:
        """One round. Raises SourceError."""
        try:
            return await self._round(await self._connected())
        except NoAnswerError as error:
            raise SourceError(
                f"the server took a query and has been silent for {error.seconds:.0f} s",
                "it hangs or the network is cut; look at the host itself (disk, memory, stopped processes)",
            ) from None
        except psycopg.Error as error:
            raise explain(error) from None

    async def _connected(self) -> Link:
        if self._link is None or self._link.closed:
            self._link = None
            self._link = await Link.open(self._dsn.reveal(), READER, SESSION)
        return self._link

    async def _round(self, link: Link) -> PostgresSnapshot:
        notes: list[str] = []
        ((now, recovering, sees_all, own_pid),) = await link.fetch(queries.SERVER)
        backends = [rows.backend(row) for row in await link.fetch(queries.ACTIVITY)]
        limits = await self._group(notes, "settings", self._read_limits(link), self._limits)
        if limits is None:
            raise SourceError("the connection limit could not be read", "see the notes of the server's log")
        usable, pending_restart = limits
        standby = (
            await self._group(notes, "replay", _standby(link), Standby(None, None)) if recovering else None
        )
        replicas = await self._group(notes, "standbys", _all(link, queries.REPLICAS, rows.replica), ())
        slots_query = queries.SLOTS if link.version >= 130000 else queries.SLOTS_12
        slots = await self._group(notes, "slots", _all(link, slots_query, rows.slot), ())
        statements = await self._group(
            notes, "statements", self._statements.read(link, self._clock.monotonic()), None
        )
        if link.version < 120000:
            notes.append("this server is older than PostgreSQL 12, which is the oldest that is supported")
        clients = [it for it in backends if it.client_session]
        others = [it for it in backends if it.application != READER and it.pid != own_pid]
        working = [it for it in others if it.client_session]
        return PostgresSnapshot(
            at=self._clock.now().timestamp(),
            now=now,
            version=link.version,
            standby=standby,
            usable=usable,
            clients=len(clients),
            by_state=rows.by_state(clients, own_pid),
            by_application=rows.by_application(clients),
            backends=tuple(others),
            oldest_transaction=rows.oldest(now, (it.xact_start for it in working)),
            oldest_query=rows.oldest(now, (it.query_start for it in working if it.state == "active")),
            idle_in_transaction=sum(it.idle_in_transaction for it in working),
            waiting=sum(it.waits_for_lock for it in working),
            replicas=replicas,
            slots=slots,
            statements=statements,
            limited=not sees_all,
            pending_restart=pending_restart,
            notes=tuple(notes),
        )

    async def _group(self, notes: list[str], what: str, reading: Awaitable[T], otherwise: T) -> T:
        """A part of the round that may fail alone: a note instead of an empty screen."""
        try:
            return await reading
        except psycopg.Error as error:
            if self._link is None or self._link.closed:
                raise
            notes.append(f"{what}: {explain(error).reason}")
            return otherwise

    async def _read_limits(self, link: Link) -> tuple[int, tuple[str, ...]]:
        """The slots for clients, and the settings that wait for a restart."""
        found = await link.fetch(queries.SETTINGS)
        values = {name: setting for name, setting, _ in found}
        reserved = sum(
            int(values.get(name, 0)) for name in ("superuser_reserved_connections", "reserved_connections")
        )
        pending = tuple(sorted(name for name, _, waiting in found if waiting))
        self._limits = int(values["max_connections"]) - reserved, pending
        return self._limits


async def _all(link: Link, statement: str, record: Callable[[rows.Row], T]) -> tuple[T, ...]:
    return tuple(record(row) for row in await link.fetch(statement))


async def _standby(link: Link) -> Standby:
    (row,) = await link.fetch(queries.STANDBY)
    return rows.standby(row)
