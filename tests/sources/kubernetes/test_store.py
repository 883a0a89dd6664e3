"""The incremental state: joins in any order, exact sums, identical objects, honest rows."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest

from console.model.clock import ManualClock
from console.model.kube import KubeSnapshot
from console.sources.kubernetes.kinds import KINDS
from console.sources.kubernetes.store import EVENTS_KEPT, Store
from console.sources.kubernetes.tally import Tally
from console.sources.kubernetes.wire import Change
from tests.sources.kubernetes.samples import (
    NOW,
    container_status,
    deployment,
    owned,
    pod,
    replicaset,
    stamp,
)

RECORDED = Path(__file__).parent / "recorded"
BY_NAME = {kind.name: kind for kind in KINDS}
VERSIONS = itertools.count(1000)


class Cluster:
    """A store with a clock, fed with objects through the real decoders."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.store = Store(lambda: self.clock.now().timestamp())

    def put(self, kind: str, obj: dict[str, Any]) -> None:
        metadata = {**obj["metadata"]}
        metadata.setdefault("resourceVersion", str(next(VERSIONS)))
        metadata.setdefault("uid", f"{metadata.get('namespace', '')}.{metadata['name']}")
        line = json.dumps({"type": "ADDED", "object": {**obj, "metadata": metadata}}).encode()
        self.store.put(kind, decoded(kind, line))

    def ticked(self) -> bool:
        self.store.touched = False
        self.store.tick()
        return self.store.touched

    def snapshot(self) -> KubeSnapshot:
        return self.store.snapshot(context="c", namespaces=(), server="https://k", version="v1")


def decoded(kind: str, line: bytes) -> Any:
    change = BY_NAME[kind].change(line)
    assert isinstance(change, Change)
    return change.object


def recorded(name: str) -> bytes:
    return (RECORDED / f"{name}.json").read_bytes()


@pytest.mark.parametrize("order", list(itertools.permutations(("pods", "replicasets", "deployments"))))
def test_pods_find_their_deployment_in_any_order_of_arrival(order: tuple[str, ...]) -> None:
    cluster = Cluster()
    owner = owned("ReplicaSet", "web-abc", "shop.web-abc")
    revision = {"annotations": {"deployment.kubernetes.io/revision": "4"}}
    feed = {
        "pods": [pod(f"web-abc-{n}", owner=owner, ready=n != 1) for n in range(3)],
        "replicasets": [replicaset("web-abc", "web", number=4)],
        "deployments": [deployment(replicas=3, ready=2, metadata=revision)],
    }
    for kind in order:
        for obj in feed[kind]:
            cluster.put(kind, obj)
        cluster.snapshot()
        cluster.store.mark_synced(kind)
    found = cluster.snapshot()
    assert {p.workload for p in found.pods.values()} == {"Deployment/web"}
    (row,) = found.workloads.values()
    assert (row.key, row.pods, row.sick_pods, row.ready, row.desired) == ("Deployment/web", 3, 1, 2, 3)
    assert row.why == "1 of 3 pods: not ready: app"
    assert (row.revision, row.revision_at) == (4, NOW.timestamp() - 86400)
    assert row.memory_limit == 3 * 128 * 2**20 and row.cpu_limit is None


def test_before_owners_are_listed_no_row_flickers_and_the_name_is_guessed_by_the_hash() -> None:
    cluster = Cluster()
    owner = owned("ReplicaSet", "web-7d9f-abc", "rs")
    labels = {"pod-template-hash": "abc"}
    cluster.put("pods", pod("web-7d9f-abc-1", owner=owner, labels=labels))
    first = cluster.snapshot()
    assert first.pods["shop.web-7d9f-abc-1"].workload == "Deployment/web-7d9f"
    assert not first.workloads
    cluster.store.deny("deployments", "forbidden")
    (row,) = cluster.snapshot().workloads.values()
    assert (row.key, row.pods, row.resource_version) == ("Deployment/web-7d9f", 1, "")


