"""What the controllers make of objects, step by step on a clock that the test moves."""

from collections.abc import Callable
from typing import Any

from console.drill.cluster import Behaviour, Cluster, Container, LogLine, Start, State
from tests.drill.cluster.replay import condition, deployment, reasons, set_image, states

Build = Callable[..., Cluster]
REVISION = "deployment.kubernetes.io/revision"


def test_a_rollout_keeps_within_its_bounds(cluster: Cluster) -> None:
    cluster.create(deployment("web", 4), "production")
    cluster.settle()
    seen: list[tuple[int, int]] = []

    def look(event: Any) -> None:
        if event.table == "deployments.apps" and event.type == "MODIFIED":
            status = event.entry.obj["status"]
            seen.append((status.get("replicas", 0), status.get("availableReplicas", 0)))

    cluster.store.listeners.append(look)
    set_image(cluster, "registry.example/auth:v2")
    cluster.settle()
    assert max(total for total, _ in seen) == 5
    assert min(available for _, available in seen) == 3
    done = cluster.get("deploy", "web", "production")
    assert done["status"]["observedGeneration"] == done["metadata"]["generation"] == 2
    assert done["status"]["updatedReplicas"] == done["status"]["availableReplicas"] == 4
    assert condition(done, "Progressing")["reason"] == "NewReplicaSetAvailable"


def test_a_bad_image_runs_into_the_progress_deadline(cluster: Cluster) -> None:
    cluster.create(deployment("web", 3, progressDeadlineSeconds=60), "production")
    cluster.settle()
    set_image(cluster, "registry.example/auth:bad")
    cluster.advance(90)
    stuck = cluster.get("deploy", "web", "production")
    assert condition(stuck, "Progressing")["reason"] == "ProgressDeadlineExceeded"
    assert condition(stuck, "Progressing")["status"] == "False"
    assert stuck["status"]["availableReplicas"] == 3
    waiting = [state["waiting"]["reason"] for state in states(cluster) if "waiting" in state]
    assert waiting and set(waiting) <= {"ErrImagePull", "ImagePullBackOff"}
    set_image(cluster, "registry.example/auth:v1")
    cluster.settle()
    healed = cluster.get("deploy", "web", "production")
    assert condition(healed, "Progressing")["status"] == "True"
    assert healed["metadata"]["annotations"][REVISION] == "3"
    assert reasons(cluster, "Pod")["BackOff"] >= 2


def test_recreate_never_runs_two_versions(cluster: Cluster) -> None:
    cluster.create(deployment("web", 2, strategy={"type": "Recreate"}), "production")
    cluster.settle()
    images: set[frozenset[str]] = set()

    def look(event: Any) -> None:
        pods = cluster.pods_of("web", "production")
        images.add(frozenset(pod["spec"]["containers"][0]["image"] for pod in pods))

    cluster.store.listeners.append(look)
    set_image(cluster, "registry.example/auth:v2")
    cluster.settle()
    assert all(len(found) <= 1 for found in images)
    assert cluster.get("deploy", "web", "production")["status"]["updatedReplicas"] == 2


def test_a_paused_deployment_scales_but_does_not_roll(cluster: Cluster) -> None:
    cluster.create(deployment("web", 2), "production")
    cluster.settle()
    cluster.patch("deploy", "web", {"spec": {"paused": True}}, "production")
    set_image(cluster, "registry.example/auth:v2")
    cluster.scale("deploy", "web", 4, "production")
    cluster.settle()
    paused = cluster.get("deploy", "web", "production")
    assert condition(paused, "Progressing")["reason"] == "DeploymentPaused"
    assert {p["spec"]["containers"][0]["image"] for p in cluster.pods_of("web", "production")} == {
        "registry.example/auth:v1"
    }
    assert len(cluster.pods_of("web", "production")) == 4
    cluster.patch("deploy", "web", {"spec": {"paused": None}}, "production")
    cluster.settle()
    assert cluster.get("deploy", "web", "production")["status"]["updatedReplicas"] == 4


def test_scaling_in_the_midst_of_a_rollout_is_in_proportion(cluster: Cluster) -> None:
    cluster.create(deployment("web", 10), "production")
    cluster.settle()
    set_image(cluster, "registry.example/auth:bad")
    cluster.advance(20)
    cluster.scale("deploy", "web", 15, "production")
    cluster.advance(20)
    sizes = sorted(rs["spec"]["replicas"] for rs in cluster.list("rs", "production"))
    assert sum(sizes) == 15 + 4
    assert sizes == [7, 12]


def test_history_is_limited(cluster: Cluster) -> None:
    cluster.create(deployment("web", 1, revisionHistoryLimit=2), "production")
    for number in range(2, 7):
        cluster.settle()
        set_image(cluster, f"registry.example/auth:v{number}")
    cluster.settle()
    revisions = sorted(rs["metadata"]["annotations"][REVISION] for rs in cluster.list("rs", "production"))
    assert revisions == ["4", "5", "6"]


class Failing(Behaviour):
    """Containers of `crashy` end after two seconds, those of `leaky` grow by 10 MB a second."""

    def state(self, container: Container, age: float) -> State:
        """Return what each workload does."""
        if container.workload == "crashy" and age >= 2:
            return State(exit_code=3, message="no database", last_words=[b"fatal: no database"])
        if container.workload == "leaky":
            return State(memory=10e6 * age)
        if container.env.get("READY") == "false":
            return State(ready=False)
        return super().state(container, age)

    def start(self, container: Container) -> Start:
        """Return a start that takes a second."""
        return Start(create_seconds=0.2, pull_seconds=0.3, ready_seconds=0.5)

    def logs(self, container: Container, since: float, until: float) -> list[LogLine]:
        """Return one line a run."""
        return [LogLine(0.0, f"run {container.restarts}".encode())] if since < 0 <= until else []


