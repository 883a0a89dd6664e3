"""The columns of every kind as a Table, and the way to their cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import msgspec

from console.drill.cluster import printers
from console.drill.cluster.schema import Obj


class Column(msgspec.Struct, frozen=True):
    """One column; `wide` columns show with -o wide only."""

    name: str
    type: str = "string"
    wide: bool = False


def _columns(near: str, wide: str) -> tuple[Column, ...]:
    def make(part: str, far: bool) -> Column:
        name, _, kind = part.partition(":")
        return Column(name, kind or "string", far)

    plain = [make(part, False) for part in near.split(",")]
    return (*plain, *(make(part, True) for part in wide.split(",") if part))


Row = Callable[[Obj, datetime], list[Any]]

_WORKLOAD: Final = "Containers,Images,Selector"
_COUNTS: Final = "Desired:integer,Current:integer,Ready:integer"
_CLAIM: Final = "Name,Status,Volume,Capacity,Access Modes,StorageClass,VolumeAttributesClass,Age"
_NODE: Final = "Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime"

_PLAIN: Final[dict[str, tuple[str, str, Row]]] = {
    "Pod": ("Name,Ready,Status,Restarts,Age", "IP,Node,Nominated Node,Readiness Gates", printers.pod),
    "Deployment": ("Name,Ready,Up-to-date:integer,Available:integer,Age", _WORKLOAD, printers.deployment),
    "ReplicaSet": (f"Name,{_COUNTS},Age", _WORKLOAD, printers.replicaset),
    "StatefulSet": ("Name,Ready,Age", "Containers,Images", printers.statefulset),
    "DaemonSet": (
        f"Name,{_COUNTS},Up-to-date:integer,Available:integer,Node Selector,Age",
        _WORKLOAD,
        printers.daemonset,
    ),
    "ControllerRevision": ("Name,Controller,Revision:integer,Age", "", printers.revision),
    "Job": ("Name,Status,Completions,Duration,Age", _WORKLOAD, printers.job),
    "Node": ("Name,Status,Roles,Age,Version", _NODE, printers.node),
    "Namespace": ("Name,Status,Age", "", printers.namespace),
    "ConfigMap": ("Name,Data:integer,Age", "", printers.configmap),
    "Secret": ("Name,Type,Data:integer,Age", "", printers.secret),
    "Service": ("Name,Type,Cluster-IP,External-IP,Port(s),Age", "Selector", printers.service),
    "Endpoints": ("Name,Endpoints,Age", "", printers.endpoints),
    "EndpointSlice": ("Name,AddressType,Ports,Endpoints,Age", "", printers.endpoint_slice),
    "Ingress": ("Name,Class,Hosts,Address,Ports,Age", "", printers.ingress),
    "HorizontalPodAutoscaler": (
        "Name,Reference,Targets,MinPods,MaxPods:integer,Replicas:integer,Age",
        "",
        printers.hpa,
    ),
    "PodDisruptionBudget": (
        "Name,Min Available,Max Unavailable,Allowed Disruptions:integer,Age",
        "",
        printers.pdb,
    ),
    "ServiceAccount": ("Name,Secrets:integer,Age", "", printers.account),
    "PersistentVolumeClaim": (_CLAIM, "VolumeMode", printers.claim),
    "ResourceQuota": ("Name,Request,Limit,Age", "", printers.quota),
    "PodMetrics": ("Name,cpu,memory,Window", "", printers.pod_metrics),
    "NodeMetrics": ("Name,cpu,memory,Window", "", printers.node_metrics),
}
# Events have their wide columns in the midst of the others.
_EVENT: Final = (
    Column("Last Seen"), Column("Type"), Column("Reason"), Column("Object"), Column("Subobject", wide=True),
    Column("Source", wide=True), Column("Message"), Column("First Seen", wide=True),
    Column("Count", "integer", wide=True), Column("Name", wide=True),
)  # fmt: skip

TABLES: Final[dict[str, tuple[tuple[Column, ...], Row]]] = {
    **{kind: (_columns(near, wide), row) for kind, (near, wide, row) in _PLAIN.items()},
    "Event": (_EVENT, printers.event),
}


def definitions(kind: str) -> list[Obj]:
    """Return the `columnDefinitions` of a Table."""
    columns, _ = TABLES[kind]
    return [
        {
            "name": one.name, "type": one.type, "format": "name" if one.name == "Name" else "",
            "description": f"{one.name} of the {kind}.", "priority": 1 if one.wide else 0,
        }
        for one in columns
    ]  # fmt: skip


def cells(kind: str, obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of one row."""
    return TABLES[kind][1](obj, now)
