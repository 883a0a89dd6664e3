"""Many quiet pods at once, and their churn.

Quiet objects are complete and consistent but no controller works on them until somebody changes one of them:
then the whole workload wakes up and is controlled like any other.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from console.drill.cluster import names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.controllers.replicaset import make_pod
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Event, Key, Store, clone, encode
from console.model.clock import Clock

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

_UID, _NAME, _ADDRESS, _NODE, _VERSION = "@uid@", "@name@", "@address@", "@node@", "@version@"
_CONTAINER = "@container@"


class Quiet:
    """Which workloads sleep, and the churn of their pods."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._roots: dict[str, str] = {}
        self._members: dict[str, set[str]] = {}
        self._pods: list[Key] = []
        self._churning = False
        self._rate = 0.0
        self._owed = 0.0
        self._last = 0.0

    def add(self, root: str, uids: list[str], pods: list[Key]) -> None:
        """Put a workload to sleep: its uid, those of what it owns, and the keys of its pods."""
        self._members[root] = {root, *uids}
        for uid in self._members[root]:
            self._roots[uid] = root
        self._pods += pods

    def ignores(self, event: Event) -> bool:
        """Return whether no controller needs to hear of a change; a change from outside wakes its
        workload."""
        root = self._roots.get(event.entry.uid)
        if root is None:
            return False
        if self._churning:
            return True
        for uid in self._members.pop(root):
            self._roots.pop(uid, None)
        return False

    def start_churn(self, rate: float, clock: Clock) -> None:
        """Change `rate` pods a second from now on."""
        self._rate, self._owed, self._last = rate, 0.0, clock.monotonic()

    def churn(self, clock: Clock, rng: random.Random) -> None:
        """Make the changes that are owed."""
        if not self._rate or not self._pods:
            return
        moment = clock.monotonic()
        self._owed += (moment - self._last) * self._rate
        self._last = moment
        now = names.timestamp(clock.now())
        self._churning = True
        try:
            while self._owed >= 1:
                self._owed -= 1
                self._touch(self._pods[rng.randrange(len(self._pods))], now)
        finally:
            self._churning = False

    def _touch(self, key: Key, now: str) -> None:
        """Let a pod become unready, or ready again with one restart more."""
        entry = self._store.get("pods", *key)
        if entry is None or entry.uid not in self._roots:
            return
        pod = entry.obj
        status = pod["status"]
        ready = not status["containerStatuses"][0]["ready"]
        text = "" if ready else "containers with unready status: [app]"
        reason = "" if ready else "ContainersNotReady"
        conditions = [
            condition(status, one["type"], ready, now, reason, text)
            if one["type"] in ("Ready", "ContainersReady")
            else one
            for one in status["conditions"]
        ]
        first = {**status["containerStatuses"][0], "ready": ready}
        if ready:
            first["restartCount"] += 1
        fresh = {
            **status,
            "conditions": conditions,
            "containerStatuses": [first, *status["containerStatuses"][1:]],
        }
        self._store.replace("pods", entry, {**pod, "metadata": {**pod["metadata"]}, "status": fresh})


