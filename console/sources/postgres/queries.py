"""Every statement that the source sends: fixed SELECTs, by server version where the catalogues differ.

The meaning of each column is that of the PostgreSQL manual, chapters "The Cumulative Statistics System",
"System Views" and "System Administration Functions". ``MARK`` stands inside each statement, so that the
console's own are recognised in pg_stat_statements.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composed, Identifier

MARK = "/* warroom */"

# Whether others' sessions are visible: pg_monitor and superusers have pg_read_all_stats too
# (manual, "Predefined Roles").
SERVER = """
SELECT /* warroom */ extract(epoch FROM clock_timestamp())::float8,
       pg_is_in_recovery(),
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE'),
       pg_backend_pid()
"""

# reserved_connections exists since 16; before, its row is missing. pending_restart tells the settings that
# were changed in a file and are not in force (manual, "pg_settings").
SETTINGS = """
SELECT /* warroom */ name, setting, pending_restart
  FROM pg_settings
 WHERE pending_restart
    OR name IN ('max_connections', 'superuser_reserved_connections', 'reserved_connections')
"""

# pg_blocking_pids() takes every lock partition for a moment, so it is asked for lock waiters alone. It names
# the holders and those queued in front; 0 is a prepared transaction. The query is not cut here: string
# functions fail on the query of a session whose database has another encoding.
ACTIVITY = """
SELECT /* warroom */ a.pid,
       extract(epoch FROM a.backend_start)::float8,
       to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US"+00"'),
       a.backend_type,
       a.usename,
       a.datname,
       a.application_name,
       coalesce(a.client_hostname, host(a.client_addr), CASE WHEN a.client_port = -1 THEN 'local' END),
       a.state,
       a.wait_event_type,
       a.wait_event,
       extract(epoch FROM a.xact_start)::float8,
       extract(epoch FROM a.query_start)::float8,
       extract(epoch FROM a.state_change)::float8,
       a.query,
       CASE WHEN a.wait_event_type = 'Lock' THEN pg_blocking_pids(a.pid) END,
       r.rolsuper,
       age(a.backend_xmin)
  FROM pg_stat_activity a
  LEFT JOIN pg_roles r ON r.oid = a.usesysid
 ORDER BY a.backend_start, a.pid
"""

# A cascading standby has followers too, and no current WAL of its own making.
#
# The lag is measured in bytes, and the time is an addition: replay_lag is NULL once the standby is idle and
# caught up (manual, "pg_stat_replication").
REPLICAS = """
SELECT /* warroom */ application_name,
       coalesce(client_hostname, host(client_addr), 'local'),
       pg_wal_lsn_diff(wal.lsn, replay_lsn)::bigint,
       pg_wal_lsn_diff(wal.lsn, flush_lsn)::bigint,
       pg_wal_lsn_diff(wal.lsn, sent_lsn)::bigint,
       extract(epoch FROM replay_lag)::float8,
       state,
       sync_state
  FROM pg_stat_replication,
       (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                    ELSE pg_current_wal_lsn() END AS lsn) AS wal
 ORDER BY application_name, pid
"""

# Only during recovery: pg_is_wal_replay_paused() is an error elsewhere.
STANDBY = """
SELECT /* warroom */ EXISTS (SELECT FROM pg_stat_wal_receiver),
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::bigint,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8,
       pg_is_wal_replay_paused()
"""

SLOTS = """
SELECT /* warroom */ slot_name, active, pg_wal_lsn_diff(wal.lsn, restart_lsn)::bigint, wal_status, slot_type
  FROM pg_replication_slots,
       (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn()
                    ELSE pg_current_wal_lsn() END AS lsn) AS wal
 ORDER BY 3 DESC NULLS LAST, 1
"""

# wal_status came with 13 (release notes, "max_slot_wal_keep_size").
SLOTS_12 = SLOTS.replace("wal_status", "''")

# Extensions are per database, and pg_stat_statements may live in any schema.
STATEMENTS_EXTENSION = """
SELECT /* warroom */ n.nspname, e.extversion
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = 'pg_stat_statements'
"""


def statement_counters(schema: str, extension: str) -> Composed:
    """Calls and milliseconds of every statement, without the texts, which lie in a file of the server.

    total_time became total_exec_time in version 1.8 of the extension (PostgreSQL 13); the extension's
    version counts, for pg_upgrade leaves it as it was. queryid is NULL where the role may not see it.
    """
    numbers = tuple(int(part) for part in extension.split(".")[:2] if part.isdigit())
    column = "total_exec_time" if numbers >= (1, 8) else "total_time"
    return SQL(
        "SELECT /* warroom */ queryid, sum(calls)::bigint, sum({})::float8 FROM {}(false)"
        " WHERE queryid IS NOT NULL GROUP BY queryid"
    ).format(Identifier(column), Identifier(schema, "pg_stat_statements"))


def statement_texts(schema: str) -> Composed:
    """The texts of the statements whose queryid is in the array parameter."""
    return SQL(
        "SELECT /* warroom */ queryid, min(query) FROM {}(true) WHERE queryid = ANY(%s) GROUP BY queryid"
    ).format(Identifier(schema, "pg_stat_statements"))
