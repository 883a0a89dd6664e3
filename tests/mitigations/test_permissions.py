"""What ``warroom check`` says of the rights, held against what the servers do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from console.mitigations.permissions import Permission, permissions
from console.mitigations.postgres.sessions import look, open_link
from tests.mitigations.postgres.helpers import run, world_on
from tests.services import PostgresServer

ROLES = {
    "postgres": True,
    "signaller": True,
    "reluctant": False,
    "plain": False,
}


@pytest.fixture
def server(postgres_18: PostgresServer) -> Iterator[PostgresServer]:
    postgres_18.execute("CREATE ROLE signaller LOGIN IN ROLE pg_signal_backend")
    postgres_18.execute("CREATE ROLE reluctant LOGIN NOINHERIT IN ROLE pg_signal_backend")
    postgres_18.execute("CREATE ROLE plain LOGIN")
    yield postgres_18
    postgres_18.execute("DROP ROLE signaller, reluctant, plain")


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_signal_when_it_has_the_privileges_and_not_only_the_membership(
    server: PostgresServer, tmp_path: Path, role: str
) -> None:
    async def scenario() -> tuple[tuple[Permission, ...], bool]:
        async with world_on(server, tmp_path, role) as world:
            seen = await look(await open_link(world))
            return await permissions(world), seen.superuser or seen.signals_any

    found, planned = run(scenario())

    assert [item.action for item in found] == ["pg.cancel", "pg.terminate", "pg.terminate-matching"]
    assert {item.allowed for item in found} == {planned} == {ROLES[role]}
    assert {bool(item.detail) for item in found} == {not planned}


def test_a_connection_that_breaks_is_told_and_not_raised(server: PostgresServer, tmp_path: Path) -> None:
    async def scenario() -> tuple[Permission, ...]:
        async with world_on(server, tmp_path) as world:
            pid = (await world.postgres()).info.backend_pid
            server.execute(f"SELECT pg_terminate_backend({pid}, 5000)")
            return await permissions(world)

    found = run(scenario())

    assert {item.allowed for item in found} == {None}
    assert all("could not be read" in item.detail for item in found)
