"""k8s.delete-pod and k8s.evict-pod: one pod, known by its uid, away."""

from __future__ import annotations

import asyncio
import shlex
from abc import ABC, abstractmethod

import msgspec

from console.engine.ports import PlanError
from console.mitigations.base import NoOptions, refuse_params
from console.mitigations.kubernetes import evidence, facts, judge
from console.mitigations.kubernetes.act import carry_out, judge_end, save_evidence
from console.mitigations.kubernetes.api import (
    JSON,
    POD,
    REPLICASET,
    WORKLOADS,
    Answer,
    Api,
    LostAnswerError,
    Object,
    Request,
    budget_refusal,
    open_api,
)
from console.mitigations.kubernetes.figures import Before
from console.mitigations.kubernetes.rollout import assess, follow, rolling
from console.mitigations.kubernetes.subject import kubectl, load, preview, send_guarded
from console.mitigations.kubernetes.surroundings import Share, budget_notes, failing, ready, service_shares
from console.mitigations.world import World
from console.model.plan import Hit, Outcome, Plan, Risk, Target, Verdict
from console.model.text import clean
from console.sources.kubernetes.errors import KubeError

EVICTION = "policy/v1"


class Owner(msgspec.Struct, frozen=True):
    """Who makes a new pod: the direct controller as text, and the workload behind it where there is one."""

    text: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    available: int = 0
    desired: int = 0
    rolling: bool = False


class _PodAction(NoOptions, ABC):
    """What deleting and evicting have in common."""

    name = ""
    verb = ""
    risk = Risk.DISRUPTIVE
    heeds_budget = True

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look, dry-run and ask the disruption budget. Raises PlanError."""
        refuse_params(self.name, params)
        if target.kind != "pod":
            raise PlanError(f"{target} is no pod; name one as pod/NAME")
        api = await open_api(world, target.namespace)
        live, frozen = await load(api, POD, target)
        live.setdefault("kind", "Pod")
        answer, budget, notes, owner, user, shares = await asyncio.gather(
            preview(api, lambda now: self.request(api, now), live, f"{self.verb} {target}"),
            _budget(api, live),
            budget_notes(api, live),
            _owner(api, live),
            api.who_am_i(),
            _endpoints(api, live),
        )
        known_as = (owner.kind, owner.name) if owner.kind else ("pod", target.name)
        rolls = owner.rolling and not failing(live)
        before = judge.measure(world, *known_as, owner.available, owner.desired, rolling=rolls)
        return Plan(
            action=self.name,
            title=f"{self.verb.capitalize()} {target}",
            risk=Risk.DESTRUCTIVE if facts.database(live) else self.risk,
            target=frozen,
            params={},
            context=api.context,
            server=api.server,
            command=self.command(world, api, live),
            made_at=world.now,
            user=user,
            hits=(
                Hit(f"pod goes, owned by {owner.text or 'nobody'}", 1, (clean(target.name, 120),)),
                *(share.hit for share in shares),
            ),
            undone_by=(),
            undo="a pod that is gone does not come back; its owner makes a new one" if owner.text else "",
            evidence=evidence.announce((live,)),
            warnings=(
                *facts.store_warnings(live),
                *_warnings(live, owner, shares),
                *(() if self.heeds_budget else budget),
                *answer.warnings,
            ),
            notes=notes,
            dry_run=answer.text if answer.refusal or answer.warnings else "accepted by the server",
            refusal=answer.refusal,
            payload={
                "ready": ready(live),
                "owner": msgspec.to_builtins(owner),
                "before": msgspec.to_builtins(before),
            },
        )

    @abstractmethod
    def request(self, api: Api, live: Object) -> Request:
        """The write, guarded by the identity of ``live``."""

    @abstractmethod
    def command(self, world: World, api: Api, live: Object) -> str:
        """The equivalent command."""

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Save the logs, then make the pod go."""
        api = await open_api(world, plan.target.namespace)

        def check(live: Object) -> str:
            if live["metadata"]["uid"] != plan.target.uid:
                return f"{plan.target} is another pod of the same name by now. Nothing was changed."
            if ready(live) and not plan.payload["ready"]:
                return f"{plan.target} has become ready since the plan. Nothing was changed; plan again."
            return ""

        async def write() -> Answer:
            live = await api.get(POD, plan.target.name)
            live.setdefault("kind", "Pod")
            world.tell(f"{self.verb.capitalize()}.{await save_evidence(world, api, live, (live,))}")
            return await send_guarded(api, POD, plan.target.name, check, lambda now: self.request(api, now))

        return await carry_out(world, f"{self.verb} {plan.target}", write, lambda _: None)

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """Wait until the pod is gone and its owner has all pods again, then judge."""
        owner = msgspec.convert(plan.payload["owner"], Owner)
        try:
            api = await open_api(world, plan.target.namespace)
            if not await _gone(world, api, plan.target, patient=outcome.status == "done"):
                return Verdict("inconclusive", f"{plan.target} is still there.")
            if owner.kind not in WORKLOADS:
                rest = f"{owner.text} decides what comes next" if owner.text else "nothing makes a new one"
                return Verdict("no_change", f"{plan.target} is gone; {rest}.")
            end = await follow(world, api, WORKLOADS[owner.kind], owner.name, owner.uid)
        except PlanError as error:
            return Verdict("inconclusive", f"It could not be verified: {error}")
        before = msgspec.convert(plan.payload["before"], Before)
        return await judge_end(world, owner.kind, owner.name, before, end)