def _deployment(name: str, replicas: int, image: str) -> Obj:
    container = {
        "name": "app",
        "image": image,
        "env": [{"name": "CACHE_QUERIES", "value": "false"}, {"name": "LOG_LEVEL", "value": "info"}],
        "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "http"}},
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def populate(
    cluster: Cluster,
    pods: int,
    *,
    namespaces: int = 1,
    prefix: str = "load",
    per_workload: int = 20,
    nodes: int | None = None,
) -> None:
    """Add `pods` running pods in Deployments of `per_workload`, spread over `namespaces` called
    `<prefix>-<n>`.

    `nodes` (default: one for every hundred pods) are added as well. Each pod is some 6 KB of JSON.
    """
    store = cluster.store
    count = nodes if nodes is not None else max(pods // 100, 1)
    hosts = [f"{prefix}-node-{number}" for number in range(count)]
    for host in hosts:
        cluster.add_node(host, cpu="64", memory="256Gi", pods=1000)
    for number in range(namespaces):
        if not cluster.exists("Namespace", f"{prefix}-{number}"):
            cluster.add_namespace(f"{prefix}-{number}")
    rows: list[tuple[Obj, bytes]] = []
    left, workload = pods, 0
    while left > 0:
        size = min(per_workload, left)
        _workload(cluster, f"{prefix}-{workload % namespaces}", f"{prefix}-{workload:04d}", size, hosts, rows)
        left, workload = left - size, workload + 1
    store.load("pods", rows)
    cluster.tick()


def _workload(
    cluster: Cluster, namespace: str, name: str, size: int, hosts: list[str], rows: list[tuple[Obj, bytes]]
) -> None:
    call, api, rng = Call(manager="kubectl-client-side-apply"), cluster.api, cluster.rng
    body = _deployment(name, size, f"registry.example/{name}:v1")
    made = api.create(BY_TABLE["deployments.apps"], namespace, body, call).obj
    digest = names.digest(made["spec"]["template"])
    labels = {**made["spec"]["template"]["metadata"]["labels"], "pod-template-hash": digest}
    template = clone(made["spec"]["template"])
    template["metadata"]["labels"] = labels
    annotations = {
        "deployment.kubernetes.io/desired-replicas": str(size),
        "deployment.kubernetes.io/max-replicas": str(size + -(-size // 4)),
        "deployment.kubernetes.io/revision": "1",
    }
    owned = {
        "metadata": {
            "name": f"{name}-{digest}", "labels": labels, "annotations": annotations,
            "ownerReferences": [names.owner_reference("apps/v1", "Deployment", made)],
        },
        "spec": {"replicas": size, "selector": {"matchLabels": labels}, "template": template},
    }  # fmt: skip
    replica_set = api.create(
        BY_TABLE["replicasets.apps"], namespace, owned, Call(manager="kube-controller-manager")
    ).obj
    raw, meta = _pod_template(cluster, namespace, replica_set)
    uids, keys = [replica_set["metadata"]["uid"]], []
    for _ in range(size):
        pod = f"{name}-{digest}-{names.suffix(rng)}"
        uid, number = names.uid(rng), len(rows) + 1
        host = hosts[rng.randrange(len(hosts))]
        cluster.store.rv += 1
        version = str(cluster.store.rv)
        text = raw.replace(_NAME, pod).replace(_UID, uid).replace(_NODE, host).replace(_VERSION, version)
        text = text.replace(_ADDRESS, f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}")
        text = text.replace(_CONTAINER, f"{rng.getrandbits(256):064x}")
        rows.append(({**meta, "name": pod, "uid": uid, "resourceVersion": version}, text.encode()))
        uids.append(uid)
        keys.append((namespace, pod))
    _report(cluster, namespace, name, f"{name}-{digest}", size)
    cluster.quiet.add(made["metadata"]["uid"], uids, keys)


def _pod_template(cluster: Cluster, namespace: str, replica_set: Obj) -> tuple[str, Obj]:
    """Return the JSON of a running pod with marks where the pods differ, and its metadata."""
    api, now = cluster.api, cluster.api.now()
    pod = make_pod("ReplicaSet", replica_set, replica_set["spec"]["template"])
    call = Call(manager="kube-controller-manager", dry_run=True)
    obj = clone(api.create(BY_TABLE["pods"], namespace, pod, call).obj)
    spec, image = obj["spec"], obj["spec"]["containers"][0]["image"]
    spec["nodeName"] = _NODE
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    status: Obj = {
        "phase": "Running",
        "conditions": [condition({}, kind, True, now) for kind in kinds],
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": _ADDRESS,
        "podIPs": [{"ip": _ADDRESS}],
        "startTime": now,
        "containerStatuses": [
            {
                "name": "app", "state": {"running": {"startedAt": now}}, "lastState": {}, "ready": True,
                "restartCount": 0,
                "image": image, "imageID": f"{image}@sha256:{'ab' * 32}", "containerID": f"containerd://{_CONTAINER}",
                "started": True, "allocatedResources": spec["containers"][0]["resources"]["requests"],
            }
        ],
        "qosClass": "Burstable",
    }  # fmt: skip
    before = {**obj, "status": {}}
    obj["status"] = status
    from console.drill.cluster import managed
    from console.drill.cluster.schema import of

    managed.record(
        before, obj, of("core.v1.Pod"), manager="kubelet", api_version="v1", time=now, subresource="status"
    )
    meta: dict[str, Any] = obj["metadata"]
    meta["name"], meta["uid"] = _NAME, _UID
    obj["metadata"] = {
        **{k: meta[k] for k in ("name", "generateName", "namespace", "uid")},
        "resourceVersion": _VERSION,
        **meta,
    }
    return encode(obj).decode(), obj["metadata"]


def _report(cluster: Cluster, namespace: str, deployment: str, replica_set: str, size: int) -> None:
    """Write the statuses that the controllers would have written."""
    api, now, manager = cluster.api, cluster.api.now(), "kube-controller-manager"
    counts = {"replicas": size, "readyReplicas": size, "availableReplicas": size}
    one = api.entry(BY_TABLE["replicasets.apps"], namespace, replica_set)
    status: Obj = {**counts, "fullyLabeledReplicas": size, "terminatingReplicas": 0, "observedGeneration": 1}
    api.write(BY_TABLE["replicasets.apps"], one, {**one.obj, "status": status}, manager, "status")
    entry = api.entry(BY_TABLE["deployments.apps"], namespace, deployment)
    texts = (
        ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "NewReplicaSetAvailable", f'ReplicaSet "{replica_set}" has successfully progressed.'),
    )
    conditions = [
        {
            "type": kind,
            "status": "True",
            "lastUpdateTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": text,
        }
        for kind, reason, text in texts
    ]
    status = {
        "observedGeneration": 1,
        **counts,
        "updatedReplicas": size,
        "terminatingReplicas": 0,
        "conditions": conditions,
    }
    meta = {**entry.obj["metadata"], "annotations": {"deployment.kubernetes.io/revision": "1"}}
    api.write(
        BY_TABLE["deployments.apps"],
        entry,
        {**entry.obj, "metadata": meta, "status": status},
        manager,
        "status",
    )
