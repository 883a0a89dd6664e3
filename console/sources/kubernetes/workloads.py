"""Workloads and their revisions from the wire to the records of ``console.model.kube``."""

from __future__ import annotations

from console.model.kube import ContainerSpec, Revision, Workload
from console.model.quantity import cores, size
from console.model.redact import MASK
from console.model.secret_names import is_secret_name
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.text import Pairs, controller, created, pairs, prose, seconds, text, word

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

_SPEC = shapes.WorkloadSpec()
_STATUS = shapes.WorkloadStatus()


def project_workload(kind: str, raw: shapes.Workload) -> Workload:
    """A workload row before its pods are counted in; ``kind`` is the API kind, such as Deployment."""
    metadata, spec, status = raw.metadata, raw.spec or _SPEC, raw.status or _STATUS
    desired, ready, updated = _counts(kind, spec, status)
    progressing, message, finished = _progress(kind, status)
    return Workload(
        uid=metadata.uid,
        kind=kind,
        namespace=word(metadata.namespace),
        name=word(metadata.name),
        resource_version=text(metadata.resource_version),
        generation=metadata.generation,
        observed_generation=status.observed_generation if kind != "Job" else metadata.generation,
        desired=desired,
        ready=ready,
        updated=updated,
        created=created(metadata),
        containers=project_containers(spec.template),
        revision=_number((metadata.annotations or {}).get(REVISION)),
        paused=bool(spec.paused or spec.suspend),
        progressing=progressing,
        message=message,
        selector=pairs(spec.selector.match_labels if spec.selector else None),
        labels=_labels(spec.template),
        managed_by=gitops_owner(metadata),
        finished=finished,
    )


def _labels(template: wire.Template | None) -> Pairs:
    """The labels that a workload gives its pods."""
    return pairs(template.metadata.labels) if template is not None and template.metadata is not None else ()


def _counts(kind: str, spec: shapes.WorkloadSpec, status: shapes.WorkloadStatus) -> tuple[int, int, int]:
    """How many are desired, ready and updated; of a Job, completed."""
    if kind == "DaemonSet":
        return status.desired_number_scheduled, status.number_ready, status.updated_number_scheduled
    if kind == "Job":
        wanted = spec.completions if spec.completions is not None else spec.parallelism
        return 1 if wanted is None else wanted, status.succeeded, status.succeeded
    desired = 1 if spec.replicas is None else spec.replicas
    return desired, status.ready_replicas, status.updated_replicas


def _progress(kind: str, status: shapes.WorkloadStatus) -> tuple[str, str, float | None]:
    """The reason of the Progressing (or of a Job's last) condition, what is wrong, and when a Job ended."""
    reason, message, finished = "", "", None
    for condition in status.conditions or ():
        true = condition.status == "True"
        if condition.type == "Progressing":
            reason = word(condition.reason)
            if condition.status == "False":
                message = prose(condition.message)
        elif condition.type == "ReplicaFailure" and true:
            message = prose(f"{condition.reason or 'ReplicaFailure'}: {condition.message or ''}")
        elif kind == "Job" and condition.type in ("Complete", "Failed") and true:
            reason = condition.type
            finished = seconds(condition.last_transition_time)
            if condition.type == "Failed":
                message = prose(f"{condition.reason or 'Failed'}: {condition.message or ''}")
    return reason, message, finished


def rollout_finished(raw: shapes.Workload) -> float | None:
    """When the latest rollout of a Deployment completed, by its Progressing condition."""
    for condition in (raw.status or _STATUS).conditions or ():
        if condition.type == "Progressing" and condition.reason == "NewReplicaSetAvailable":
            return seconds(condition.last_update_time)
    return None


def project_replicaset(raw: shapes.Workload, workload: str) -> Revision:
    """A ReplicaSet as a revision of ``workload`` (``Deployment/name``)."""
    metadata, status = raw.metadata, raw.status or _STATUS
    template = (raw.spec or _SPEC).template
    annotations = metadata.annotations or {}
    return Revision(
        number=_number(annotations.get(REVISION)) or 0,
        name=text(metadata.name),
        uid=metadata.uid,
        workload=workload,
        namespace=word(metadata.namespace),
        created=created(metadata),
        containers=project_containers(template),
        replicas=status.replicas,
        ready=status.ready_replicas,
        change_cause=prose(annotations.get(CHANGE_CAUSE)),
        restarted_at=_restarted_at(template),
    )


