"""Pods from the wire to ``console.model.kube.Pod``, with the status word kubectl would print."""

from __future__ import annotations

from console.model.kube import ContainerStatus, Pod
from console.model.quantity import cores
from console.sources.kubernetes import wire
from console.sources.kubernetes.text import Shared, controller, created, prose, seconds, text, word

_EMPTY_SPEC = wire.PodSpec()
_EMPTY_STATUS = wire.PodStatus()

_containers: Shared[tuple[ContainerStatus, ...]] = Shared()
_numbers: Shared[float] = Shared()
_sizes: Shared[int] = Shared()


def project_pod(raw: wire.Pod, workload: str, before: Pod | None = None) -> Pod:
    """A pod record that is not judged yet (see ``sickness``).

    ``before`` is the record of the same pod that this one replaces: its usage stays until the next reading
    (see ``metrics``), and what did not change stays the identical object, which tables have as their key.
    """
    metadata = raw.metadata
    spec = raw.spec or _EMPTY_SPEC
    status = raw.status or _EMPTY_STATUS
    owner = controller(metadata)
    mains = status.container_statuses or ()
    containers = tuple(_container(item, init=False) for item in mains)
    if status.init_container_statuses:
        containers = (*(_container(item, init=True) for item in status.init_container_statuses), *containers)
    if all(item.state == "running" and item.last_finished is None for item in containers):
        containers = _containers(containers)  # nothing in them is of this pod alone
    ready = _condition(status, "Ready")
    uid, name, address = metadata.uid, text(metadata.name), text(status.pod_ip)
    if before is not None:
        uid, name = before.uid, before.name
        address = before.ip if before.ip == address else address
    return Pod(
        uid=uid,
        namespace=word(metadata.namespace),
        name=name,
        resource_version=text(metadata.resource_version),
        workload=workload,
        owner=word(f"{owner.kind}/{owner.name}") if owner else "",
        phase=word(status.phase or "Unknown"),
        reason=word(status_word(raw)),
        ready=ready is not None and ready.status == "True",
        ready_containers=sum(1 for item in mains if item.ready),
        restarts=sum(item.restart_count for item in mains),
        created=created(metadata),
        node=word(spec.node_name),
        ip=address,
        last_restart=max(
            (c.last_finished for c in containers if c.restarts and c.last_finished), default=None
        ),
        terminating=metadata.deletion_timestamp is not None,
        containers=containers,
        cpu=before.cpu if before is not None else None,
        memory=before.memory if before is not None else None,
        cpu_limit=_limit(spec, "cpu"),
        memory_limit=_memory_limit(spec),
        owner_uid=word(owner.uid) if owner else "",
        message=_message(status),
        deleted=seconds(metadata.deletion_timestamp),
    )


def _container(raw: wire.PodContainerStatus, *, init: bool) -> ContainerStatus:
    state = raw.state
    name, reason, message, exit_code = "waiting", "", "", None
    if state is not None:
        if state.running is not None:
            name = "running"
        elif state.terminated is not None:
            ended = state.terminated
            name, reason, message = "terminated", word(ended.reason), prose(ended.message)
            exit_code = ended.exit_code
        elif state.waiting is not None:
            reason, message = word(state.waiting.reason), prose(state.waiting.message)
    last = raw.last_state.terminated if raw.last_state is not None else None
    return ContainerStatus(
        name=word(raw.name),
        image=word(raw.image),
        ready=raw.ready,
        restarts=raw.restart_count,
        state=name,
        reason=reason,
        message=message,
        last_reason=word(last.reason) if last is not None else "",
        last_exit_code=last.exit_code if last is not None else None,
        last_finished=seconds(last.finished_at) if last is not None else None,
        init=init,
        exit_code=exit_code,
    )


def _condition(status: wire.PodStatus, kind: str) -> wire.Condition | None:
    for condition in status.conditions or ():
        if condition.type == kind:
            return condition
    return None


def _message(status: wire.PodStatus) -> str:
    scheduled = _condition(status, "PodScheduled")
    if scheduled is not None and scheduled.status == "False" and scheduled.reason == "Unschedulable":
        return prose(f"Unschedulable: {scheduled.message or 'no node fits'}")
    return prose(status.message)


def _limit(spec: wire.PodSpec, name: str) -> float | None:
    """The sum of a limit over all containers; None when one of them is unlimited."""
    total = 0.0
    for container in spec.containers or ():
        limits = container.resources.limits if container.resources is not None else None
        value = cores(str(limits[name])) if limits and name in limits else None
        if value is None:
            return None
        total += value
    return _numbers(total) if total else None


def _memory_limit(spec: wire.PodSpec) -> int | None:
    total = _limit(spec, "memory")
    return None if total is None else _sizes(int(total))


def status_word(raw: wire.Pod) -> str:
    """The STATUS column of ``kubectl get pods``, by the rules of printPod in kubernetes/pkg/printers."""
    status = raw.status or _EMPTY_STATUS
    result = status.reason or status.phase or "Unknown"
    scheduled = _condition(status, "PodScheduled")
    if scheduled is not None and scheduled.reason == "SchedulingGated":
        result = "SchedulingGated"
    result = _init_word(raw) or _main_word(status, result)
    if raw.metadata.deletion_timestamp is not None:
        if status.reason == "NodeLost":
            return "Unknown"
        if status.phase not in ("Succeeded", "Failed"):
            return "Terminating"
    return result


def _init_word(raw: wire.Pod) -> str:
    """``Init:…`` while an init container holds the pod up, else an empty string."""
    inits = (raw.spec or _EMPTY_SPEC).init_containers or []
    sidecars = {item.name for item in inits if item.restart_policy == "Always"}
    for index, item in enumerate((raw.status or _EMPTY_STATUS).init_container_statuses or ()):
        state = item.state or wire.ContainerState()
        if state.terminated is not None and state.terminated.exit_code == 0:
            continue
        if item.name in sidecars and item.started:
            continue
        if state.terminated is not None:
            return f"Init:{_ending(state.terminated)}"
        if state.waiting is not None and state.waiting.reason not in (None, "", "PodInitializing"):
            return f"Init:{state.waiting.reason}"
        return f"Init:{index}/{len(inits)}"
    return ""


def _main_word(status: wire.PodStatus, result: str) -> str:
    running = False
    for item in reversed(status.container_statuses or []):
        state = item.state or wire.ContainerState()
        if state.waiting is not None and state.waiting.reason:
            result = state.waiting.reason
        elif state.terminated is not None:
            result = _ending(state.terminated)
        elif item.ready and state.running is not None:
            running = True
    if result == "Completed" and running:
        ready = _condition(status, "Ready")
        return "Running" if ready is not None and ready.status == "True" else "NotReady"
    return result


def _ending(ended: wire.Terminated) -> str:
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exit_code}"
