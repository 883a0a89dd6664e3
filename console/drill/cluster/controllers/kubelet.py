"""The kubelets: they run the pods that are assigned to their nodes, as the behaviour says."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from console.drill.cluster import names
from console.drill.cluster.behaviour import make_container
from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.controllers.podstatus import build_status
from console.drill.cluster.controllers.runtime import (
    BACKOFF_FIRST,
    BACKOFF_LIMIT,
    BACKOFF_RESET,
    ContainerRuntime,
    PodRuntime,
)
from console.drill.cluster.errors import bad_request
from console.drill.cluster.logs import Run
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key

_PODS = BY_TABLE["pods"]


class Kubelet(Controller):
    """Runs pods. `pods` holds what runs, by uid."""

    watches = ("pods", "nodes")
    manager = "kubelet"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.pods: dict[str, PodRuntime] = {}
        self._addresses = 0

    def keys(self, event: Event) -> Iterable[Key]:
        """A pod's own changes, and all pods of a node that became ready or not."""
        if event.table == "pods":
            if event.type == "DELETED":
                self.pods.pop(event.entry.uid, None)
            return (event.entry.key,)
        if event.old is not None and node_ready(event.old.obj) != node_ready(event.entry.obj):
            name = event.entry.name
            uids = {
                r.container.uid
                for p in self.pods.values()
                for r in p.every
                if r.container and r.container.node == name
            }
            return [e.key for e in self.store.entries("pods") if e.uid in uids]
        return ()

    def reconcile(self, key: Key) -> float | None:
        """Take one pod a step further."""
        entry = self.store.get("pods", *key)
        if entry is None:
            return None
        pod = entry.obj
        node = pod["spec"].get("nodeName")
        if not node or not self._node_runs(node):
            return None
        phase = pod["status"].get("phase")
        runtime = self.pods.get(entry.uid)
        if runtime is None:
            if phase in ("Succeeded", "Failed") and "deletionTimestamp" not in pod["metadata"]:
                return None
            runtime = self._adopt(pod) if phase == "Running" else self._accept(pod)
            self.pods[entry.uid] = runtime
        if "deletionTimestamp" in pod["metadata"]:
            return self._stop(entry, runtime)
        return self._advance(entry, runtime)

    def _node_runs(self, name: str) -> bool:
        found = self.store.get("nodes", "", name)
        return found is not None and node_ready(found.obj)

    def _address(self) -> str:
        self._addresses += 1
        return f"10.244.{self._addresses // 250 % 256}.{self._addresses % 250 + 2}"

    def _accept(self, pod: Obj) -> PodRuntime:
        runtime = PodRuntime(pod)
        runtime.accepted = self.context.seconds()
        runtime.address = self._address()
        first = runtime.every[0]
        self._begin(pod, runtime.init[:1] or runtime.containers, runtime.accepted)
        if runtime.init:
            for one in runtime.containers:
                one.reason = "PodInitializing"
        assert first is not None
        return runtime

    def _adopt(self, pod: Obj) -> PodRuntime:
        """Go on with a pod that already runs according to its status."""
        runtime = PodRuntime(pod)
        status = pod["status"]
        runtime.address = status.get("podIP", "")
        started = (
            names.parse_time(status["startTime"]).timestamp()
            if "startTime" in status
            else self.context.seconds()
        )
        runtime.accepted = started
        known = {one["name"]: one for one in status.get("containerStatuses") or ()}
        for one in runtime.init:
            one.phase, one.reason = "terminated", "Completed"
        for one in runtime.containers:
            before = known.get(one.name, {})
            running = (before.get("state") or {}).get("running")
            one.restarts = before.get("restartCount", 0)
            one.last = before.get("lastState") or {}
            one.identity = before.get("containerID", "")
            one.due = self.context.seconds()
            if running:
                one.started_at = names.parse_time(running["startedAt"]).timestamp()
                one.phase, one.ready = "running", bool(before.get("ready"))
                one.container = make_container(pod, one.spec, started=one.started_at, restarts=one.restarts)
                one.plan = self.context.behaviour.start(one.container)
                one.run = Run(one.container)
            else:
                self._begin(pod, [one], self.context.seconds())
        return runtime

    def _begin(self, pod: Obj, group: list[ContainerRuntime], now: float) -> None:
        for one in group:
            container = make_container(pod, one.spec, started=now, restarts=one.restarts, init=one.init)
            one.container = container
            one.plan = self.context.behaviour.start(container)
            one.phase = "waiting"
            one.reason = "PodInitializing" if one.init else "ContainerCreating"
            one.message = ""
            one.due = now + one.plan.create_seconds

    def _advance(self, entry: Entry, runtime: PodRuntime) -> float | None:
        pod, now = entry.obj, self.context.seconds()
        current = next((one for one in runtime.init if not (one.finished and one.exit_code == 0)), None)
        group = [current] if current is not None else runtime.containers
        for one in group:
            if one.container is None:
                self._begin(pod, [one], now)
            elif one.spec["image"] != self._spec(pod, one).get("image"):
                one.spec = self._spec(pod, one)
                self._begin(pod, [one], now)
            while one.due and one.due <= now and not self._step(pod, one, now):
                pass
        status = build_status(pod, runtime, self.api.now(), self._host(pod))
        if status != pod["status"]:
            self.write_status("pods", entry, status)
        waits = [one.due - now for one in group if one.due]
        if current is not None and current.finished and current.exit_code == 0:
            return 0.0
        return min(waits) if waits else None

    def _spec(self, pod: Obj, one: ContainerRuntime) -> Obj:
        part = pod["spec"].get("initContainers" if one.init else "containers") or ()
        return next((spec for spec in part if spec["name"] == one.name), one.spec)

    def _host(self, pod: Obj) -> str:
        node = self.store.get("nodes", "", pod["spec"]["nodeName"])
        addresses = node.obj["status"].get("addresses") or () if node is not None else ()
        return next((a["address"] for a in addresses if a["type"] == "InternalIP"), "127.0.0.1")

    def _step(self, pod: Obj, one: ContainerRuntime, now: float) -> bool:
        """Do what is due for a container; return whether to leave it alone until its next due time."""
        if one.phase == "running":
            self._observe(pod, one, now)
            return True
        if one.phase == "terminated" or one.reason == "CrashLoopBackOff":
            one.restarts += 1
            one.previous, one.run = one.run, None
            self._begin(pod, [one], now)
            one.due = now
            return False
        if one.plan.pull_error:
            self._pull_failed(pod, one, now)
            return True
        if not one.pulled and not one.pulling:
            self._tell(pod, one, "Pulling", f'Pulling image "{one.spec["image"]}"')
            one.pulling = True
            one.due = now + one.plan.pull_seconds
            return one.due > now
        if one.pulled:
            self._tell(
                pod, one, "Pulled", f'Container image "{one.spec["image"]}" already present on machine'
            )
        else:
            took = f"{round(one.plan.pull_seconds * 1000)}ms"
            text = f'Successfully pulled image "{one.spec["image"]}" in {took} ({took} including waiting).'
            self._tell(pod, one, "Pulled", text)
        one.pulling, one.pulled = False, True
        self._run(pod, one, now)
        return True

    def _pull_failed(self, pod: Obj, one: ContainerRuntime, now: float) -> None:
        image = one.spec["image"]
        if one.reason == "ErrImagePull":
            one.reason, one.message = (
                "ImagePullBackOff",
                f'Back-off pulling image "{image}": ErrImagePull: {one.plan.pull_error}',
            )
            self._tell(pod, one, "BackOff", f'Back-off pulling image "{image}"')
            self._tell(pod, one, "Failed", "Error: ImagePullBackOff", kind="Warning")
            one.backoff = min(max(one.backoff * 2, BACKOFF_FIRST), BACKOFF_LIMIT)
            one.due = now + one.backoff
            return
        self._tell(pod, one, "Pulling", f'Pulling image "{image}"')
        self._tell(
            pod, one, "Failed", f'Failed to pull image "{image}": {one.plan.pull_error}', kind="Warning"
        )
        self._tell(pod, one, "Failed", "Error: ErrImagePull", kind="Warning")
        one.reason, one.message = "ErrImagePull", one.plan.pull_error
        one.due = now + 2.0
        if one.container is not None:
            one.plan = self.context.behaviour.start(one.container)

    def _run(self, pod: Obj, one: ContainerRuntime, now: float) -> None:
        one.container = make_container(pod, one.spec, started=now, restarts=one.restarts, init=one.init)
        one.phase, one.reason, one.message = "running", "", ""
        one.started_at, one.finished_at = now, 0.0
        one.identity = f"containerd://{self.context.rng.getrandbits(256):064x}"
        one.run = Run(one.container)
        one.ready = one.plan.ready_seconds <= 0 and not one.init
        self._tell(pod, one, "Created", f"Created container: {one.name}")
        self._tell(pod, one, "Started", f"Started container {one.name}")
        one.due = now + min(max(one.plan.ready_seconds, 0.001), self.context.behaviour.poll_seconds)

    def _observe(self, pod: Obj, one: ContainerRuntime, now: float) -> None:
        behaviour, container = self.context.behaviour, one.container
        assert container is not None and one.run is not None
        age = now - one.started_at
        ends = pod["spec"].get("restartPolicy", "Always") != "Always" and not one.init
        state = behaviour.job(container, age) if ends else behaviour.state(container, age)
        one.state = state
        if container.memory_limit is not None and state.memory > container.memory_limit:
            state = msgspec.structs.replace(state, exit_code=137, reason="OOMKilled")
        if state.exit_code is not None:
            self._ended(pod, one, now, state.exit_code, state.reason, state.message, state.last_words)
            return
        ready = state.ready and age >= one.plan.ready_seconds and not one.init
        if not state.ready and age >= one.plan.ready_seconds:
            self._tell(pod, one, "Unhealthy", f"Readiness probe failed: {state.not_ready}", kind="Warning")
        one.ready = ready
        poll = behaviour.poll_seconds
        starting = one.plan.ready_seconds - age
        one.due = now + (min(poll, starting) if starting > 0 else poll)

    def _ended(
        self,
        pod: Obj,
        one: ContainerRuntime,
        now: float,
        code: int,
        reason: str,
        message: str,
        words: Iterable[bytes],
    ) -> None:
        assert one.run is not None
        one.run.end(self.context.behaviour, now, words)
        one.phase, one.ready, one.exit_code = "terminated", False, code
        one.reason = reason or ("Completed" if code == 0 else "Error")
        one.message, one.finished_at = message, now
        one.last, ended = one.terminated(), one.last
        policy = pod["spec"].get("restartPolicy", "Always")
        again = (policy == "Always" and not one.init) or (policy != "Never" and code != 0)
        if not again:
            one.last, one.due = ended, 0.0
            return
        if now - one.started_at > BACKOFF_RESET:
            one.backoff = 0.0
        if one.backoff == 0.0:
            one.backoff, one.due = BACKOFF_FIRST, now + 0.5
            return
        wait = (
            f"{round(one.backoff)}s"
            if one.backoff < 60
            else f"{int(one.backoff // 60)}m{int(one.backoff % 60)}s"
        )
        meta = pod["metadata"]
        full = f"{meta['name']}_{meta['namespace']}({meta['uid']})"
        who = f"container={one.name} pod={full}"
        one.phase, one.reason = "waiting", "CrashLoopBackOff"
        one.message = f"back-off {wait} restarting failed {who}"
        self._tell(
            pod,
            one,
            "BackOff",
            f"Back-off restarting failed container {one.name} in pod {full}",
            kind="Warning",
        )
        one.due = now + one.backoff
        one.backoff = min(one.backoff * 2, BACKOFF_LIMIT)

    def _stop(self, entry: Entry, runtime: PodRuntime) -> float | None:
        pod, now = entry.obj, self.context.seconds()
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 0)
        if not runtime.stopping:
            wishes = [0.0]
            for one in runtime.every:
                if one.phase == "running" and one.container is not None:
                    self._tell(pod, one, "Killing", f"Stopping container {one.name}")
                    wishes.append(self.context.behaviour.stop_seconds(one.container))
            runtime.stopping = now + min(max(wishes), grace)
        left: float = min(runtime.stopping, now + grace) - now
        if left > 0:
            return left
        behaviour = self.context.behaviour
        for one in runtime.every:
            if one.phase == "running" and one.run is not None and one.container is not None:
                killed = behaviour.stop_seconds(one.container) > grace
                one.run.end(behaviour, now, ())
                one.phase, one.ready, one.due, one.finished_at = "terminated", False, 0.0, now
                one.exit_code, one.reason = (137, "Error") if killed else (0, "Completed")
        status = build_status(pod, runtime, self.api.now(), self._host(pod))
        entry = self.write_status("pods", entry, status)
        if not entry.obj["metadata"].get("finalizers"):
            self.api.finish(_PODS, entry)
        return None

    def _tell(self, pod: Obj, one: ContainerRuntime, reason: str, message: str, kind: str = "Normal") -> None:
        part = "initContainers" if one.init else "containers"
        self.context.recorder.record(
            _PODS, pod, reason, message,
            kind=kind, host=pod["spec"]["nodeName"], field_path=f"spec.{part}{{{one.name}}}",
        )  # fmt: skip

    def kill(self, entry: Entry, name: str, exit_code: int, reason: str) -> None:
        """Let a running container of a pod end; "" is its first. Raises a 400 when it does not run."""
        self.reconcile(entry.key)
        runtime = self.pods.get(entry.uid)
        one = (runtime.find(name) if name else runtime.containers[0]) if runtime is not None else None
        if one is None or one.phase != "running":
            raise bad_request(f"container {name or 'of the pod'} is not running")
        self._ended(entry.obj, one, self.context.seconds(), exit_code, reason, "", ())
        self._advance(self.api.entry(_PODS, *entry.key), self.pods[entry.uid])


def node_ready(node: Obj) -> bool:
    """Return whether a node's Ready condition is True."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
