"""What a failed connection or statement means, as a sentence, with what to do."""

from __future__ import annotations

import re

import psycopg

from console.model.redact import redact
from console.model.source import Health
from console.model.text import clean
from console.sources.base import SourceError


class FullError(SourceError):
    """No slot is free for this role, so trying again in a moment may help."""


_FEWER = "free slots at the applications: fewer replicas or smaller pools"

# The server's words tell which slots are left and for whom (InitPostgres() in its postinit.c): up to 15 for
# superusers, since 16 for pg_use_reserved_connections too.
_FULL: tuple[tuple[str, str, str], ...] = (
    (
        r"too many clients already",
        "the server is full: all max_connections are taken, the reserved ones too",
        f"not even a superuser gets in until a session ends; {_FEWER}; or end an idle session from a session"
        " that is open already: a console that runs keeps one",
    ),
    (
        r"reserved for roles with privileges of the",
        "the server is full: only reserved slots are left",
        "a role with pg_use_reserved_connections (GRANT it to the console's role) or a superuser gets in;"
        f" or {_FEWER}",
    ),
    (
        r"remaining connection slots are reserved",
        "the server is full: only the slots of superuser_reserved_connections are left",
        "a superuser gets in, and no other role: give one's connection string; for the next time since 16:"
        f" reserved_connections and GRANT pg_use_reserved_connections; or {_FEWER}",
    ),
    (
        r"too many connections for role",
        "the console's role has no connection left: its own limit is reached",
        "ALTER ROLE … CONNECTION LIMIT, or close other sessions of this role",
    ),
    (
        r"too many connections for database",
        "the database has no connection left: its own limit is reached",
        "a superuser gets in, and so does who names another database such as postgres; or ALTER DATABASE …"
        " CONNECTION LIMIT",
    ),
)

# libpq keeps no SQLSTATE for a connection that failed, so its words are what there is (psycopg hands them
# over unchanged). A server with translated messages falls through to the last line.
_MEANINGS: tuple[tuple[str, str, str, Health], ...] = (
    (
        r"password authentication failed|no password supplied|authentication failed",
        "the server refused the user's password",
        "check user and password in the connection string, PGPASSWORD or ~/.pgpass",
        Health.DENIED,
    ),
    (
        r"no pg_hba\.conf entry",
        "the server lets this user not in from here",
        "a line in its pg_hba.conf must allow user, database, address and TLS",
        Health.DENIED,
    ),
    (
        r"role \".*\" (?:does not exist|is not permitted to log in)",
        "the server does not know this user as one that may log in",
        "check the user in the connection string",
        Health.DENIED,
    ),
    (
        r"permission denied for database",
        "the user may not connect to this database",
        "GRANT CONNECT ON DATABASE … TO the user, or name another database",
        Health.DENIED,
    ),
    (
        r"database \".*\" does not exist|database \".*\" is not currently accepting",
        "the database does not exist or takes no connections",
        "check the database in the connection string; 'postgres' is nearly always there",
        Health.FAILED,
    ),
    (
        r"(?:is starting up|not yet accepting connections|consistent recovery state)",
        "the server is starting up or recovering",
        "wait; recovery after a crash replays WAL, which the server's log reports",
        Health.FAILED,
    ),
    (
        r"is in recovery mode",
        "the server is recovering from a crash of one of its processes",
        "wait, then look into the server's log for the process that crashed",
        Health.FAILED,
    ),
    (
        r"is shutting down",
        "the server is shutting down",
        "find out who stops it; it may be a failover",
        Health.FAILED,
    ),
    (
        r"terminating connection|server closed the connection|connection socket closed|connection is lost"
        r"|the connection is closed|connection reset|broken pipe|EOF detected",
        "the server ended the connection: a restart, a failover or a kill",
        "the console connects again by itself; see whether the server is back and which one it is",
        Health.FAILED,
    ),
    (
        r"connection refused|no such file or directory",
        "nothing listens there",
        "check host and port, and whether the server runs",
        Health.FAILED,
    ),
    (
        r"could not translate host name|failed to resolve host|name or service not known|getaddrinfo",
        "the host name is unknown",
        "check the host in the connection string, and the resolver",
        Health.FAILED,
    ),
    (
        r"timeout expired|timed out|no route to host|network is unreachable",
        "the server does not answer",
        "it hangs, or a firewall or a VPN is in between; look at the host itself",
        Health.FAILED,
    ),
    (
        r"unsupported startup parameter",
        "this is a connection pooler, not the server",
        "give the address of PostgreSQL itself: sessions seen through a pooler are not the real ones",
        Health.FAILED,
    ),
    (
        r"SSL|TLS|certificate",
        "no encrypted connection could be agreed on",
        "check sslmode, sslrootcert and the server's certificate",
        Health.FAILED,
    ),
)


def explain(error: psycopg.Error) -> SourceError:
    """The sentence for ``error``; the server's own words follow where they say more."""
    words = wording(error)
    if error.sqlstate == "42501":
        return SourceError(
            f"the user may not read this: {words}", "GRANT pg_monitor TO the user", Health.DENIED
        )
    if error.sqlstate == "57014":
        return SourceError("the server needed too long and gave up", "it is overloaded; the console tries on")
    if error.sqlstate == "55P03":
        return SourceError("what is read is locked by a schema change", "the console tries on")
    for pattern, meaning, advice in _FULL:
        if re.search(pattern, words, re.IGNORECASE):
            return FullError(f"{meaning} ({words})", advice)
    for pattern, meaning, advice, health in _MEANINGS:
        if re.search(pattern, words, re.IGNORECASE):
            return SourceError(f"{meaning} ({words})", advice, health)
    return SourceError(f"the server reported: {words}", "see the server's log")


def wording(error: psycopg.Error) -> str:
    """The server's message, one clean line without secrets."""
    text = error.diag.message_primary or str(error) or type(error).__name__
    if "FATAL:" in text:
        text = text.rpartition("FATAL:")[2]
    return redact(clean(text, 200)).strip()
