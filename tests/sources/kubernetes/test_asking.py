"""What a server is asked: in which order, how fast, in which form, and what of it again after a failure."""

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from console.config import ClusterSettings
from console.drill.cluster import ApiServer, Match
from console.drill.cluster.request import Record
from console.model.source import Health
from console.sources.kubernetes import KubernetesSource, limit
from console.sources.kubernetes.connection import open_connection
from console.sources.kubernetes.errors import CutError, KubeError, refusal
from console.sources.kubernetes.kinds import KINDS
from console.sources.kubernetes.limit import Compression, TokenBucket
from console.sources.kubernetes.watch import SETTLED, Pace, comeback
from tests.sources.kubernetes.fake import fake_api, kubeconfig, status
from tests.sources.kubernetes.running import FAST, Board, clock, connected, eventually, running
from tests.sources.kubernetes.samples import pod
from tests.sources.kubernetes.simulated import make_cluster, served, workload
from tests.sources.kubernetes.test_simulated import watching

PODS = "/api/v1/pods"
METRICS = "/apis/metrics.k8s.io/v1beta1/pods"


def lists(server: ApiServer, path: str = PODS) -> list[Record]:
    """The lists of a path, in the order of asking."""
    return [one for one in server.requests if one.verb == "list" and one.path == path]


# The order


