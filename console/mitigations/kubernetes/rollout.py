"""Following a rollout to its end, by the criteria of ``kubectl rollout status``."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import Api, Kind, Object
from console.mitigations.world import World
from console.model.symptoms.words import plural
from console.model.text import clean

COMPLETE = "NewReplicaSetAvailable"
State = Literal["done", "progressing", "stuck", "gone"]


class Rollout(msgspec.Struct, frozen=True):
    """Where a rollout stands; counts are pods. ``text`` is a sentence."""

    state: State
    text: str
    available: int = 0
    desired: int = 0


def assess(kind: str, live: Object) -> Rollout:
    """The state of a rollout from the object alone.

    Deployment: the controller has seen the newest generation, all pods are updated, none of the old are
    left and all are available; stuck when its Progressing condition says ProgressDeadlineExceeded.
    """
    spec, status = live.get("spec", {}), live.get("status", {})
    generation = int(live["metadata"].get("generation", 0))
    seen = int(status.get("observedGeneration", 0)) >= generation
    if kind == "daemonset":
        desired = int(status.get("desiredNumberScheduled", 0))
        updated, available = (
            int(status.get("updatedNumberScheduled", 0)),
            int(status.get("numberAvailable", 0)),
        )
        total = desired
    else:
        desired = int(spec.get("replicas", 1))
        updated, available = int(status.get("updatedReplicas", 0)), int(status.get("availableReplicas", 0))
        total = int(status.get("replicas", 0))
    if kind == "statefulset":
        partition = int((spec.get("updateStrategy", {}).get("rollingUpdate") or {}).get("partition", 0) or 0)
        if status.get("updateRevision") == status.get("currentRevision"):
            updated = total
        updated = min(desired, updated + partition)
    text = f"{updated} of {plural(desired, 'pod')} updated, {available} available"
    if total > updated:
        text += f", {total - updated} of the old still there"
    if not seen:
        return Rollout("progressing", "The controller has not seen the change yet.", available, desired)
    if updated >= desired and total <= desired and available >= desired:
        return Rollout("done", f"The rollout is finished: {text}.", available, desired)
    for condition in status.get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            reason = clean(str(condition.get("message", "")), 200)
            return Rollout("stuck", f"The rollout is stuck: {text}. {reason}", available, desired)
    if (spec.get("updateStrategy") or {}).get("type") == "OnDelete":
        return Rollout("done", f"{text}; the rest is replaced when somebody deletes it.", available, desired)
    return Rollout("progressing", f"{text}.", available, desired)


def rolling(kind: str, live: Object) -> bool:
    """Whether a rollout is under way: pods that are missing may only be not started yet.

    The Progressing condition of a Deployment keeps NewReplicaSetAvailable once its rollout has been complete,
    whatever becomes of its pods.
    """
    status = live.get("status", {})
    if int(status.get("observedGeneration", 0)) < int(live["metadata"].get("generation", 0)):
        return True
    if kind == "statefulset":
        return bool(status.get("updateRevision") != status.get("currentRevision"))
    if kind == "daemonset":
        return int(status.get("updatedNumberScheduled", 0)) < int(status.get("desiredNumberScheduled", 0))
    conditions = status.get("conditions") or ()
    return any(
        it.get("type") == "Progressing" and it.get("status") == "True" and it.get("reason") != COMPLETE
        for it in conditions
    )


async def follow(world: World, api: Api, kind: Kind, name: str, uid: str) -> Rollout:
    """Look again and again until the rollout is done, stuck or gone, or ``timing.rollout`` seconds passed.

    An API that does not answer is waited for: the rollout goes on without it. The last known state is
    returned at the deadline.
    """
    last = Rollout("progressing", "The rollout has not been seen yet.")
    give_up = world.clock.monotonic() + world.timing.rollout
    while True:
        try:
            live = await api.find(kind, name)
        except PlanError as error:
            problem = f"{last.text} The API does not answer: {error}"
            world.tell(problem)
        else:
            if live is None or live["metadata"]["uid"] != uid:
                return Rollout("gone", f"{kind.title} {name} was deleted meanwhile.")
            last = assess(kind.title.lower(), live)
            world.tell(last.text)
            if last.state != "progressing":
                return last
        if world.clock.monotonic() >= give_up:
            late = f"Not finished after {world.timing.rollout:g} s: {last.text}"
            return msgspec.structs.replace(last, text=late)
        await asyncio.sleep(world.timing.poll)
