"""What metrics, alerts, checks and the state of the sources tell."""

from console.model.http import HttpCheck, HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot
from console.model.reading import State
from console.model.signals import detect, remember
from console.model.source import Health, SourceStatus
from console.model.symptoms.finding import Memory
from tests.model.board import NOW, Records, history, ok, prometheus, service
from tests.model.looking import look, texts


def test_latency_targets_and_blindness() -> None:
    board = Records(
        {
            "prometheus": prometheus(
                service("slow", p95=ok(0.34), p95_threshold=0.2),
                service("fine", p95=ok(9.0)),
                service("dead", State.STALE, up=ok(0)),
                service("half", up=ok(0.75)),
                service("blind", State.NO_DATA, history=history(0.0, None)),
                service("never", State.NO_DATA, history=history(None, None)),
                service("night", State.NO_TRAFFIC),
            )
        }
    )
    assert sorted(texts(board)) == [
        "latency-high(slow) p95 340 ms > 200 ms",
        "metrics-blind(blind) no data any more",
        "targets-down(dead) all its targets are down",
        "targets-down(half) 25 % of its targets are down",
    ]


def test_blindness_is_remembered_beyond_the_history() -> None:
    memory = remember(Records({"prometheus": prometheus(service())}), Memory())
    board = Records({"prometheus": prometheus(service(ratio=State.NO_DATA))})
    memory = remember(board, memory)
    assert [item.name for item in detect(board, {}, NOW, memory)] == ["metrics-blind"]
    assert detect(board, {}, NOW, Memory()) == ()


def test_alerts_are_grouped_by_name_and_silenced_ones_left_out() -> None:
    def alert(name: str, state: str, severity: str, age: float) -> Alert:
        return Alert(f"{name}{age}", name, state, severity, f"{name} is bad", NOW - age)

    found = look(
        Records(
            {
                "alertmanager": AlertsSnapshot(
                    NOW,
                    (
                        alert("Latency", "active", "warning", 60),
                        alert("Latency", "active", "critical", 120),
                        alert("Quiet", "suppressed", "critical", 60),
                        alert("Watchdog", "active", "none", 9000),
                    ),
                )
            }
        )
    )
    assert [(item.subject, item.severity, item.detail, NOW - item.since) for item in found] == [
        ("Latency", "critical", "2 alerts: Latency is bad", 120),
        ("Watchdog", "info", "Watchdog is bad", 9000),
    ]


def test_checks_and_certificates() -> None:
    day = 86_400
    checks = (
        HttpCheck("api", "https://api.test", "down", 503, 0.1, "status 503", NOW, NOW + 90 * day),
        HttpCheck("web", "https://web.test", "healthy", 200, 0.1, "status 200", NOW, NOW + 10 * day),
        HttpCheck("old", "https://old.test", "reachable", 401, 0.1, "status 401", NOW, NOW - day),
    )
    assert sorted(texts(Records({"http": HttpSnapshot(NOW, checks)}))) == [
        "certificate-expiring(old) its certificate has ended",
        "certificate-expiring(web) its certificate ends in 10 days",
        "http-down(api) status 503",
    ]


def test_a_failed_source_is_a_signal_of_its_own_kind() -> None:
    status = SourceStatus("prometheus", Health.FAILED, NOW - 60, reason="connection refused")
    failed = look(Records({}, status, SourceStatus("http", Health.LIMITED, NOW)))
    assert [(item.text, item.source_ok) for item in failed] == [
        ("source-failed(prometheus) connection refused since 20:25Z", False)
    ]
    well = Records({}, SourceStatus("prometheus", Health.OK, NOW))
    assert look(well, look(well, failed, NOW + 1), NOW + 2) == ()


def test_signals_of_a_source_that_fails_stay() -> None:
    sick = {"prometheus": prometheus(service(ratio=0.2))}
    first = look(Records(sick))
    later = look(Records(sick, SourceStatus("prometheus", Health.FAILED, NOW + 9)), first, NOW + 60)
    assert [item.name for item in later] == ["error-ratio-high", "source-failed"]
