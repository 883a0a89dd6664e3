"""The steps that all Kubernetes mitigations share: evidence, guarded write, outcome, judgement."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes import evidence, judge
from console.mitigations.kubernetes.api import (
    POD,
    WORKLOADS,
    Answer,
    Api,
    Kind,
    LostAnswerError,
    Object,
    open_api,
    sentence,
)
from console.mitigations.kubernetes.facts import selector_text
from console.mitigations.kubernetes.figures import Before, pods
from console.mitigations.kubernetes.rollout import Rollout, follow
from console.mitigations.kubernetes.subject import RefusedError
from console.mitigations.kubernetes.surroundings import owned
from console.mitigations.world import World
from console.model.plan import Outcome, Plan, Verdict
from console.sources.kubernetes.errors import KubeError


class Undo(msgspec.Struct, frozen=True):
    """The planned action that takes a change back."""

    action: str
    params: dict[str, str]


async def save_evidence(world: World, api: Api, subject: Object, pods: tuple[Object, ...]) -> str:
    """Save the evidence; returns a sentence about what is missing. Raises RefusedError when it cannot."""
    try:
        missing = await evidence.save(world, api, subject, pods)
        world.missing += missing
    except OSError as error:
        raise RefusedError(
            f"The evidence cannot be saved ({error.strerror or error}); nothing was changed. Make room, then"
            " plan again."
        ) from None
    return f" Evidence incomplete: {'; '.join(missing)}." if missing else ""


async def carry_out(
    world: World,
    what: str,
    write: Callable[[], Awaitable[Answer]],
    undo: Callable[[Answer], Undo | None],
) -> Outcome:
    """Make the write and say honestly how it ended.

    4xx is a refusal: the server did not act. 5xx and a lost answer may hide a change that was made.
    """
    try:
        answer = await write()
    except RefusedError as error:
        return Outcome("refused", str(error))
    except KubeError as error:
        if 400 <= error.status < 500:
            return Outcome("refused", f"{sentence(error, what)} Nothing was changed.")
        return Outcome("unknown", _unknown(what, sentence(error, what), world))
    except PlanError as error:
        return Outcome("refused", f"{error} Nothing was changed.")
    except LostAnswerError as error:
        if not error.sent:
            return Outcome(
                "failed", f"Could not {what}: {error}. The request was not sent; nothing was changed."
            )
        return Outcome("unknown", _unknown(what, str(error), world))
    notes = "".join(f" The server warns: {warning}." for warning in answer.warnings)
    way_back = undo(answer)
    return Outcome(
        "done",
        f"The server accepted to {what}.{notes}",
        undo_action=way_back.action if way_back else "",
        undo_params=way_back.params if way_back else None,
    )


def _unknown(what: str, why: str, world: World) -> str:
    audit = f" In the cluster's audit log it is Audit-ID {world.audit_id}." if world.audit_id else ""
    return (
        f"Outcome unknown: the answer to the request to {what} was lost ({why}). It may or may not have"
        f" happened; look at the target before you try again.{audit}"
    )


async def workload_pods(api: Api, live: Object) -> tuple[Object, ...]:
    """The pods of a workload now; none when they cannot be read."""
    try:
        found = await api.list(POD, labelSelector=selector_text(live["spec"].get("selector") or {}))
    except PlanError:
        return ()
    return tuple(pod for pod in found if owned(pod, live))


async def verify_rollout(
    world: World, plan: Plan, outcome: Outcome, landed: Callable[[Object], bool]
) -> Verdict:
    """Follow the rollout to its end, then judge by the service's figures and by the pods.

    ``landed`` tells from the live object whether a change whose answer was lost has arrived.
    """
    kind = WORKLOADS[plan.target.kind]
    try:
        api = await open_api(world, plan.target.namespace)
        if outcome.status == "unknown" and not await _arrived(world, api, kind, plan, landed):
            waited = f"After {world.timing.request:g} s the change is not on {plan.target}"
            return Verdict("inconclusive", f"{waited}: it seems not to have happened.")
        end = await follow(world, api, kind, plan.target.name, plan.target.uid)
    except PlanError as error:
        return Verdict("inconclusive", f"It could not be verified: {error}")
    before = msgspec.convert(plan.payload["before"], Before)
    return await judge_end(world, plan.target.kind, plan.target.name, before, end)


async def _arrived(world: World, api: Api, kind: Kind, plan: Plan, landed: Callable[[Object], bool]) -> bool:
    """Whether the change is on the object; one that is still on its way gets a request's time to arrive."""
    give_up = world.clock.monotonic() + world.timing.request
    while True:
        live = await api.find(kind, plan.target.name)
        if live is not None and live["metadata"]["uid"] == plan.target.uid and landed(live):
            return True
        if world.clock.monotonic() >= give_up:
            return False
        await asyncio.sleep(world.timing.poll)


async def judge_end(world: World, kind: str, name: str, before: Before, end: Rollout) -> Verdict:
    """The verdict on a workload whose rollout ended as ``end``."""
    if end.state == "stuck":
        readiness = pods(before, end.available, end.desired)
        status: Literal["worse", "no_change"] = "worse" if readiness.status == "worse" else "no_change"
        return Verdict(status, f"{end.text} It rests on {readiness.said}.", (end.text, readiness.said))
    if end.state != "done":
        return Verdict("inconclusive", end.text, (end.text,))
    world.tell(f"{end.text} Waiting for the metrics of after the change.")
    verdict = await judge.settle(world, kind, name, before, end.available, end.desired)
    return msgspec.structs.replace(
        verdict, detail=f"{verdict.detail} {end.text}", evidence=(end.text, *verdict.evidence)
    )
