"""The families of trouble, each with its first suggestion on a board that shows it."""

from typing import Any

import pytest

from console.incident.scenarios import SCENARIOS, suggest
from console.model.actions import find
from console.model.http import HttpCheck, HttpSnapshot
from console.model.plan import Target
from console.model.signals import detect, remember
from console.model.source import Health, SourceStatus
from console.model.symptoms.finding import Memory
from tests.incident.suggesting import FAILING, checkout, first, suggestions
from tests.model.board import (
    KUBE,
    NOW,
    Records,
    backend,
    cluster,
    container,
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

NAMES = (
    "bad-release",
    "connections-exhausted",
    "memory-leak",
    "error-spike",
    "latency",
    "outage",
    "dependency-down",
    "queue-backup",
    "pipeline-failure",
    "cache-stampede",
)


def down(name: str) -> HttpSnapshot:
    return HttpSnapshot(NOW, (HttpCheck(name, "https://x.test", "down", 503, 0.1, "status 503", NOW),))


def test_the_families_are_the_ten_of_the_drill_and_complete() -> None:
    assert tuple(scenario.name for scenario in SCENARIOS) == NAMES
    for scenario in SCENARIOS:
        assert scenario.weights and scenario.hints and scenario.steps and scenario.why
        assert all(0 <= weight <= 1 for weight in scenario.weights.values())


def test_nothing_is_suggested_for_a_healthy_board() -> None:
    assert suggestions({}) == ()
    assert suggestions({KUBE: cluster(*checkout()), "prometheus": prometheus(service("checkout"))}) == ()


def blocked(root: Any) -> Any:
    waiters = (backend(pid, "active", 60, wait_type="Lock", blocked_by=(7,)) for pid in range(100, 110))
    return postgres(root, *waiters, clients=96)


def test_exhausted_connections_point_at_the_root_blocker() -> None:
    idle = backend(7, "idle in transaction", 300)
    best = first({"postgres:main": blocked(idle)})
    assert (best.scenario, best.action, best.source) == (
        "connections-exhausted",
        "pg.terminate",
        "postgres:main",
    )
    assert best.target == Target("pid", "7", uid=idle.backend_start_text)
    assert best.evidence[0] == "10 sessions wait behind pid 7 (checkout, idle in transaction)"
    assert "cannot be cancelled" in best.why


def test_a_running_blocker_is_cancelled_before_it_is_terminated() -> None:
    best = first({"postgres:main": blocked(backend(7, "active", 90))})
    assert (best.scenario, best.action, best.target and best.target.name) == (
        "connections-exhausted",
        "pg.cancel",
        "7",
    )


def test_without_a_blocker_the_application_with_most_connections_is_named() -> None:
    full = postgres(clients=96, by_application=(("checkout", 60), ("web", 36)))
    best = first({"postgres:main": full, KUBE: cluster(workload("checkout"), workload("web"))})
    assert (best.action, best.target and best.target.name) == ("k8s.restart", "checkout")
    assert best.evidence[0] == "60 of 96 connections belong to checkout"
    alone = first({"postgres:main": full})
    assert (alone.action, alone.target, alone.source) == ("", None, "postgres:main")


def test_a_memory_leak_points_at_the_killed_workload() -> None:
    killed = container(state="running", last_reason="OOMKilled", last_finished=NOW - 30, restarts=5)
    sick = pod("backend-1", "Deployment/backend", "app: OOMKilled, 5 restarts", containers=(killed,))
    best = first({KUBE: cluster(workload("backend"), workload("other"), sick)})
    assert (best.scenario, best.action) == ("memory-leak", "k8s.restart")
    assert best.target is not None and best.target.uid == "uid-backend"
    filling = first({KUBE: cluster(workload("backend", memory=95, memory_limit=100))})
    assert (filling.scenario, filling.target and filling.target.name) == ("memory-leak", "backend")


def test_latency_goes_to_the_database_when_that_is_slow_and_to_more_pods_otherwise() -> None:
    slow = prometheus(service("web", p95=ok(2.0), p95_threshold=0.5))
    pods = first({"prometheus": slow, KUBE: cluster(workload("web"))})
    assert (pods.scenario, pods.action, pods.target and pods.target.name) == ("latency", "k8s.scale", "web")
    query = postgres(backend(9, "active", 400), backend(8, "active", 2))
    database = first({"prometheus": slow, KUBE: cluster(workload("web")), "postgres:main": query})
    assert (database.scenario, database.action) == ("latency", "pg.cancel")
    assert database.target is not None and database.target.name == "9"


def test_an_outage_goes_back_after_a_change_and_restarts_otherwise() -> None:
    dead = {"ready": 0, "sick": True, "why": "0 of 3 ready"}
    restart = first({KUBE: cluster(workload("web", **dead)), "http": down("web")})
    assert (restart.scenario, restart.action, restart.target and restart.target.name) == (
        "outage",
        "k8s.restart",
        "web",
    )
    changed = workload("web", revision=2, revision_at=NOW - 120, **dead)
    records = (changed, revision(1, "v1", 9000, "web"), revision(2, "v2", 120, "web"))
    found = {item.scenario: item for item in suggestions({KUBE: cluster(*records), "http": down("web")})}
    assert (found["outage"].action, found["bad-release"].action) == ("k8s.rollback", "k8s.rollback")


def test_a_dependency_outside_is_spared_not_restarted() -> None:
    hurt = prometheus(service("checkout", 0.12))
    best = first({"http": down("payments"), "prometheus": hurt, KUBE: cluster(workload("checkout"))})
    assert (best.scenario, best.target and best.target.name) == ("dependency-down", "checkout")
    assert best.action == ("k8s.set-env" if find("k8s.set-env") else "")
    own = suggestions({"http": down("checkout"), KUBE: cluster(workload("checkout"))})
    assert [(item.scenario, item.action) for item in own] == [("outage", "k8s.restart")]
    everything = HttpSnapshot(NOW, (*down("checkout").checks, *down("payments").checks))
    both = suggestions({"http": everything, KUBE: cluster(workload("checkout"))})
    assert [item.scenario for item in both] == ["outage", "dependency-down"]


@pytest.mark.parametrize("other", [Health.FAILED, Health.OK])
def test_a_console_that_reaches_nothing_does_not_blame_a_dependency(other: Health) -> None:
    statuses = [
        SourceStatus("http", Health.OK, NOW),
        SourceStatus(KUBE, Health.FAILED, NOW),
        SourceStatus("redis:main", other, NOW),
        SourceStatus("alertmanager", Health.DISABLED, NOW),
    ]
    board = Records({"http": down("payments")}, *statuses)
    found = suggest(detect(board, {}, NOW, remember(board, Memory())), board)
    assert bool(found) == (other is Health.OK)


def test_what_is_done_by_hand_is_said_with_the_callers_setting() -> None:
    caller = workload("checkout", containers=template("v41", PAYMENTS_MODE="immediate", LEVEL="info"))
    hurt = prometheus(service("web", 0.12), service("checkout", 0.5))
    best = first({"http": down("payments"), "prometheus": hurt, KUBE: cluster(workload("web"), caller)})
    assert (best.scenario, best.target and best.target.name) == ("dependency-down", "checkout")
    assert best.evidence[1] == "deployment/checkout has the settings PAYMENTS_MODE=immediate"
    if not find("k8s.set-env"):
        assert best.by_hand == "Switch the caller to its fallback, or the feature off."
        (command,) = best.commands
        assert command.startswith("kubectl --context ")
        assert command.endswith(" -n prod set env deployment/checkout PAYMENTS_MODE=...")


def test_a_service_that_mostly_serves_is_not_down_although_its_check_is() -> None:
    records = cluster(workload("checkout"))
    for ratio, wanted in ((0.18, False), (0.8, True)):
        measured = prometheus(service("checkout", ratio))
        found = suggestions({"http": down("checkout"), "prometheus": measured, KUBE: records})
        assert ("outage" in [item.scenario for item in found]) is wanted


def test_a_full_cache_is_given_room_before_anything_is_kept_longer() -> None:
    full = redis(oom_errors=30.0, used=100, limit=100, policy="noeviction", hit_ratio=ok(0.4))
    reader = workload("catalog", containers=template("v1", CACHE_TTL_SECONDS="30"))
    best = first({"redis:main": full, KUBE: cluster(reader)})
    assert best.scenario == "cache-stampede"
    assert best.evidence[0] == "the policy is noeviction: Redis evicts nothing to make room"
    assert "every write is refused" in best.why.lower()
    if not find("redis.delete-prefix"):
        assert "keys of one prefix" in best.by_hand
        assert any("UNLINK" in command for command in best.commands)


def test_a_queue_that_grows_wants_workers() -> None:
    memory, snapshots = Memory(), {}
    for index, depth in enumerate((100, 200, 300, 400)):
        snapshots = {"redis:main": redis(NOW + 10 * index, queues=(queue("shop:jobs", depth),))}
        memory = remember(Records(snapshots), memory)
    records = cluster(workload("shop"), workload("worker"), workload("jobs-worker"))
    best = suggestions(snapshots | {KUBE: records}, memory)[0]
    assert (best.scenario, best.action, best.target and best.target.name) == (
        "queue-backup",
        "k8s.scale",
        "jobs-worker",
    )


def test_a_failed_job_is_named_and_left_to_a_person() -> None:
    failed = "job failed: BackoffLimitExceeded"
    job = workload("import", kind="Job", sick=True, why=failed, finished=NOW - 9, progressing="Failed")
    best = first({KUBE: cluster(job)})
    assert (best.scenario, best.action, str(best.target)) == ("pipeline-failure", "", "job/import")


def test_a_cache_that_fails_is_not_emptied_first() -> None:
    cold = redis(hit_ratio=ok(0.1), evictions=50.0, used=95)
    reader = workload("catalog", containers=template("v1", CACHE_TTL_SECONDS="30"))
    best = first({"redis:main": cold, KUBE: cluster(workload("web"), reader)})
    assert (best.scenario, best.target and best.target.name) == ("cache-stampede", "catalog")
    assert best.action == ("k8s.set-env" if find("k8s.set-env") else "")
    assert "CACHE_TTL_SECONDS" in best.evidence[0]


def test_every_suggested_action_exists() -> None:
    boards: list[dict[str, Any]] = [
        {KUBE: cluster(*checkout()), "prometheus": FAILING},
        {"postgres:main": blocked(backend(7, "idle in transaction", 300))},
        {"redis:main": redis(hit_ratio=ok(0.1), evictions=50.0)},
    ]
    for snapshots in boards:
        for item in suggestions(snapshots):
            actions = [item.action, *(step.action for step in item.steps)]
            assert all(action == "" or find(action) for action in actions)
            assert 0.3 <= item.score <= 1
            if item.target is not None and item.action:
                action = find(item.action)
                assert action is not None and item.target.kind in action.targets


def test_what_one_cluster_tells_is_mended_in_that_cluster() -> None:
    """Both have a workload of that name; the healthy one comes first on the board."""
    killed = container(state="running", last_reason="OOMKilled", last_finished=NOW - 30, restarts=5)
    sick = pod("p", "Deployment/shop", "OOMKilled", containers=(killed,))
    healthy = cluster(workload("shop", uid="uid-eu"))
    found = suggestions({"kubernetes:eu": healthy, "kubernetes:us": cluster(workload("shop"), sick)})
    best = next(one for one in found if one.scenario == "memory-leak")
    assert (best.source, best.action) == ("kubernetes:us", "k8s.restart")
    assert best.target is not None and best.target.uid == "uid-shop"
    assert any("oom-killed(us:deployment/shop)" in line for line in best.evidence)
    alone = suggestions({KUBE: cluster(workload("shop"), sick)})[0]
    assert any("oom-killed(deployment/shop)" in line for line in alone.evidence)
