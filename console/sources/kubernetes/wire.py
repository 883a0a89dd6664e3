"""The few fields of Kubernetes objects that are read, as the API server writes them.

Private to this package: ``pods``, ``workloads`` and ``objects`` project these and the shapes of
``wire_objects`` to the records of ``console.model.kube``. Everything may be absent or null, because Go
omits empty values.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")
Quantities = dict[str, str | int | float]
Body = bytes | bytearray
"""An answer as it came."""


class Wire(msgspec.Struct, gc=False, rename="camel"):
    """Base of all shapes: camelCase on the wire, unknown fields ignored."""


class OwnerReference(Wire):
    """Who owns an object; at most one owner is the controller."""

    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Metadata(Wire):
    """Object metadata without managedFields, which are 39 % of a pod."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: list[OwnerReference] | None = None


class Condition(Wire):
    """A condition of any object."""

    type: str = ""
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None


class Resources(Wire):
    """Requests and limits of a container."""

    limits: Quantities | None = None
    requests: Quantities | None = None


class KeySelector(Wire):
    """A key of a Secret or a ConfigMap."""

    name: str | None = None
    key: str | None = None


class FieldSelector(Wire):
    """A field of the pod itself, or one of its resources."""

    field_path: str | None = None
    resource: str | None = None


class EnvSource(Wire):
    """Where the value of a variable comes from."""

    secret_key_ref: KeySelector | None = None
    config_map_key_ref: KeySelector | None = None
    field_ref: FieldSelector | None = None
    resource_field_ref: FieldSelector | None = None


class EnvVar(Wire):
    """One environment variable."""

    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class EnvFrom(Wire):
    """All keys of a Secret or a ConfigMap as variables."""

    secret_ref: KeySelector | None = None
    config_map_ref: KeySelector | None = None


class Container(Wire):
    """A container of a pod template."""

    name: str = ""
    image: str | None = None
    env: list[EnvVar] | None = None
    env_from: list[EnvFrom] | None = None
    resources: Resources | None = None


class TemplateSpec(Wire):
    """The pod spec of a template."""

    containers: list[Container] | None = None


class TemplateMetadata(Wire):
    """Labels and annotations of a pod template."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Template(Wire):
    """A pod template."""

    metadata: TemplateMetadata | None = None
    spec: TemplateSpec | None = None


class PodContainer(Wire):
    """A container of a pod: only what its limits and its kind need."""

    name: str = ""
    resources: Resources | None = None
    restart_policy: str | None = None


class PodSpec(Wire):
    """The spec of a pod."""

    node_name: str | None = None
    containers: list[PodContainer] | None = None
    init_containers: list[PodContainer] | None = None


class Waiting(Wire):
    """A container that has not started."""

    reason: str | None = None
    message: str | None = None


class Running(Wire):
    """A container that runs; that it is there says it."""


class Terminated(Wire):
    """A container that has ended."""

    exit_code: int = 0
    signal: int | None = None
    reason: str | None = None
    message: str | None = None
    finished_at: datetime | None = None


class ContainerState(Wire):
    """Exactly one of the three is set; none means waiting."""

    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class PodContainerStatus(Wire):
    """The status of a container of a pod."""

    name: str = ""
    image: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    state: ContainerState | None = None
    last_state: ContainerState | None = None


class PodStatus(Wire):
    """The status of a pod."""

    phase: str = ""
    reason: str | None = None
    message: str | None = None
    pod_ip: str | None = msgspec.field(name="podIP", default=None)
    conditions: list[Condition] | None = None
    container_statuses: list[PodContainerStatus] | None = None
    init_container_statuses: list[PodContainerStatus] | None = None


class Pod(Wire):
    """v1 Pod."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: PodSpec | None = None
    status: PodStatus | None = None


class StatusCause(Wire):
    """One cause of a refusal."""

    reason: str | None = None
    message: str | None = None
    field: str | None = None


class StatusDetails(Wire):
    """Details of a refusal."""

    causes: list[StatusCause] | None = None
    retry_after_seconds: int | None = None


class ListMetadata(Wire):
    """Where a list stands and how to go on with it."""

    resource_version: str = ""
    continue_: str | None = msgspec.field(name="continue", default=None)


class Status(Wire):
    """v1 Status, the body of every refusal."""

    metadata: ListMetadata | None = None
    message: str | None = None
    reason: str | None = None
    code: int | None = None
    details: StatusDetails | None = None


class ErrorEvent(Wire):
    """A watch event of type ERROR."""

    object: Status | None = None


class Page(Wire, Generic[T]):
    """One page of a list."""

    metadata: ListMetadata = msgspec.field(default_factory=ListMetadata)
    items: list[T] | None = None


class Change(Wire, Generic[T]):
    """A watch event of type ADDED, MODIFIED, DELETED or BOOKMARK."""

    object: T
    type: str = ""
