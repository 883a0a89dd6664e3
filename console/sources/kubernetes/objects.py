"""Nodes, autoscalers, disruption budgets and events from the wire to the records of the model."""

from __future__ import annotations

from console.model.budgets import Budget, LabelSelector
from console.model.kube import Event, Hpa, Node
from console.model.quantity import cores, size
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.text import created, pairs, prose, seconds, text, word

_PRESSURES = ("MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable")


def project_node(raw: shapes.Node) -> Node:
    """A node. It is ready when its Ready condition says True; Unknown is what a lost kubelet leaves."""
    status = raw.status or shapes.NodeStatus()
    allocatable = status.allocatable or {}
    conditions = {condition.type: condition for condition in status.conditions or ()}
    ready = conditions.get("Ready")
    why = ""
    if ready is None:
        why = "has not reported its condition"
    elif ready.status != "True":
        why = prose(f"{ready.reason or 'NotReady'}: {ready.message or ready.status}")
    return Node(
        uid=raw.metadata.uid,
        name=word(raw.metadata.name),
        ready=ready is not None and ready.status == "True",
        unschedulable=bool(raw.spec and raw.spec.unschedulable),
        pressures=tuple(
            kind for kind in _PRESSURES if kind in conditions and conditions[kind].status == "True"
        ),
        cpu=cores(str(allocatable.get("cpu", "0"))) or 0.0,
        memory=size(str(allocatable.get("memory", "0"))) or 0,
        why=why,
    )


def project_hpa(raw: shapes.Hpa) -> Hpa:
    """An autoscaler; the minimum is 1 where it is not set, as the server has it."""
    spec = raw.spec or shapes.HpaSpec()
    target = spec.scale_target_ref or shapes.ScaleTarget()
    return Hpa(
        uid=raw.metadata.uid,
        namespace=word(raw.metadata.namespace),
        name=text(raw.metadata.name),
        workload=word(f"{target.kind}/{target.name}"),
        minimum=1 if spec.min_replicas is None else spec.min_replicas,
        maximum=spec.max_replicas,
    )


def project_budget(raw: shapes.Pdb) -> Budget:
    """A disruption budget with the numbers of its controller."""
    spec, status = raw.spec or shapes.PdbSpec(), raw.status or shapes.PdbStatus()
    failed = (one for one in status.conditions or () if one.reason == "SyncFailed" and one.status != "True")
    return Budget(
        uid=raw.metadata.uid,
        namespace=word(raw.metadata.namespace),
        name=text(raw.metadata.name),
        selector=None if spec.selector is None else _selector(spec.selector),
        allowed=status.disruptions_allowed,
        healthy=status.current_healthy,
        needed=status.desired_healthy,
        current=status.observed_generation >= raw.metadata.generation,
        unready_may_go=spec.unhealthy_pod_eviction_policy == "AlwaysAllow",
        trouble=next((prose(one.message, 200) or "SyncFailed" for one in failed), ""),
    )


def _selector(raw: shapes.Selector) -> LabelSelector:
    requirements = (
        (word(one.key), word(one.operator), tuple(word(value) for value in one.values or ()))
        for one in raw.match_expressions or ()
    )
    return LabelSelector(pairs(raw.match_labels), tuple(requirements))


def project_event(raw: shapes.Event) -> Event:
    """A Warning event. Times come from whichever of the old and new fields the reporter has filled."""
    about = raw.involved_object or shapes.ObjectReference()
    series = raw.series or shapes.EventSeries()
    once = seconds(raw.event_time) or created(raw.metadata)
    first = seconds(raw.first_timestamp) or once
    return Event(
        uid=raw.metadata.uid,
        namespace=word(about.namespace or raw.metadata.namespace),
        about=word(f"{about.kind}/{about.name}"),
        reason=word(raw.reason),
        message=prose(raw.message, 600),
        count=max(raw.count or 1, series.count),
        last=max(first, seconds(raw.last_timestamp) or 0.0, seconds(series.last_observed_time) or 0.0),
    )
