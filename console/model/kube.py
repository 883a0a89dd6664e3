"""Kubernetes as the console knows it: the few fields of each object that the screen and the plans need.

All strings are cleaned, environment values redacted, times unix seconds, memory bytes, CPU cores.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


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
    """A container of a running pod. ``state`` is running, waiting or terminated, with its reason."""

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


class Pod(msgspec.Struct, frozen=True, gc=False):
    """A pod, projected. ``workload`` is ``Kind/name`` of the owner that a person would name.

    ``reason`` is the kubectl-like status word (Running, CrashLoopBackOff, OOMKilled, Pending, Completed…);
    ``sick`` and ``why`` say whether and why the pod needs attention (a Completed job is not sick).
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
    template_hash: str = ""
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
    labels: tuple[tuple[str, str], ...] = ()


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
    template_hash: str = ""
    restarted_at: str = ""

    @property
    def images(self) -> tuple[str, ...]:
        """The images, in container order."""
        return tuple(container.image for container in self.containers)


class Workload(msgspec.Struct, frozen=True, gc=False):
    """A Deployment, StatefulSet, DaemonSet or Job as a row of the pods pane.

    ``pods`` counts what exists, ``sick_pods`` those that need attention; ``managed_by`` names the GitOps
    owner ("Argo CD app shop"), ``hpa`` the autoscaler that would undo a scale.
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
    available: int
    created: float
    containers: tuple[ContainerSpec, ...] = ()
    revision: int | None = None
    revision_at: float | None = None
    strategy: str = ""
    max_surge: str = ""
    max_unavailable: str = ""
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
    version: str = ""
    why: str = ""


class Hpa(msgspec.Struct, frozen=True, gc=False):
    """A horizontal pod autoscaler and the workload (``Kind/name``) it sets."""

    uid: str
    namespace: str
    name: str
    workload: str
    minimum: int
    maximum: int
    current: int
    desired: int


class Pdb(msgspec.Struct, frozen=True, gc=False):
    """A pod disruption budget, with its selector as label pairs."""

    uid: str
    namespace: str
    name: str
    allowed: int
    healthy: int
    desired_healthy: int
    expected: int
    selector: tuple[tuple[str, str], ...]


class Event(msgspec.Struct, frozen=True, gc=False):
    """A Warning event about an object (``Kind/name``)."""

    uid: str
    namespace: str
    about: str
    reason: str
    message: str
    count: int
    first: float
    last: float


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
    pods: Mapping[str, Pod]
    workloads: Mapping[str, Workload]
    revisions: Mapping[str, Revision]
    nodes: Mapping[str, Node]
    hpas: Mapping[str, Hpa]
    pdbs: Mapping[str, Pdb]
    events: Mapping[str, Event]
    denied: Mapping[str, str]
    synced: frozenset[str]
    metrics: bool = False
