from typing import Any

import pytest

from console.model.http import HttpCheck, HttpSnapshot
from console.model.kube import Node
from console.model.metrics import Alert, AlertsSnapshot
from console.model.postgres import Replica, Slot, Standby
from console.model.reading import State
from console.model.signals import Signal, detect, remember
from console.model.source import Health, SourceStatus
from console.model.symptoms.finding import Memory
from tests.model.board import (
    KUBE,
    NOW,
    Records,
    backend,
    cluster,
    container,
    history,
    ok,
    pod,
    postgres,
    prometheus,
    queue,
    redis,
    revision,
    service,
    template,
    workload,
)


def look(board: Records, previous: tuple[Signal, ...] = (), now: float = NOW) -> tuple[Signal, ...]:
    return detect(board, {signal.key: signal for signal in previous}, now)


def texts(board: Records) -> list[str]:
    return [signal.text.removesuffix(" since 20:26Z") for signal in look(board)]


def names(board: Records) -> list[str]:
    return [signal.name for signal in look(board)]


def test_a_healthy_board_has_no_signals() -> None:
    board = Records(
        {
            KUBE: cluster(workload(), pod("shop-1")),
            "prometheus": prometheus(service()),
            "postgres:main": postgres(backend(1), backend(2, "idle", 4000)),
            "redis:main": redis(),
        },
        SourceStatus("prometheus", Health.OK, NOW),
    )
    assert look(board) == ()
    assert look(Records()) == ()


# --- life of a signal ------------------------------------------------------------------------------------


def test_a_signal_says_what_how_much_and_since_when() -> None:
    (signal,) = look(Records({"prometheus": prometheus(service("auth-service", 0.081))}))
    assert signal.text == "error-ratio-high(auth-service) 8.1 % > 5 % since 20:26Z"
    assert (signal.value, signal.threshold, signal.source) == (0.081, 0.05, "prometheus")
    assert (signal.severity, signal.since) == ("critical", NOW)


def test_since_comes_from_the_history_when_the_console_starts_late() -> None:
    values = history(0.2, 0.01, 0.06, None, 0.07, 0.08)
    (signal,) = look(Records({"prometheus": prometheus(service(ratio=0.08, history=values))}))
    assert signal.since == NOW - 45


def rounds(*ratios: float | State) -> list[tuple[float, bool]]:
    """The value of the one signal after each round of Prometheus, and whether it is there."""
    previous: tuple[Signal, ...] = ()
    seen = []
    for index, ratio in enumerate(ratios):
        at = NOW + 5 * index
        previous = look(Records({"prometheus": prometheus(service(ratio=ratio), at=at)}), previous, at)
        seen.append((previous[0].since - NOW if previous else -1.0, bool(previous)))
    return seen


@pytest.mark.parametrize(
    ("ratios", "there"),
    [
        ((0.04, 0.049, 0.05), "000"),  # never above
        ((0.06, 0.0, 0.0), "110"),  # two quiet rounds end it
        ((0.06, 0.0, 0.06, 0.0, 0.06), "11111"),  # one quiet round does not
        ((0.06, 0.046, 0.049, 0.046, 0.046), "11111"),  # above 90 % of the threshold is not quiet
        ((0.06, 0.044, 0.044), "110"),
        ((0.06, State.NO_DATA, State.FAILED, State.STALE), "1111"),  # blindness is not recovery
        ((0.06, State.NO_TRAFFIC, State.NO_TRAFFIC), "110"),
        ((State.NO_DATA, State.FAILED), "00"),
    ],
)
def test_a_signal_does_not_flap(ratios: tuple[float | State, ...], there: str) -> None:
    seen = rounds(*ratios)
    assert "".join("1" if is_there else "0" for _, is_there in seen) == there
    assert {since for since, is_there in seen if is_there} <= {0.0}, "the beginning is kept"


