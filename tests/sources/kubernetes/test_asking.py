"""What a server is asked: in which order, in which form, and what of it again after a failure."""

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
from console.sources.kubernetes.kinds import KINDS
from console.sources.kubernetes.limit import Compression
from tests.sources.kubernetes.fake import fake_api
from tests.sources.kubernetes.running import FAST, Board, connected, eventually, running
from tests.sources.kubernetes.samples import pod
from tests.sources.kubernetes.simulated import make_cluster, served, watching, workload

PODS = "/api/v1/pods"


METRICS = "/apis/metrics.k8s.io/v1beta1/pods"


def lists(server: ApiServer, path: str = PODS) -> list[Record]:
    """The lists of a path, in the order of asking."""
    return [one for one in server.requests if one.verb == "list" and one.path == path]


# The order


def test_the_first_pods_are_asked_for_before_all_else_and_shown_with_their_workloads(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.populate(1200, namespaces=2)
        async with served(cluster) as server:
            others = r"events$|nodes$|/version$"
            blocked = [
                server.faults.hang(Match(path=others)),
                server.faults.hang(Match(path="^/api/v1/pods$", verb="list")),
            ]
            async with watching(server, tmp_path) as (_, board):
                await eventually(lambda: blocked[1].hits == 1)
                assert [(one.path, one.query) for one in server.requests] == [(PODS, {"limit": "100"})]
                server.faults.remove(blocked[1])
                await board.until(lambda b: bool(b.snapshots))
                assert len(board.snapshots[0].pods) >= 100
                assert board.snapshots[0].workloads, "pods without their workloads are no rows"
                await board.until(lambda b: "pods" in b.last.synced and len(b.last.pods) == 1200)
                assert not board.last.synced & {"events", "nodes"}
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


def test_workloads_that_hang_do_not_hide_the_pods_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.sources.kubernetes.follow.FIRST_SECONDS", 0.05)

    async def main() -> None:
        cluster = make_cluster()
        cluster.populate(120, namespaces=2)
        async with served(cluster) as server:
            server.faults.hang(Match(path="deployments$"))
            async with watching(server, tmp_path) as (_, board):
                await board.until(lambda b: bool(b.snapshots) and len(b.last.pods) == 120)
                assert "deployments" not in board.last.synced

    asyncio.run(main())


def test_pods_that_hang_do_not_keep_the_rest_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sources.kubernetes.follow.FIRST_SECONDS", 0.05)

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
    monkeypatch.setattr("console.sources.kubernetes.follow.PUBLISH_SECONDS", 0.01)  # rows know what is told

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
