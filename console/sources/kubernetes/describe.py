"""Pods and workloads in words, with their events: read fresh from the server when somebody asks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from console.model.logs import Description
from console.model.redact import redact_value
from console.model.text import clean
from console.sources.kubernetes import disruption
from console.sources.kubernetes.connection import PATIENCE, Connection
from console.sources.kubernetes.disruption import Known
from console.sources.kubernetes.errors import KubeError, garbled
from console.sources.kubernetes.kinds import path
from console.sources.kubernetes.text import prose

Obj = dict[str, Any]
Section = tuple[str, tuple[str, ...]]

_ROOTS = {
    "pod": ("/api/v1", "pods"),
    "deployment": ("/apis/apps/v1", "deployments"),
    "statefulset": ("/apis/apps/v1", "statefulsets"),
    "daemonset": ("/apis/apps/v1", "daemonsets"),
    "replicaset": ("/apis/apps/v1", "replicasets"),
    "job": ("/apis/batch/v1", "jobs"),
}
_LINE = 500


async def describe(connection: Connection, kind: str, namespace: str, name: str, known: Known) -> Description:
    """Everything known of an object, with its events; ``kind`` is Pod, Deployment and so on, in any case.

    ``known`` are the disruption budgets that are watched; they are not asked for.
    Secrets are masked and all text is cleaned. Raises KubeError.
    """
    root, resource = _ROOTS.get(kind.lower(), ("", ""))
    if not root:
        raise KubeError(f"a {kind} cannot be described", "choose a pod or a workload")
    whole = await _object(connection, path(root, resource, namespace, name))
    budgets = (disruption.pod_lines if resource == "pods" else disruption.workload_lines)(whole, known)
    obj = _masked(whole)
    events = await _events(connection, namespace, _of(obj, "metadata").get("uid", ""))
    sections = [
        _overview(obj),
        (disruption.TITLE, budgets),
        *(_pod(obj) if resource == "pods" else _workload(obj)),
        events,
    ]
    return Description(
        clean(f"{kind} {namespace}/{name}"),
        tuple((title, tuple(clean(line, _LINE) for line in lines)) for title, lines in sections if lines),
    )


async def _object(connection: Connection, where: str) -> Obj:
    body = await connection.get(where, patience=PATIENCE)
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise garbled(where, error) from None


def _masked(obj: Obj) -> Obj:
    masked = redact_value(obj)
    assert isinstance(masked, dict)
    return masked


async def _events(connection: Connection, namespace: str, uid: str) -> Section:
    """The events of one object, newest last; that they may not be read is said instead."""
    try:
        listed = await connection.get(
            path("/api/v1", "events", namespace),
            {"fieldSelector": f"involvedObject.uid={uid}"},
            patience=PATIENCE,
        )
        found = msgspec.json.decode(listed, type=dict[str, Any])
    except KubeError as error:
        return "Events", (f"cannot be read: {error.reason}",)
    except msgspec.MsgspecError as error:
        return "Events", (garbled("events", error).reason,)
    items: list[Obj] = sorted(found.get("items") or (), key=_event_time)
    lines = [
        f"{_event_time(item)} {item.get('type', '')} {item.get('reason', '')}"
        f"{_times(item)}: {prose(str(item.get('message') or ''), _LINE)}"
        for item in items
    ]
    return "Events", tuple(lines) or ("none; the server forgets events after an hour",)


def _event_time(item: Obj) -> str:
    series = _of(item, "series")
    created = _of(item, "metadata").get("creationTimestamp")
    return str(
        series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime") or created or ""
    )


def _times(item: Obj) -> str:
    count = max(int(item.get("count") or 1), int(_of(item, "series").get("count") or 0))
    return f" ({count} times)" if count > 1 else ""


def _of(obj: Mapping[str, Any], *keys: str) -> Obj:
    """A nested mapping, empty where something on the way is missing."""
    found: Any = obj
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, dict) else {}


def _list(obj: Mapping[str, Any], *keys: str) -> list[Obj]:
    found = _of(obj, *keys[:-1]).get(keys[-1])
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _facts(pairs: Iterable[tuple[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{name}: {value}" for name, value in pairs if value not in (None, "", {}, []))


def _map(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key}={value}" for key, value in sorted(values.items()))


def _overview(obj: Obj) -> Section:
    metadata, spec, status = _of(obj, "metadata"), _of(obj, "spec"), _of(obj, "status")
    owners = (f"{o.get('kind')}/{o.get('name')}" for o in _list(obj, "metadata", "ownerReferences"))
    noted = {
        key: value
        for key, value in _of(metadata, "annotations").items()
        if key != "kubectl.kubernetes.io/last-applied-configuration"
    }
    return "Overview", _facts(
        (
            ("Created", metadata.get("creationTimestamp")),
            ("Deleted", metadata.get("deletionTimestamp")),
            ("Owner", ", ".join(owners)),
            ("Labels", _map(_of(metadata, "labels"))),
            ("Annotations", _map(noted)),
            ("Status", " ".join(str(status[key]) for key in ("phase", "reason") if status.get(key))),
            ("Message", status.get("message")),
            ("Node", spec.get("nodeName")),
            ("IP", status.get("podIP")),
            ("Started", status.get("startTime")),
            ("QoS", status.get("qosClass")),
            ("Priority", spec.get("priorityClassName")),
            ("Service account", spec.get("serviceAccountName")),
        )
    )


def _pod(obj: Obj) -> list[Section]:
    spec, status = _of(obj, "spec"), _of(obj, "status")
    states = {
        item.get("name"): item
        for key in ("initContainerStatuses", "containerStatuses")
        for item in _list(status, key)
    }
    found: list[Section] = []
    for key, label in (("initContainers", "Init container"), ("containers", "Container")):
        for item in _list(spec, key):
            state = states.get(item.get("name"), {})
            found.append((f"{label} {item.get('name')}", (*_container(item), *_states(state))))
    return [
        *found,
        _conditions(obj),
        ("Volumes", tuple(_volume(item) for item in _list(spec, "volumes"))),
        ("Tolerations", tuple(_toleration(item) for item in _list(spec, "tolerations"))),
        ("Node selector", _facts(sorted(_of(spec, "nodeSelector").items()))),
    ]


def _workload(obj: Obj) -> list[Section]:
    spec, status = _of(obj, "spec"), _of(obj, "status")
    strategy = _of(spec, "strategy") or _of(spec, "updateStrategy")
    counts = {key: value for key, value in status.items() if isinstance(value, int)}
    template = _of(spec, "template", "spec")
    return [
        (
            "Rollout",
            _facts(
                (
                    ("Replicas", spec.get("replicas")),
                    ("Status", _map(counts)),
                    ("Selector", _map(_of(spec, "selector", "matchLabels"))),
                    ("Strategy", strategy.get("type")),
                    ("Bounds", _map(_of(strategy, "rollingUpdate"))),
                    ("Paused", spec.get("paused") or spec.get("suspend")),
                    ("Progress deadline", spec.get("progressDeadlineSeconds")),
                    ("History limit", spec.get("revisionHistoryLimit")),
                )
            ),
        ),
        *(
            (f"Container {item.get('name')}", _container(item))
            for item in (*_list(template, "initContainers"), *_list(template, "containers"))
        ),
        _conditions(obj),
        ("Volumes", tuple(_volume(item) for item in _list(template, "volumes"))),
    ]


def _container(item: Obj) -> tuple[str, ...]:
    ports = (f"{port.get('containerPort')}/{port.get('protocol', 'TCP')}" for port in _list(item, "ports"))
    mounts = (f"{mount.get('mountPath')} from {mount.get('name')}" for mount in _list(item, "volumeMounts"))
    command = [*(item.get("command") or ()), *(item.get("args") or ())]
    return (
        *_facts(
            (
                ("Image", item.get("image")),
                ("Command", " ".join(map(str, command))),
                ("Ports", ", ".join(ports)),
                ("Requests", _map(_of(item, "resources", "requests"))),
                ("Limits", _map(_of(item, "resources", "limits"))),
                ("Startup", _probe(_of(item, "startupProbe"))),
                ("Readiness", _probe(_of(item, "readinessProbe"))),
                ("Liveness", _probe(_of(item, "livenessProbe"))),
                ("Mounts", ", ".join(mounts)),
            )
        ),
        *(f"Env {variable.get('name')}={_variable(variable)}" for variable in _list(item, "env")),
        *(f"Env from {_sources(source)}" for source in _list(item, "envFrom")),
    )


def _variable(item: Obj) -> str:
    source = _of(item, "valueFrom")
    if not source:
        return str(item.get("value") or "")
    kind, reference = next(iter(source.items()))
    facts = reference if isinstance(reference, Mapping) else {}
    where = facts.get("fieldPath") or facts.get("resource") or f"{facts.get('name')}/{facts.get('key')}"
    return f"<{kind.removesuffix('Ref')} {where}>"


def _sources(item: Obj) -> str:
    return ", ".join(
        f"{kind.removesuffix('Ref')} {reference.get('name')}"
        for kind, reference in item.items()
        if isinstance(reference, Mapping)
    )


def _probe(probe: Obj) -> str:
    if not probe:
        return ""
    http, tcp, grpc, run = (_of(probe, key) for key in ("httpGet", "tcpSocket", "grpc", "exec"))
    if http:
        what = f"GET {http.get('path', '/')} on {http.get('port')}"
    elif run:
        what = " ".join(map(str, run.get("command") or ()))
    else:
        what = f"{'grpc' if grpc else 'tcp'} {(grpc or tcp).get('port')}"
    return (
        f"{what}, every {probe.get('periodSeconds', 10)} s, timeout {probe.get('timeoutSeconds', 1)} s, "
        f"fails after {probe.get('failureThreshold', 3)}"
    )


def _states(status: Obj) -> tuple[str, ...]:
    if not status:
        return ("State: unknown",)
    return _facts(
        (
            ("State", _state(_of(status, "state"))),
            ("Last state", _state(_of(status, "lastState"))),
            ("Ready", str(bool(status.get("ready"))).lower()),
            ("Restarts", status.get("restartCount")),
        )
    )


def _state(state: Obj) -> str:
    if not state:
        return ""
    name, facts = next(iter(state.items()))
    shown = ("reason", "exitCode", "signal", "message", "startedAt", "finishedAt")
    details = ", ".join(f"{key} {facts[key]}" for key in shown if facts.get(key) not in (None, ""))
    return f"{name} ({details})" if details else name


def _conditions(obj: Obj) -> Section:
    lines = []
    for item in _list(obj, "status", "conditions"):
        why = ": ".join(str(item[key]) for key in ("reason", "message") if item.get(key))
        since = item.get("lastTransitionTime") or ""
        lines.append(f"{item.get('type')}={item.get('status')} since {since}" + (f" ({why})" if why else ""))
    return "Conditions", tuple(lines)


def _volume(item: Obj) -> str:
    kind, facts = next(
        ((key, value) for key, value in item.items() if isinstance(value, Mapping)), ("emptyDir", {})
    )
    named = next((facts[key] for key in ("claimName", "secretName", "name", "path") if facts.get(key)), "")
    return f"{item.get('name')}: {kind} {named}".rstrip()


def _toleration(item: Obj) -> str:
    key = item.get("key") or "everything"
    value = f"={item['value']}" if item.get("value") else ""
    seconds = item.get("tolerationSeconds")
    return f"{key}{value}:{item.get('effect') or 'any effect'}" + (f" for {seconds} s" if seconds else "")
