"""A system in trouble, as records: the scene that the screens are tested with."""

from __future__ import annotations

from typing import Any

from console.model.http import HttpCheck, HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot, PrometheusSnapshot, ServiceMetrics, Silence
from console.model.plan import Target
from console.model.postgres import Backend, PostgresSnapshot, Replica, Statement
from console.model.reading import Point, Reading, State
from console.model.redis import Queue, RedisSnapshot, SlowCommand
from console.model.signals import Signal, SignalsSnapshot, Step, Suggestion
from tests.ui.cluster import MB, kubernetes
from tests.ui.fake import NOW, FakeEngine, incident


def fill(engine: FakeEngine) -> FakeEngine:
    engine.health("kubernetes:prod", address="https://10.1.2.3:6443")
    engine.board.publish("kubernetes:prod", kubernetes())
    return engine


def ok(value: float) -> Reading:
    return Reading(State.OK, value, NOW)


def history(values: list[float | None], step: float = 15.0) -> tuple[Point, ...]:
    start = NOW - step * (len(values) - 1)
    return tuple(Point(start + index * step, value) for index, value in enumerate(values))


def metrics() -> PrometheusSnapshot:
    calm: list[float | None] = [0.002 + 0.001 * (index % 5) for index in range(120)]
    rising: list[float | None] = [*calm[:92], *(0.01 * (index + 1) for index in range(28))]
    broken: list[float | None] = [*calm[:60], *([None] * 10), *calm[:50]]
    return PrometheusSnapshot(
        NOW,
        (
            ServiceMetrics("checkout", ok(0.281), ok(412.0), ok(2.31), ok(1.0), 0.05, history(rising), 1.0),
            ServiceMetrics(
                "auth-service", ok(0.0041), ok(1830.0), ok(0.212), ok(0.75), 0.05, history(broken)
            ),
            ServiceMetrics("cart", ok(0.0), ok(96.4), ok(0.043), ok(1.0), 0.05, history(calm)),
            ServiceMetrics(
                "search",
                Reading(State.STALE, 0.01, NOW - 42, "last scrape 42 s ago"),
                Reading(State.NO_DATA),
                Reading(State.FAILED, reason="query timed out"),
                ok(1.0),
                0.02,
            ),
            ServiceMetrics(
                "mailer",
                Reading(State.NO_TRAFFIC, at=NOW),
                ok(0.0),
                Reading(State.NO_TRAFFIC),
                ok(1.0),
                0.05,
                history(calm),
            ),
        ),
    )


def backend(pid: int, **changes: Any) -> Backend:
    defaults: dict[str, Any] = {
        "pid": pid,
        "backend_start": NOW - 4000,
        "backend_start_text": f"2026-03-01 13:2{pid % 10}:00.123456+00",
        "backend_type": "client backend",
        "user": "shop",
        "database": "shop",
        "application": "checkout",
        "client": "10.0.0.7",
        "state": "idle",
        "wait_type": "",
        "wait_event": "",
        "xact_start": None,
        "query_start": NOW - 30,
        "state_change": NOW - 30,
        "query": "COMMIT",
    }
    return Backend(**{**defaults, **changes})


def postgres(**changes: Any) -> PostgresSnapshot:
    update = "UPDATE stock SET held = held + 1 WHERE sku = $1"
    defaults: dict[str, Any] = {
        "at": NOW,
        "now": NOW,
        "version": 180001,
        "standby": None,
        "usable": 97,
        "clients": 91,
        "by_state": (("idle", 48), ("idle in transaction", 31), ("active", 12)),
        "by_application": (("checkout", 58), ("auth-service", 21), ("reports", 12)),
        "backends": (
            backend(
                4001,
                state="idle in transaction",
                xact_start=NOW - 723,
                application="reports",
                query="SELECT * FROM stock FOR UPDATE",
            ),
            backend(
                4002,
                state="active",
                xact_start=NOW - 95,
                blocked_by=(4001,),
                wait_type="Lock",
                wait_event="transactionid",
                query=update,
            ),
            backend(
                4003,
                state="active",
                xact_start=NOW - 61,
                blocked_by=(4002,),
                wait_type="Lock",
                wait_event="transactionid",
                query=update,
            ),
            backend(
                4004,
                state="active",
                xact_start=NOW - 2,
                wait_type="IO",
                wait_event="DataFileRead",
                query="SELECT * FROM orders WHERE created > now() - interval '1 day'",
            ),
            *(backend(4100 + number) for number in range(12)),
        ),
        "oldest_transaction": 723.0,
        "idle_in_transaction": 31,
        "waiting": 2,
        "replicas": (Replica("standby1", "10.0.0.9", 2 * MB, 0, 0, 1.4, "streaming", "async"),),
        "oldest_query": 95.0,
        "statements": (Statement(update, 81234, 912345.0, 11.2), Statement("SELECT 1", 99, 10.0, 0.1)),
    }
    return PostgresSnapshot(**{**defaults, **changes})


