"""The drill's Alertmanager, held against a real one: the same requests, the same answers."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web

from console.drill import alertmanager, binaries
from console.drill.servers import Servers

Story = Callable[[httpx.AsyncClient], Awaitable[None]]


def against_own(story: Story) -> None:
    async def run() -> None:
        app = web.Application()
        app.add_routes(alertmanager.Alertmanager(time.time).routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            await _ask(runner.addresses[0][1], story)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def against_real(story: Story) -> None:
    program = binaries.alertmanager()
    if program is None:
        if os.environ.get("WARROOM_REQUIRE_SERVICES") == "1":
            pytest.fail("alertmanager is not installed")
        pytest.skip("alertmanager is not installed")
    servers = Servers()
    try:
        asyncio.run(_ask(alertmanager.start(servers, program), story))
    finally:
        servers.close()


async def _ask(port: int, story: Story) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v2", trust_env=False) as client:
        await story(client)


both = pytest.mark.parametrize(
    "against", [against_own, pytest.param(against_real, marks=pytest.mark.services)], ids=["own", "real"]
)


def at(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def alert(name: str, *, ends: float | None = None, **labels: str) -> dict[str, Any]:
    made: dict[str, Any] = {
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": f"{name} says"},
        "startsAt": at(-1),
    }
    if ends is not None:
        made["endsAt"] = at(ends)
    return made


def silence(value: str, **changed: Any) -> dict[str, Any]:
    usual = {
        "matchers": [{"name": "alertname", "value": value, "isRegex": False, "isEqual": True}],
        "startsAt": at(0),
        "endsAt": at(60),
        "createdBy": "someone",
        "comment": "INC-20260301-1",
    }
    return {**usual, **changed}


async def names(client: httpx.AsyncClient, **query: Any) -> set[tuple[str, str]]:
    found = (await client.get("/alerts", params=query)).json()
    return {(one["labels"]["alertname"], one["status"]["state"]) for one in found}


async def eventually(client: httpx.AsyncClient, wanted: set[tuple[str, str]], **query: Any) -> None:
    deadline = time.monotonic() + 5
    while (found := await names(client, **query)) != wanted:
        assert time.monotonic() < deadline, f"{found}, wanted {wanted}"
        await asyncio.sleep(0.05)


@both
def test_alerts_come_filter_and_resolve(against: Callable[[Story], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        posted = await client.post("/alerts", json=[alert("One", job="a"), alert("Two", job="b")])
        assert posted.status_code == 200
        await eventually(client, {("One", "active"), ("Two", "active")})
        assert await names(client, filter='job="a"') == {("One", "active")}
        assert await names(client, filter='job!~"a|c"') == {("Two", "active")}
        assert await names(client, active="false") == set()
        (one,) = (await client.get("/alerts", params={"filter": 'alertname="One"'})).json()
        assert {
            "fingerprint",
            "labels",
            "annotations",
            "startsAt",
            "endsAt",
            "updatedAt",
            "receivers",
        } <= set(one)
        assert one["annotations"] == {"summary": "One says"}
        assert one["status"] == {"state": "active", "silencedBy": [], "inhibitedBy": []}

        await client.post("/alerts", json=[alert("One", job="a", ends=-0.1)])
        await eventually(client, {("Two", "active")})

    against(story)


@both
def test_a_silence_suppresses_what_it_matches_until_it_is_expired(against: Callable[[Story], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/alerts", json=[alert("One"), alert("Two")])
        identity = (await client.post("/silences", json=silence("One"))).json()["silenceID"]
        await eventually(client, {("One", "suppressed"), ("Two", "active")})
        assert await names(client, silenced="false") == {("Two", "active")}
        (one,) = (await client.get("/alerts", params={"filter": 'alertname="One"'})).json()
        assert one["status"]["silencedBy"] == [identity]
        (kept,) = (await client.get("/silences")).json()
        assert kept["status"]["state"] == "active"
        assert (kept["createdBy"], kept["comment"]) == ("someone", "INC-20260301-1")
        assert (await client.get(f"/silence/{identity}")).json()["id"] == identity

        assert (await client.delete(f"/silence/{identity}")).status_code == 200
        await eventually(client, {("One", "active"), ("Two", "active")})
        assert (await client.get(f"/silence/{identity}")).json()["status"]["state"] == "expired"

    against(story)


@both
def test_changed_matchers_make_a_new_silence(against: Callable[[Story], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        first = (await client.post("/silences", json=silence("One"))).json()["silenceID"]
        second = (await client.post("/silences", json=silence("Two", id=first))).json()["silenceID"]
        assert second != first
        states = {one["id"]: one["status"]["state"] for one in (await client.get("/silences")).json()}
        assert states == {first: "expired", second: "active"}

    against(story)


REFUSED = {
    "no matchers": (silence("One", matchers=[]), 422),
    "matches everything": (silence("", matchers=[{"name": "job", "value": ".*", "isRegex": True}]), 400),
    "ends before it starts": (silence("One", endsAt=at(-5)), 400),
    "bad expression": (silence("", matchers=[{"name": "job", "value": "(", "isRegex": True}]), 400),
    "unknown id": (silence("One", id="6a1e2d0c-0000-4000-8000-000000000000"), 404),
}


@both
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_wrong_is_refused(what: str, against: Callable[[Story], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        body, status = REFUSED[what]
        answer = await client.post("/silences", json=body)
        assert answer.status_code == status, answer.text
        assert (await client.get("/silences")).json() == []

    against(story)


@both
def test_garbage_is_refused(against: Callable[[Story], None]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        headers = {"Content-Type": "application/json"}
        assert (await client.post("/alerts", content=b"{", headers=headers)).status_code == 400
        assert (await client.post("/alerts", json=[{"labels": {}}])).status_code == 400
        assert (await client.get("/alerts", params={"filter": "nonsense"})).status_code == 400
        missing = await client.get("/silence/6a1e2d0c-0000-4000-8000-000000000000")
        assert missing.status_code == 404

    against(story)