def test_crashes_back_off(build: Build) -> None:
    cluster = build(Failing())
    cluster.create(deployment("crashy", 1), "production")
    cluster.advance(8)
    (state,) = states(cluster, "crashy")
    assert state["waiting"]["reason"] == "CrashLoopBackOff"
    assert state["waiting"]["message"].startswith("back-off 10s restarting failed container=app pod=crashy-")
    status = cluster.pods_of("crashy", "production")[0]["status"]["containerStatuses"][0]
    ended = status["lastState"]["terminated"]
    assert (status["restartCount"], ended["exitCode"], ended["reason"], ended["message"]) == (
        1,
        3,
        "Error",
        "no database",
    )
    cluster.advance(60)
    status = cluster.pods_of("crashy", "production")[0]["status"]["containerStatuses"][0]
    assert status["restartCount"] == 3
    assert "back-off 40s" in status["state"]["waiting"]["message"]
    assert condition(cluster.get("deploy", "crashy", "production"), "Available")["status"] == "False"
    assert reasons(cluster, "Pod")["BackOff"] >= 3


def test_too_much_memory_is_oomkilled(build: Build) -> None:
    cluster = build(Failing())
    cluster.create(deployment("leaky", 1), "production")
    cluster.advance(17)
    status = cluster.pods_of("leaky", "production")[0]["status"]["containerStatuses"][0]
    ended = status["lastState"]["terminated"]
    assert (ended["reason"], ended["exitCode"]) == ("OOMKilled", 137)
    assert status["restartCount"] == 1
    more = {"limits": {"memory": "1Gi"}}
    change = {"spec": {"template": {"spec": {"containers": [{"name": "app", "resources": more}]}}}}
    cluster.patch("deploy", "leaky", change, "production")
    cluster.advance(30)
    status = cluster.pods_of("leaky", "production")[0]["status"]["containerStatuses"][0]
    assert status["restartCount"] == 0


def test_readiness_decides_on_endpoints(build: Build) -> None:
    cluster = build(Failing())
    cluster.create(deployment("web", 2), "production")
    service = {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    cluster.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service}, "production"
    )
    cluster.settle()
    (subset,) = cluster.get("endpoints", "web", "production")["subsets"]
    assert len(subset["addresses"]) == 2
    pods = {pod["metadata"]["name"] for pod in cluster.pods_of("web", "production")}
    (part,) = cluster.list("endpointslices", "production")
    assert {one["targetRef"]["name"] for one in part["endpoints"]} == pods
    off = {
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "app", "env": [{"name": "READY", "value": "false"}]}]}
            }
        }
    }
    cluster.patch("deploy", "web", off, "production")
    cluster.advance(20)
    (subset,) = cluster.get("endpoints", "web", "production")["subsets"]
    assert (len(subset["addresses"]), len(subset["notReadyAddresses"])) == (2, 1)
    assert reasons(cluster, "Pod")["Unhealthy"] > 5


def test_logs_of_the_present_and_the_last_run(build: Build) -> None:
    cluster = build(Failing())
    cluster.create(deployment("crashy", 1), "production")
    cluster.advance(4.5)
    entry = cluster.entry("pod", cluster.pods_of("crashy", "production")[0]["metadata"]["name"], "production")
    assert [data for _, data in cluster.view.run(entry, "").lines] == [b"run 1"]
    assert [data for _, data in cluster.view.run(entry, "", previous=True).lines] == [
        b"run 0",
        b"fatal: no database",
    ]


def test_pods_without_room_stay_pending(cluster: Cluster) -> None:
    body = deployment("web", 1)
    body["spec"]["template"]["spec"]["containers"][0]["resources"] = {"requests": {"memory": "64Gi"}}
    cluster.create(body, "production")
    cluster.advance(5)
    (pod,) = cluster.pods_of("web", "production")
    scheduled = condition(pod, "PodScheduled")
    assert (pod["status"]["phase"], scheduled["reason"]) == ("Pending", "Unschedulable")
    assert scheduled["message"].startswith("0/3 nodes are available: 3 Insufficient memory.")
    assert reasons(cluster)["FailedScheduling"] == 1
    cluster.add_node("big", memory="256Gi")
    cluster.settle()
    assert cluster.pods_of("web", "production")[0]["spec"]["nodeName"] == "big"


def test_a_lost_node_loses_its_pods_in_time(cluster: Cluster) -> None:
    cluster.create(deployment("web", 3), "production")
    cluster.settle()
    lost = cluster.pods_of("web", "production")[0]["spec"]["nodeName"]
    cluster.set_node_ready(lost, False)
    cluster.advance(10)
    sick = [p for p in cluster.pods_of("web", "production") if p["spec"]["nodeName"] == lost]
    assert all(condition(pod, "Ready")["status"] == "False" for pod in sick)
    assert cluster.get("deploy", "web", "production")["status"]["availableReplicas"] == 2
    cluster.advance(320)
    assert cluster.get("deploy", "web", "production")["status"]["availableReplicas"] == 3
    assert reasons(cluster, "Pod")["TaintManagerEviction"] == 1
    cluster.set_node_ready(lost, True)
    cluster.settle()
    assert all("deletionTimestamp" not in p["metadata"] for p in cluster.pods_of("web", "production"))
