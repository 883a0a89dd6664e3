import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from console.config import AlertmanagerSettings
from console.model.clock import SystemClock
from console.model.metrics import AlertsSnapshot
from console.model.secret import Secret
from console.model.source import Health
from console.model.strict import convert
from console.sources.alertmanager import AlertmanagerSource
from tests.monitoring import Monitoring
from tests.sources.publishing import Answerer, Kept, Stall, reply, run_until, scripted


def poll_once(url: str, **settings: Any) -> Kept:
    wanted = convert({"url": url} | settings, AlertmanagerSettings)
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


def silence(**matcher: Any) -> dict[str, Any]:
    return {
        "matchers": [{"isRegex": False, **matcher}],
        "startsAt": stamp(0),
        "endsAt": stamp(60),
        "createdBy": "some\x1b[2Jone",
        "comment": "\x1b[31mdeploying\x1b[0m with password=hunter22hunter\u202e",
    }


@pytest.mark.services
def test_alerts_are_told_apart_by_their_state(monitoring: Monitoring) -> None:
    made = monitoring.post("/api/v2/silences", silence(name="quiet", value="yes"))
    later = silence(name="alertname", value="x.*") | {"startsAt": stamp(30)}
    monitoring.post("/api/v2/silences", later)
    alerts = [
        alert("LatencyHigh", "\x1b[31mslow\x1b[0m password=hunter22hunter", severity="warning"),
        alert("ApiDown", "gone", severity="critical", inhibits="yes"),
        alert("Silenced", severity="critical", quiet="yes"),
        alert("Inhibited", severity="critical", inhibited="yes"),
    ]
    monitoring.post("/api/v2/alerts", alerts)
    found = until(
        monitoring.alertmanager,
        lambda snapshot: (
            sorted(one.state for one in snapshot.alerts) == [*["active"] * 2, *["suppressed"] * 2]
        ),
    )
    assert [item.name for item in found.alerts[:2]] == ["ApiDown", "LatencyHigh"], "active and severe first"
    by_name = {item.name: item for item in found.alerts}
    assert by_name["Silenced"].silenced_by == (made["silenceID"],)
    assert by_name["Inhibited"].inhibited_by == (by_name["ApiDown"].fingerprint,)
    assert by_name["LatencyHigh"].summary == "slow password=REDACTED"
    assert dict(by_name["ApiDown"].labels)["severity"] == "critical"
    assert abs(by_name["ApiDown"].starts_at - found.at) < 60
    (kept,) = found.silences.values()
    assert found.silencing(by_name["Silenced"]) == (kept,), "a silence that has not begun silences nothing"
    assert (kept.created_by, kept.comment) == ("someone", "deploying with password=REDACTED")
    assert kept.ends_at == pytest.approx(found.at + 3600, abs=60)
    assert found.silencing(by_name["ApiDown"]) == ()
    assert found.version.startswith("0.")


def served(alerts: bytes, silences: Answerer) -> Answerer:
    return lambda handler: (silences if "silences" in handler.path else reply(200, alerts))(handler)


SILENCED = b"""[{"fingerprint": "f", "labels": {"alertname": "Down"}, "startsAt": "2026-01-01T00:00:00Z",
"status": {"state": "suppressed", "silencedBy": ["early", "gone", "late"]}}]"""


def test_of_several_silences_the_one_that_ends_last_counts() -> None:
    def entry(name: str, state: str, hour: int) -> str:
        return (
            f'{{"id": "{name}", "status": {{"state": "{state}"}}, "matchers": [],'
            f' "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2026-02-01T{hour:02}:00:00.123456789Z"}}'
        )

    entries = [entry("early", "active", 1), entry("late", "active", 9), entry("gone", "expired", 23)]
    body = f"[{','.join(entries)}]".encode()
    with scripted(served(SILENCED, reply(200, body))) as (url, _):
        found = poll_once(url).snapshots[0]
    assert [item.id for item in found.silencing(found.alerts[0])] == ["late", "early"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(403), "the silences cannot be read: Alertmanager refuses with status 403"),
        (reply(500), "the silences cannot be read: Alertmanager answers with status 500"),
        (reply(200, b'[{"id": 1}]'), "the answer to /api/v2/silences is not what"),
    ],
)
def test_silences_that_fail_take_no_alert_away(answer: Answerer, reason: str) -> None:
    with scripted(served(SILENCED, answer)) as (url, _):
        kept = poll_once(url)
    assert [item.name for item in kept.snapshots[0].alerts] == ["Down"]
    assert kept.statuses[-1].health is Health.LIMITED and reason in kept.statuses[-1].reason


def test_silences_that_hang_take_no_alert_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sources.alertmanager.TIMEOUT", 0.3)
    stall = Stall()
    with scripted(served(SILENCED, stall)) as (url, _):
        kept = poll_once(url)
        stall.release()
    assert [item.name for item in kept.snapshots[0].alerts] == ["Down"]
    assert "no answer within 0.3 s" in kept.snapshots[0].silences_failed


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
        kept = poll_once(secret, headers={"X-Token": Secret("s3cr3t")})
    assert sorted((request.method, request.path) for request in requests) == [
        ("GET", "/am/api/v2/alerts"),
        ("GET", "/am/api/v2/silences"),
        ("GET", "/am/api/v2/status"),
    ]
    assert {request.headers["X-Token"] for request in requests} == {"s3cr3t"}
    shown = repr(kept.statuses) + repr(kept.snapshots)
    assert not any(word in shown for word in ("hunter22", "s3cr3t", "reader"))
    assert kept.statuses[-1].health is Health.OK
