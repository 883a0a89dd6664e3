"""Kubernetes as the console knows it: the few fields of each object that the screen and the plans need.

All strings are cleaned, environment values redacted, times unix seconds, memory bytes, CPU cores.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, ValuesView

import msgspec

from console.model.budgets import Budget
from console.model.plan import Change
from console.model.quantity import format_cores, format_size


class ContainerSpec(msgspec.Struct, frozen=True, gc=False):
    """A container of a pod template: image, redacted environment, requests and limits (None: unset)."""

    name: str
    image: str
    env: tuple[tuple[str, str], ...] = ()
    cpu_request: float | None = None
    cpu_limit: float | None = None
    memory_request: int | None = None
    memory_limit: int | None = None


class ContainerStatus(msgspec.Struct, frozen=True, gc=False):
    """A container of a running pod. ``state`` is running, waiting or terminated, with its reason.

    ``exit_code`` belongs to a terminated state, ``last_*`` to the termination before the present state.
    """

    name: str
    image: str
    ready: bool
    restarts: int
    state: str
    reason: str = ""
    message: str = ""
    last_reason: str = ""
    last_exit_code: int | None = None
    last_finished: float | None = None
    init: bool = False
    exit_code: int | None = None


class Pod(msgspec.Struct, frozen=True, gc=False):
    """A pod, projected. ``workload`` is ``Kind/name`` of the owner that a person would name.

    ``reason`` is the kubectl-like status word (Running, CrashLoopBackOff, OOMKilled, Pending, Completed…);
    ``sick`` and ``why`` say whether and why the pod needs attention (a Completed job is not sick).
    ``owner`` is the direct controller as ``Kind/name`` with ``owner_uid``; ``message`` the server's own
    explanation of the phase; ``deleted`` when the grace period of a terminating pod ends.
    """

    uid: str
    namespace: str
    name: str
    resource_version: str
    workload: str
    owner: str
    phase: str
    reason: str
    ready: bool
    ready_containers: int
    restarts: int
    created: float
    node: str = ""
    ip: str = ""
    sick: bool = False
    why: str = ""
    severity: int = 0
    last_restart: float | None = None
    terminating: bool = False
    containers: tuple[ContainerStatus, ...] = ()
    cpu: float | None = None
    memory: int | None = None
    cpu_limit: float | None = None
    memory_limit: int | None = None
    owner_uid: str = ""
    message: str = ""
    deleted: float | None = None


class Revision(msgspec.Struct, frozen=True, gc=False):
    """One revision of a workload: a ReplicaSet of a Deployment, or a ControllerRevision."""

    number: int
    name: str
    uid: str
    workload: str
    namespace: str
    created: float
    containers: tuple[ContainerSpec, ...]
    replicas: int = 0
    ready: int = 0
    change_cause: str = ""
    restarted_at: str = ""

    @property
    def images(self) -> tuple[str, ...]:
        """The images, in container order."""
        return tuple(container.image for container in self.containers)


class Workload(msgspec.Struct, frozen=True, gc=False):
    """A Deployment, StatefulSet, DaemonSet or Job as a row of the pods pane.

    ``pods`` counts what exists, ``sick_pods`` those that need attention; ``managed_by`` names the GitOps
    owner ("Argo CD app shop"), ``hpa`` the autoscaler that would undo a scale. A pod without a controller
    is a row of kind Pod; pods of a controller that cannot be seen make a row without resource_version.
    For a Job, ``ready`` counts completions, and ``finished`` is when it ended. ``labels`` are those that its
    pods get.
    """

    uid: str
    kind: str
    namespace: str
    name: str
    resource_version: str
    generation: int
    observed_generation: int
    desired: int
    ready: int
    updated: int
    created: float
    containers: tuple[ContainerSpec, ...] = ()
    revision: int | None = None
    revision_at: float | None = None
    paused: bool = False
    progressing: str = ""
    message: str = ""
    selector: tuple[tuple[str, str], ...] = ()
    managed_by: str = ""
    hpa: str = ""
    pods: int = 0
    sick_pods: int = 0
    restarts: int = 0
    last_restart: float | None = None
    sick: bool = False
    why: str = ""
    severity: int = 0
    cpu: float | None = None
    memory: int | None = None
    cpu_limit: float | None = None
    memory_limit: int | None = None
    finished: float | None = None
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """``Kind/name``, the form pods refer to in their ``workload`` field."""
        return f"{self.kind}/{self.name}"


class Node(msgspec.Struct, frozen=True, gc=False):
    """A node: readiness, pressure conditions and what can be allocated."""

    uid: str
    name: str
    ready: bool
    unschedulable: bool
    pressures: tuple[str, ...]
    cpu: float
    memory: int
    why: str = ""


class Hpa(msgspec.Struct, frozen=True, gc=False):
    """A horizontal pod autoscaler and the workload (``Kind/name``) it sets."""

    uid: str
    namespace: str
    name: str
    workload: str
    minimum: int
    maximum: int


class Event(msgspec.Struct, frozen=True, gc=False):
    """A Warning event about an object (``Kind/name``)."""

    uid: str
    namespace: str
    about: str
    reason: str
    message: str
    count: int
    last: float


WorkloadKey = tuple[str, str]
"""Namespace and ``Kind/name`` of a workload."""


class Pods(Mapping[str, Pod]):
    """The pods of a snapshot by uid, and by their workload: ``groups``. ``sick`` are those that are."""

    __slots__ = ("_by_uid", "groups", "sick")

    def __init__(
        self,
        by_uid: Mapping[str, Pod],
        groups: Mapping[WorkloadKey, Mapping[str, Pod]],
        sick: Mapping[str, Pod],
    ) -> None:
        self._by_uid = by_uid
        self.groups = groups
        self.sick = sick

    @classmethod
    def of(cls, pods: Iterable[Pod]) -> Pods:
        """These pods."""
        by_uid = {pod.uid: pod for pod in pods}
        groups: dict[WorkloadKey, dict[str, Pod]] = {}
        for uid, pod in by_uid.items():
            groups.setdefault((pod.namespace, pod.workload), {})[uid] = pod
        return cls(by_uid, groups, {uid: pod for uid, pod in by_uid.items() if pod.sick})

    def __getitem__(self, uid: str) -> Pod:
        return self._by_uid[uid]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_uid)

    def __len__(self) -> int:
        return len(self._by_uid)

    def __repr__(self) -> str:
        return f"Pods.of({list(self.values())!r})"

    def values(self) -> ValuesView[Pod]:
        """All pods."""
        return self._by_uid.values()

    def members(self, workload: Workload) -> Mapping[str, Pod]:
        """The pods of a workload."""
        return self.groups.get((workload.namespace, workload.key), {})


class KubeSnapshot(msgspec.Struct, frozen=True):
    """What one context looks like now. Mappings are keyed by uid and never mutated after publication.

    Unchanged records are the identical objects of the previous snapshot, so that a reader compares with
    ``is``. ``denied`` maps a kind that the server refuses to the reason; ``synced`` names the kinds whose
    list is complete. ``metrics`` is False while metrics.k8s.io does not answer.
    """

    context: str
    namespaces: tuple[str, ...]
    server: str
    version: str
    at: float
    pods: Pods
    workloads: Mapping[str, Workload]
    revisions: Mapping[str, Revision]
    nodes: Mapping[str, Node]
    events: Mapping[str, Event]
    denied: Mapping[str, str]
    synced: frozenset[str]
    metrics: bool = False
    budgets: Mapping[str, Budget] = {}


def differences(before: Revision, after: Revision) -> tuple[Change, ...]:
    """What ``after`` changes: images, environment, requests and limits, containers, time of a restart.

    Paths are ``app: image``, ``app: env KEY`` and so on; an absent value is an empty string. Two different
    secrets are both masked and so look equal.
    """
    old = {container.name: container for container in before.containers}
    new = {container.name: container for container in after.containers}
    found: list[Change] = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name), new.get(name)
        if one is None or other is None:
            found.append(Change(f"{name}: container", one.image if one else "", other.image if other else ""))
            continue
        found.extend(_container_differences(name, one, other))
    if before.restarted_at != after.restarted_at:
        found.append(Change("restarted at", before.restarted_at, after.restarted_at))
    return tuple(found)


def _container_differences(name: str, one: ContainerSpec, other: ContainerSpec) -> list[Change]:
    found = [
        Change(f"{name}: {what}", before, after)
        for what, before, after in (
            ("image", one.image, other.image),
            ("cpu request", format_cores(one.cpu_request), format_cores(other.cpu_request)),
            ("cpu limit", format_cores(one.cpu_limit), format_cores(other.cpu_limit)),
            ("memory request", format_size(one.memory_request), format_size(other.memory_request)),
            ("memory limit", format_size(one.memory_limit), format_size(other.memory_limit)),
        )
        if before != after
    ]
    old, new = dict(one.env), dict(other.env)
    found.extend(
        Change(f"{name}: env {key}", old.get(key, ""), new.get(key, ""))
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    )
    return found
