"""The revisions of a workload as the API keeps them, with their templates, and what tells them apart."""

from __future__ import annotations

from typing import Any

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import CONTROLLER_REVISION, REPLICASET, Api, Object
from console.mitigations.kubernetes.facts import selector_text
from console.mitigations.kubernetes.subject import digest
from console.model.kube import Revision, differences
from console.model.revisions import preferred_revision
from console.sources.kubernetes import wire_objects
from console.sources.kubernetes.workloads import (
    project_controllerrevision,
    project_replicaset,
)

HASH = "pod-template-hash"


class Past(msgspec.Struct, frozen=True):
    """One revision: its record, the object that keeps it, and its pod template without noise."""

    record: Revision
    keeper: Object
    template: dict[str, Any]

    @property
    def digest(self) -> str:
        """A digest of the template; equal for equal revisions."""
        return digest(self.template)


async def history(api: Api, live: Object) -> list[Past]:
    """All revisions that the cluster still keeps, newest first. Raises PlanError."""
    deployment = live["kind"] == "Deployment"
    kind = REPLICASET if deployment else CONTROLLER_REVISION
    found = await api.list(kind, labelSelector=selector_text(live["spec"].get("selector") or {}))
    uid, workload = live["metadata"]["uid"], f"{live['kind']}/{live['metadata']['name']}"
    mine = [
        item
        for item in found
        if any(
            o.get("uid") == uid and o.get("controller") for o in item["metadata"].get("ownerReferences") or ()
        )
    ]
    pasts = [_replica_set(item, workload) if deployment else _controller(item, workload) for item in mine]
    return sorted(pasts, key=lambda past: past.record.number, reverse=True)


def _replica_set(item: Object, workload: str) -> Past:
    record = project_replicaset(msgspec.convert(item, wire_objects.Workload, strict=False), workload)
    return Past(record, item, plain(item["spec"]["template"]))


def _controller(item: Object, workload: str) -> Past:
    raw = msgspec.convert(item, wire_objects.ControllerRevision, strict=False)
    return Past(project_controllerrevision(raw, workload), item, plain(item["data"]["spec"]["template"]))


def plain(template: dict[str, Any]) -> dict[str, Any]:
    """A pod template without what controllers add: hash label, patch directive, empty metadata."""
    metadata = {k: v for k, v in (template.get("metadata") or {}).items() if v and k != "creationTimestamp"}
    if labels := {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}:
        metadata["labels"] = labels
    else:
        metadata.pop("labels", None)
    rest = {key: value for key, value in template.items() if key not in ("metadata", "$patch")}
    return {"metadata": metadata, **rest}


def current(pasts: list[Past], live: Object) -> Past | None:
    """The revision that the workload's template is now; None while its controller has not made it."""
    wanted = plain(live["spec"]["template"])
    return next((past for past in pasts if past.template == wanted), None)


def pick(pasts: list[Past], number: str) -> Past:
    """The revision of that number. Raises PlanError, naming those that are kept."""
    for past in pasts:
        if str(past.record.number) == number:
            return past
    kept = ", ".join(str(past.record.number) for past in pasts) or "none"
    raise PlanError(f"There is no revision {number!r}; the cluster keeps {kept}.")


def preferred(pasts: list[Past], live: Object, trouble_at: float | None) -> Past | None:
    """The revision to return to, as ``console.model.revisions.preferred_revision`` chooses it."""
    now = current(pasts, live)
    best = preferred_revision([past.record for past in pasts], now.record if now else None, trouble_at)
    return next((past for past in pasts if best is not None and past.record.uid == best.uid), None)


def tell(now: Revision, past: Revision) -> str:
    """What a return from ``now`` to ``past`` would change, as one line."""
    found = differences(now, past)
    return "; ".join(f"{c.path} {c.before or '(none)'} → {c.after or '(none)'}" for c in found)