def test_looking_again_at_the_same_round_is_not_another_quiet_round() -> None:
    first = look(Records({"prometheus": prometheus(service(ratio=0.2))}))
    quiet = Records({"prometheus": prometheus(service(), at=NOW + 5)})
    previous = first
    for second in range(5, 10):
        previous = look(quiet, previous, NOW + second)
    assert [signal.quiet for signal in previous] == [1]
    assert look(Records({"prometheus": prometheus(service(), at=NOW + 10)}), previous, NOW + 10) == ()


def test_a_value_that_hovers_and_one_that_is_gone_say_so() -> None:
    first = look(Records({"prometheus": prometheus(service(ratio=0.06))}))
    (near,) = look(Records({"prometheus": prometheus(service(ratio=0.047), at=NOW + 5)}), first, NOW + 5)
    assert near.text.startswith("error-ratio-high(shop) 4.7 % after more than 5 % since")
    blind = Records({"prometheus": prometheus(service(ratio=State.STALE), at=NOW + 5)})
    again = look(blind, first, NOW + 5)
    (held,) = look(blind, again, NOW + 10)
    assert held.text == "error-ratio-high(shop) 6 % > 5 %; no data now since 20:26Z"
    assert held.value == 0.06


def test_the_worst_and_oldest_come_first() -> None:
    board = Records(
        {
            "prometheus": prometheus(
                service("b", 0.2, history=history(0.1)),
                service("a", 0.2, history=history(0.0, 0.1, 0.1)),
                service("c", up=ok(0.5)),
            )
        }
    )
    assert [(item.name, item.subject) for item in look(board)] == [
        ("error-ratio-high", "a"),
        ("error-ratio-high", "b"),
        ("targets-down", "c"),
    ]


# --- Kubernetes ------------------------------------------------------------------------------------------


def test_pods_of_a_workload_make_one_signal() -> None:
    looping = container(state="waiting", reason="CrashLoopBackOff", last_reason="Error", restarts=5)
    pods = [pod(f"shop-{index}", why="app: CrashLoopBackOff", containers=(looping,)) for index in range(500)]
    (signal,) = look(Records({KUBE: cluster(workload(), *pods)}))
    assert signal.text.startswith("crash-loop(deployment/shop) 500 pods, worst shop-0: app: CrashLoopBackOff")
    assert signal.value == 500


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (
            pod("p", why="x", containers=(container(last_reason="OOMKilled", last_finished=NOW - 60),)),
            "oom-killed",
        ),
        (
            pod(
                "p",
                why="x",
                containers=(container(state="waiting", reason="CrashLoopBackOff", last_reason="OOMKilled"),),
            ),
            "oom-killed",  # the cause, not its consequence
        ),
        (pod("p", why="x", containers=(container(state="waiting", reason="ErrImagePull"),)), "image-pull"),
        (pod("p", why="x", phase="Pending"), "pods-pending"),
        (pod("p", why="not ready: app"), "pods-not-ready"),
        (pod("p", why="x", containers=(container(restarts=3),)), "crash-loop"),
    ],
)
def test_a_sick_pod_is_told_by_its_cause(made: Any, name: str) -> None:
    assert names(Records({KUBE: cluster(made)})) == [name]


def test_an_oom_kill_begins_when_it_happened() -> None:
    killed = container(last_reason="OOMKilled", last_finished=NOW - 60)
    (signal,) = look(Records({KUBE: cluster(pod("p", why="x", containers=(killed,)))}))
    assert signal.since == NOW - 60


def test_workloads_that_are_short_or_stuck() -> None:
    board = Records(
        {
            KUBE: cluster(
                workload("down", ready=0, sick=True, why="0 of 3 ready"),
                workload("short", ready=2, sick=True, why="quota exceeded"),
                workload("stuck", sick=True, progressing="ProgressDeadlineExceeded", message="timed out"),
                workload("full", memory=95, memory_limit=100),
                workload("copy", kind="Job", sick=True, why="job failed: x", ready=0),
                pod("short-1", "Deployment/short", why="not ready: app"),
            )
        }
    )
    assert sorted(texts(board)) == [
        "job-failed(job/copy) job failed: x",
        "memory-near-limit(deployment/full) 95 % > 90 % of its limit",
        "pods-not-ready(deployment/down) 0 of 3 ready",
        "pods-not-ready(deployment/short) 2 of 3 ready; quota exceeded",
        "rollout-stuck(deployment/stuck) timed out",
    ]
    assert [item.severity for item in look(board) if item.subject == "deployment/down"] == ["critical"]