def test_the_first_pods_are_asked_for_before_all_else_and_shown_without_waiting(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.populate(1200, namespaces=2)
        async with served(cluster) as server:
            others = r"deployments$|events$|nodes$|/version$"
            blocked = [
                server.faults.hang(Match(path=others)),
                server.faults.hang(Match(path="^/api/v1/pods$", verb="list")),
            ]
            async with watching(server, tmp_path) as (_, board):
                await eventually(lambda: blocked[1].hits == 1)
                assert [(one.path, one.query) for one in server.requests] == [(PODS, {"limit": "100"})]
                server.faults.remove(blocked[1])
                await board.until(lambda b: bool(b.snapshots))
                assert len(board.snapshots[0].pods) == 100
                await board.until(lambda b: "pods" in b.last.synced and len(b.last.pods) == 1200)
                assert not board.last.synced & {"deployments", "events", "nodes"}
                assert board.status.health is Health.CONNECTING, "what hangs may be what is sick"
                server.faults.clear()
                await board.synced()
            pages = [one.query for one in lists(server)]
            assert [page["limit"] for page in pages] == ["100", "500", "500", "500"]
            assert ["continue" in page for page in pages] == [False, True, True, True]
            asked = [one.path for one in server.requests]
            assert asked.index(METRICS) > max(
                i for i, one in enumerate(server.requests) if one in lists(server)
            )

    asyncio.run(main())


def test_pods_that_hang_do_not_keep_the_rest_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sources.kubernetes.follow.PODS_FIRST_SECONDS", 0.05)

    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server:
            server.faults.hang(Match(path="/pods$", verb="list"))
            file = server.write_kubeconfig(tmp_path / "kubeconfig")
            settings = ClusterSettings(kubeconfig=file, namespaces=("production",))
            source = KubernetesSource("kubernetes:x", settings, cluster.clock, random.Random(1), pace=FAST)
            board = Board()
            task = asyncio.create_task(source.run(board))
            await board.until(lambda b: bool(b.snapshots) and len(b.last.workloads) == 1)
            assert not board.last.pods
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await source.close()

    asyncio.run(main())


# Again, and no more than needed


def test_a_list_whose_token_expires_goes_on_by_the_token_of_the_refusal(tmp_path: Path) -> None:
    """The earlier pages changed meanwhile: the watch starts from the first page's version and says so."""
    refused = asyncio.Event()

    async def main() -> None:
        async with fake_api() as api:
            for number in range(1300):
                api.put(PODS, pod(f"p{number:04}"))

            async def expire(request: web.Request) -> web.Response | None:
                if request.path == PODS and request.query.get("continue") == "600" and not refused.is_set():
                    refused.set()
                    api.put(PODS, pod("p0003", ready=False))
                    api.delete(PODS, "shop.p0004")
                    api.delete(PODS, "shop.p0900")
                    body = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
                    return web.json_response({**body, "metadata": {"continue": "599"}}, status=410)
                return None

            api.script = expire
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                await board.until(lambda b: len(b.last.pods) == 1298 and not b.last.pods["shop.p0003"].ready)
                gone = {"shop.p0004", "shop.p0900"}
                assert not gone & set(board.last.pods)
            began = [
                path for _, path in api.requests if path.startswith(f"{PODS}?limit=") and "cont" not in path
            ]
            assert len(began) == 1, "never listed again"
            assert ("GET", PODS) not in api.requests
            watch = next(path for _, path in api.requests if path.startswith(f"{PODS}?watch"))
            assert "resourceVersion=1400" in watch
            assert all(status.health is not Health.FAILED for status in board.statuses)

    asyncio.run(main())


def test_history_that_is_gone_in_mid_list_costs_one_list_more(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.populate(1200)
        async with served(cluster) as server:
            async with watching(server, tmp_path) as (_, board):
                await board.until(lambda b: bool(b.snapshots))
                name = cluster.list("pods", "load-0")[0]["metadata"]["name"]
                cluster.delete("pod", name, "load-0", gracePeriodSeconds=0)
                cluster.expire_history()
                await board.synced()
                names = {one["metadata"]["name"] for one in cluster.list("pods")}
                await board.until(lambda b: {one.name for one in b.last.pods.values()} == names)
            begun = [one for one in lists(server) if "continue" not in one.query]
            assert len(begun) == 2 and 410 in [one.status for one in lists(server)]
            assert all("limit" in one.query for one in lists(server)), "never in one piece"

    asyncio.run(main())


def test_an_outage_is_followed_by_watches_and_no_lists(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.synced()
            await board.health(Health.OK)
            await eventually(lambda: len(server.hub.watchers) == len(KINDS))
            await server.stop()
            await board.health(Health.FAILED)
            cluster.scale("deploy", "shop", 5, "production")
            cluster.advance(30)
            before = server.cluster.store.rv
            server.requests.clear()
            await server.start()
            await board.until(lambda b: len(b.last.pods) == 5)
            await board.health(Health.OK)
            await eventually(lambda: len(server.hub.watchers) == len(KINDS))
            asked = Counter(one.verb for one in server.requests if one.path != METRICS)
            assert set(asked) == {"watch"}
            assert all(int(one.query["resourceVersion"]) <= before for one in server.requests if one.query)

    asyncio.run(main())


def test_a_watch_resumes_after_the_last_bookmark(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, running(tmp_path, api) as (_, board):
            await board.synced()
            await eventually(lambda: api.watches == len(KINDS))
            for _ in range(3):
                api.bookmark(PODS)
            version = api.version
            api.put("/api/v1/nodes", {"metadata": {"name": "n"}})  # comes after the bookmark, elsewhere
            await board.until(lambda b: len(b.last.nodes) == 1)
            api.forget()
            api.compacted = version  # nothing before the bookmark can be watched any more
            before = api.asked(f"{PODS}?limit", watch=False)
            api.end_watches(PODS)
            await eventually(lambda: f"resourceVersion={version}" in api.requests[-1][1])
            api.put(PODS, pod("new"))
            await board.until(lambda b: "shop.new" in b.last.pods)
            assert api.asked(f"{PODS}?limit", watch=False) == before

    asyncio.run(main())


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


# How fast


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
            await acting.request("PATCH", "/api/v1/namespaces/x", {})
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


# In which form


def test_bodies_are_compressed_but_on_one_machine() -> None:
    far, near = Compression(loopback=False), Compression(loopback=True)
    assert far.headers == {"Accept-Encoding": "gzip"}
    assert near.headers == {"Accept-Encoding": "identity"}
    wanted = []
    for size, seconds in ((3_000_000, 0.01), (1000, 10.0), (600_000, 0.1), (3_000_000, 0.001)):
        near.heard(size, seconds)
        wanted.append(near.wanted)
    assert wanted == [False, False, True, True], "fast; too small to tell; a tunnel, which it stays"


def test_a_tunnel_is_asked_for_compressed_bodies_from_the_second_page_on(tmp_path: Path) -> None:
    body = b'{"items":[' + b" " * (2 * limit.MEASURED) + b"]}"

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for start in range(0, len(body), len(body) // 8):
            await response.write(body[start : start + len(body) // 8])
            await asyncio.sleep(0.02)
        return response

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            api.script = trickle
            for _ in range(2):
                assert await connection.get(PODS) == body
            assert [one["Accept-Encoding"] for one in api.headers] == ["identity", "gzip"]

    asyncio.run(main())


# Usage


def test_usage_of_a_large_cluster_is_read_often_only_where_something_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("INTERVAL", 0.05), ("PODS_A_SECOND", 200.0)):
        monkeypatch.setattr(f"console.sources.kubernetes.metrics.{name}", value)

    async def main() -> None:
        cluster = make_cluster()
        cluster.populate(200, namespaces=4)
        cluster.create(workload(image="registry.example/missing:v1"), "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.synced()
            await eventually(lambda: len(lists(server, METRICS)) >= 2)
            await board.until(lambda b: sum(pod.cpu is not None for pod in b.last.pods.values()) == 200)
            asked = [one.path for one in server.requests if "metrics.k8s.io" in one.path]
            part = METRICS.replace("/pods", "/namespaces/production/pods")
            assert set(asked) == {METRICS, part}
            assert asked[0] == METRICS
            assert asked.count(part) > 5 * (asked.count(METRICS) - 1)

    asyncio.run(main())
