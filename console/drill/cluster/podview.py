"""Reading pods as the kubelet's own endpoints do: logs and usage. Works for quiet pods too."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster import errors, names
from console.drill.cluster.behaviour import make_container
from console.drill.cluster.controllers.base import Context
from console.drill.cluster.controllers.kubelet import Kubelet
from console.drill.cluster.logs import Run
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry


class PodView:
    """Logs and usage of pods."""

    def __init__(self, context: Context, kubelet: Kubelet) -> None:
        self._context = context
        self._kubelet = kubelet
        self._quiet_runs: dict[tuple[str, str], Run] = {}

    def container_name(self, pod: Obj, wanted: str) -> str:
        """Return the container meant by a log request. Raises a 400 when it is not clear or not there."""
        spec, name = pod["spec"], pod["metadata"]["name"]
        main = [one["name"] for one in spec["containers"]]
        init = [one["name"] for one in spec.get("initContainers") or ()]
        if wanted:
            if wanted not in (*main, *init):
                raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
            return wanted
        if len(main) > 1:
            listed = f"choose one of: [{' '.join(main)}]" + (
                f" or one of the init containers: [{' '.join(init)}]" if init else ""
            )
            raise errors.bad_request(f"a container name must be specified for pod {name}, {listed}")
        return str(main[0])

    def run(self, entry: Entry, container: str, *, previous: bool = False) -> Run:
        """Return the log of a container, filled up to now. Raises a 400 when there is none."""
        pod = entry.obj
        name = self.container_name(pod, container)
        found = self._find(entry, pod, name, previous=previous)
        found.fill(self._context.behaviour, self._context.seconds())
        return found

    def _find(self, entry: Entry, pod: Obj, name: str, *, previous: bool) -> Run:
        runtime = self._kubelet.pods.get(entry.uid)
        if runtime is None and pod["status"].get("phase") == "Running":
            return self._quiet_run(pod, name, previous=previous)
        one = runtime.find(name) if runtime is not None else None
        meta = pod["metadata"]
        if previous:
            run = one.previous if one is not None else None
            if one is not None and one.phase == "waiting" and one.run is not None and one.last:
                run = one.run
            if run is None:
                raise errors.bad_request(
                    f'previous terminated container "{name}" in pod "{meta["name"]}" not found'
                )
            return run
        run = (one.run or one.previous) if one is not None else None
        if run is None:
            reason = one.reason if one is not None else "ContainerCreating"
            why = (
                "trying and failing to pull image"
                if reason in ("ErrImagePull", "ImagePullBackOff")
                else reason
            )
            raise errors.bad_request(f'container "{name}" in pod "{meta["name"]}" is waiting to start: {why}')
        return run

    def _quiet_run(self, pod: Obj, name: str, *, previous: bool) -> Run:
        status: Obj = next(
            (one for one in pod["status"].get("containerStatuses") or () if one["name"] == name), {}
        )
        if previous and not status.get("restartCount"):
            raise errors.bad_request(
                f'previous terminated container "{name}" in pod "{pod["metadata"]["name"]}" not found'
            )
        key = (pod["metadata"]["uid"], name)
        if key not in self._quiet_runs:
            spec = next(one for one in pod["spec"]["containers"] if one["name"] == name)
            started = names.parse_time(pod["status"]["startTime"]).timestamp()
            self._quiet_runs[key] = Run(
                make_container(pod, spec, started=started, restarts=status.get("restartCount", 0))
            )
        return self._quiet_runs[key]

    def write_log(self, namespace: str, pod: str, container: str, lines: Iterable[bytes]) -> None:
        """Append lines to the log of a container. Raises ApiError."""
        entry = self._context.store.get("pods", namespace, pod)
        if entry is None:
            raise errors.not_found("pods", "", pod)
        run = self.run(entry, container)
        for line in lines:
            run.append(self._context.seconds(), line)

    def usage(self, entry: Entry) -> list[tuple[str, float, float]]:
        """Return (container, cores, bytes) for each running container of a pod."""
        pod = entry.obj
        runtime = self._kubelet.pods.get(entry.uid)
        behaviour, now = self._context.behaviour, self._context.seconds()
        if runtime is not None:
            running = [
                one for one in runtime.containers if one.phase == "running" and one.container is not None
            ]
            return [(one.name, one.state.cpu, one.state.memory) for one in running]
        if pod["status"].get("phase") != "Running" or "startTime" not in pod["status"]:
            return []
        started = names.parse_time(pod["status"]["startTime"]).timestamp()
        views = [make_container(pod, spec, started=started, restarts=0) for spec in pod["spec"]["containers"]]
        states = [(view.name, behaviour.state(view, now - started)) for view in views]
        return [(name, state.cpu, state.memory) for name, state in states]

    def workload(self, entry: Entry) -> str:
        """Return the name of the workload a pod belongs to."""
        spec = {"name": "", "image": ""}
        return make_container(entry.obj, spec, started=0.0, restarts=0).workload

    def starting(self) -> bool:
        """Return whether a container waits for its creation, its image or its readiness."""
        return any(
            (one.phase == "waiting" and one.due and one.reason == "ContainerCreating")
            or (
                one.phase == "running"
                and not one.ready
                and self._context.seconds() - one.started_at < one.plan.ready_seconds
            )
            for pod in self._kubelet.pods.values()
            for one in pod.containers
        )
