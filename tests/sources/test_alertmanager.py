import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from console.config import AlertmanagerSettings
from console.model.clock import SystemClock
from console.model.metrics import AlertsSnapshot
from console.model.source import Health
from console.sources.alertmanager import AlertmanagerSource
from tests.monitoring import Monitoring
from tests.sources.publishing import Answerer, Kept, Stall, reply, run_until, scripted


def poll_once(url: str, **settings: Any) -> Kept:
    wanted = AlertmanagerSettings.model_validate({"url": url} | settings)
    kept = Kept()
    source = AlertmanagerSource(wanted, SystemClock(), random.Random(1))
    asyncio.run(run_until(source, kept, lambda kept: len(kept.statuses) > 1))
    return kept


def until(url: str, seen: Any) -> AlertsSnapshot:
    """Poll until ``seen(snapshot)``."""
    wanted = AlertmanagerSettings(url=url, interval=1)
    kept = Kept()
    source = AlertmanagerSource(wanted, SystemClock(), random.Random(1))
    asyncio.run(run_until(source, kept, lambda kept: bool(kept.snapshots) and seen(kept.snapshots[-1])))
    found: AlertsSnapshot = kept.snapshots[-1]
    return found


def alert(name: str, summary: str = "", **labels: str) -> dict[str, Any]:
    return {"labels": {"alertname": name, **labels}, "annotations": {"summary": summary}}


def stamp(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


def silence(comment: str, start: float, end: float, **matcher: Any) -> dict[str, Any]:
    return {
        "matchers": [{"isRegex": False, **matcher}],
        "startsAt": stamp(start),
        "endsAt": stamp(end),
        "createdBy": "someone",
        "comment": comment,
    }


@pytest.mark.services
def test_alerts_are_told_apart_by_their_state(monitoring: Monitoring) -> None:
    made = monitoring.post("/api/v2/silences", silence("deploying", 0, 60, name="quiet", value="yes"))
    monitoring.post("/api/v2/silences", silence("later", 30, 60, name="alertname", value="x.*", isRegex=True))
    alerts = [
        alert("LatencyHigh", "\x1b[31mslow\x1b[0m password=hunter22hunter", severity="warning"),
        alert("ApiDown", "gone", severity="critical", inhibits="yes"),
        alert("Silenced", severity="critical", quiet="yes"),
        alert("Inhibited", severity="critical", inhibited="yes"),
    ]
    monitoring.post("/api/v2/alerts", alerts)
    found = until(
        monitoring.alertmanager,
        lambda snapshot: (snapshot.count("active"), snapshot.count("suppressed")) == (2, 2),
    )
    assert [item.name for item in found.alerts[:2]] == ["ApiDown", "LatencyHigh"], "active and severe first"
    by_name = {item.name: item for item in found.alerts}
    assert by_name["Silenced"].silenced_by == (made["silenceID"],)
    assert by_name["Inhibited"].inhibited_by == (by_name["ApiDown"].fingerprint,)
    assert by_name["LatencyHigh"].summary == "slow password=REDACTED"
    assert dict(by_name["ApiDown"].labels)["severity"] == "critical"
    assert abs(by_name["ApiDown"].starts_at - found.at) < 60
    assert [(item.comment, item.state) for item in found.silences] == [
        ("deploying", "active"),
        ("later", "pending"),
    ]
    assert found.silences[1].matchers == ('alertname=~"x.*"',)
    assert found.silences[0].ends_at > found.at + 3000


def test_expired_silences_come_last_and_only_the_newest() -> None:
    def entry(state: str, ends: int) -> str:
        return (
            f'{{"id": "{state}-{ends}", "status": {{"state": "{state}"}}, "createdBy": "a", "comment": "c",'
            f' "matchers": [{{"name": "n", "value": "v", "isRegex": false, "isEqual": false}}],'
            f' "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-02-{ends:02}T00:00:00.123456789Z"}}'
        )

    silences = [entry("expired", day) for day in range(1, 26)]
    silences += [entry("pending", 3), entry("active", 9), entry("active", 8)]
    body = f"[{','.join(silences)}]".encode()
    with scripted(lambda handler: reply(200, body if "silences" in handler.path else b"[]")(handler)) as (
        url,
        _,
    ):
        found = poll_once(url).snapshots[0].silences
    assert [item.id for item in found[:5]] == [
        "active-8",
        "active-9",
        "pending-3",
        "expired-25",
        "expired-24",
    ]
    assert len(found) == 3 + 20
    assert found[0].matchers == ('n!="v"',)


@pytest.mark.parametrize(
    ("answer", "reason", "health"),
    [
        (reply(401), "refuses with status 401", Health.DENIED),
        (reply(503, b"starting"), "answers with status 503: starting", Health.FAILED),
        (reply(404, b"<html>no</html>"), "answers with status 404", Health.FAILED),
        (reply(307, Location="https://sso.test/"), "redirects to https://sso.test/", Health.FAILED),
        (reply(200, b'[{"fingerprint": "a'), "is not what Alertmanager's API v2 gives", Health.FAILED),
        (reply(200, b'{"status": "success"}'), "is not what Alertmanager's API v2 gives", Health.FAILED),
    ],
)
def test_a_refusal_is_a_sentence(answer: Answerer, reason: str, health: Health) -> None:
    with scripted(answer) as (url, _):
        status = poll_once(url).statuses[-1]
    assert (status.health, reason in status.reason) == (health, True), status.reason
    assert status.advice


def test_no_server_and_a_hung_one_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sources.alertmanager.TIMEOUT", 0.3)
    stall = Stall()
    with scripted(stall) as (url, _):
        hung = poll_once(url).statuses[-1]
        stall.release()
    gone = poll_once(url).statuses[-1]
    assert hung.reason == "Alertmanager gave no answer within 0.3 s"
    assert gone.reason == "Alertmanager cannot be reached: connection refused"


def test_it_only_reads_and_shows_no_credential() -> None:
    with scripted(reply(200, b"[]")) as (url, requests):
        secret = url.replace("://", "://reader:hunter22@") + "/am/"
        kept = poll_once(secret, headers={"X-Token": SecretStr("s3cr3t")})
    assert sorted((request.method, request.path) for request in requests) == [
        ("GET", "/am/api/v2/alerts"),
        ("GET", "/am/api/v2/silences"),
    ]
    assert {request.headers["X-Token"] for request in requests} == {"s3cr3t"}
    shown = repr(kept.statuses) + repr(kept.snapshots)
    assert not any(word in shown for word in ("hunter22", "s3cr3t", "reader"))
    assert kept.statuses[-1].health is Health.OK
