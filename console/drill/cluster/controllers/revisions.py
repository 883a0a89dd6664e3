"""ControllerRevisions: the history of StatefulSets and DaemonSets."""

from __future__ import annotations

from console.drill.cluster import names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.resources import BY_TABLE, Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, clone

_REVISIONS = BY_TABLE["controllerrevisions.apps"]


def patch_of(template: Obj) -> Obj:
    """Return the data of a revision: a strategic merge patch that brings the template back."""
    return {"spec": {"template": {"$patch": "replace", **clone(template)}}}


def template_of(revision: Obj) -> Obj:
    """Return the pod template that a revision keeps."""
    return {name: value for name, value in revision["data"]["spec"]["template"].items() if name != "$patch"}


def current(controller: Controller, resource: Resource, owner: Entry, label: str) -> Entry:
    """Return the revision of an owner's present template, made or brought to the front when needed.

    `label` is the name under which pods and revisions carry the hash.
    """
    template = owner.obj["spec"]["template"]
    known = history(controller, owner)
    highest = max((one.obj["revision"] for one in known), default=0)
    same = next((one for one in known if template_of(one.obj) == template), None)
    if same is not None:
        if same.obj["revision"] < highest:
            return controller.write("controllerrevisions.apps", same, {**same.obj, "revision": highest + 1})
        return same
    digest = names.digest(template)
    labels = dict((template.get("metadata") or {}).get("labels") or {})
    body: Obj = {
        "metadata": {
            "name": f"{owner.name}-{digest}",
            "labels": {**labels, label: digest},
            "ownerReferences": [names.owner_reference(resource.api_version, resource.kind, owner.obj)],
        },
        "data": patch_of(template),
        "revision": highest + 1,
    }
    made = controller.api.create(_REVISIONS, owner.namespace, body, Call(manager=controller.manager)).entry
    assert made is not None
    return made


def history(controller: Controller, owner: Entry) -> list[Entry]:
    """Return the revisions of an owner, the oldest first."""
    return sorted(
        controller.store.owned("controllerrevisions.apps", owner.uid),
        key=lambda one: int(one.obj["revision"]),
    )


def prune(controller: Controller, owner: Entry, in_use: set[str]) -> None:
    """Delete the oldest revisions beyond `revisionHistoryLimit` that no pod uses."""
    idle = [one for one in history(controller, owner) if one.name not in in_use]
    excess = len(idle) - owner.obj["spec"].get("revisionHistoryLimit", 10)
    for one in idle[: max(excess, 0)]:
        controller.api.delete(_REVISIONS, owner.namespace, one.name, {}, Call(manager=controller.manager))
