"""The simulated cluster: its objects, its controllers, its users, and the plain Python API of drills."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from console.drill.cluster import bulk, nodes, selectors
from console.drill.cluster.api import JSON_PATCH, STRATEGIC_PATCH, Api, Call
from console.drill.cluster.auth import Users
from console.drill.cluster.behaviour import Behaviour
from console.drill.cluster.controllers import build
from console.drill.cluster.controllers.base import Context, Loop
from console.drill.cluster.controllers.hpa import Utilisation
from console.drill.cluster.events import Recorder
from console.drill.cluster.podview import PodView
from console.drill.cluster.resources import BY_KIND, BY_TABLE, Resource, find
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Store
from console.model.clock import Clock, ManualClock, SystemClock

Objects = list[Obj]


class Cluster:
    """A Kubernetes cluster in memory.

    Everything happens in `tick` (or `run`, `advance`), in the thread that calls it; nothing is thread-safe.
    With a `ManualClock` and a seeded `rng` a run is repeatable to the byte.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        behaviour: Behaviour | None = None,
        *,
        utilisation: Utilisation | None = None,
        metrics: bool = True,
        history: int = 10_000,
        node_count: int = 3,
    ) -> None:
        self.clock = clock if clock is not None else SystemClock()
        self.rng = rng if rng is not None else random.Random(0)
        self.store = Store([resource.table for resource in BY_TABLE.values()], history)
        self.api = Api(self.store, self.clock, self.rng)
        self.users = Users()
        self.metrics_available = metrics
        self.recorder = Recorder(self.api)
        self._context = Context(
            self.store,
            self.api,
            self.clock,
            self.rng,
            behaviour if behaviour is not None else Behaviour(),
            self.recorder,
        )
        controllers, self.kubelet = build(self._context, utilisation)
        self._loop = Loop(self._context, controllers)
        self.quiet = bulk.Quiet(self.store)
        self.view = PodView(self._context, self.kubelet)
        self.store.listeners.append(self._hear)
        self._driven = False
        for name in ("default", "kube-system"):
            self.add_namespace(name)
        for number in range(1, node_count + 1):
            self.add_node(f"node-{number}", zone=f"zone-{'abc'[(number - 1) % 3]}")
        self.tick()

    @property
    def behaviour(self) -> Behaviour:
        """What the containers do; may be exchanged at any time."""
        return self._context.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: Behaviour) -> None:
        self._context.behaviour = behaviour

    def _hear(self, event: Event) -> None:
        if not self.quiet.ignores(event):
            self._loop.hear(event)

    # Time

    def tick(self) -> int:
        """Do all that is due at the clock's time; return how many steps that took."""
        self.quiet.churn(self.clock, self.rng)
        return self._loop.run()

    def advance(self, seconds: float) -> None:
        """Let time pass on a `ManualClock`, stopping at every moment at which something is due."""
        clock = self.clock
        if not isinstance(clock, ManualClock):
            raise TypeError("advance() needs a Cluster with a ManualClock.")
        end = clock.now().timestamp() + seconds
        self.tick()
        while True:
            due = self._loop.next_due()
            now = clock.now().timestamp()
            if due is None or due >= end:
                break
            # A microsecond is the least that a datetime knows; less would stand still for ever.
            clock.advance(max(due - now, 1e-6))
            self.tick()
        clock.advance(max(end - clock.now().timestamp(), 0.0))
        self.tick()

    def settle(self, seconds: float = 60.0) -> None:
        """Advance a `ManualClock` until nothing but polling happens any more, at most `seconds`."""
        for _ in range(int(seconds)):
            before = self.store.rv
            self.advance(1.0)
            if self.store.rv == before and not self.view.starting():
                return

    async def run(self, interval: float = 0.1) -> None:
        """Tick every `interval` real seconds until cancelled. A second driver is refused by RuntimeError."""
        if self._driven:
            raise RuntimeError("This cluster is already driven by another task.")
        self._driven = True
        try:
            while True:
                self.tick()
                await asyncio.sleep(interval)
        finally:
            self._driven = False

    # Objects

    def resource(self, kind: str | Mapping[str, Any]) -> Resource:
        """Return the resource of a name (`Deployment`, `deploy`, `deployments`) or of an object. Raises
        KeyError."""
        if isinstance(kind, str):
            return find(kind)
        known = BY_KIND.get((kind.get("apiVersion", ""), kind.get("kind", "")))
        if known is None:
            raise KeyError(f"The simulated cluster has no {kind.get('kind')} of {kind.get('apiVersion')}.")
        return known

    def create(
        self, obj: Mapping[str, Any], namespace: str = "", *, manager: str = "drill", validate: bool = True
    ) -> Obj:
        """Create an object (with `apiVersion` and `kind`) and return it. Raises ApiError.

        `validate=False` lets through what an API server would refuse, such as hostile names.
        """
        resource = self.resource(obj)
        namespace = namespace or (obj.get("metadata") or {}).get("namespace") or "default"
        call = Call(manager=manager, validate=validate)
        return self._full(
            resource, self.api.create(resource, namespace if resource.namespaced else "", obj, call).obj
        )

    def get(self, kind: str, name: str, namespace: str = "default") -> Obj:
        """Return a copy of an object. Raises ApiError (404)."""
        resource = find(kind)
        return self._full(
            resource, self.api.entry(resource, namespace if resource.namespaced else "", name).obj
        )

    def list(self, kind: str, namespace: str = "", labels: str = "") -> Objects:
        """Return copies of the objects of a namespace ("" is all) that meet a label selector."""
        resource, selector = find(kind), selectors.parse_labels(labels)
        entries = self.store.entries(resource.table, namespace)
        return [self._full(resource, entry.obj) for entry in entries if selector.matches(entry.labels)]

    def patch(
        self,
        kind: str,
        name: str,
        change: Any,
        namespace: str = "default",
        *,
        manager: str = "drill",
        subresource: str = "",
    ) -> Obj:
        """Patch an object: a list is a JSON Patch, a mapping a strategic merge patch. Raises ApiError."""
        resource = find(kind)
        style = JSON_PATCH if isinstance(change, list) else STRATEGIC_PATCH
        place = namespace if resource.namespaced else ""
        return self._full(
            resource,
            self.api.patch(resource, place, name, change, style, Call(manager=manager), subresource).obj,
        )

    def delete(self, kind: str, name: str, namespace: str = "default", **options: Any) -> None:
        """Delete an object by DeleteOptions such as `gracePeriodSeconds=0`. Raises ApiError."""
        resource = find(kind)
        self.api.delete(
            resource, namespace if resource.namespaced else "", name, options, Call(manager="drill")
        )

    def scale(self, kind: str, name: str, replicas: int, namespace: str = "default") -> None:
        """Set `spec.replicas`. Raises ApiError."""
        self.patch(kind, name, {"spec": {"replicas": replicas}}, namespace)

    def exists(self, kind: str, name: str, namespace: str = "default") -> bool:
        """Return whether an object is there."""
        resource = find(kind)
        return self.store.get(resource.table, namespace if resource.namespaced else "", name) is not None

    @staticmethod
    def _full(resource: Resource, obj: Obj) -> Obj:
        copy: Obj = msgspec.json.decode(msgspec.json.encode(obj))
        return {"apiVersion": resource.api_version, "kind": resource.kind, **copy}

    # Short cuts for scenarios

    def add_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> Obj:
        """Create a namespace with its default service account."""
        made = self.create(
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": dict(labels or {})},
            }
        )
        self.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}, name)
        return made

    def add_node(
        self, name: str, *, cpu: str = "8", memory: str = "32Gi", pods: int = 110, zone: str = "zone-a"
    ) -> Obj:
        """Create a ready node."""
        return self.create(
            nodes.make_node(name, cpu=cpu, memory=memory, pods=pods, zone=zone, now=self.api.now())
        )

    def set_node_ready(self, name: str, ready: bool) -> None:
        """Let the kubelet of a node stop or start reporting; its pods follow."""
        nodes.set_ready(self.api, name, ready)

    def event(
        self,
        kind: str,
        name: str,
        reason: str,
        message: str,
        namespace: str = "default",
        *,
        warning: bool = True,
        component: str = "drill",
    ) -> None:
        """Write an event about an object. Raises ApiError (404)."""
        resource = find(kind)
        entry = self.api.entry(resource, namespace if resource.namespaced else "", name)
        style = "Warning" if warning else "Normal"
        self.recorder.record(resource, entry.obj, reason, message, kind=style, component=component)

    def write_log(
        self, pod: str, lines: Iterable[bytes], namespace: str = "default", container: str = ""
    ) -> None:
        """Append lines (any bytes, without newlines) to the log of a running container. Raises ApiError."""
        self.view.write_log(namespace, pod, container, lines)

    def crash(
        self,
        pod: str,
        namespace: str = "default",
        container: str = "",
        *,
        exit_code: int = 1,
        reason: str = "",
    ) -> None:
        """Let a container of a running pod end at once. Raises ApiError."""
        entry = self.api.entry(BY_TABLE["pods"], namespace, pod)
        self.kubelet.kill(entry, container, exit_code, reason)
        self._loop.wake("pods", entry.key)
        self.tick()

    def pods_of(self, workload: str, namespace: str = "default") -> Objects:
        """Return the pods whose workload (Deployment, StatefulSet, DaemonSet, Job) has this name."""
        resource = BY_TABLE["pods"]
        entries = self.store.entries("pods", namespace)
        return [self._full(resource, entry.obj) for entry in entries if self.view.workload(entry) == workload]

    def populate(self, pods: int, **options: Any) -> None:
        """Add many quiet pods with their workloads, quickly; see `bulk.populate` for the options."""
        bulk.populate(self, pods, **options)

    def churn(self, rate: float) -> None:
        """Change the status of `rate` of the populated pods a second from now on; 0 ends it."""
        self.quiet.start_churn(rate, self.clock)

    def recover(self) -> None:
        """Let the populated pods that `churn` has left unready become ready."""
        self.quiet.recover(self.clock)

    def expire_history(self) -> None:
        """Forget what changed: older watches and continue tokens get a 410."""
        self.store.expire()

    def admit(self, hook: Callable[[Resource, Obj, Obj | None], None]) -> None:
        """Add an admission hook: it gets resource, new and old object, may change the new or raise
        ApiError."""
        self.api.admission.append(hook)

    def entry(self, kind: str, name: str, namespace: str = "default") -> Entry:
        """Return the stored entry of an object, to be read only. Raises ApiError (404)."""
        resource = find(kind)
        return self.api.entry(resource, namespace if resource.namespaced else "", name)