class DeletePod(_PodAction):
    """Deletes a pod, whatever its disruption budget says."""

    name = "k8s.delete-pod"
    verb = "delete"
    risk = Risk.DESTRUCTIVE
    heeds_budget = False

    def request(self, api: Api, live: Object) -> Request:
        """DELETE with uid and resourceVersion as preconditions."""
        metadata = live["metadata"]
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]},
        }
        path = POD.path(api.namespace, metadata["name"])
        return Request("DELETE", path, body, JSON, {**body, "dryRun": ["All"]})

    def command(self, world: World, api: Api, live: Object) -> str:
        """``kubectl delete pod``."""
        return kubectl(world, api, "delete", "pod", str(live["metadata"]["name"]))


class EvictPod(_PodAction):
    """Evicts a pod within its disruption budget."""

    name = "k8s.evict-pod"
    verb = "evict"
    risk = Risk.DISRUPTIVE

    def request(self, api: Api, live: Object) -> Request:
        """The eviction subresource with the uid as precondition."""
        return _eviction(api, live)

    def command(self, world: World, api: Api, live: Object) -> str:
        """kubectl has no command for one eviction; its raw form does the same."""
        request = _eviction(api, live)
        body = shlex.quote(msgspec.json.encode(request.body).decode())
        return f"printf %s {body} | {kubectl(world, api, 'create', '--raw', request.path, '-f', '-')}"


def _eviction(api: Api, live: Object) -> Request:
    metadata = live["metadata"]
    options = {"preconditions": {"uid": metadata["uid"]}}
    body = {
        "apiVersion": EVICTION,
        "kind": "Eviction",
        "metadata": {"name": metadata["name"], "namespace": api.namespace},
        "deleteOptions": options,
    }
    dry = {**body, "deleteOptions": {**options, "dryRun": ["All"]}}
    return Request("POST", POD.path(api.namespace, metadata["name"], "eviction"), body, JSON, dry)


async def _budget(api: Api, live: Object) -> tuple[str, ...]:
    """What the pod's disruption budget says against its going, from a dry-run eviction."""
    try:
        await api.write(_eviction(api, live), dry_run=True)
    except KubeError as error:
        if found := budget_refusal(error):
            return (
                f"Its disruption budget forbids it ({found}); a delete ignores that, an eviction does not.",
            )
        return (f"Disruption budget: unknown ({error.reason}).",)
    except LostAnswerError as error:
        return (f"Disruption budget: unknown ({error}).",)
    return ()


async def _owner(api: Api, live: Object) -> Owner:
    """The controller of a pod, with the state of its workload. Raises PlanError."""
    direct = _controller(live)
    if direct is None:
        return Owner()
    text = clean(f"{direct['kind']} {direct['name']}", 160)
    if direct["kind"] == "ReplicaSet":
        above = await api.find(REPLICASET, str(direct["name"]))
        direct = _controller(above) if above is not None else None
        if direct is None:
            return Owner(text)
    kind = str(direct["kind"]).lower()
    workload = await api.find(WORKLOADS[kind], str(direct["name"])) if kind in WORKLOADS else None
    if workload is None:
        return Owner(text)
    state = assess(kind, workload)
    name, uid = str(workload["metadata"]["name"]), str(workload["metadata"]["uid"])
    text = clean(f"{direct['kind']} {name}", 160)
    return Owner(text, kind, name, uid, state.available, state.desired, rolling(kind, workload))


def _controller(live: Object) -> Object | None:
    owners = live["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), None)


async def _endpoints(api: Api, live: Object) -> tuple[Share, ...]:
    try:
        return await service_shares(
            api, live["metadata"].get("labels") or {}, frozenset({str(live["metadata"]["name"])})
        )
    except PlanError:
        return ()


def _warnings(live: Object, owner: Owner, shares: tuple[Share, ...]) -> tuple[str, ...]:
    found: list[str] = []
    metadata = live["metadata"]
    if not owner.text:
        found.append("Nobody owns this pod: it does not come back. Save its manifest if it is needed.")
    if "kubernetes.io/config.mirror" in (metadata.get("annotations") or {}):
        found.append("It is a static pod of its node: the node puts it back at once; nothing is restarted.")
    if owner.kind == "statefulset":
        found.append("A StatefulSet makes it again with the same name and volume, after it is really gone.")
    if metadata.get("deletionTimestamp"):
        found.append("It is terminating already.")
    if ready(live):
        last = owner.available == 1 and owner.desired >= 1
        found.append(
            f"Outage: it is the only available pod of {owner.text}."
            if last
            else "It is ready: it still serves."
        )
    found += [
        f"Outage: no other pod behind service {share.service} is ready." for share in shares if share.whole
    ]
    return tuple(found)


async def _gone(world: World, api: Api, target: Target, *, patient: bool) -> bool:
    """Whether the pod of that uid is gone; waits for it when ``patient``."""
    give_up = world.clock.monotonic() + (world.timing.rollout if patient else world.timing.request)
    while True:
        try:
            live = await api.find(POD, target.name)
            if live is None or live["metadata"]["uid"] != target.uid:
                return True
            world.tell(f"{target} is terminating.")
        except PlanError as error:
            world.tell(f"The API does not answer: {error}")
        if world.clock.monotonic() >= give_up:
            return False
        await asyncio.sleep(world.timing.poll)