def test_namespaces_are_named_when_there_are_several() -> None:
    made = pod("p", why="not ready: app")
    (signal,) = look(Records({KUBE: cluster(made, namespaces=())}))
    assert signal.subject == "prod/deployment/shop"


def test_a_young_revision_is_told_with_what_it_changed() -> None:
    fresh = workload(revision=42, revision_at=NOW - 300, containers=template("shop:v2", LEVEL="debug"))
    older = revision(41, "shop:v1", 9000, LEVEL="info")
    newer = revision(42, "shop:v2", 300, LEVEL="debug")
    (signal,) = look(Records({KUBE: cluster(fresh, older, newer)}))
    assert signal.text == (
        "new-revision(deployment/shop) revision 42: image shop:v1 -> shop:v2, env LEVEL info -> debug"
        " since 20:21Z"
    )
    assert signal.severity == "info"
    assert look(Records({KUBE: cluster(fresh, older, newer)}), now=NOW + 700) == ()
    assert look(Records({KUBE: cluster(workload(revision=1, revision_at=NOW - 60, created=NOW - 61))})) == ()


def test_a_restart_does_not_hide_the_change_before_it_and_a_rollback_is_told_against_what_it_took_back() -> (
    None
):
    records = (
        revision(2, "shop:v1", 90_000, TTL="3600"),
        revision(3, "shop:v2", 18_000, TTL="3600"),
        revision(4, "shop:v2", 300, TTL="1"),
        revision(5, "shop:v2", 100, TTL="1"),
    )
    (signal,) = look(Records({KUBE: cluster(workload(revision=5, revision_at=NOW - 100), *records)}))
    assert signal.detail == "revisions 4 to 5: env TTL 3600 -> 1"
    back = (records[0], revision(6, "shop:v2", 18_000, TTL="3600"), *records[2:])
    (signal,) = look(Records({KUBE: cluster(workload(revision=6, revision_at=NOW - 9), *back)}))
    assert signal.detail == "revision 6: env TTL 1 -> 3600"
    alone = (records[1], revision(4, "shop:v2", 300, TTL="3600"))
    (signal,) = look(Records({KUBE: cluster(workload(revision=4, revision_at=NOW - 300), *alone)}))
    assert signal.detail == "revision 4: the same image and environment"


def test_nodes() -> None:
    nodes = {
        "a": Node("a", "n1", False, False, (), 4, 8, why="not ready: kubelet stopped"),
        "b": Node("b", "n2", True, False, ("MemoryPressure",), 4, 8),
        "c": Node("c", "n3", True, False, (), 4, 8),
    }
    assert texts(Records({KUBE: cluster(nodes=nodes)})) == [
        "node-unhealthy(node/n1) not ready: kubelet stopped",
        "node-unhealthy(node/n2) MemoryPressure",
    ]


# --- metrics, alerts, checks, sources --------------------------------------------------------------------


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


# --- databases -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("clients", "severity"),
    [(80, None), (83, "warning"), (92, "warning"), (93, "critical"), (97, "critical")],
)
def test_connections_are_measured_against_usable_slots(clients: int, severity: str | None) -> None:
    found = look(Records({"postgres:main": postgres(clients=clients)}))
    assert [item.severity for item in found] == ([severity] if severity else [])


def test_sessions_that_hold_others_up() -> None:
    board = Records(
        {
            "postgres:main": postgres(
                backend(7, "idle in transaction", 300),
                backend(8, "active", 200, wait_type="Lock", blocked_by=(7,)),
                backend(9, "active", 100, wait_type="Lock", blocked_by=(8,)),
                backend(10, "active", 90, application="report"),
                backend(11, "active", 9000, backend_type="walsender"),
                backend(12, "idle in transaction (aborted)", 61),
            )
        }
    )
    assert sorted(texts(board)) == [
        "idle-in-transaction(main) pid 7 of checkout for 5 min, 2 sessions > 60 s",
        "query-long(main) pid 10 of report for 90 s > 60 s",
        "sessions-blocked(main) 2 wait behind pid 7 (checkout, idle in transaction)",
    ]
    brief = backend(8, "active", 2, wait_type="Lock", blocked_by=(7,))
    assert look(Records({"postgres:main": postgres(backend(7), brief)})) == ()