def project_controllerrevision(raw: shapes.ControllerRevision, workload: str) -> Revision:
    """A ControllerRevision as a revision of ``workload`` (``StatefulSet/name`` or ``DaemonSet/name``)."""
    metadata = raw.metadata
    template = raw.data.spec.template if raw.data is not None and raw.data.spec is not None else None
    return Revision(
        number=raw.revision,
        name=text(metadata.name),
        uid=metadata.uid,
        workload=workload,
        namespace=word(metadata.namespace),
        created=created(metadata),
        containers=project_containers(template),
        change_cause=prose((metadata.annotations or {}).get(CHANGE_CAUSE)),
        restarted_at=_restarted_at(template),
    )


def _restarted_at(template: wire.Template | None) -> str:
    metadata = template.metadata if template is not None else None
    return text((metadata.annotations or {}).get(RESTARTED_AT)) if metadata is not None else ""


def project_containers(template: wire.Template | None) -> tuple[ContainerSpec, ...]:
    """The containers of a pod template, environment redacted."""
    spec = template.spec if template is not None else None
    return tuple(_container(item) for item in (spec.containers or ())) if spec is not None else ()


def _container(raw: wire.Container) -> ContainerSpec:
    resources = raw.resources or wire.Resources()
    limits, requests = resources.limits or {}, resources.requests or {}
    return ContainerSpec(
        name=word(raw.name),
        image=word(raw.image),
        env=_environment(raw),
        cpu_request=cores(_quantity(requests, "cpu")),
        cpu_limit=cores(_quantity(limits, "cpu")),
        memory_request=size(_quantity(requests, "memory")),
        memory_limit=size(_quantity(limits, "memory")),
    )


def _quantity(values: wire.Quantities, name: str) -> str | None:
    return str(values[name]) if name in values else None


def _environment(raw: wire.Container) -> tuple[tuple[str, str], ...]:
    """Name and value of each variable; a reference is named, a value that may be secret is masked."""
    found = [(word(item.name), _env_value(item)) for item in raw.env or ()]
    for source in raw.env_from or ():
        if source.secret_ref is not None:
            found.append(("*", word(f"all of secret {source.secret_ref.name}")))
        elif source.config_map_ref is not None:
            found.append(("*", word(f"all of configmap {source.config_map_ref.name}")))
    return tuple(found)


def _env_value(item: wire.EnvVar) -> str:
    source = item.value_from
    if source is None:
        if item.value and is_secret_name(item.name):
            return MASK
        return word(prose(item.value))
    if source.secret_key_ref is not None:
        return word(f"secret {source.secret_key_ref.name}/{source.secret_key_ref.key}")
    if source.config_map_key_ref is not None:
        return word(f"configmap {source.config_map_key_ref.name}/{source.config_map_key_ref.key}")
    if source.field_ref is not None:
        return word(f"field {source.field_ref.field_path}")
    if source.resource_field_ref is not None:
        return word(f"resource {source.resource_field_ref.resource}")
    return ""


def _number(value: str | None) -> int | None:
    return int(value) if value is not None and value.isascii() and value.isdigit() else None


def gitops_owner(metadata: wire.Metadata) -> str:
    """Who would set the object back: ``Argo CD app X``, ``Flux …``, ``Helm release X``, or nobody ("").

    Argo CD marks by tracking id or its own instance label, Flux by the labels of its controllers; a Helm
    release does not revert a change, but its next upgrade does.
    """
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    tracking = annotations.get("argocd.argoproj.io/tracking-id", "").split(":", 1)[0]
    app = tracking or labels.get("argocd.argoproj.io/instance", "")
    if app:
        return word(f"Argo CD app {app}")
    for prefix, what in (
        ("kustomize.toolkit.fluxcd.io", "Flux Kustomization"),
        ("helm.toolkit.fluxcd.io", "Flux HelmRelease"),
    ):
        if labels.get(f"{prefix}/name"):
            return word(f"{what} {labels[f'{prefix}/name']}")
    release = annotations.get("meta.helm.sh/release-name", "")
    if release:
        return word(f"Helm release {release}")
    if labels.get("app.kubernetes.io/managed-by") == "Helm":
        return word(f"Helm release {labels.get('app.kubernetes.io/instance') or '(unnamed)'}")
    return ""


def owner_key(metadata: wire.Metadata) -> str:
    """``Kind/name`` of the controller of an object, or an empty string."""
    owner = controller(metadata)
    return word(f"{owner.kind}/{owner.name}") if owner is not None else ""
