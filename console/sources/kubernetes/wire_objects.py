"""Shapes of workloads, nodes, autoscalers, budgets and events on the wire; see ``wire``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from console.sources.kubernetes.wire import Condition, Metadata, Quantities, Template, Wire


class Requirement(Wire):
    """One expression of a label selector."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(Wire):
    """A label selector."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class WorkloadSpec(Wire):
    """The spec of a Deployment, StatefulSet, DaemonSet, ReplicaSet or Job."""

    replicas: int | None = None
    parallelism: int | None = None
    completions: int | None = None
    suspend: bool | None = None
    paused: bool | None = None
    selector: Selector | None = None
    template: Template | None = None


class WorkloadStatus(Wire):
    """The status of any of those kinds; each fills its own fields."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    updated_replicas: int = 0
    desired_number_scheduled: int = 0
    number_ready: int = 0
    updated_number_scheduled: int = 0
    succeeded: int = 0
    conditions: list[Condition] | None = None


class Workload(Wire):
    """apps/v1 Deployment, StatefulSet, DaemonSet, ReplicaSet and batch/v1 Job."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: WorkloadSpec | None = None
    status: WorkloadStatus | None = None


class RevisionData(Wire):
    """The part of a workload that a ControllerRevision keeps."""

    spec: WorkloadSpec | None = None


class ControllerRevision(Wire):
    """apps/v1 ControllerRevision of a StatefulSet or DaemonSet."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    revision: int = 0
    data: RevisionData | None = None


class NodeSpec(Wire):
    """The spec of a node."""

    unschedulable: bool | None = None


class NodeStatus(Wire):
    """The status of a node."""

    allocatable: Quantities | None = None
    conditions: list[Condition] | None = None


class Node(Wire):
    """v1 Node."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: NodeSpec | None = None
    status: NodeStatus | None = None


class ScaleTarget(Wire):
    """What an autoscaler sets."""

    kind: str = ""
    name: str = ""


class HpaSpec(Wire):
    """The spec of an autoscaler; v1 and v2 agree on these fields."""

    scale_target_ref: ScaleTarget | None = None
    min_replicas: int | None = None
    max_replicas: int = 0


class Hpa(Wire):
    """autoscaling/v2 or v1 HorizontalPodAutoscaler."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: HpaSpec | None = None


class PdbSpec(Wire):
    """The spec of a disruption budget."""

    selector: Selector | None = None
    unhealthy_pod_eviction_policy: str | None = None


class PdbStatus(Wire):
    """The status of a disruption budget."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    conditions: list[Condition] | None = None


class Pdb(Wire):
    """policy/v1 PodDisruptionBudget."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PdbSpec | None = None
    status: PdbStatus | None = None


class ObjectReference(Wire):
    """The object that an event is about."""

    kind: str = ""
    name: str = ""
    namespace: str | None = None


class EventSeries(Wire):
    """Repetitions of an event."""

    count: int = 0
    last_observed_time: datetime | None = None


class Event(Wire):
    """v1 Event."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    involved_object: ObjectReference | None = None
    reason: str | None = None
    message: str | None = None
    count: int | None = None
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: EventSeries | None = None
