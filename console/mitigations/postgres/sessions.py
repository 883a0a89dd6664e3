"""What is known of the server's sessions when a plan is made, before a signal and after it."""

from __future__ import annotations

from typing import Any

import msgspec
import psycopg

from console.engine.ports import PlanError
from console.mitigations.world import World
from console.model.postgres import Backend
from console.sources.postgres import queries, rows
from console.sources.postgres.errors import explain
from console.sources.postgres.link import Link, NoAnswerError

# Who may signal whom: members of pg_signal_backend anyone but superusers, everyone the sessions of roles
# whose privileges they have (manual, "Server Signaling Functions").
_RIGHTS = """
SELECT extract(epoch FROM clock_timestamp())::float8,
       current_user,
       (SELECT rolsuper FROM pg_roles WHERE rolname = current_user),
       pg_has_role(current_user, 'pg_signal_backend', 'USAGE'),
       pg_backend_pid(),
       current_setting('max_connections')::int,
       ARRAY(SELECT datname::text FROM pg_database WHERE datallowconn ORDER BY 1),
       ARRAY(SELECT pid FROM pg_stat_activity
              WHERE usesysid IS NOT NULL AND pg_has_role(current_user, usesysid, 'USAGE'))
"""

# Commands that report progress do so from their start to their end, whatever their text looks like
# (manual, "Progress Reporting"). analyze and basebackup came with 13.
_PROGRESS_12 = """
SELECT pid, 'VACUUM' FROM pg_stat_progress_vacuum
UNION ALL SELECT pid, coalesce(command, 'CREATE INDEX') FROM pg_stat_progress_create_index
UNION ALL SELECT pid, coalesce(command, 'CLUSTER') FROM pg_stat_progress_cluster
"""
_PROGRESS = f"""{_PROGRESS_12}
UNION ALL SELECT pid, 'ANALYZE' FROM pg_stat_progress_analyze
UNION ALL SELECT pid, 'a base backup' FROM pg_stat_progress_basebackup
"""  # noqa: S608 # literals of this module


class Sessions(msgspec.Struct, frozen=True):
    """One look. ``now`` is the server's clock in unix seconds, ``user`` and ``own_pid`` are the console's.

    ``maintenance`` names the command that a pid is at; ``signals_any`` is pg_signal_backend; ``own_roles``
    are the pids of sessions whose role's privileges the console's role has.
    """

    now: float
    user: str
    superuser: bool
    signals_any: bool
    own_pid: int
    max_connections: int
    databases: tuple[str, ...]
    own_roles: frozenset[int]
    backends: tuple[Backend, ...]
    maintenance: dict[int, str]
    version: int
    server: str

    def find(self, pid: int, backend_start: str = "") -> Backend | None:
        """The session with that pid, and that start if one is given."""
        for backend in self.backends:
            if backend.pid == pid and backend_start in ("", backend.backend_start_text):
                return backend
        return None

    @property
    def clients(self) -> int:
        """Client sessions, the consoles' own among them."""
        return sum(backend.client_session for backend in self.backends)

    @property
    def waiting(self) -> int:
        """Client sessions that wait for a lock."""
        return sum(backend.client_session and backend.waits_for_lock for backend in self.backends)

    @property
    def idle_in_transaction(self) -> int:
        """Client sessions that hold a transaction open and do nothing."""
        return sum(backend.client_session and backend.idle_in_transaction for backend in self.backends)

    @property
    def walsenders(self) -> int:
        """Connections that stream WAL: standbys, backups and logical subscribers."""
        return sum(backend.backend_type == "walsender" for backend in self.backends)


async def open_link(world: World) -> Link:
    """The acting connection, with bounded statements. Raises PlanError."""
    return Link(await world.postgres())


async def look(link: Link) -> Sessions:
    """Read everything about the sessions. Raises PlanError."""
    progress = _PROGRESS if link.version >= 130000 else _PROGRESS_12
    try:
        (rights,) = await link.fetch(_RIGHTS)
        activity = await link.fetch(queries.ACTIVITY)
        maintenance = await link.fetch(progress)
    except NoAnswerError as error:
        await link.close()
        raise PlanError(f"The server took a query and has been silent for {error.seconds:.0f} s.") from None
    except psycopg.Error as error:
        said = explain(error)
        raise PlanError(f"The sessions could not be read: {said.reason}; {said.advice}.") from None
    return _sessions(rights, [rows.backend(row) for row in activity], dict(maintenance), link)


def _sessions(
    rights: tuple[Any, ...], backends: list[Backend], maintenance: dict[int, str], link: Link
) -> Sessions:
    now, user, superuser, signals_any, own_pid, max_connections, databases, own_roles = rights
    return Sessions(
        now,
        user,
        superuser,
        signals_any,
        own_pid,
        max_connections,
        tuple(databases),
        frozenset(own_roles),
        tuple(backends),
        maintenance,
        link.version,
        link.server,
    )
