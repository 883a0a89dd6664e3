"""Many quiet pods at once, and their churn.

Quiet objects are complete and consistent but no controller works on them until somebody changes one of them:
then the whole workload wakes up and is controlled like any other.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from console.drill.cluster import managed, names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.controllers.replicaset import make_pod
from console.drill.cluster.quietpods import (
    ADDRESS,
    CHANGED,
    CONTAINER,
    DIGEST,
    NAME,
    NAMESPACE,
    NODE,
    RESTARTS,
    ROOT,
    SET,
    UID,
    VERSION,
    WORKLOAD,
    Form,
    QuietPod,
    Sleepers,
)
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj, of
from console.drill.cluster.store import Entry, Event, Key, Store, clone, encode
from console.model.clock import Clock

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

_DEPLOYMENTS, _SETS = BY_TABLE["deployments.apps"], BY_TABLE["replicasets.apps"]
_PODS = BY_TABLE["pods"]
_MANAGER = "kube-controller-manager"
_AGE = timedelta(days=9)
"""How long the quiet pods have run: a cluster in which all began a minute ago is not a quiet one."""


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
        owed, self._owed = divmod(self._owed, 1)
        self._turn((self._pods[rng.randrange(len(self._pods))] for _ in range(int(owed))), clock)

    def recover(self, clock: Clock) -> None:
        """Let the pods that churn has left unready become ready."""
        pods = [(key, self._store.get("pods", *key)) for key in self._pods]
        self._turn((key for key, pod in pods if isinstance(pod, QuietPod) and not pod.ready), clock)

    def _turn(self, keys: Iterable[Key], clock: Clock) -> None:
        """Let sleeping pods become unready, or ready again with one restart more."""
        now = names.timestamp(clock.now())
        self._churning = True
        try:
            for key in keys:
                pod = self._store.get("pods", *key)
                if isinstance(pod, QuietPod) and pod.uid in self._roots:
                    self._store.replace_entry("pods", pod, lambda rv, pod=pod: pod.turned(rv, now))  # type: ignore[misc]
        finally:
            self._churning = False


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
    """The JSON of one workload (Deployment, ReplicaSet, pods) with marks where workloads and pods differ."""

    def __init__(self, cluster: Cluster, namespace: str, size: int) -> None:
        api = cluster.api
        call = Call(manager="kubectl-client-side-apply", dry_run=True)
        controller = Call(manager=_MANAGER, dry_run=True)
        made = api.create(_DEPLOYMENTS, namespace, _deployment(WORKLOAD, size), call).obj
        made["metadata"]["uid"] = ROOT
        made["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "1"}
        owned = api.create(_SETS, namespace, _replica_set(made, size), controller).obj
        owned["metadata"]["uid"] = SET
        pod = api.create(
            _PODS, namespace, make_pod("ReplicaSet", owned, owned["spec"]["template"]), controller
        ).obj
        pod["spec"]["nodeName"] = NODE
        self.now, replica_set = names.timestamp(api.clock.now() - _AGE), owned["metadata"]["name"]
        for obj in (made, owned, pod):
            obj["metadata"]["creationTimestamp"] = self.now
            for owner in obj["metadata"]["managedFields"]:
                owner["time"] = self.now
        status = _deployment_status(size, replica_set, self.now)
        self.deployment = self._form(_DEPLOYMENTS, made, status, _MANAGER)
        self.replica_set = self._form(_SETS, owned, _set_status(size), _MANAGER)
        pod["metadata"] |= {"name": NAME, "uid": UID}
        self.ready = self._form(_PODS, pod, _pod_status(pod["spec"], self.now, ready=True), "kubelet")
        self.unready = self._form(_PODS, pod, _pod_status(pod["spec"], self.now, ready=False), "kubelet")

    def _form(self, resource: Resource, obj: Obj, status: Obj, manager: str) -> Form:
        new = clone({**obj, "status": status})
        shape, version = of(resource.schema), resource.api_version
        managed.record(
            {**obj, "status": {}},
            new,
            shape,
            manager=manager,
            api_version=version,
            time=self.now,
            subresource="status",
        )
        meta = new["metadata"]
        first = {name: meta[name] for name in ("name", "generateName", "namespace", "uid") if name in meta}
        new["metadata"] = {**first, "resourceVersion": VERSION, **meta, "namespace": NAMESPACE}
        return Form(encode(new).decode())


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
    rows: dict[str, list[Entry]] = {table: [] for table in ("deployments.apps", "replicasets.apps", "pods")}
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
    cluster: Cluster,
    template: _Template,
    place: Key,
    size: int,
    hosts: list[str],
    rows: dict[str, list[Entry]],
) -> None:
    """Add the entries of one workload; `place` is its namespace and name."""
    rng, store = cluster.rng, cluster.store
    namespace, name = place
    root, owner, digest = names.uid(rng), names.uid(rng), names.suffix(rng, 10)
    words = {NAMESPACE: namespace, WORKLOAD: name, DIGEST: digest, ROOT: root, SET: owner}

    def add(table: str, form: Form, uid: str, own: str, controller: str, labels: dict[str, str]) -> None:
        store.rv += 1
        meta: Obj = {"namespace": namespace, "name": own, "uid": uid, "labels": labels}
        if controller:
            meta["ownerReferences"] = [{"uid": controller, "controller": True}]
        rows[table].append(Entry(None, form.fill({**words, VERSION: str(store.rv)}), store.rv, meta))

    labels = {"app": name, "pod-template-hash": digest}
    replica_set = f"{name}-{digest}"
    add("deployments.apps", template.deployment, root, name, "", {"app": name})
    add("replicasets.apps", template.replica_set, owner, replica_set, root, labels)
    sleepers = Sleepers(template.ready, template.unready, words, owner, labels, template.now)
    found: list[Entry] = []
    for number in range(len(rows["pods"]) + 1, len(rows["pods"]) + 1 + size):
        store.rv += 1
        found.append(
            QuietPod(
                sleepers,
                store.rv,
                name=f"{replica_set}-{names.suffix(rng)}",
                uid=names.uid(rng),
                node=hosts[rng.randrange(len(hosts))],
                address=f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",
            )
        )
    rows["pods"] += found
    cluster.quiet.add(root, [owner, *(pod.uid for pod in found)], [pod.key for pod in found])


def _replica_set(deployment: Obj, size: int) -> Obj:
    template = clone(deployment["spec"]["template"])
    labels = {**template["metadata"]["labels"], "pod-template-hash": DIGEST}
    template["metadata"]["labels"] = labels
    annotations = {
        "deployment.kubernetes.io/desired-replicas": str(size),
        "deployment.kubernetes.io/max-replicas": str(size + -(-size // 4)),
        "deployment.kubernetes.io/revision": "1",
    }
    meta: Obj = {"name": f"{WORKLOAD}-{DIGEST}", "labels": labels, "annotations": annotations}
    meta["ownerReferences"] = [names.owner_reference("apps/v1", "Deployment", deployment)]
    return {
        "metadata": meta,
        "spec": {"replicas": size, "selector": {"matchLabels": labels}, "template": template},
    }


def _pod_status(spec: Obj, now: str, *, ready: bool) -> Obj:
    container = spec["containers"][0]
    status: Obj = {
        "name": "app",
        "state": {"running": {"startedAt": now}},
        "lastState": {},
        "ready": ready,
        "restartCount": RESTARTS,
        "image": container["image"],
        "imageID": f"docker.io/library/{container['image']}@sha256:{'ab' * 32}",
        "containerID": f"containerd://{CONTAINER}",
        "started": True,
        "allocatedResources": container["resources"]["requests"],
    }
    why = ("", "") if ready else ("ContainersNotReady", "containers with unready status: [app]")
    return {
        "phase": "Running",
        "conditions": [
            condition({}, "PodReadyToStartContainers", True, now),
            condition({}, "Initialized", True, now),
            condition({}, "Ready", ready, CHANGED, *why),
            condition({}, "ContainersReady", ready, CHANGED, *why),
            condition({}, "PodScheduled", True, now),
        ],
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "podIP": ADDRESS,
        "podIPs": [{"ip": ADDRESS}],
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
