"""The kept acting connections: there when the server has no slot left, and made anew when they break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from console.config import PostgresSettings
from console.engine.ports import FullError, PlanError
from console.mitigations.postgres.connection import open_postgres
from console.mitigations.postgres.kept import ActingSessions
from console.model.clock import ManualClock
from console.model.strict import convert
from tests.mitigations.postgres.helpers import client, run
from tests.services import PostgresServer, eventually_async

CLOCK = ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))


@contextlib.asynccontextmanager
async def kept(settings: PostgresSettings) -> AsyncIterator[ActingSessions]:
    sessions = ActingSessions((settings,), CLOCK)
    task = asyncio.create_task(sessions.keep())
    try:
        yield sessions
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_on_a_full_server_the_kept_connection_still_acts(postgres_18: PostgresServer) -> None:
    postgres_18.execute("CREATE ROLE helper LOGIN; GRANT pg_signal_backend, pg_monitor TO helper")
    settings = convert({"dsn": postgres_18.dsn("helper")}, PostgresSettings)

    async def scenario() -> None:
        async with kept(settings) as sessions:
            connection = await sessions.take(settings)
            with contextlib.ExitStack() as clients:
                usable = 20 - 3 - 1
                for _ in range(usable):
                    clients.enter_context(client(postgres_18, user="helper"))
                with pytest.raises(PlanError, match="slots"):
                    await open_postgres(settings)
                assert await sessions.take(settings) is connection
                answer = await connection.execute("SELECT 1")
                assert await answer.fetchone() == (1,)

    run(scenario())
    postgres_18.execute("DROP ROLE helper")


def test_a_server_that_is_full_at_first_is_tried_again_soon(
    postgres_18: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.mitigations.postgres.kept.FULL_SECONDS", 0.05)
    monkeypatch.setattr("console.mitigations.postgres.kept.OPEN_SECONDS", 0.0)
    refused = asyncio.Event()
    looks = ActingSessions._look

    async def look(sessions: ActingSessions, settings: PostgresSettings) -> None:
        try:
            await looks(sessions, settings)
        except FullError:
            refused.set()
            raise

    monkeypatch.setattr(ActingSessions, "_look", look)
    postgres_18.execute("CREATE ROLE helper LOGIN")
    settings = convert({"dsn": postgres_18.dsn("helper")}, PostgresSettings)
    acting = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'warroom-act'"

    async def scenario() -> None:
        with contextlib.ExitStack() as clients:
            for _ in range(20 - 3):
                last = clients.enter_context(client(postgres_18, user="helper"))
            async with kept(settings) as sessions:
                await asyncio.wait_for(refused.wait(), 20)
                with pytest.raises(FullError):
                    await sessions.take(settings)
                last.close()

                async def opened() -> bool:
                    return await asyncio.to_thread(postgres_18.execute, acting) == [(1,)]

                await eventually_async(opened, "the acting connection", patience=10)

    run(scenario())
    postgres_18.execute("DROP ROLE helper")


def test_a_connection_that_broke_is_replaced(postgres_18: PostgresServer) -> None:
    settings = convert({"dsn": postgres_18.dsn("postgres")}, PostgresSettings)

    async def scenario() -> None:
        async with kept(settings) as sessions:
            first = await sessions.take(settings)
            postgres_18.execute(f"SELECT pg_terminate_backend({first.info.backend_pid})")

            async def noticed() -> bool:
                with contextlib.suppress(Exception):
                    await first.execute("SELECT 1")
                return first.closed

            await eventually_async(noticed, "the end of the connection to be noticed")
            second = await sessions.take(settings)
            answer = await second.execute("SELECT 2")
            assert await answer.fetchone() == (2,)

    run(scenario())


def test_what_a_plan_opened_before_the_keeping_began_is_closed_with_it(postgres_18: PostgresServer) -> None:
    settings = convert({"dsn": postgres_18.dsn()}, PostgresSettings)

    async def scenario() -> None:
        async with kept(settings) as sessions:
            connection = await sessions.take(settings)
            assert not connection.closed
        assert connection.closed

    run(scenario())
