"""k8s.restart: a rolling restart as ``kubectl rollout restart`` does it, guarded by the resourceVersion."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from console.engine.ports import PlanError
from console.mitigations.base import NoOptions, refuse_params
from console.mitigations.kubernetes.act import Undo, carry_out, save_evidence, verify_rollout, workload_pods
from console.mitigations.kubernetes.api import STRATEGIC_PATCH, WORKLOADS, Answer, Object, Request, open_api
from console.mitigations.kubernetes.revisions import Past, current, history
from console.mitigations.kubernetes.subject import (
    kubectl,
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
from console.model.plan import Outcome, Plan, Risk, Target, Verdict
from console.sources.kubernetes.workloads import RESTARTED_AT

RECENT = 3 * 3600.0
"""Seconds for which a release counts as a suspect that a restart does not remove."""


class Restart(NoOptions):
    """Replaces every pod by setting the restartedAt annotation of the pod template."""

    name = "k8s.restart"

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look and dry-run. Raises PlanError."""
        refuse_params(self.name, params)
        seen = await study(world, target)
        stamp = datetime.fromtimestamp(world.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        command = kubectl(world, seen.api, "rollout", "restart", str(target))
        plan = draft(world, seen, self.name, f"Restart {target}", risk_of(seen, Risk.DISRUPTIVE), command)
        if seen.paused:
            text = f"{target} is paused: nothing would restart until it is resumed (kubectl rollout resume)."
            return msgspec.structs.replace(plan, refusal=text)
        answer = await preview(
            seen.api,
            lambda live: restart_request(seen.api.namespace, target, live, stamp),
            seen.live,
            f"restart {target}",
        )
        try:
            pasts = await history(seen.api, seen.live)
        except PlanError:
            pasts = []
        now = current(pasts, seen.live)
        return msgspec.structs.replace(
            plan,
            changes=answer.changes,
            hits=replacement_hits(seen),
            undone_by=(*plan.undone_by, *hpa_notes(seen.around.hpas)),
            reversible=now is not None,
            undo=f"roll back to revision {now.record.number}, which replaces all pods again" if now else "",
            warnings=(
                *_suspects(pasts, now, world.now),
                *rollout_notes(world, seen),
                *answer.warnings,
                *plan.warnings,
            ),
            notes=rollout_budget(world, seen),
            dry_run=answer.text,
            refusal=answer.refusal,
            payload={**plan.payload, "stamp": stamp, "revision": now.record.number if now else None},
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Save the evidence, then restart."""
        api = await open_api(world, plan.target.namespace)
        kind, stamp = WORKLOADS[plan.target.kind], str(plan.payload["stamp"])

        async def write() -> Answer:
            live = await api.get(kind, plan.target.name)
            note = await save_evidence(world, api, live, await workload_pods(api, live))
            world.tell(f"Restarting.{note}")
            return await send_guarded(
                api,
                kind,
                plan.target.name,
                lambda now: same_object(now, plan.target, plan.payload["fingerprint"]) or paused(now),
                lambda now: restart_request(api.namespace, plan.target, now, stamp),
            )

        def undo(answer: Answer) -> Undo | None:
            if plan.payload["revision"] is None:
                return None
            expected = template_digest(answer.body)
            return Undo("k8s.rollback", {"revision": str(plan.payload["revision"]), "expect": expected})

        return await carry_out(world, f"restart {plan.target}", write, undo)

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """Follow the rollout and judge."""

        def landed(live: Object) -> bool:
            notes = live["spec"]["template"].get("metadata", {}).get("annotations") or {}
            return bool(notes.get(RESTARTED_AT) == plan.payload["stamp"])

        return await verify_rollout(world, plan, outcome, landed)


def restart_request(namespace: str, target: Target, live: Object, stamp: str) -> Request:
    """The patch of kubectl with the resourceVersion just read as its guard."""
    body = {
        "metadata": {"resourceVersion": live["metadata"]["resourceVersion"]},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}},
    }
    return Request("PATCH", WORKLOADS[target.kind].path(namespace, target.name), body, STRATEGIC_PATCH)


def paused(live: Object) -> str:
    """Why a paused workload is left alone, or nothing."""
    return (
        f"{live['metadata']['name']} has been paused. Nothing was changed."
        if live["spec"].get("paused")
        else ""
    )


def _suspects(pasts: list[Past], now: Past | None, at: float) -> tuple[str, ...]:
    """A young release with another image than the one before: a restart starts the same image again."""
    if now is None or at - now.record.created > RECENT:
        return ()
    before = next((p for p in pasts if p.record.number < now.record.number), None)
    if before is None or before.record.images == now.record.images:
        return ()
    minutes = max(0, round((at - now.record.created) / 60))
    return (
        f"Revision {now.record.number} brought {', '.join(now.record.images)} {minutes} min ago: a restart"
        " starts the same image again. If the release is the cause, roll back instead.",
    )
