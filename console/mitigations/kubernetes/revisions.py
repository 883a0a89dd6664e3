"""The revisions of a workload as the API keeps them, with their templates, and what tells them apart."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import CONTROLLER_REVISION, REPLICASET, Api, Object
from console.mitigations.kubernetes.diff import changes
from console.mitigations.kubernetes.facts import selector_text
from console.mitigations.kubernetes.subject import digest
from console.model.kube import Revision
from console.model.plan import Change
from console.sources.kubernetes import wire_objects
from console.sources.kubernetes.workloads import project_controllerrevision, project_replicaset

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


def differences(past: Past, live: Object) -> tuple[Change, ...]:
    """What a return to the revision would change in the pod template; secrets are masked."""
    return changes({"template": plain(live["spec"]["template"])}, {"template": past.template})


def tell(found: tuple[Change, ...], limit: int = 4) -> str:
    """Differences as one short line: images first, then environment, resources and the rest."""
    ranked = sorted(found, key=lambda change: (".image" not in change.path, ".env[" not in change.path))
    parts = [f"{_short(change.path)}: {change.before} → {change.after}" for change in ranked[:limit]]
    more = f"; and {len(found) - limit} more" if len(found) > limit else ""
    return "; ".join(parts) + more if parts else "the same template"


def _short(path: str) -> str:
    path = re.sub(r"^template\.(spec\.containers)?", "", path)
    path = re.sub(r"^\[([^\]]+)\]\.?", r"\1 ", path)
    return re.sub(r"env\[([^\]]+)\](\.value)?", r"\1", path).strip(". ")
