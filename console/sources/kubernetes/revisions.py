"""The revisions of a workload, read on demand from its ReplicaSets or ControllerRevisions."""

from __future__ import annotations

from typing import Any

import msgspec

from console.model.kube import Revision, Workload
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.connection import PATIENCE, Connection
from console.sources.kubernetes.errors import garbled
from console.sources.kubernetes.kinds import path
from console.sources.kubernetes.text import controller
from console.sources.kubernetes.workloads import project_controllerrevision, project_replicaset

_REPLICASETS: Any = msgspec.json.Decoder(wire.Page[shapes.Workload])
_REVISIONS: Any = msgspec.json.Decoder(wire.Page[shapes.ControllerRevision])


async def read_revisions(connection: Connection, workload: Workload) -> tuple[Revision, ...]:
    """All revisions that the server keeps of a Deployment, StatefulSet or DaemonSet, newest number first.

    Other kinds have none. Raises KubeError.
    """
    deployment = workload.kind == "Deployment"
    if not deployment and workload.kind not in ("StatefulSet", "DaemonSet"):
        return ()
    resource = "replicasets" if deployment else "controllerrevisions"
    selector = ",".join(f"{key}={value}" for key, value in workload.selector)
    body = await connection.get(
        path("/apis/apps/v1", resource, workload.namespace),
        {"labelSelector": selector} if selector else {},
        patience=PATIENCE,
    )
    try:
        page = (_REPLICASETS if deployment else _REVISIONS).decode(body)
    except msgspec.MsgspecError as error:
        raise garbled(f"{resource} of {workload.name}", error) from None
    project = project_replicaset if deployment else project_controllerrevision
    found: list[Revision] = []
    for raw in page.items or ():
        owner = controller(raw.metadata)
        if owner is not None and owner.uid == workload.uid:
            found.append(project(raw, workload.key))
    return tuple(sorted(found, key=lambda revision: revision.number, reverse=True))
