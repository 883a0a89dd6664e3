"""What the source says when the server refuses, breaks, hangs, or is not a Prometheus."""

import asyncio
import json
import random
import subprocess
import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from console.config import PrometheusSettings
from console.model.clock import ManualClock, SystemClock
from console.model.metrics import PrometheusSnapshot
from console.model.reading import Reading, State
from console.model.secret import Secret
from console.model.source import Health
from console.model.strict import convert
from console.sources.base import SourceError
from console.sources.prometheus import PrometheusSource, client
from tests.sources.publishing import Kept, Stall, reply, run_until, scripted


def source(url: str, **settings: Any) -> PrometheusSource:
    wanted = convert({"url": url, "interval": 1} | settings, PrometheusSettings)
    return PrometheusSource(wanted, SystemClock(), random.Random(1))


def read(url: str, **settings: Any) -> PrometheusSnapshot:
    async def once() -> PrometheusSnapshot:
        asked = source(url, **settings)
        try:
            return await asked.read()
        finally:
            await asked.close()

    return asyncio.run(once())


def success(result: list[Any], **more: Any) -> bytes:
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}} | more
    ).encode()


def error(kind: str, text: str) -> bytes:
    return json.dumps({"status": "error", "errorType": kind, "error": text}).encode()


@pytest.mark.parametrize(
    ("answer", "reason", "health"),
    [
        (
            reply(400, error("bad_data", "parse error: x")),
            "cannot execute the query: bad_data: parse error: x",
            "",
        ),
        (reply(422, error("execution", "too many samples")), "execution: too many samples", ""),
        (reply(503, error("timeout", "query timed out")), "status 503: timeout: query timed out", ""),
        (reply(502, b"<html>bad gateway</html>"), "answers with status 502", ""),
        (reply(401, b"who are you"), "refuses with status 401: who are you", "denied"),
        (reply(403), "refuses with status 403", "denied"),
        (
            reply(302, Location="https://sso.test/?token=abcDEF123456789"),
            "redirects to https://sso.test/",
            "",
        ),
        (reply(200, success([])[:40]), "is not the JSON of Prometheus", ""),
        (reply(200, b"<html>login</html>"), "is not the JSON of Prometheus", ""),
        (reply(200, b'{"data": {"result": [{"metric": {}}]}}'), "is not the JSON of Prometheus", ""),
        (reply(200, b"[1]"), "is not the JSON of Prometheus", ""),
    ],
)
def test_a_refusal_is_a_sentence(answer: Any, reason: str, health: str) -> None:
    with scripted(answer) as (url, _), pytest.raises(SourceError) as raised:
        read(url)
    assert reason in raised.value.reason
    assert raised.value.advice
    assert raised.value.health is Health(health or "failed")
    assert "abcDEF123456789" not in raised.value.reason


def test_an_answer_cut_short_is_a_sentence() -> None:
    def cut(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "5000")
        handler.end_headers()
        handler.wfile.write(success([])[:30])
        handler.close_connection = True

    with scripted(cut) as (url, _), pytest.raises(SourceError, match="Prometheus cannot be reached"):
        read(url)


def test_a_refused_connection_is_a_sentence() -> None:
    with scripted(reply(200)) as (url, _):
        pass
    with pytest.raises(SourceError, match=r"^Prometheus cannot be reached: connection refused$"):
        read(url)


def test_one_number_that_is_refused_leaves_the_others() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        expression = parse_qs(urlsplit(handler.path).query)["query"][0]
        if "histogram" in expression:
            reply(403, b"not for you")(handler)
        elif "5.." in expression:
            reply(503, error("timeout", "query timed out"))(handler)
        else:
            reply(200, success([{"metric": {"job": "shop"}, "value": [1.0, "7"]}]))(handler)

    with scripted(answer) as (url, _):
        snapshot = read(url)
        kept = Kept()
        asyncio.run(run_until(source(url), kept, lambda kept: bool(kept.snapshots)))
    (shop,) = snapshot.services
    assert (shop.rate.state, shop.rate.value) == (State.OK, 7)
    assert shop.p95.state is State.DENIED and "status 403: not for you" in shop.p95.reason
    assert shop.error_ratio.state is State.FAILED and "query timed out" in shop.error_ratio.reason
    assert len([text for text in snapshot.warnings if "status" in text]) == 2
    assert (kept.statuses[-1].health, "shop: " in kept.statuses[-1].reason) == (Health.LIMITED, True)


def test_warnings_and_hostile_text_are_kept_clean() -> None:
    evil = "\x1b]0;owned\x07[bold]shop[/]"
    body = success([{"metric": {"job": evil}, "value": [1.0, "0.5"]}], warnings=["\x1b[31mpartial response"])
    with scripted(reply(200, body)) as (url, _):
        snapshot = read(url)
    assert [item.name for item in snapshot.services] == ["[bold]shop[/]"]
    assert snapshot.warnings[0] == "partial response"


