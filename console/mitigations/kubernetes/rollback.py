"""k8s.rollback: return to a chosen revision, also in the middle of a stuck rollout.

A Deployment gets the JSON Patch of ``kubectl rollout undo`` with the resourceVersion as its guard; a
StatefulSet or DaemonSet the strategic merge patch that its ControllerRevision keeps.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes.act import Undo, carry_out, save_evidence, verify_rollout, workload_pods
from console.mitigations.kubernetes.api import (
    JSON_PATCH,
    STRATEGIC_PATCH,
    WORKLOADS,
    Answer,
    Object,
    Request,
    open_api,
)
from console.mitigations.kubernetes.judge import related_service
from console.mitigations.kubernetes.restart import paused
from console.mitigations.kubernetes.revisions import (
    HASH,
    Past,
    current,
    history,
    pick,
    plain,
    preferred,
    tell,
)
from console.mitigations.kubernetes.subject import (
    REVISION,
    RefusedError,
    digest,
    kubectl,
    load,
    preview,
    same_object,
    send_guarded,
    template_digest,
)
from console.mitigations.kubernetes.surroundings import hpa_notes
from console.mitigations.kubernetes.workload import (
    draft,
    replacement_hits,
    risk_of,
    rollout_budget,
    rollout_notes,
    study,
)
from console.mitigations.world import World
from console.model.plan import Option, Outcome, Plan, Risk, Target, Verdict
from console.model.symptoms.words import plural
from console.model.text import clean

# What stays of the live object's annotations, as kubectl keeps it; the rest comes from the revision.
_KEPT = (
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)


class Rollback:
    """Puts the pod template of an earlier revision back."""

    name = "k8s.rollback"

    async def options(self, world: World, target: Target, param: str) -> tuple[Option, ...]:
        """The revisions, newest first, with what each would change. Raises PlanError."""
        if param != "revision":
            return ()
        api = await open_api(world, target.namespace)
        live, _ = await load(api, _kind(target), target)
        pasts = await history(api, live)
        now = current(pasts, live)
        best = preferred(pasts, live, trouble_since(world, target))
        return tuple(_option(past, pasts, live, now, best) for past in pasts)

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Choose, look and dry-run. Raises PlanError."""
        _kind(target)
        seen = await study(world, target)
        pasts = await history(seen.api, seen.live)
        chosen, why = _choose(world, target, seen.live, pasts, params.get("revision", ""))
        now = current(pasts, seen.live)
        number = str(chosen.record.number)
        command = kubectl(world, seen.api, "rollout", "undo", str(target), f"--to-revision={number}")
        images = ", ".join(chosen.record.images)
        title = f"Roll back {target} to revision {number} ({images})"
        plan = draft(world, seen, self.name, title, risk_of(seen, Risk.DISRUPTIVE), command)
        plan = msgspec.structs.replace(plan, params={"revision": number})
        if refusal := _refusal(target, seen.live, now, chosen, params.get("expect", "")):
            return msgspec.structs.replace(plan, refusal=refusal)
        answer = await preview(
            seen.api,
            lambda live: rollback_request(seen.api.namespace, target, live, chosen),
            seen.live,
            f"roll back {target}",
        )
        shown = [change for change in answer.changes if not change.path.startswith("metadata.annotations")]
        unlisted = plural(len(answer.changes) - len(shown), "annotation")
        return msgspec.structs.replace(
            plan,
            changes=tuple(shown),
            hits=replacement_hits(seen),
            undone_by=(*plan.undone_by, *hpa_notes(seen.around.hpas)),
            reversible=now is not None,
            undo=f"roll forward to revision {now.record.number}" if now else "",
            warnings=(
                *why,
                *_not_restored(seen.live),
                *rollout_notes(world, seen),
                *answer.warnings,
                *plan.warnings,
            ),
            notes=rollout_budget(world, seen),
            dry_run=answer.text
            if answer.changes == tuple(shown)
            else f"{answer.text}; {unlisted} not listed",
            refusal=answer.refusal,
            temporary=bool(plan.undone_by),
            payload={
                **plan.payload,
                "keeper": chosen.keeper["metadata"]["name"],
                "keeper_uid": chosen.record.uid,
                "template": chosen.digest,
                "revision": now.record.number if now else None,
            },
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Save the evidence, then put the template back."""
        api = await open_api(world, plan.target.namespace)
        kind = WORKLOADS[plan.target.kind]

        async def write() -> Answer:
            live = await api.get(kind, plan.target.name)
            live.setdefault("kind", kind.title)
            chosen = _same_revision(await history(api, live), plan.payload)
            note = await save_evidence(world, api, live, await workload_pods(api, live))
            world.tell(f"Rolling back to revision {plan.params['revision']}.{note}")
            return await send_guarded(
                api,
                kind,
                plan.target.name,
                lambda now: same_object(now, plan.target, plan.payload["fingerprint"]) or paused(now),
                lambda now: rollback_request(api.namespace, plan.target, now, chosen),
            )

        def undo(answer: Answer) -> Undo | None:
            if plan.payload["revision"] is None:
                return None
            return Undo(
                self.name, {"revision": str(plan.payload["revision"]), "expect": template_digest(answer.body)}
            )

        what = f"roll back {plan.target} to revision {plan.params['revision']}"
        return await carry_out(world, what, write, undo)

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """Follow the rollout and judge."""

        def landed(live: Object) -> bool:
            return digest(plain(live["spec"]["template"])) == str(plan.payload["template"])

        return await verify_rollout(world, plan, outcome, landed)


def rollback_request(namespace: str, target: Target, live: Object, past: Past) -> Request:
    """The write that puts the template of ``past`` back, guarded by the resourceVersion of ``live``."""
    path = WORKLOADS[target.kind].path(namespace, target.name)
    version = live["metadata"]["resourceVersion"]
    if target.kind != "deployment":
        return Request(
            "PATCH", path, {**past.keeper["data"], "metadata": {"resourceVersion": version}}, STRATEGIC_PATCH
        )
    template: dict[str, Any] = past.keeper["spec"]["template"]
    metadata = dict(template.get("metadata") or {})
    metadata["labels"] = {k: v for k, v in (metadata.get("labels") or {}).items() if k != HASH}
    old, new = live["metadata"].get("annotations") or {}, past.keeper["metadata"].get("annotations") or {}
    notes = {key: value for key, value in new.items() if key not in _KEPT}
    notes.update({key: value for key, value in old.items() if key in _KEPT})
    return Request(
        "PATCH",
        path,
        [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
            {"op": "replace", "path": "/spec/template", "value": {**template, "metadata": metadata}},
            {"op": "add", "path": "/metadata/annotations", "value": notes},
        ],
        JSON_PATCH,
    )


def _kind(target: Target) -> Any:
    if target.kind not in WORKLOADS:
        raise PlanError(f"{target} has no revisions; roll back a {' or '.join(WORKLOADS)}")
    return WORKLOADS[target.kind]


def trouble_since(world: World, target: Target) -> float | None:
    """When the error ratio of the related service last rose above its threshold and stayed there."""
    service = related_service(world, target.kind, target.name)
    if service is None or not service.error_ratio.ok or (service.error_ratio.value or 0) <= service.threshold:
        return None
    since = service.error_ratio.at
    for point in reversed(service.history):
        if point.value is not None and point.value <= service.threshold:
            break
        since = point.at
    return since


def _choose(
    world: World, target: Target, live: Object, pasts: list[Past], wanted: str
) -> tuple[Past, tuple[str, ...]]:
    best, now = preferred(pasts, live, trouble_since(world, target)), current(pasts, live)
    if not wanted:
        if best is None:
            raise PlanError(
                f"The cluster keeps no revision of {target} with another image than now; there is nothing to"
                " return to. Deploy a good image, or name a revision."
            )
        return best, ()
    chosen = pick(pasts, wanted)
    if now is not None and chosen not in (now, best) and chosen.record.images == now.record.images:
        hint = f"; {best.record.number} has another" if best is not None else ""
        return chosen, (
            f"Revision {wanted} has the same image as now ({', '.join(now.record.images)}){hint}.",
        )
    return chosen, ()


def _refusal(target: Target, live: Object, now: Past | None, chosen: Past, expect: str) -> str:
    if live["spec"].get("paused"):
        return f"{target} is paused: resume it first (kubectl rollout resume), then roll back."
    if chosen.template == plain(live["spec"]["template"]):
        return f"Revision {chosen.record.number} is what {target} already has: nothing would change."
    if expect and template_digest(live) != expect:
        runs = f"revision {now.record.number}" if now else "another template"
        return (
            f"{target} was changed after the action that this would undo: it has {runs} now. Plan a roll-back"
            f" to revision {chosen.record.number} by itself if that is still wanted."
        )
    return ""


def _same_revision(pasts: list[Past], payload: dict[str, Any]) -> Past:
    for past in pasts:
        if past.record.uid == payload["keeper_uid"] and past.digest == payload["template"]:
            return past
    raise RefusedError(
        f"The revision {payload['keeper']} is gone or was changed. Nothing was changed; plan again."
    )


def _not_restored(live: Object) -> tuple[str, ...]:
    """What a roll-back leaves as it is."""
    pod = live["spec"]["template"].get("spec", {})
    names: set[str] = set()
    for container in (*(pod.get("initContainers") or ()), *pod.get("containers", ())):
        for source in container.get("envFrom") or ():
            names.update(f"ConfigMap {r['name']}" for k, r in source.items() if k == "configMapRef")
        for item in container.get("env") or ():
            ref = (item.get("valueFrom") or {}).get("configMapKeyRef")
            names.update({f"ConfigMap {ref['name']}"} if ref else ())
    names.update(
        f"ConfigMap {v['configMap'].get('name')}" for v in pod.get("volumes") or () if "configMap" in v
    )
    listed = f" ({clean(', '.join(sorted(names)), 160)})" if names else ""
    return (f"Not restored: replicas, ConfigMaps and Secrets{listed}, and the database schema.",)


def _option(past: Past, pasts: list[Past], live: Object, now: Past | None, best: Past | None) -> Option:
    record = past.record
    made = datetime.fromtimestamp(record.created, UTC)
    images = ", ".join(image.rpartition("/")[2] for image in record.images)
    label = f"{record.number}  {made:%m-%d %H:%M}  {images}"
    if past is now or past.template == plain(live["spec"]["template"]):
        return Option(str(record.number), label, record.change_cause, disabled="is what runs now")
    parts = [tell((now or pasts[0]).record, record), f"made {made:%Y-%m-%d %H:%M:%SZ}"]
    if record.change_cause:
        parts.append(f"change cause: {record.change_cause}")
    if now is not None and record.images == now.record.images:
        parts.append("the same image as now")
    return Option(str(record.number), label, "; ".join(filter(None, parts)), recommended=past is best)
