"""How fast a server is asked, and when again: the rate of a context, a server that is busy, the way back."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from console.config import ClusterSettings
from console.drill.cluster import Match
from console.model.source import Health
from console.sources.kubernetes import limit
from console.sources.kubernetes.connection import open_connection
from console.sources.kubernetes.errors import CutError, KubeError, refusal
from console.sources.kubernetes.limit import TokenBucket
from console.sources.kubernetes.watch import SETTLED, Pace, comeback
from tests.sources.kubernetes.fake import fake_api, kubeconfig, status
from tests.sources.kubernetes.running import clock, connected
from tests.sources.kubernetes.simulated import make_cluster, served, watching


def test_consoles_do_not_come_back_at_the_same_moment() -> None:
    pace = Pace()
    cut, busy = CutError("cut"), KubeError("busy", status=429, retry_after=8.0)
    for error, failures, lasted, low, high in (
        (cut, 0, 60.0, 0.0, pace.spread),
        (cut, 0, 0.1, pace.base / 2, pace.base),
        (cut, 3, 0.0, 1.0, 2.0),
        (busy, 1, 0.0, 8.0, 10.0),
        (KubeError("forbidden", status=403), 1, 0.0, pace.refused / 2, pace.refused * 1.5),
        (KubeError("down"), 30, 0.0, pace.ceiling / 2, pace.ceiling),
    ):
        moments = [comeback(error, failures, lasted, pace, random.Random(seed)) for seed in range(200)]
        assert low <= min(moments) and max(moments) <= high
        assert len(set(moments)) == 200
        assert max(moments) - min(moments) > (high - low) * 0.9, "all of the time is used"
    assert comeback(None, 0, SETTLED, pace, random.Random(1)) == 0.0, "an end that was announced"


def test_a_bucket_lets_a_burst_through_and_then_its_rate() -> None:
    now = [100.0]
    bucket = TokenBucket(10.0, 3, lambda: now[0])
    assert [bucket.reserve() for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    now[0] += 0.2
    assert bucket.reserve() == pytest.approx(0.1)
    now[0] += 1000
    assert [bucket.reserve() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def test_who_waits_no_longer_gives_the_token_back() -> None:
    async def main() -> None:
        now = [0.0]
        bucket = TokenBucket(0.001, 1, lambda: now[0])
        await bucket.take()
        waiting = asyncio.create_task(bucket.take())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        now[0] += 1000
        assert bucket.reserve() == 0.0

    asyncio.run(main())


def test_reads_of_a_context_share_a_bucket_and_writes_do_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limit, "_BUCKETS", {})

    async def main() -> None:
        async with fake_api() as api:
            other = kubeconfig(tmp_path, api.url, context="other")
            file = kubeconfig(tmp_path, api.url)
            slow = ClusterSettings(kubeconfig=file, qps=0.001, burst=2)
            reading = await open_connection(slow, clock=clock())
            acting = await open_connection(slow, clock=clock(), writable=True)
            elsewhere = await open_connection(
                ClusterSettings(kubeconfig=other, qps=0.001, burst=1), clock=clock()
            )
            await reading.get("/version")
            await acting.get("/version")
            waiting = asyncio.create_task(reading.get("/version"))
            await elsewhere.get("/version")
            await acting.request("PATCH", "/api/v1/namespaces/x", b"{}")
            assert not waiting.done()
            assert [method for method, _ in api.requests] == ["GET", "GET", "GET", "PATCH"]
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            for connection in (reading, acting, elsewhere):
                await connection.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        ({"Retry-After": "7"}, b"", 7),
        ({"Retry-After": " 12 "}, b"{}", 12),
        ({"Retry-After": "Sun, 01 Mar 2026 12:00:30 GMT", "Date": "Sun, 01 Mar 2026 12:00:00 GMT"}, b"", 30),
        ({"Retry-After": "Sun, 01 Mar 2026 11:00:00 GMT", "Date": "Sun, 01 Mar 2026 12:00:00 GMT"}, b"", 0),
        ({"Retry-After": "Sun, 01 Mar 2099 11:00:00 GMT"}, b"", 300),
        ({"Retry-After": "86400"}, b"", 300),
        ({"Retry-After": "-5"}, b"", None),
        ({"Retry-After": "soon"}, b'{"details":{"retryAfterSeconds":3}}', 3),
        ({}, b'{"details":{"retryAfterSeconds":2}}', 2),
        ({}, b"{}", None),
    ],
)
def test_when_a_server_wants_to_be_asked_again(
    headers: dict[str, str], body: bytes, seconds: float | None
) -> None:
    error = refusal(503, headers, body, "GET /x")
    assert error.retry_after == seconds
    assert ("asks to wait" in error.reason) is (seconds is not None)


def test_a_busy_server_is_the_state_of_the_source(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        async with served(cluster) as server:
            server.faults.fail(429, Match(verb="list"), retry_after=30)
            async with watching(server, tmp_path) as (_, board):
                status = await board.health(Health.FAILED, "it asks to wait 30 s")
                assert "Too many requests" in status.reason
                assert len(server.requests) == 1, "and is not asked before"

    asyncio.run(main())


def test_what_a_person_asked_for_waits_for_a_busy_server(tmp_path: Path) -> None:
    answers = {"/soon": (2, "0"), "/late": (1, "60"), "/never": (9, "0")}
    seen: Counter[str] = Counter()

    async def busy(request: web.Request) -> web.Response | None:
        seen[request.path] += 1
        refusals, after = answers[request.path]
        if seen[request.path] <= refusals:
            return status(503, "ServiceUnavailable", "busy", **{"Retry-After": after})
        return web.json_response({})

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api, writable=True) as connection:
            api.script = busy
            await connection.get("/soon", patience=5.0)
            assert seen.pop("/soon") == 3
            for path, patience in (("/late", 5.0), ("/never", 0.35), ("/soon", 0.0)):
                with pytest.raises(KubeError, match="it asks to wait"):
                    await connection.get(path, patience=patience)
            assert seen == {"/late": 1, "/never": 4, "/soon": 1}
            seen.clear()
            with pytest.raises(KubeError):
                await connection.request("DELETE", "/soon", patience=5.0)
            assert seen["/soon"] == 1, "a write is never repeated"

    asyncio.run(main())
