"""A real Redis on loopback with the shop's cache, sessions and queues in it."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import msgspec
import redis

from console.drill import binaries
from console.drill.servers import DrillError, Servers, accepts, free_port, reachable

QUEUE = "shop:queue:default"
STUCK = "shop:queue:stuck"
CATALOG_KEYS = 200
SESSIONS = 300


class Redis(msgspec.Struct, frozen=True):
    """A running server and its password."""

    port: int
    password: str

    @property
    def url(self) -> str:
        """The address, with the password, of database 0."""
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"


def start(servers: Servers) -> Redis:
    """Start and seed a server below ``servers``' directory. Raises DrillError."""
    folder = servers.folder("redis")
    server = Redis(free_port(), secrets.token_hex(12))
    settings = folder / "redis.conf"
    # The password stands in a file, where a list of processes does not show it.
    settings.write_text(
        f"bind 127.0.0.1\nport {server.port}\nrequirepass {server.password}\ndir {folder}\n"
        'save ""\nappendonly no\nmaxmemory 64mb\nmaxmemory-policy allkeys-lru\n'
    )
    settings.chmod(0o600)
    servers.give(settings)
    servers.start("redis", [str(_runnable(servers)), str(settings)], cwd=folder)
    servers.await_ready("redis", lambda: accepts(server.port))
    _seed(server)
    return server


def _runnable(servers: Servers) -> Path:
    """The program where the servers' user can run it: root's own site-packages are often closed to it."""
    program = binaries.redis()
    if servers.account.uid is None or reachable(program):
        return program
    copy = servers.directory / "redis-server"
    shutil.copy(program, copy)
    copy.chmod(0o755)
    return copy


def _seed(server: Redis) -> None:
    try:
        with redis.Redis.from_url(server.url) as client, client.pipeline(transaction=False) as pipe:
            for number in range(1, CATALOG_KEYS + 1):
                pipe.set(
                    f"cache:product:{number}",
                    f'{{"id": {number}, "name": "Product {number}"}}',
                    ex=30 + number % 90,
                )
            for number in range(1, SESSIONS + 1):
                pipe.set(f"session:{number:06d}", f"user{number}", ex=86400)
            pipe.execute()
    except redis.RedisError as error:
        raise DrillError(f"The drill's Redis could not be prepared: {error}.") from None
