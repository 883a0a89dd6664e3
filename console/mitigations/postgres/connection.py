"""The connection that acts: apart from the reading one, in autocommit, under its own name."""

from __future__ import annotations

from typing import Any

import psycopg

from console.config import PostgresSettings
from console.engine.ports import FullError, PlanError
from console.model.postgres import ACTOR
from console.sources.postgres import errors
from console.sources.postgres.link import Link

PostgresConnection = psycopg.AsyncConnection[tuple[Any, ...]]

SESSION = {
    "statement_timeout": "20000",
    "lock_timeout": "2000",
    "idle_in_transaction_session_timeout": "30000",
}
"""Settings of the acting session in milliseconds; a statement that needs longer sets its own."""


async def open_postgres(settings: PostgresSettings) -> PostgresConnection:
    """An open connection for acting on one server. Raises PlanError with a sentence and what to do.

    On a server that is full it takes a reserved slot, which only a privileged role gets: FullError otherwise.
    """
    try:
        link = await Link.open(settings.dsn.reveal(), ACTOR, SESSION)
    except psycopg.Error as error:
        said = errors.explain(error)
        kind = FullError if isinstance(said, errors.FullError) else PlanError
        raise kind(f"Cannot connect to postgres:{settings.name}: {said.reason}; {said.advice}.") from None
    return link.connection
