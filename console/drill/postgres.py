"""A real PostgreSQL on loopback with few slots, a seeded shop, and one role for each kind of user."""

from __future__ import annotations

import secrets
import signal
from pathlib import Path

import msgspec
import psycopg
from psycopg import sql

from console.drill import binaries
from console.drill.servers import DrillError, Servers, free_port, reachable

DATABASE = "shop"
APP_ROLE, MONITOR_ROLE, ANALYST_ROLE = "shop_app", "warroom", "analyst"

SUPERUSER_SLOTS, MONITOR_SLOTS = 3, 3

SETTINGS = {
    "superuser_reserved_connections": str(SUPERUSER_SLOTS),
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_worker_processes": "2",
    "max_wal_senders": "2",
    "jit": "off",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "log_min_duration_statement": "1s",
    # A client that goes away while its query waits for a lock frees its slot.
    "client_connection_check_interval": "2s",
}

SCHEMA = """
CREATE TABLE products (id int PRIMARY KEY, name text NOT NULL, price_cents int NOT NULL);
CREATE TABLE stock (product_id int PRIMARY KEY REFERENCES products, available int NOT NULL);
CREATE TABLE users (id int PRIMARY KEY, email text NOT NULL UNIQUE, last_login timestamptz);
CREATE TABLE orders (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL, product_id int NOT NULL,
    status text NOT NULL DEFAULT 'paid', created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX orders_user_id_idx ON orders (user_id);
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL, done_at timestamptz);
INSERT INTO products SELECT n, 'Product ' || n, 100 + n % 5000 FROM generate_series(1, 500) n;
INSERT INTO stock SELECT id, 100000 FROM products;
INSERT INTO users SELECT n, 'user' || n || '@example.test', now() FROM generate_series(1, 2000) n;
INSERT INTO orders (user_id, product_id, status, created_at)
    SELECT 1 + n % 2000, 1 + n % 500, 'paid', now() - n * interval '1 second'
    FROM generate_series(1, 20000) n;
"""


class Postgres(msgspec.Struct, frozen=True):
    """A running server. ``usable`` is the number of slots that ordinary roles can take."""

    port: int
    passwords: dict[str, str]
    max_connections: int
    reserved: int

    @property
    def usable(self) -> int:
        """Slots without those reserved for superusers and monitors."""
        return self.max_connections - self.reserved

    def dsn(self, role: str, application: str = "") -> str:
        """A connection string for a role; it holds the role's password."""
        name = f"?application_name={application}" if application else ""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{DATABASE}{name}"


def start(servers: Servers, usable: int = 37) -> Postgres:
    """Initialise, start and seed a server below ``servers``' directory. Raises DrillError.

    ``usable`` is the number of slots for ordinary roles; from version 16 on some more are the monitor's.
    """
    folder = servers.folder("postgres")
    programs = _readable(binaries.postgres(), servers)
    passwords = {role: secrets.token_hex(12) for role in ("postgres", APP_ROLE, MONITOR_ROLE, ANALYST_ROLE)}
    password_file = folder / "password"
    password_file.write_text(passwords["postgres"])
    servers.give(password_file)
    data = folder / "data"
    servers.run(
        [
            str(programs / "initdb"),
            *("-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(password_file)),
            *("--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8"),
        ],
        cwd=folder,
    )
    password_file.unlink()
    port = free_port()
    settings = {**SETTINGS, "port": str(port)}
    reserved = SUPERUSER_SLOTS
    if binaries.major(programs / "postgres") >= 16:
        settings["reserved_connections"] = str(MONITOR_SLOTS)
        reserved += MONITOR_SLOTS
    settings["max_connections"] = str(usable + reserved)
    if _has_statements(programs):
        settings["shared_preload_libraries"] = "pg_stat_statements"
    options = [f"--{name}={value}" for name, value in settings.items()]
    # SIGINT is PostgreSQL's fast shutdown: it ends the sessions instead of waiting for them.
    argv = [str(programs / "postgres"), "-D", str(data), *options]
    servers.start("postgres", argv, cwd=folder, stop=signal.SIGINT)
    server = Postgres(port, passwords, usable + reserved, reserved)
    servers.await_ready("postgres", lambda: _answers(server))
    _seed(server, statements="shared_preload_libraries" in settings)
    return server


def _answers(server: Postgres) -> bool:
    try:
        psycopg.connect(_admin(server, "postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _admin(server: Postgres, database: str) -> str:
    return server.dsn("postgres").replace(f"/{DATABASE}", f"/{database}")


def _seed(server: Postgres, *, statements: bool) -> None:
    try:
        with psycopg.connect(_admin(server, "postgres"), autocommit=True) as admin:
            for role in (APP_ROLE, MONITOR_ROLE, ANALYST_ROLE):
                admin.execute(
                    sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                        sql.Identifier(role), sql.Literal(server.passwords[role])
                    )
                )
            admin.execute(sql.SQL("GRANT pg_monitor, pg_signal_backend TO {}").format(_id(MONITOR_ROLE)))
            if admin.info.server_version >= 160000:
                admin.execute(sql.SQL("GRANT pg_use_reserved_connections TO {}").format(_id(MONITOR_ROLE)))
            if admin.info.server_version >= 150000:
                admin.execute(
                    sql.SQL("GRANT ALTER SYSTEM ON PARAMETER max_connections TO {}").format(_id(MONITOR_ROLE))
                )
            admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(_id(DATABASE), _id(APP_ROLE)))
        with psycopg.connect(_admin(server, DATABASE), autocommit=True) as admin:
            if statements:
                admin.execute("CREATE EXTENSION pg_stat_statements")
            admin.execute(
                sql.SQL("GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {}").format(_id(MONITOR_ROLE))
            )
            admin.execute(sql.SQL("GRANT ALL ON SCHEMA public TO {}").format(_id(APP_ROLE)))
        with psycopg.connect(server.dsn(APP_ROLE, "migration")) as app:
            app.execute(SCHEMA)
            app.execute(
                sql.SQL("GRANT SELECT, UPDATE ON ALL TABLES IN SCHEMA public TO {}").format(_id(ANALYST_ROLE))
            )
            app.execute("ANALYZE")
    except psycopg.Error as error:
        raise DrillError(f"The drill's database could not be prepared: {error}".rstrip()) from None


def _id(name: str) -> sql.Identifier:
    return sql.Identifier(name)


def _has_statements(programs: Path) -> bool:
    """Whether the installation has the extension that collects statements (the wheel has not)."""
    shares = (programs.parent / "share", Path("/usr/share/postgresql") / programs.parent.name)
    return any(next(share.glob("**/pg_stat_statements.control"), None) for share in shares if share.exists())


def _readable(programs: Path, servers: Servers) -> Path:
    """The programs where the servers' user can run them: root's own site-packages are often closed to it."""
    if servers.account.uid is None or reachable(programs):
        return programs
    return binaries.copy_postgres(programs, servers.directory / "postgres-programs")
