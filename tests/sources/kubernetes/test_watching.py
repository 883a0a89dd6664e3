"""Lists and watches through good and bad times, against a server that fails on demand."""

import asyncio
import json
from pathlib import Path

from aiohttp import web
from msgspec.structs import replace

from console.model.source import Health
from console.sources.kubernetes.kinds import KINDS
from tests.sources.kubernetes.fake import fake_api, status
from tests.sources.kubernetes.running import FAST, clock, eventually, running
from tests.sources.kubernetes.samples import deployment, owned, pod, replicaset

PODS = "/api/v1/pods"
DEPLOYMENTS = "/apis/apps/v1/deployments"
REPLICASETS = "/apis/apps/v1/replicasets"


def test_list_and_watch_become_a_snapshot_and_quiet_means_no_requests(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(DEPLOYMENTS, deployment())
            api.put(REPLICASETS, replicaset("web-abc", "web"))
            owner = owned("ReplicaSet", "web-abc", "shop.web-abc")
            for number in range(1, 1203):
                api.put(PODS, pod(f"web-abc-{number}", owner=owner))
            async with running(tmp_path, api) as (_, board):
                first = await board.synced()
                assert len(first.pods) == 1202
                assert api.asked("/api/v1/pods?limit=500", watch=False) == 3
                assert first.workloads["shop.web"].pods == 1202
                assert first.version == "v1.99.0-fake"
                assert (await board.health(Health.OK)).address == api.url
                await eventually(lambda: api.watches == len(KINDS))
                before = len(api.requests)

                api.put(PODS, pod("web-abc-7", owner=owner, ready=False))
                api.delete(PODS, "shop.web-abc-9")
                await board.until(lambda b: len(b.last.pods) == 1201)
                last = board.last
                assert last.pods["shop.web-abc-7"].sick
                assert last.workloads["shop.web"].sick_pods == 1
                assert last.pods["shop.web-abc-8"] is first.pods["shop.web-abc-8"]
                assert last.nodes is first.nodes
                assert len(api.requests) == before, "a quiet cluster is only watched"

    asyncio.run(main())


def test_a_watch_that_ends_is_resumed_where_it_was(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                await eventually(lambda: api.watches == len(KINDS))
                lists = api.asked(f"{PODS}?limit=500", watch=False)
                api.bookmark(PODS)
                resumed = api.version
                api.end_watches(PODS)
                await eventually(lambda: api.asked(f"{PODS}?", watch=True) == 2)
                path = [p for _, p in api.requests if p.startswith(f"{PODS}?") and "watch=1" in p][-1]
                assert f"resourceVersion={resumed}" in path
                api.put(PODS, pod("two"))
                await board.until(lambda b: len(b.last.pods) == 2)
                assert api.asked(f"{PODS}?limit=500", watch=False) == lists
                assert board.status.health is Health.OK

    asyncio.run(main())


def test_an_expired_version_relists_without_blanking(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            api.put(PODS, pod("two"))
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                await eventually(lambda: api.watches == len(KINDS))
                seen = len(board.snapshots)
                # The changes happen while nobody watches and are then forgotten: HTTP 410 on resume.
                await api.stop()
                api.objects[PODS].pop("shop.one")
                api.put(PODS, pod("three"))
                api.forget()
                await api.start()
                await board.until(lambda b: "shop.three" in b.last.pods and "shop.one" not in b.last.pods)
                assert all(len(s.pods) >= 2 for s in board.snapshots[seen:])

                # And as an ERROR event within a running watch.
                await eventually(lambda: api.watches == len(KINDS))
                lists = api.asked(f"{PODS}?limit=500", watch=False)
                gone = {"type": "ERROR", "object": {"code": 410, "reason": "Expired", "message": "too old"}}
                api.raw(PODS, json.dumps(gone).encode() + b"\n")
                await eventually(lambda: api.asked(f"{PODS}?limit=500", watch=False) > lists)
                await board.health(Health.OK)

    asyncio.run(main())


def test_a_refused_kind_leaves_the_others_working(tmp_path: Path) -> None:
    async def forbid(request: web.Request) -> web.Response | None:
        if request.path == "/api/v1/nodes":
            return status(403, "Forbidden", 'nodes is forbidden: User "viewer" cannot list resource "nodes"')
        return None

    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            api.script = forbid
            async with running(tmp_path, api) as (_, board):
                await board.health(Health.LIMITED, "denied: nodes")
                await board.until(lambda b: "nodes" in b.last.denied and len(b.last.synced) == len(KINDS) - 1)
                assert 'User "viewer" cannot list' in board.last.denied["nodes"]
                assert set(board.last.pods) == {"shop.one"}
                api.script = None
                await board.health(Health.OK)
                assert not board.last.denied

    asyncio.run(main())


def test_without_cluster_wide_rights_the_own_namespace_is_watched(tmp_path: Path) -> None:
    async def forbid(request: web.Request) -> web.Response | None:
        if "/namespaces/" not in request.path and request.path != "/version":
            return status(403, "Forbidden", "not cluster-wide")
        return None

    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("mine"))
            api.put(PODS, pod("theirs", namespace="other"))
            api.script = forbid
            async with running(tmp_path, api) as (_, board):
                reason = (await board.health(Health.LIMITED, "denied: nodes")).reason
                assert "only namespace shop" in reason
                await board.until(lambda b: len(b.last.pods) == 1)
                assert board.last.namespaces == ("shop",)
                assert set(board.last.pods) == {"shop.mine"}

    asyncio.run(main())


def test_several_namespaces_are_one_snapshot(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            for namespace in ("a", "b", "c"):
                api.put(PODS, pod("web", namespace=namespace))
            async with running(tmp_path, api, namespaces=("a", "b")) as (_, board):
                await board.synced()
                assert set(board.last.pods) == {"a.web", "b.web"}
                await eventually(lambda: api.watches == sum(2 if kind.namespaced else 1 for kind in KINDS))
                api.cut()
                api.delete(PODS, "a.web")
                await board.until(lambda b: set(b.last.pods) == {"b.web"})

    asyncio.run(main())


def test_the_api_goes_away_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        time = clock()
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            async with running(tmp_path, api, clock_=time) as (_, board):
                await board.synced()
                await board.health(Health.OK)
                time.advance(131)
                await api.stop()
                down = await board.health(Health.FAILED, "API unreachable since 18:02:11")
                assert "refuses connections" in down.reason
                assert set(board.last.pods) == {"shop.one"}, "the last good data stays"
                api.put(PODS, pod("two"))
                await api.start()
                await board.health(Health.OK)
                await board.until(lambda b: len(b.last.pods) == 2)

    asyncio.run(main())


def test_a_cut_stream_is_not_worth_a_word(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                await board.health(Health.OK)
                await eventually(lambda: api.watches == len(KINDS))
                api.cut()
                api.put(PODS, pod("two"))
                await board.until(lambda b: len(b.last.pods) == 2)
                assert {s.health for s in board.statuses} == {Health.CONNECTING, Health.OK}

    asyncio.run(main())


def test_a_half_open_connection_is_noticed(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            async with running(tmp_path, api, pace=replace(FAST, stall=1.0)) as (_, board):
                await board.synced()
                await eventually(lambda: api.watches == len(KINDS))
                watches = api.asked(f"{PODS}?", watch=True)
                api.frozen = True
                api.put(PODS, pod("two"))  # wakes the server's watches, which then hang without a word
                await eventually(lambda: api.asked(f"{PODS}?", watch=True) > watches)
                api.frozen = False
                api.cut()
                await board.until(lambda b: len(b.last.pods) == 2)

    asyncio.run(main())


def test_a_server_that_hangs_is_told_from_a_quiet_one(tmp_path: Path) -> None:
    async def main() -> None:
        hangs = False

        async def hang(request: web.Request) -> web.StreamResponse | None:
            if hangs:
                await asyncio.sleep(3600)
            return status(403, "Forbidden", "no") if request.path == "/version" else None

        async with fake_api() as api:
            api.script = hang
            api.put(PODS, pod("one"))
            async with running(tmp_path, api, pace=replace(FAST, quiet=0.4)) as (_, board):
                await board.synced()
                await board.health(Health.OK)
                await eventually(lambda: api.watches == len(KINDS))
                asked = api.asked("/version", watch=False)
                await eventually(lambda: api.asked("/version", watch=False) >= asked + 3)
                assert board.status.health is Health.OK, (
                    "nothing happens, and even a refusal is a sign of life"
                )

                hangs = api.frozen = True
                api.put(PODS, pod("two"))  # which the watches that are open never tell
                down = await board.health(Health.FAILED, "API unreachable since 18:00:00")
                assert set(board.last.pods) == {"shop.one"} and "127.0.0.1" in down.reason
                hangs = api.frozen = False
                await board.health(Health.OK)
                await board.until(lambda b: len(b.last.pods) == 2)

    asyncio.run(main())


def test_garbage_in_a_watch_is_an_error_and_a_new_list(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            async with running(tmp_path, api, pace=replace(FAST, base=0.5, ceiling=0.5)) as (_, board):
                await board.synced()
                await eventually(lambda: api.watches == len(KINDS))
                lists = api.asked(f"{PODS}?limit=500", watch=False)
                api.raw(PODS, b'{"type": "MODIFIED", "object": {"metad\n')
                await board.health(Health.LIMITED, "pods")
                await board.health(Health.OK)
                assert api.asked(f"{PODS}?limit=500", watch=False) > lists
                assert set(board.last.pods) == {"shop.one"}

    asyncio.run(main())


def test_retry_after_is_honoured(tmp_path: Path) -> None:
    times: list[float] = []

    async def busy(request: web.Request) -> web.Response | None:
        if request.path != DEPLOYMENTS or request.query.get("watch"):
            return None
        times.append(asyncio.get_running_loop().time())
        if len(times) > 1:
            return None
        return status(429, "TooManyRequests", "too many requests", **{"Retry-After": "1"})

    async def main() -> None:
        async with fake_api() as api:
            api.put(DEPLOYMENTS, deployment())
            api.script = busy
            async with running(tmp_path, api) as (_, board):
                await board.health(Health.LIMITED, "too many requests")
                await board.synced()
                assert times[1] - times[0] >= 1.0
                await board.health(Health.OK)

    asyncio.run(main())


def test_a_list_whose_continue_token_expires_starts_again(tmp_path: Path) -> None:
    async def expire(request: web.Request) -> web.Response | None:
        if request.path == PODS and "continue" in request.query:
            return status(410, "Expired", "The provided continue parameter is too old")
        return None

    async def main() -> None:
        async with fake_api() as api:
            for number in range(700):
                api.put(PODS, pod(f"p{number}"))
            api.script = expire
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                assert len(board.last.pods) == 700
                assert api.requests.count(("GET", PODS)) == 1

    asyncio.run(main())


def test_old_servers_have_the_first_version_of_autoscalers(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.absent.add("/autoscaling/v2/")
            spec = {
                "scaleTargetRef": {"kind": "Deployment", "name": "web"},
                "minReplicas": 2,
                "maxReplicas": 9,
            }
            hpa = {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec}
            api.put("/apis/autoscaling/v1/horizontalpodautoscalers", hpa)
            api.put(DEPLOYMENTS, deployment())
            async with running(tmp_path, api) as (_, board):
                await board.synced()
                assert board.last.workloads["shop.web"].hpa == "web 2-9"
                await board.health(Health.OK)

    asyncio.run(main())


def test_a_kind_the_server_does_not_have_is_no_failure(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.absent.add("/autoscaling/")
            async with running(tmp_path, api, pace=FAST) as (_, board):
                await board.synced()
                await board.health(Health.OK)
                assert "horizontalpodautoscalers" in board.last.synced

    asyncio.run(main())


def test_a_server_whose_history_is_always_gone_is_not_hammered(tmp_path: Path) -> None:
    async def amnesia(request: web.Request) -> web.Response | None:
        if request.path == PODS and request.query.get("watch"):
            return status(410, "Expired", "too old resource version")
        return None

    async def main() -> None:
        async with fake_api() as api:
            api.put(PODS, pod("one"))
            api.script = amnesia
            async with running(tmp_path, api, pace=replace(FAST, base=0.2, ceiling=30)) as (_, board):
                await board.synced()
                loop = asyncio.get_running_loop()
                started = loop.time()
                await eventually(lambda: api.asked(f"{PODS}?limit=500", watch=False) >= 4)
                assert loop.time() - started >= 0.5 * (0.2 + 0.4)
                assert set(board.last.pods) == {"shop.one"}

    asyncio.run(main())


def test_time_goes_on_while_there_is_much_to_do(tmp_path: Path) -> None:
    async def main() -> None:
        time = clock()
        async with fake_api() as api, running(tmp_path, api, clock_=time) as (_, board):
            api.put(PODS, pod("fresh", age=30, ready=False))
            await board.synced()
            await board.until(lambda b: "shop.fresh" in b.last.pods)
            time.advance(40)
            async with asyncio.timeout(15):
                while not board.last.pods["shop.fresh"].sick:
                    api.put(PODS, pod("busy", metadata={"generation": api.version}))
                    await asyncio.sleep(0.02)

    asyncio.run(main())


def test_publications_are_coalesced(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, running(tmp_path, api) as (_, board):
            await board.synced()
            await eventually(lambda: api.watches == len(KINDS))
            loop = asyncio.get_running_loop()
            before, started = len(board.snapshots), loop.time()
            for number in range(300):
                api.put(PODS, pod("same", metadata={"generation": number}))
                await asyncio.sleep(0.002)
            newest = str(api.version)
            await board.until(lambda b: b.last.pods["shop.same"].resource_version == newest)
            assert len(board.snapshots) - before <= 8 * (loop.time() - started) + 2

    asyncio.run(main())