def test_a_replicaset_of_its_own_and_foreign_controllers_are_rows() -> None:
    cluster = Cluster()
    cluster.store.mark_synced("replicasets")
    bare = replicaset("lonely-x", "nobody")
    bare["metadata"].pop("ownerReferences")
    cluster.put("replicasets", bare)
    rollout = replicaset("canary-y", "canary")
    rollout["metadata"]["ownerReferences"] = owned("Rollout", "canary", "ro")
    cluster.put("replicasets", rollout)
    cluster.put("pods", pod("lonely-x-1", owner=owned("ReplicaSet", "lonely-x", "shop.lonely-x")))
    cluster.put("pods", pod("canary-y-1", owner=owned("ReplicaSet", "canary-y", "shop.canary-y")))
    cluster.put("pods", pod("kafka-0", owner=owned("StrimziPodSet", "kafka", "k")))
    cluster.put("pods", pod("static", owner=[{**owned("Node", "node-1", "n")[0]}]))
    cluster.put("pods", pod("bare"))
    rows = {row.key: row for row in cluster.snapshot().workloads.values()}
    assert set(rows) == {
        "ReplicaSet/lonely-x",
        "Rollout/canary",
        "StrimziPodSet/kafka",
        "Pod/static",
        "Pod/bare",
    }
    assert rows["Pod/bare"].uid == "shop.bare"
    cluster.store.remove("pods", "shop.bare")
    assert "shop.bare" not in cluster.snapshot().workloads


def test_unchanged_records_and_tables_stay_the_same_objects() -> None:
    cluster = Cluster()
    for number in range(50):
        cluster.put("pods", pod(f"p{number}"))
    cluster.put("nodes", json.loads(recorded("nodes"))["items"][0])
    first = cluster.snapshot()
    assert cluster.snapshot().pods is first.pods
    cluster.put("pods", pod("p7", ready=False))
    second = cluster.snapshot()
    assert second.pods is not first.pods and first.pods["shop.p7"].ready
    changed = [uid for uid in second.pods if second.pods[uid] is not first.pods[uid]]
    assert changed == ["shop.p7"]
    rows = [uid for uid in second.workloads if second.workloads[uid] is not first.workloads[uid]]
    assert rows == ["shop.p7"]
    assert second.nodes is first.nodes


def test_a_complete_list_removes_only_what_is_gone_from_its_namespace() -> None:
    cluster = Cluster()
    for namespace in ("a", "b"):
        for name in ("one", "two"):
            cluster.put("pods", pod(name, namespace=namespace))
    cluster.store.retain("pods", "a", {"a.one"})
    assert set(cluster.snapshot().pods) == {"a.one", "b.one", "b.two"}
    cluster.store.retain("pods", None, set())
    assert not cluster.snapshot().pods and not cluster.snapshot().workloads


def test_sums_stay_exact_over_a_thousand_changes() -> None:
    cluster = Cluster()
    rng = random.Random(7)
    cluster.put("deployments", deployment(replicas=20))
    cluster.put("replicasets", replicaset("web-abc", "web"))
    owner = owned("ReplicaSet", "web-abc", "shop.web-abc")
    for turn in range(1000):
        name = f"web-abc-{rng.randrange(20)}"
        if rng.random() < 0.2:
            cluster.store.remove("pods", f"shop.{name}")
            continue
        restarts = rng.randrange(4)
        last = {"terminated": {"exitCode": 1, "finishedAt": stamp(rng.randrange(2000))}}
        status = container_status(ready=rng.random() < 0.8, restarts=restarts, lastState=last)
        ready = status["ready"]
        cluster.put("pods", pod(name, owner=owner, ready=ready, containerStatuses=[status]))
        if turn % 50 == 0:
            for uid in cluster.store.names().get("shop", {}).values():
                cluster.store.use(uid, (rng.random(), rng.randrange(10**9)) if rng.random() < 0.8 else None)
    found = cluster.snapshot()
    (row,) = found.workloads.values()
    again = Tally()
    for record in found.pods.values():
        again.add(record)
    assert (row.pods, row.sick_pods, row.restarts) == (len(found.pods), again.sick, again.restarts)
    assert (row.cpu, row.memory, row.last_restart) == (again.cpu, again.memory, again.last_restart)
    assert (row.memory_limit, row.cpu_limit) == (again.memory_limit, None)
    assert row.cpu == pytest.approx(sum(p.cpu for p in found.pods.values() if p.cpu is not None))


