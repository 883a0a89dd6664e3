"""Which sessions are never ended, and why. Pure functions."""

from __future__ import annotations

import re

from console.config import PostgresSettings
from console.mitigations.postgres.sessions import Sessions
from console.model.postgres import ACTOR, CLIENT, READER, Backend

BACKUPS = (
    "pg_dump",
    "pg_dumpall",
    "pg_restore",
    "pg_basebackup",
    "pg_receivewal",
    "pgbackrest",
    "barman",
    "wal-g",
)
"""Programs by the application_name that they give themselves; protected whatever the configuration says."""

_COMMENT = re.compile(r"\s*/\*.*?\*/\s*")
_MAINTENANCE = re.compile(
    r"\s*(create\s+(?:unique\s+)?index|reindex|vacuum|analyze|cluster|refresh\s+materialized\s+view)\b",
    re.IGNORECASE,
)
_BACKUP_MODE = re.compile(r"\bpg_(?:start_backup|backup_start)\s*\(", re.IGNORECASE)

_KINDS = {
    "walsender": "it streams WAL to a standby, a backup or a subscriber",
    "autovacuum worker": "it is autovacuum, which starts again and is needed",
    "autovacuum launcher": "it is autovacuum, which starts again and is needed",
    "parallel worker": "it works for another session; end that one",
    "logical replication worker": "it applies a subscription's changes",
}


def protection(backend: Backend, seen: Sessions, settings: PostgresSettings) -> str:
    """Why ``backend`` may not be ended, as the end of a sentence; "" when it may."""
    if backend.pid == seen.own_pid or backend.application in (READER, ACTOR):
        return "it is a session of this console or of another one"
    if not backend.backend_type:
        return f"{seen.user} may not see what it is; GRANT pg_monitor TO {seen.user}"
    if backend.backend_type != CLIENT:
        return _KINDS.get(backend.backend_type, f"it is a process of the server ({backend.backend_type})")
    if backend.user in settings.protected_users:
        return f"the user {backend.user} is protected by the configuration"
    for name in BACKUPS:
        if _is_program(backend.application, name):
            return f"it is {backend.application}: backups and restores are left alone"
    for name in settings.protected_applications:
        if _is_program(backend.application, name):
            return f"the application {backend.application} is protected by the configuration"
    return _work(backend, seen)


def _work(backend: Backend, seen: Sessions) -> str:
    command = seen.maintenance.get(backend.pid, "")
    text = _COMMENT.sub(" ", backend.query)
    if not command and backend.state == "active" and (match := _MAINTENANCE.match(text)):
        command = match.group(1).upper()
    if command:
        return f"it runs {command}, whose work would be lost or left half done"
    return "it holds the server in backup mode" if _BACKUP_MODE.search(text) else ""


def _is_program(application: str, name: str) -> bool:
    """Whether an application_name is the program's: exactly, or with more after a blank or bracket."""
    given, wanted = application.lower(), name.lower()
    return given == wanted or (given.startswith(wanted) and given[len(wanted)] in " [(/:")


def forbidden(backend: Backend, seen: Sessions) -> str:
    """Why the server would refuse the console's role a signal to ``backend``; "" when it would not."""
    if seen.superuser:
        return ""
    if backend.superuser:
        return f"{backend.user} is a superuser and {seen.user} is not"
    if seen.signals_any or backend.pid in seen.own_roles:
        return ""
    return f"{seen.user} may not signal sessions of {backend.user}; GRANT pg_signal_backend TO {seen.user}"