def redis(**changes: Any) -> RedisSnapshot:
    defaults: dict[str, Any] = {
        "at": NOW,
        "version": "7.2.4",
        "role": "master",
        "state": "ready",
        "used": 870 * MB,
        "limit": 1024 * MB,
        "system_memory": 8192 * MB,
        "policy": "allkeys-lru",
        "fragmentation": 1.12,
        "clients": 212,
        "blocked": 3,
        "max_clients": 10000,
        "ops": 8123.0,
        "hit_ratio": ok(0.417),
        "evictions": 312.0,
        "rejected": 0.0,
        "oom_errors": 0.0,
        "link": "",
        "replicas": 1,
        "rdb_ok": True,
        "aof_ok": True,
        "aof_enabled": False,
        "keys": 1_204_000,
        "slow": (SlowCommand(9, NOW - 33, 212.0, "KEYS session:*"),),
        "queues": (
            Queue("jobs:email", "list", ok(18234.0)),
            Queue("jobs:orders", "stream", ok(12.0), 3, "2 consumers"),
            Queue("jobs:none", "none", Reading(State.NO_DATA, reason="the key does not exist")),
        ),
    }
    return RedisSnapshot(**{**defaults, **changes})


def alerts() -> AlertsSnapshot:
    return AlertsSnapshot(
        NOW,
        (
            Alert(
                "f1",
                "ErrorRatioHigh",
                "active",
                "critical",
                "28 % of checkout fails",
                NOW - 420,
                (("service", "checkout"),),
            ),
            Alert("f2", "ConnectionsHigh", "active", "warning", "91 of 97 slots used", NOW - 900),
            Alert("f3", "DiskFilling", "suppressed", "warning", "node-1 at 85 %", NOW - 86000, (), ("s1",)),
        ),
        {"s1": Silence("s1", "ana", "disk is moved tonight", NOW - 3600, NOW + 5520)},
    )


def checks() -> HttpSnapshot:
    return HttpSnapshot(
        NOW,
        (
            HttpCheck(
                *("shop", "https://shop.example/", "healthy", 200, 0.132, "status 200", NOW),
                expires=NOW + 5 * 86400,
                since=NOW - 7200,
            ),
            HttpCheck(
                *("checkout", "https://shop.example/checkout", "down", None, None, "connection refused", NOW),
                since=NOW - 415,
            ),
            HttpCheck(
                *("login", "https://shop.example/login", "reachable", 404, 1.2),
                *("status 404: answers, but not with 200; not verified", NOW),
                since=NOW - 31,
            ),
        ),
    )


def signals() -> SignalsSnapshot:
    bad = Signal(
        "error-ratio-high",
        "checkout",
        "error-ratio-high(checkout) 28.1 % > 5 % since 14:23Z",
        "critical",
        NOW - 380,
        "prometheus",
        "28.1 % > 5 %",
    )
    slots = Signal(
        "connections-high",
        "main",
        "connections-high(main) 94 % > 80 % since 14:15Z",
        "warning",
        NOW - 900,
        "postgres:main",
        "94 % > 80 %",
    )
    rollback = Suggestion(
        "bad-release",
        "Bad release",
        0.86,
        ("checkout: revision 42 is 7 minutes old, errors since 14:23Z", "3 pods in CrashLoopBackOff"),
        "k8s.rollback",
        Target("deployment", "checkout", "shop", "w-checkout", "7"),
        "kubernetes:prod",
        "Errors began 40 s after revision 42.",
        (("revision", "41"),),
        ("Freeze the pipeline first.",),
        (Step("k8s.rollback", "Roll checkout back to revision 41"), Step("", "Tell the release owner")),
    )
    return SignalsSnapshot(NOW, (bad, slots), (rollback,))


def timeline(engine: FakeEngine) -> None:
    add = engine.timeline.add
    add(
        "change",
        "deployment/checkout: revision 42, image 1.5.0",
        at=NOW - 420,
        user="argocd",
        workload="deployment/checkout",
    )
    add("signal", "error-ratio-high(checkout) 8.1 % > 5 %", at=NOW - 380, user="console")
    add("incident.declared", "SEV1 Checkout fails", at=NOW - 300)
    add("note", "Customers report failed payments", at=NOW - 250)
    target = {"kind": "deployment", "name": "checkout"}
    intent = add("action.intent", "k8s.restart deployment/checkout", at=NOW - 120, target=target)
    add("action.result", "k8s.restart deployment/checkout done", at=NOW - 100, ref=intent.id)
    add("action.verdict", "no change: errors 27 % before, 28 % after", at=NOW - 60)
    add("comms.failed", "status page: timeout after 5 s", at=NOW - 30)


def everything(engine: FakeEngine) -> FakeEngine:
    engine.timeline.incident = incident()
    timeline(engine)
    fill(engine)
    for name, shot in (
        ("prometheus", metrics()),
        ("postgres:main", postgres()),
        ("redis:main", redis()),
        ("alertmanager", alerts()),
        ("http", checks()),
        ("signals", signals()),
    ):
        engine.health(name)
        engine.board.publish(name, shot)
    return engine