def test_metrics_are_joined_and_taken_away_again() -> None:
    cluster = Cluster()
    cluster.put("pods", pod("one"))
    cluster.put("pods", pod("two"))
    assert cluster.store.names() == {"shop": {"one": "shop.one", "two": "shop.two"}}
    cluster.store.use("shop.one", (0.5, 1000))
    cluster.store.use("nobody", (0.1, 10))
    cluster.put("pods", pod("one", ready=False))
    found = cluster.snapshot()
    assert (found.pods["shop.one"].cpu, found.pods["shop.one"].memory) == (0.5, 1000)
    assert found.pods["shop.two"].cpu is None
    assert found.workloads["shop.one"].cpu == 0.5
    cluster.store.use("shop.one", None)
    assert cluster.snapshot().pods["shop.one"].cpu is None
    assert cluster.snapshot().workloads["shop.one"].cpu is None


def test_time_alone_makes_sick_and_well() -> None:
    cluster = Cluster()
    last = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": stamp(590)}}
    cluster.put("pods", pod("restarted", containerStatuses=[container_status(restarts=1, lastState=last)]))
    cluster.put("pods", pod("fresh", age=30, ready=False))
    cluster.put("deployments", deployment("slow", replicas=2, ready=1))
    found = cluster.snapshot()
    assert found.pods["shop.restarted"].sick and not found.pods["shop.fresh"].sick
    assert not found.workloads["shop.slow"].sick
    cluster.clock.advance(9)
    assert not cluster.ticked(), "nothing was due"
    cluster.clock.advance(55)
    assert cluster.ticked()
    found = cluster.snapshot()
    assert not found.pods["shop.restarted"].sick and found.pods["shop.fresh"].sick
    assert found.workloads["shop.slow"].why == "1 of 2 ready"
    assert found.workloads["shop.fresh"].sick_pods == 1


def test_gitops_owners_and_autoscalers_are_named() -> None:
    marks: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "Argo CD app store": ({}, {"argocd.argoproj.io/tracking-id": "store:apps/Deployment:shop/web"}),
        "Argo CD app shop": ({"argocd.argoproj.io/instance": "shop"}, {}),
        "Flux Kustomization infra": ({"kustomize.toolkit.fluxcd.io/name": "infra"}, {}),
        "Flux HelmRelease web": ({"helm.toolkit.fluxcd.io/name": "web"}, {}),
        "Helm release web": ({"app.kubernetes.io/managed-by": "Helm"}, {"meta.helm.sh/release-name": "web"}),
        "": ({"app.kubernetes.io/managed-by": "kustomize"}, {}),
    }
    for expected, (labels, annotations) in marks.items():
        cluster = Cluster()
        cluster.put("deployments", deployment(metadata={"labels": labels, "annotations": annotations}))
        assert cluster.snapshot().workloads["shop.web"].managed_by == expected

    cluster = Cluster()
    cluster.put("horizontalpodautoscalers", json.loads(recorded("hpa")))
    cluster.put("deployments", deployment("auth-service", namespace="production"))
    (row,) = cluster.snapshot().workloads.values()
    assert row.hpa.startswith("auth-service 2-")
    cluster.store.remove("horizontalpodautoscalers", json.loads(recorded("hpa"))["metadata"]["uid"])
    (row,) = cluster.snapshot().workloads.values()
    assert row.hpa == ""