def test_replication() -> None:
    board = Records(
        {
            "postgres:main": postgres(
                replicas=(
                    Replica("far", "", 100 * 1024**2),
                    Replica("near", "", 1024),
                ),
                slots=(
                    Slot("dead", False, 3 * 1024**3, "extended"),
                    Slot("used", True, 3 * 1024**3, "extended"),
                    Slot("gone", False, None, "lost"),
                ),
                limited=True,
            ),
            "postgres:copy": postgres(standby=Standby(False, 0)),
            "postgres:good": postgres(standby=Standby(True, 0)),
            "postgres:dark": postgres(standby=Standby(None, None)),  # could not be read: no reason to say so
        }
    )
    assert sorted(texts(board)) == [
        "limited-view(main) states and queries of other roles are hidden: grant pg_monitor",
        "replication-broken(copy) no WAL receiver runs: this standby is cut off from its primary",
        "replication-lag(main/far) 100 MiB > 64 MiB",
        "slot-retains-wal(main/dead) has no reader and keeps 3.0 GiB of WAL",
        "slot-retains-wal(main/gone) is lost",
    ]


def test_redis() -> None:
    board = Records(
        {
            "redis:main": redis(
                used=95,
                state="misconf",
                oom_errors=3.5,
                evictions=12.0,
                rejected=1.0,
                rdb_ok=False,
                hit_ratio=ok(0.2),
            ),
            "redis:copy": redis(role="slave", state="readonly", link="down", used=10, limit=None),
            "redis:big": redis(limit=None, used=950),
        }
    )
    assert sorted(texts(board)) == [
        "cache-misses(main) hit ratio 20 %",
        "redis-evictions(main) 12 keys a second evicted",
        "redis-link-down(copy) the link to its master is down",
        "redis-memory-high(big) 95 % > 90 % of the machine",
        "redis-memory-high(main) 95 % > 90 % of maxmemory",
        "redis-not-ready(main) the server is misconf",
        "redis-oom-errors(main) 3.5 writes a second refused for memory",
        "redis-persistence(main) the last snapshot failed",
        "redis-rejected(main) 1 connections a second rejected",
    ]


@pytest.mark.parametrize(
    ("depths", "growing"),
    [
        ((100, 110, 120, 130, 140, 160), True),
        ((100, 110), False),  # too few looks
        ((100, 100, 101, 99, 100, 102), False),
        ((1000, 1010, 1050, 1060, 1080, 1100), False),  # a tenth is not a fifth
        ((100, 400, 300, 200, 180, 160), False),  # being worked off
        ((0, 5, 10, 20, 30, 40), False),  # fewer than 50
    ],
)
def test_a_queue_grows_when_it_got_longer_for_a_while(depths: tuple[int, ...], growing: bool) -> None:
    memory, board = Memory(), Records()
    for index, depth in enumerate(depths):
        board = Records({"redis:main": redis(NOW + 10 * index, queues=(queue("jobs", depth),))})
        memory = remember(board, memory)
    found = detect(board, {}, NOW + 60, memory)
    assert [item.name for item in found] == (["queue-growing"] if growing else [])
    if growing:
        assert found[0].detail == "160 waiting, +72 a minute"


def test_an_old_depth_does_not_count() -> None:
    memory, board = Memory(), Records()
    for at, depth in ((0, 0), (10, 0), (300, 500), (310, 500), (330, 500)):
        board = Records({"redis:main": redis(NOW + at, queues=(queue("jobs", depth),))})
        memory = remember(board, memory)
    assert detect(board, {}, NOW + 330, memory) == ()
    assert len(memory.depths["redis:main/jobs"]) == 3
