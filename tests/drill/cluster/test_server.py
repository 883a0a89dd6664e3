"""The server: failures on demand, the log of requests, outages, users, logs, metrics, volume."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from console.drill.cluster import ApiServer, Behaviour, Cluster, Container, LogLine, Match, Rule, User
from console.model.clock import ManualClock
from tests.drill.cluster.replay import Answer, deployment, send, until

PODS = "/api/v1/namespaces/production/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/production/deployments"


def serve(cluster: Cluster, test: Callable[[ApiServer], Coroutine[Any, Any, None]], **options: Any) -> None:
    """Run a test against a server that does not tick by itself."""

    async def main() -> None:
        async with ApiServer(cluster, tick=None, **options) as server:
            await test(server)

    asyncio.run(main())


@pytest.mark.parametrize("status", [401, 403, 409, 410, 429, 500, 503, 504])
def test_errors_strike_what_matches_and_end(cluster: Cluster, status: int) -> None:
    async def test(server: ApiServer) -> None:
        retry = 7 if status in (429, 503) else None
        fault = server.faults.fail(status, Match(verb="list", path="/pods$"), times=2, retry_after=retry)
        answers = [await send(server, "GET", PODS) for _ in range(3)]
        assert [answer.status for answer in answers] == [status, status, 200]
        assert answers[0].json["code"] == status
        assert answers[0].headers.get("Retry-After") == ("7" if retry else None)
        assert fault.hits == 2
        other = server.faults.fail(500, Match(method="POST"))
        assert (await send(server, "GET", PODS)).status == 200
        server.faults.remove(other)

    serve(cluster, test)


def test_broken_connections(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        reset = server.faults.reset(Match(path="/pods"))
        with pytest.raises(aiohttp.ClientError):
            await send(server, "GET", PODS)
        server.faults.remove(reset)
        server.faults.malformed(Match(path="/pods"), times=1)
        broken = await send(server, "GET", PODS)
        with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
            _ = broken.json
        assert (await send(server, "GET", PODS)).status == 200

    serve(cluster, test)


def test_hanging_until_it_is_lifted(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        fault = server.faults.hang(Match(path="/pods"))
        waiting = asyncio.create_task(send(server, "GET", PODS))
        await until(lambda: fault.hits, "the fault strikes")
        assert not waiting.done()
        server.faults.remove(fault)
        assert (await waiting).status == 200
        server.faults.slow(0.2, Match(path="/pods"), times=1)
        begun = time.monotonic()
        assert (await send(server, "GET", PODS)).status == 200
        assert time.monotonic() - begun >= 0.2

    serve(cluster, test)


def test_cut_watches(cluster: Cluster) -> None:
    cluster.create(deployment("web", 3), "production")
    cluster.settle()

    async def test(server: ApiServer) -> None:
        path = f"{PODS}?watch=1&timeoutSeconds=5"
        server.faults.cut_watch(after_events=2, status=410)
        ended = await send(server, "GET", path)
        assert [line["type"] for line in ended.lines] == ["ADDED", "ADDED", "ERROR"]
        server.faults.cut_watch(after_events=1)
        with pytest.raises(aiohttp.ClientError):
            await send(server, "GET", path)

    serve(cluster, test)


def test_requests_are_logged(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        await send(server, "GET", f"{PODS}?limit=5", headers={"User-Agent": "warroom/1"})
        await send(server, "GET", f"{PODS}/none", user="viewer")
        await send(
            server,
            "PATCH",
            f"{DEPLOYMENTS}/none/scale",
            body={"spec": {}},
            content_type="application/merge-patch+json",
        )
        first, second, third = server.requests
        assert (first.verb, first.resource, first.query, first.status) == (
            "list",
            "pods",
            {"limit": "5"},
            200,
        )
        assert (first.user_agent, second.user, second.status) == ("warroom/1", "viewer", 404)
        assert (third.verb, third.resource, third.body) == ("patch", "deployments/scale", b'{"spec": {}}')
        assert server.counts()[("list", "pods")] == 1

    serve(cluster, test)


def test_an_outage_and_the_return_on_the_same_port(cluster: Cluster) -> None:
    async def test(server: ApiServer) -> None:
        port = server.port
        watching = asyncio.create_task(
            send(server, "GET", f"{PODS}?watch=1&resourceVersion={cluster.store.rv}")
        )
        await until(lambda: server.hub.watchers, "the watch is open")
        await server.stop()
        await asyncio.gather(watching, return_exceptions=True)
        with pytest.raises(aiohttp.ClientError):
            await send(server, "GET", PODS)
        await server.start()
        assert server.port == port
        assert (await send(server, "GET", PODS)).status == 200

    serve(cluster, test)


def test_users_can_be_added_and_revoked(cluster: Cluster) -> None:
    rules = (Rule(("get", "list"), ("apps",), ("deployments",)),)
    cluster.users.add(User("deployer", "secret-token", ("team",), rules, ("production",)))

    async def ask(server: ApiServer, path: str) -> int:
        headers = {"Authorization": "Bearer secret-token"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(server.url + path, headers=headers) as response,
        ):
            return response.status

    async def test(server: ApiServer) -> None:
        assert await ask(server, DEPLOYMENTS) == 200
        assert await ask(server, DEPLOYMENTS.replace("production", "default")) == 403
        assert await ask(server, PODS) == 403
        cluster.users.revoke("deployer")
        assert await ask(server, DEPLOYMENTS) == 401

    serve(cluster, test)


def test_certificates(cluster: Cluster, certificates: Path) -> None:
    import base64
    import ssl

    async def test(server: ApiServer) -> None:
        config = server.kubeconfig("viewer")
        trusted = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
        assert server.url.startswith("https://127.0.0.1:")
        context = ssl.create_default_context(cadata=trusted)
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{server.url}/version", ssl=context) as response:
                assert response.status == 401
            headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
            async with session.get(f"{server.url}/version", ssl=context, headers=headers) as response:
                assert (await response.json())["gitVersion"] == "v1.36.2"
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get(f"{server.url}/version")

    tls = {
        "certificate": certificates / "server.crt",
        "key": certificates / "server.key",
        "ca": certificates / "ca.crt",
    }
    serve(cluster, test, **tls)


class Counting(Behaviour):
    """Writes a numbered line every second."""

    def logs(self, container: Container, since: float, until: float) -> list[LogLine]:
        """Return one line a second."""
        return [LogLine(float(n), b"line %d" % n) for n in range(int(since) + 1, int(until) + 1)]


def test_log_options(build: Callable[..., Cluster], clock: ManualClock) -> None:
    cluster = build(Counting())
    body = deployment("web", 1)
    body["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})
    cluster.create(body, "production")
    cluster.advance(21)
    pod = cluster.pods_of("web", "production")[0]["metadata"]["name"]

    async def test(server: ApiServer) -> None:
        async def log(query: str) -> Answer:
            return await send(server, "GET", f"{PODS}/{pod}/log?{query}")

        unclear = await log("tailLines=1")
        assert unclear.status == 400
        assert (
            unclear.json["message"]
            == f"a container name must be specified for pod {pod}, choose one of: [app side]"
        )
        assert (await log("container=none")).json["message"] == f"container none is not valid for pod {pod}"
        assert (await log("container=app&tailLines=2")).data == b"line 19\nline 20\n"
        assert len((await log("container=app&sinceSeconds=4")).data.splitlines()) == 5
        assert (await log("container=app&limitBytes=9&sinceSeconds=4")).data == b"line 16\nl"
        assert (await log("container=app&tailLines=0")).data == b""
        stamped = (await log("container=app&tailLines=1&timestamps=true")).data.decode()
        assert stamped.split(" ", 1)[1] == "line 20\n"
        moment = stamped.split(" ")[0]
        assert (await log(f"container=app&sinceTime={moment}")).data == b"line 20\n"
        absent = await log("container=app&previous=true")
        assert absent.json["message"] == f'previous terminated container "app" in pod "{pod}" not found'
        assert (await log("container=app&tailLines=-1")).status == 422

    serve(cluster, test)


def test_metrics_come_from_the_behaviour(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1), "production")
    cluster.settle()

    async def test(server: ApiServer) -> None:
        base = "/apis/metrics.k8s.io/v1beta1"
        (item,) = (await send(server, "GET", f"{base}/namespaces/production/pods")).json["items"]
        usage = item["containers"][0]["usage"]
        assert usage["cpu"].endswith("n")
        assert 30 * 1024 < int(usage["memory"].removesuffix("Ki")) < 64 * 1024
        nodes = (await send(server, "GET", f"{base}/nodes")).json
        assert [one["metadata"]["name"] for one in nodes["items"]] == ["node-1", "node-2", "node-3"]
        assert "metrics.k8s.io" in str((await send(server, "GET", "/apis")).json)
        cluster.metrics_available = False
        assert (await send(server, "GET", f"{base}/nodes")).data == b"404 page not found\n"
        assert "metrics.k8s.io" not in str((await send(server, "GET", "/apis")).json)

    serve(cluster, test)


def test_thousands_of_pods(cluster: Cluster) -> None:
    cluster.populate(2000, namespaces=2, per_workload=50)

    async def test(server: ApiServer) -> None:
        found, token, pages = [], "", 0
        while True:
            answer = await send(server, "GET", f"/api/v1/pods?limit=500{token}")
            found += answer.json["items"]
            pages += 1
            more = answer.json["metadata"].get("continue")
            if not more:
                break
            token = f"&continue={more}"
        assert (len(found), pages) == (2000, 4)
        pod = found[0]
        assert 4_000 < len(answer.data) / len(answer.json["items"]) < 8_000
        assert pod["metadata"]["managedFields"][1]["subresource"] == "status"
        assert len({one["metadata"]["uid"] for one in found}) == 2000
        logs = await send(server, "GET", f"/api/v1/namespaces/load-0/pods/{pod['metadata']['name']}/log")
        assert logs.status == 200
        deployments = (await send(server, "GET", "/apis/apps/v1/deployments")).json["items"]
        assert all(one["status"]["availableReplicas"] == 50 for one in deployments)

    serve(cluster, test)


def test_pages_of_thousands_show_one_moment_while_pods_change(cluster: Cluster, clock: ManualClock) -> None:
    cluster.populate(1000, namespaces=2)

    async def test(server: ApiServer) -> None:
        first = (await send(server, "GET", "/api/v1/pods?limit=400")).json
        cluster.churn(200)
        clock.advance(1)
        cluster.tick()
        cluster.churn(0)
        gone = cluster.list("pods", "load-1")[-1]["metadata"]
        cluster.delete("pod", gone["name"], "load-1", gracePeriodSeconds=0)
        found, meta = first["items"], first["metadata"]
        assert meta["remainingItemCount"] == 600
        while token := meta.get("continue"):
            page = (await send(server, "GET", f"/api/v1/pods?limit=400&continue={token}")).json
            found, meta = found + page["items"], page["metadata"]
        assert len({one["metadata"]["uid"] for one in found}) == 1000
        assert gone["uid"] in {one["metadata"]["uid"] for one in found}
        assert all(one["status"]["containerStatuses"][0]["ready"] for one in found)
        now = (await send(server, "GET", "/api/v1/namespaces/load-1/pods?limit=1")).json["metadata"]
        assert now["remainingItemCount"] == 498

    serve(cluster, test)


def test_usage_of_thousands_of_pods(cluster: Cluster) -> None:
    cluster.populate(1200, per_workload=50)

    async def test(server: ApiServer) -> None:
        base = "/apis/metrics.k8s.io/v1beta1"
        items = (await send(server, "GET", f"{base}/pods")).json["items"]
        assert len(items) == 1200
        assert {one["containers"][0]["name"] for one in items} == {"app"}
        nodes = (await send(server, "GET", f"{base}/nodes")).json["items"]
        total = sum(int(one["usage"]["cpu"].removesuffix("n")) for one in nodes)
        used = sum(int(one["containers"][0]["usage"]["cpu"].removesuffix("n")) for one in items)
        assert total >= used > 0

    serve(cluster, test)


def test_large_lists_are_compressed_for_those_who_ask(cluster: Cluster) -> None:
    cluster.populate(500)

    async def test(server: ApiServer) -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            sizes = []
            for coding in ("gzip", "identity"):
                async with session.get(
                    f"{server.url}/api/v1/pods", headers={"Accept-Encoding": coding}
                ) as answer:
                    assert (answer.headers.get("Content-Encoding") == "gzip") is (coding == "gzip")
                    sizes.append(len(await answer.read()))
        assert sizes[0] * 8 < sizes[1]

    serve(cluster, test)


def test_churn_is_watched_and_touches_nothing_else(cluster: Cluster, clock: ManualClock) -> None:
    cluster.populate(200, per_workload=50)
    start = cluster.store.rv
    cluster.churn(100)
    for _ in range(10):
        clock.advance(0.1)
        cluster.tick()
    cluster.churn(0)

    async def test(server: ApiServer) -> None:
        lines = (
            await send(server, "GET", f"/api/v1/pods?watch=1&resourceVersion={start}&timeoutSeconds=1")
        ).lines
        assert 95 <= len(lines) <= 100
        assert {line["type"] for line in lines} == {"MODIFIED"}

    serve(cluster, test)
    assert len(cluster.list("pods", "load-0")) == 200
    ready = [one["status"]["containerStatuses"][0]["ready"] for one in cluster.list("pods", "load-0")]
    assert 40 < ready.count(False) <= 100
    turned = cluster.store.rv
    cluster.recover()
    assert cluster.store.rv == turned + ready.count(False)
    assert all(one["status"]["containerStatuses"][0]["ready"] for one in cluster.list("pods", "load-0")), (
        "all are well again"
    )


def test_quiet_workloads_wake_up_when_they_are_changed(cluster: Cluster) -> None:
    cluster.populate(40, per_workload=20)
    pod = cluster.list("pods", "load-0")[0]["metadata"]["name"]
    cluster.delete("pod", pod, "load-0")
    cluster.settle()
    workload = pod.rsplit("-", 2)[0]
    assert not cluster.exists("pod", pod, "load-0")
    assert len(cluster.pods_of(workload, "load-0")) == 20
    assert cluster.get("deploy", workload, "load-0")["status"]["availableReplicas"] == 20
    change = {
        "spec": {"template": {"spec": {"containers": [{"name": "app", "image": "registry.example/x:v2"}]}}}
    }
    cluster.patch("deploy", workload, change, "load-0")
    cluster.settle()
    images = {one["spec"]["containers"][0]["image"] for one in cluster.pods_of(workload, "load-0")}
    assert images == {"registry.example/x:v2"}