def test_hostile_text_is_harmless_in_every_record() -> None:
    evil = "\x1b]0;pwned\x07\u202e[red]x\x9b2J\n"
    cluster = Cluster()
    cluster.put(
        "pods",
        pod(
            f"a{evil}",
            namespace=f"n{evil}",
            labels={f"k{evil}": f"v{evil}"},
            phase=f"P{evil}",
            reason=evil,
            message=evil,
            metadata={"uid": "safe"},
            owner=owned("ReplicaSet", f"rs{evil}", "rs"),
            containerStatuses=[
                container_status(
                    f"c{evil}",
                    image=evil,
                    ready=False,
                    state={"waiting": {"reason": f"R{evil}", "message": evil}},
                )
            ],
        ),
    )
    obj = deployment(f"d{evil}", metadata={"uid": "d"})
    obj["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": evil, "value": evil}]
    obj["status"]["conditions"] = [{"type": "ReplicaFailure", "status": "True", "message": evil}]
    cluster.put("deployments", obj)
    event = {
        "metadata": {"name": "e", "namespace": "n", "uid": "e"},
        "involvedObject": {"kind": evil, "name": evil},
        "message": evil,
        "reason": evil,
    }
    cluster.put("events", event)
    cluster.put("pods", pod("x", metadata={"uid": f"u{evil}"}))
    found = cluster.snapshot()
    assert set(found.pods) == {"safe"}, "an object with such a uid is not real"
    encoded = msgspec.json.encode((dict(found.pods), dict(found.workloads), dict(found.events)))
    for value in _strings(json.loads(encoded)):
        assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c == "\u202e" for c in value), repr(value)


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    keys = list(value) if isinstance(value, dict) else []
    return keys + [text for item in items for text in _strings(item)]


def test_secrets_in_environments_are_masked_and_references_named() -> None:
    cluster = Cluster()
    obj = deployment()
    obj["spec"]["template"]["spec"]["containers"][0] |= {
        "env": [
            {"name": "DB_PASSWORD", "value": "hunter2"},
            {"name": "DATABASE_URL", "value": "postgres://app:hunter2@db/shop"},
            {"name": "MODE", "value": "fast"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}},
            {"name": "CONF", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "c"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "EMPTY"},
        ],
        "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "cm"}}],
    }
    cluster.put("deployments", obj)
    env = cluster.snapshot().workloads["shop.web"].containers[0].env
    assert env == (
        ("DB_PASSWORD", "REDACTED"),
        ("DATABASE_URL", "postgres://app:REDACTED@db/shop"),
        ("MODE", "fast"),
        ("TOKEN", "secret web/token"),
        ("CONF", "configmap web/c"),
        ("IP", "field status.podIP"),
        ("EMPTY", ""),
        ("*", "all of secret all"),
        ("*", "all of configmap cm"),
    )


def test_events_are_bounded() -> None:
    cluster = Cluster()
    about = {"kind": "Pod", "name": "p"}
    for number in range(EVENTS_KEPT + 1):
        metadata = {"name": f"e{number}", "namespace": "shop"}
        obj = {"metadata": metadata, "involvedObject": about, "lastTimestamp": stamp(10_000 - number)}
        cluster.put("events", obj)
    kept = cluster.snapshot().events
    assert len(kept) <= EVENTS_KEPT
    assert f"shop.e{EVENTS_KEPT}" in kept and "shop.e0" not in kept


def test_what_a_real_server_answered() -> None:
    cluster = Cluster()
    for name, kind in (
        ("replicasets-after-rollback", "replicasets"),
        ("nodes", "nodes"),
        ("events", "events"),
    ):
        page = BY_NAME[kind].page(recorded(name))
        for item in page.items or ():
            cluster.store.put(kind, item)
    change = {"type": "ADDED", "object": json.loads(recorded("deployment"))}
    cluster.store.put("deployments", decoded("deployments", json.dumps(change).encode()))
    pods: set[str] = set()
    for event in json.loads(recorded("pods-watch-delete")):
        found = decoded("pods", json.dumps(event).encode())
        if event["type"] == "DELETED":
            cluster.store.remove("pods", found.metadata.uid)
            pods.discard(found.metadata.uid)
        elif event["type"] != "BOOKMARK":
            cluster.store.put("pods", found)
            pods.add(found.metadata.uid)
    snapshot = cluster.snapshot()
    assert set(snapshot.pods) == pods and pods
    revisions = sorted(snapshot.revisions.values(), key=lambda revision: revision.number)
    assert [r.images for r in revisions][-1] == ("registry.example/auth:v1",)
    assert {r.workload for r in revisions} == {"Deployment/auth-service"}
    newest_made = max(revisions, key=lambda revision: revision.created)
    assert newest_made is not revisions[-1], "after a rollback an old ReplicaSet has the newest number"
    (node,) = snapshot.nodes.values()
    assert node.ready and node.cpu > 0 and node.memory > 0
    assert all(event.about.startswith("Pod/") for event in snapshot.events.values())