def test_infinity_is_no_number() -> None:
    with scripted(reply(200, success([{"metric": {"job": "shop"}, "value": [1.0, "+Inf"]}]))) as (url, _):
        (shop,) = read(url).services
    assert {cell.state for cell in (shop.p95, shop.rate, shop.error_ratio)} == {State.NO_DATA}


def test_a_rate_that_outlives_its_targets_is_as_old_as_their_last_answer() -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    up = "1"

    def answer(handler: BaseHTTPRequestHandler) -> None:
        expression = parse_qs(urlsplit(handler.path).query)["query"][0]
        value = up if expression.startswith("avg") else "0.5"
        reply(200, success([{"metric": {"job": "shop"}, "value": [1.0, value]}]))(handler)

    async def story(url: str) -> list[Reading]:
        nonlocal up
        asked = PrometheusSource(PrometheusSettings(url=url), clock, random.Random(1))
        found = []
        for value, passed in (("0", 1), ("1", 1), ("0", 40), ("0", 2)):
            up = value
            clock.advance(passed)
            found.append((await asked.read()).services[0].error_ratio)
        await asked.close()
        return found

    with scripted(answer) as (url, _):
        unknown, fresh, stale, later = asyncio.run(story(url))
    assert (unknown.state, unknown.at) == (State.STALE, None), "it was never seen to answer"
    assert fresh.ok and stale.state is State.STALE
    assert stale.at == later.at == fresh.at == clock.now().timestamp() - 42


def test_requests_are_few_reads_and_carry_prefix_headers_and_a_time_limit() -> None:
    body = success([{"metric": {"job": "shop"}, "value": [1.0, "0.5"]}])
    with scripted(reply(200, body)) as (url, requests):
        secret = url.replace("://", "://reader:hunter22@") + "/tenants/prometheus/"
        services = [{"name": f"service-{index}"} for index in range(50)]
        asked = source(secret, headers={"X-Scope-OrgID": Secret("team-7")}, services=services)
        kept = Kept()
        asyncio.run(run_until(asked, kept, lambda kept: len(kept.snapshots) == 1))
    assert len(requests) <= 7
    assert {request.method for request in requests} == {"GET"}
    for request in requests:
        parts = urlsplit(request.path)
        if parts.path != "/tenants/prometheus/api/v1/status/buildinfo":
            assert parts.path.startswith("/tenants/prometheus/api/v1/query")
            assert parse_qs(parts.query)["timeout"] == ["3s"]
        assert request.headers["X-Scope-OrgID"] == "team-7"
        assert request.headers["Authorization"].startswith("Basic ")
    shown = repr(kept.statuses) + repr(kept.snapshots)
    assert not any(word in shown for word in ("hunter22", "team-7", "reader"))


def test_a_netrc_of_the_user_does_not_replace_the_configured_header(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with scripted(reply(200, success([]))) as (url, requests):
        read(url, headers={"Authorization": Secret("Bearer given")})
    assert {request.headers["Authorization"] for request in requests} == {"Bearer given"}


def test_a_hung_server_leaves_the_loop_free_and_recovers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT", 0.5)
    stall = Stall()
    hang = True

    def answer(handler: BaseHTTPRequestHandler) -> None:
        (stall if hang else reply(200, success([])))(handler)

    async def main(url: str) -> tuple[int, Kept]:
        nonlocal hang
        kept = Kept()
        turns = 0

        def done(kept: Kept) -> bool:
            nonlocal turns, hang
            turns += hang
            hang = hang and not any(status.health is Health.FAILED for status in kept.statuses)
            return bool(kept.snapshots)

        await run_until(source(url), kept, done)
        return turns, kept

    with scripted(answer) as (url, _):
        turns, kept = asyncio.run(main(url))
        stall.release()
    assert [status.health for status in kept.statuses] == [Health.CONNECTING, Health.FAILED, Health.OK]
    assert kept.statuses[1].reason == "Prometheus gave no answer within 0.5 s"
    assert turns > 5, "the loop went on while the thread waited"


def test_a_hung_server_does_not_hold_the_exit_of_the_process() -> None:
    program = """
import asyncio, random, sys
from console.config import PrometheusSettings
from console.model.clock import ManualClock, SystemClock
from console.sources.prometheus import PrometheusSource

async def main():
    source = PrometheusSource(PrometheusSettings(url=sys.argv[1]), SystemClock(), random.Random(1))
    try:
        await asyncio.wait_for(source.read(), 1.5)
    except TimeoutError:
        print("gave up")
    await source.close()

asyncio.run(main())
assert "prometheus_api_client.prometheus_connect" in sys.modules
"""
    stall = Stall()  # for longer than the process may take
    with scripted(stall) as (url, requests):
        done = subprocess.run(
            [sys.executable, "-c", program, url], capture_output=True, text=True, timeout=20
        )
        stall.release()
    assert (done.stdout, done.stderr, done.returncode) == ("gave up\n", "", 0)
    assert len(requests) == 1, "asked once, not repeated"
