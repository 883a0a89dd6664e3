"""The plan of a change to a whole workload: everything that restart, roll-back and scale have in common."""

from __future__ import annotations

import asyncio

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes import evidence, facts, judge
from console.mitigations.kubernetes.api import WORKLOADS, Api, Kind, Object, open_api
from console.mitigations.kubernetes.rollout import assess, rolling
from console.mitigations.kubernetes.subject import fingerprint, load
from console.mitigations.kubernetes.surroundings import (
    NAMED,
    Surroundings,
    database_budget,
    failing,
    look_around,
    pod_names,
)
from console.mitigations.world import World
from console.model.plan import Hit, Plan, Risk, Target


class Study(msgspec.Struct, frozen=True):
    """All that was read for one plan."""

    api: Api
    kind: Kind
    target: Target
    live: Object
    around: Surroundings
    user: str
    allowed: bool | None

    @property
    def paused(self) -> bool:
        """Whether rollouts of the workload are paused."""
        return bool(self.live["spec"].get("paused"))


async def study(world: World, target: Target, verb: str = "patch", sub: str = "") -> Study:
    """Read the workload and what stands around it, all at once. Raises PlanError."""
    kind = WORKLOADS.get(target.kind)
    if kind is None:
        raise PlanError(f"{target} is no {', '.join(WORKLOADS)}")
    api = await open_api(world, target.namespace)
    live, frozen = await load(api, kind, target)
    live.setdefault("kind", kind.title)
    around, user, allowed = await asyncio.gather(
        look_around(api, live), api.who_am_i(), api.may(verb, kind, sub)
    )
    return Study(api, kind, frozen, live, around, user, allowed)


def draft(world: World, seen: Study, action: str, title: str, risk: Risk, command: str) -> Plan:
    """A plan with all that does not depend on the kind of change."""
    state = assess(seen.target.kind, seen.live)
    before = judge.measure(
        world,
        seen.target.kind,
        seen.target.name,
        state.available,
        state.desired,
        rolling=rolling(seen.target.kind, seen.live) and not any(map(failing, seen.around.pods)),
    )
    warnings = [*seen.around.unread]
    if seen.allowed is False:
        warnings.append(
            f"The server says that {seen.user or 'this user'} may not do this; its answer to the act counts."
        )
    return Plan(
        action=action,
        title=title,
        risk=risk,
        target=seen.target,
        params={},
        context=seen.api.context,
        server=seen.api.server,
        command=command,
        made_at=world.now,
        user=seen.user,
        undone_by=facts.owners(seen.live["metadata"]),
        evidence=evidence.announce(seen.around.pods),
        warnings=tuple(warnings),
        payload={"fingerprint": fingerprint(seen.live), "before": msgspec.to_builtins(before)},
    )


def replacement_hits(seen: Study) -> tuple[Hit, ...]:
    """The blast radius of a rollout: which pods, how many at once, which endpoints."""
    plan = facts.shape(seen.target.kind, seen.live)
    names = pod_names(seen.around.pods)
    return (
        Hit("pods replaced", len(names), names[:NAMED]),
        Hit("extra pods at once while it runs", plan.surge),
        Hit("pods that may be down at once while it runs", plan.unavailable),
        *seen.around.endpoints,
    )


def rollout_notes(world: World, seen: Study) -> tuple[str, ...]:
    """The warnings of a rollout: outages, databases, connections of surge pods."""
    return (
        *facts.store_warnings(seen.live),
        *facts.rollout_warnings(seen.target.kind, seen.live, seen.around.claims),
        *_connections(world, seen, short=True),
    )


def rollout_budget(world: World, seen: Study) -> tuple[str, ...]:
    """The databases that have slots enough for the pods of a rollout."""
    return _connections(world, seen, short=False)


def _connections(world: World, seen: Study, *, short: bool) -> tuple[str, ...]:
    shape = facts.shape(seen.target.kind, seen.live)
    most = shape.replicas + shape.surge
    return database_budget(world, seen.live, seen.around.pods, shape.replicas, most, short=short)


def risk_of(seen: Study, otherwise: Risk) -> Risk:
    """A data store is confirmed like something destructive, whatever is done to it."""
    return Risk.DESTRUCTIVE if facts.database(seen.live) else otherwise
