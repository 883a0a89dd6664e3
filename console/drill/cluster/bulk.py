"""Many quiet pods at once, and their churn.

Quiet objects are complete and consistent but no controller works on them until somebody changes one of them:
then the whole workload wakes up and is controlled like any other.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from console.drill.cluster import managed, names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.controllers.replicaset import make_pod
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj, of
from console.drill.cluster.store import Event, Key, Store, clone, encode
from console.model.clock import Clock

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

Rows = list[tuple[Obj, bytes]]

_DEPLOYMENTS, _SETS = BY_TABLE["deployments.apps"], BY_TABLE["replicasets.apps"]
_PODS = BY_TABLE["pods"]
_MANAGER = "kube-controller-manager"

# What stands in a template where workloads or pods differ; names that the API accepts.
_NAMESPACE, _WORKLOAD, _DIGEST = "zz-namespace-zz", "zz-workload-zz", "zzdigestzz"
_ROOT, _SET = "00000000-0000-4000-8000-00000000d000", "00000000-0000-4000-8000-0000000000d1"
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


def _deployment(name: str, replicas: int) -> Obj:
    container = {
        "name": "app",
        "image": f"registry.example/{name}:v1",
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


class _Template:
    """The JSON of one workload (Deployment, ReplicaSet, pod) with marks where workloads and pods differ."""

    def __init__(self, cluster: Cluster, namespace: str, size: int) -> None:
        api = cluster.api
        call = Call(manager="kubectl-client-side-apply", dry_run=True)
        controller = Call(manager=_MANAGER, dry_run=True)
        made = api.create(_DEPLOYMENTS, namespace, _deployment(_WORKLOAD, size), call).obj
        made["metadata"]["uid"] = _ROOT
        made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
        owned = api.create(_SETS, namespace, _replica_set(made, size), controller).obj
        owned["metadata"]["uid"] = _SET
        pod = api.create(
            _PODS, namespace, make_pod("ReplicaSet", owned, owned["spec"]["template"]), controller
        ).obj
        pod["spec"]["nodeName"] = _NODE
        now, replica_set = api.now(), owned["metadata"]["name"]
        self.deployment = self._encode(
            _DEPLOYMENTS, made, _deployment_status(size, replica_set, now), _MANAGER, now
        )
        self.replica_set = self._encode(_SETS, owned, _set_status(size), _MANAGER, now)
        pod["metadata"] |= {"name": _NAME, "uid": _UID}
        self.pod = self._encode(_PODS, pod, _pod_status(pod["spec"], now), "kubelet", now)

    @staticmethod
    def _encode(resource: Resource, obj: Obj, status: Obj, manager: str, now: str) -> str:
        new = clone({**obj, "status": status})
        shape, version = of(resource.schema), resource.api_version
        managed.record(
            {**obj, "status": {}},
            new,
            shape,
            manager=manager,
            api_version=version,
            time=now,
            subresource="status",
        )
        meta = new["metadata"]
        first = {name: meta[name] for name in ("name", "generateName", "namespace", "uid") if name in meta}
        new["metadata"] = {**first, "resourceVersion": _VERSION, **meta, "namespace": _NAMESPACE}
        return encode(new).decode()


def populate(
    cluster: Cluster,
    pods: int,
    *,
    namespaces: int = 1,
    prefix: str = "load",
    per_workload: int = 20,
    nodes: int | None = None,
) -> None:
    """Add `pods` running pods in Deployments of `per_workload`, in namespaces called `<prefix>-<n>`.

    `nodes` (default: one for every hundred pods) are added as well. Each pod is some 5 KB of JSON. The
    workloads come without watch events: call it before clients connect.
    """
    count = nodes if nodes is not None else max(pods // 100, 1)
    hosts = [f"{prefix}-node-{number}" for number in range(count)]
    for host in hosts:
        cluster.add_node(host, cpu="64", memory="256Gi", pods=1000)
    for number in range(namespaces):
        if not cluster.exists("Namespace", f"{prefix}-{number}"):
            cluster.add_namespace(f"{prefix}-{number}")
    rows: dict[str, Rows] = {table: [] for table in ("deployments.apps", "replicasets.apps", "pods")}
    templates: dict[int, _Template] = {}
    left, workload = pods, 0
    while left > 0:
        size = min(per_workload, left)
        if size not in templates:
            templates[size] = _Template(cluster, f"{prefix}-0", size)
        place = (f"{prefix}-{workload % namespaces}", f"{prefix}-{workload:04d}")
        _workload(cluster, templates[size], place, size, hosts, rows)
        left, workload = left - size, workload + 1
    for table, found in rows.items():
        cluster.store.load(table, found)
    cluster.tick()


def _workload(
    cluster: Cluster, template: _Template, place: Key, size: int, hosts: list[str], rows: dict[str, Rows]
) -> None:
    """Add the rows of one workload; `place` is its namespace and name."""
    rng, store = cluster.rng, cluster.store
    namespace, name = place
    root, owner, digest = names.uid(rng), names.uid(rng), names.suffix(rng, 10)
    marks = ((_NAMESPACE, namespace), (_WORKLOAD, name), (_DIGEST, digest), (_ROOT, root), (_SET, owner))

    def fill(text: str) -> str:
        for mark, value in marks:
            text = text.replace(mark, value)
        return text

    def add(table: str, text: str, uid: str, controller: str, labels: dict[str, str], own: str) -> None:
        store.rv += 1
        meta: Obj = {"namespace": namespace, "name": own, "uid": uid, "labels": labels}
        meta["resourceVersion"] = str(store.rv)
        if controller:
            meta["ownerReferences"] = [{"uid": controller, "controller": True}]
        rows[table].append((meta, text.replace(_VERSION, str(store.rv)).encode()))

    labels = {"app": name, "pod-template-hash": digest}
    replica_set = f"{name}-{digest}"
    add("deployments.apps", fill(template.deployment), root, "", {"app": name}, name)
    add("replicasets.apps", fill(template.replica_set), owner, root, labels, replica_set)
    pod_text, uids, keys = fill(template.pod), [owner], []
    for _ in range(size):
        pod, uid, number = f"{replica_set}-{names.suffix(rng)}", names.uid(rng), len(rows["pods"]) + 1
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        text = pod_text.replace(_NAME, pod).replace(_UID, uid).replace(_ADDRESS, address)
        text = text.replace(_NODE, hosts[rng.randrange(len(hosts))])
        add("pods", text.replace(_CONTAINER, f"{rng.getrandbits(256):064x}"), uid, owner, labels, pod)
        uids.append(uid)
        keys.append((namespace, pod))
    cluster.quiet.add(root, uids, keys)


def _replica_set(deployment: Obj, size: int) -> Obj:
    template = clone(deployment["spec"]["template"])
    labels = {**template["metadata"]["labels"], "pod-template-hash": _DIGEST}
    template["metadata"]["labels"] = labels
    annotations = {
        "deployment.kubernetes.io/desired-replicas": str(size),
        "deployment.kubernetes.io/max-replicas": str(size + -(-size // 4)),
        "deployment.kubernetes.io/revision": "1",
    }
    meta: Obj = {"name": f"{_WORKLOAD}-{_DIGEST}", "labels": labels, "annotations": annotations}
    meta["ownerReferences"] = [names.owner_reference("apps/v1", "Deployment", deployment)]
    return {
        "metadata": meta,
        "spec": {"replicas": size, "selector": {"matchLabels": labels}, "template": template},
    }


def _pod_status(spec: Obj, now: str) -> Obj:
    container = spec["containers"][0]
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    status: Obj = {
        "name": "app",
        "state": {"running": {"startedAt": now}},
        "lastState": {},
        "ready": True,
        "restartCount": 0,
        "image": container["image"],
        "imageID": f"docker.io/library/{container['image']}@sha256:{'ab' * 32}",
        "containerID": f"containerd://{_CONTAINER}",
        "started": True,
        "allocatedResources": container["resources"]["requests"],
    }
    return {
        "phase": "Running",
        "conditions": [condition({}, kind, True, now) for kind in kinds],
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": _ADDRESS,
        "podIPs": [{"ip": _ADDRESS}],
        "startTime": now,
        "containerStatuses": [status],
        "qosClass": "Burstable",
    }


def _set_status(size: int) -> Obj:
    counts = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    return {**dict.fromkeys(counts, size), "terminatingReplicas": 0, "observedGeneration": 1}


def _deployment_status(size: int, replica_set: str, now: str) -> Obj:
    texts = (
        ("Available", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        ("Progressing", "NewReplicaSetAvailable", f'ReplicaSet "{replica_set}" has successfully progressed.'),
    )
    times = {"lastUpdateTime": now, "lastTransitionTime": now}
    conditions = [
        {"type": kind, "status": "True", **times, "reason": reason, "message": text}
        for kind, reason, text in texts
    ]
    counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
    status: Obj = {"observedGeneration": 1, **dict.fromkeys(counts, size)}
    return {**status, "terminatingReplicas": 0, "conditions": conditions}
