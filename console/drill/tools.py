"""A file to source in another terminal, so that the usual tools speak to the drill's servers.

What the console has no action for is done by hand, as it would be in earnest.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from console.drill import binaries
from console.drill.redis import Redis
from console.drill.settings import Info, write_private

NAME = "env"
LIBPQ = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
}


def write(folder: Path, info: Info, cache: Redis) -> Path:
    """Write ``env`` beside ``folder``, its owner's alone: it holds passwords. Returns its path."""
    database = conninfo_to_dict(info.postgres_dsn)
    values = {
        "KUBECONFIG": info.kubeconfig,
        **{variable: str(database[name]) for name, variable in LIBPQ.items()},
        "REDISCLI_AUTH": cache.password,
    }
    programs = folder / "bin"
    programs.mkdir(mode=0o700)
    if client := shutil.which("redis-cli"):
        # It takes its port from no variable; a function would be unknown to xargs.
        _script(programs / "redis-cli", f"{shlex.quote(client)} -p {cache.port}")
    if not shutil.which("psql") and (client := shutil.which("psql", path=str(binaries.postgres()))):
        _script(programs / "psql", shlex.quote(client))
    lines = [f"export {name}={shlex.quote(value)}" for name, value in values.items()]
    path = place(folder)
    write_private(path, "\n".join([*lines, f'export PATH={shlex.quote(str(programs))}:"$PATH"']) + "\n")
    return path


def place(folder: Path) -> Path:
    """Where the file is: a short path, which a narrow timeline shows whole."""
    return folder.parent / NAME


def words(folder: Path) -> str:
    """What to tell a player."""
    return f". {place(folder)}  in another terminal: kubectl, psql and redis-cli then speak to this drill."


def _script(path: Path, command: str) -> None:
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o700)
