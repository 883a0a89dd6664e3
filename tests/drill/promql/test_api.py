"""The query endpoint over HTTP, scraping, rules: in the shapes that clients of Prometheus know."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import httpx
import pytest
from aiohttp import web

from console.drill.metrics import JOBS, Gauges, Metrics
from console.drill.prometheus import Scraper
from console.drill.promql.api import QueryApi, Target
from console.drill.promql.exposition import Metric, parse, render
from console.drill.promql.rules import Rule, RuleState, expand
from console.drill.promql.store import Store, labels_of
from console.drill.rules import rules
from console.drill.shop import BY_NAME, PodView
from console.drill.traffic import Counters
from tests.drill.promql import samples

Story = Callable[[httpx.AsyncClient], Awaitable[None]]


def serve(api: QueryApi, story: Story) -> None:
    async def run() -> None:
        app = web.Application()
        app.add_routes(api.routes())
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/api/v1"
        try:
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                await story(client)
        finally:
            await runner.cleanup()

    asyncio.run(run())


def api(store: Store | None = None, states: Sequence[RuleState] = ()) -> QueryApi:
    targets = [Target("web", "http://127.0.0.1:1/metrics/web", "", samples.END, 0.001)]
    targets.append(Target("api", "http://127.0.0.1:1/metrics/api", "connection refused", samples.END, 0.0))
    return QueryApi(store or samples.filled(), lambda: float(samples.END), lambda: targets, states)


async def data(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["status"] == "success"
    return answer.json()["data"]


def test_queries_answer_vectors_scalars_strings_and_matrices() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        vector = await data(client, "/query", query='up{job="api"}')
        assert vector == {
            "resultType": "vector",
            "result": [{"metric": {"__name__": "up", "job": "api"}, "value": [float(samples.END), "1"]}],
        }
        assert (await data(client, "/query", query="1/0"))["result"][1] == "+Inf"
        assert (await data(client, "/query", query='"text"'))["resultType"] == "string"
        raw = await data(client, "/query", query='up{job="api"}[5s]')
        assert raw["resultType"] == "matrix"
        assert len(raw["result"][0]["values"]) == 6
        posted = await client.post("/query", data={"query": "up", "time": str(samples.START)})
        assert len(posted.json()["data"]["result"]) == 2

    serve(api(), story)


def test_a_range_is_aligned_to_its_start_and_has_gaps() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        query = {"query": "batch_last_success", "start": samples.START, "end": samples.END, "step": "100s"}
        (line,) = (await data(client, "/query_range", **query))["result"]
        assert [point[0] - samples.START for point in line["values"]] == [0, 100, 200, 300]
        late = {**query, "start": samples.START + 390, "end": samples.START + 410, "step": 5}
        (line,) = (await data(client, "/query_range", **late))["result"]
        assert [point[0] - samples.START for point in line["values"]] == [390, 395, 400]

    serve(api(), story)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/query", {"query": "sum("}),
        ("/query", {"query": "up", "time": "yesterday"}),
        ("/query_range", {"query": "up", "start": 0, "end": 20_000, "step": 1}),
        ("/query_range", {"query": "up", "start": 10, "end": 5, "step": 1}),
        ("/query_range", {"query": "up", "start": 0, "end": 5, "step": 0}),
        ("/series", {}),
    ],
)
def test_bad_requests_are_400_with_a_reason(path: str, query: dict[str, Any]) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answer = await client.get(path, params=query)
        assert answer.status_code == 400
        assert answer.json()["status"] == "error"
        assert answer.json()["errorType"] == "bad_data"
        assert answer.json()["error"]

    serve(api(), story)


def test_what_cannot_be_executed_is_422() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answer = await client.get("/query", params={"query": "up + on (job) http_requests_total"})
        assert answer.status_code == 422
        assert answer.json()["errorType"] == "execution"

    serve(api(), story)


def test_series_labels_and_targets() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        series = await data(client, "/series", **{"match[]": "up"})
        assert sorted(one["job"] for one in series) == ["api", "web"]
        assert await data(client, "/labels") == ["__name__", "job", "le", "pod", "queue", "status"]
        assert await data(client, "/label/job/values") == ["api", "batch", "web"]
        assert await data(client, "/label/job/values", **{"match[]": "up"}) == ["api", "web"]
        targets = (await data(client, "/targets"))["activeTargets"]
        assert {one["labels"]["job"]: one["health"] for one in targets} == {"web": "up", "api": "down"}
        assert targets[1]["lastError"] == "connection refused"
        assert (await data(client, "/status/buildinfo"))["version"]

    serve(api(), story)


def test_a_rule_is_pending_then_firing_then_resolved() -> None:
    store = Store()
    rule = Rule(
        "Deep",
        "queue_depth > 10",
        5,
        {"severity": "warning"},
        {"summary": "{{ $labels.queue }}: {{ $value }}"},
    )
    state = RuleState(rule)
    seen = []
    for second, depth in enumerate([1, 20, 30, 30, 30, 30, 30, 30, 2]):
        store.append(second, [(labels_of("queue_depth", {"queue": "q"}), depth)])
        resolved = state.evaluate(second, store)
        states = [alert.firing for alert in state.active.values()]
        seen.append((states, len(resolved)))
    assert seen == [
        ([], 0),
        *([([False], 0)] * 5),
        *([([True], 0)] * 2),
        ([], 1),
    ]

    async def story(client: httpx.AsyncClient) -> None:
        store.append(20, [(labels_of("queue_depth", {"queue": "q"}), 77)])
        state.evaluate(20, store)
        (alert,) = (await data(client, "/alerts"))["alerts"]
        assert alert["state"] == "pending"
        assert alert["labels"] == {"alertname": "Deep", "severity": "warning", "queue": "q"}
        assert alert["annotations"] == {"summary": "q: 77"}
        ((only,),) = [group["rules"] for group in (await data(client, "/rules"))["groups"]]
        assert (only["state"], only["health"], only["duration"]) == ("pending", "ok", 5)

    serve(api(store, [state]), story)


def test_a_failing_rule_says_so() -> None:
    state = RuleState(Rule("Broken", "up + on (job) http_requests_total", 0, {}, {}))
    assert state.evaluate(samples.END, samples.filled()) == []
    assert "many-to-many" in state.error


def test_annotations_are_filled_in() -> None:
    text = "{{ $labels.job }} fails {{ $value | humanizePercentage }} ({{$value}}){{ $labels.none }}"
    assert expand(text, {"job": "web"}, 0.0812) == "web fails 8.12% (0.0812)"


def test_the_text_format_survives_hostile_labels() -> None:
    hostile = {"path": 'a"b\\c\nd{}', "job": "x"}
    family = Metric("m", "gauge", "Help.", (("m", hostile, 1.5), ("m", {}, float("inf"))))
    found = dict(parse(render([family]), {}))
    assert found == {labels_of("m", hostile): 1.5, labels_of("m", {}): float("inf")}


POD = PodView("uid-1", "checkout-1", "checkout", BY_NAME["checkout"].image(), {}, True, True, 0.0, 0)


def scraped(metrics: Metrics, pods: tuple[PodView, ...], counters: dict[str, Counters]) -> None:
    metrics.update(pods, counters, {POD.uid: (4, 1, 6)}, (0, 0), Gauges())


def test_a_scrape_fills_the_store_and_ends_the_series_of_a_pod_that_is_gone() -> None:
    metrics, counters = Metrics(), Counters()
    moment = [100.0]
    scraper = Scraper(metrics, rules(1.0), lambda: moment[0], "http://127.0.0.1:1")
    counters.add("200", 0.02)
    counters.add("503", 3.0)
    scraped(metrics, (POD,), {POD.uid: counters})
    scraper.scrape()

    def value(name: str, **labels: str) -> float | None:
        target = {"job": "checkout", "instance": "checkout"}
        found = [
            one for one in scraper.store.select(()) if one.labels == labels_of(name, {**target, **labels})
        ]
        return found[0].at(moment[0], 300) if found else None

    assert value("http_requests_total", pod="checkout-1", status="503") == 1
    assert value("http_request_duration_seconds_bucket", pod="checkout-1", le="0.025") == 1
    assert value("http_request_duration_seconds_bucket", pod="checkout-1", le="+Inf") == 2
    assert value("http_request_duration_seconds_sum", pod="checkout-1") == pytest.approx(3.02)
    assert value("db_pool_connections", pod="checkout-1", state="busy") == 1
    assert value("up") == 1

    moment[0] += 1
    scraped(metrics, (), {})
    scraper.scrape()
    assert value("http_requests_total", pod="checkout-1", status="503") is None
    assert value("up") == 0


def test_an_unknown_job_is_404_and_one_without_pods_503() -> None:
    metrics = Metrics()

    async def run() -> None:
        app = web.Application()
        app.add_routes([web.get("/metrics/{job}", metrics.handle)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            base = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics"
            async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
                assert (await client.get("/nothing")).status_code == 404
                assert (await client.get("/checkout")).status_code == 503
                assert (await client.get("/blackbox")).status_code == 200
        finally:
            await runner.cleanup()

    asyncio.run(run())


@pytest.mark.services
@pytest.mark.parametrize("speed", [0.1, 1.0, 7.0, 60.0])
def test_promtool_accepts_the_rules(speed: float, tmp_path_factory: pytest.TempPathFactory) -> None:
    import subprocess

    from console.drill import binaries
    from console.drill.promql.rules import as_file

    tool = binaries.promtool()
    if tool is None:
        if os.environ.get("WARROOM_REQUIRE_SERVICES") == "1":
            pytest.fail("promtool is not installed")
        pytest.skip("promtool is not installed")
    file = tmp_path_factory.mktemp("rules") / "rules.json"
    file.write_bytes(as_file(rules(speed), 5 / speed))
    done = subprocess.run([tool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_job_is_scraped() -> None:
    scraper = Scraper(Metrics(), (), lambda: 5.0, "http://127.0.0.1:1")
    scraper.scrape()
    assert {one.lookup["job"] for one in scraper.store.select(()) if one.lookup["__name__"] == "up"} == set(
        JOBS
    )
