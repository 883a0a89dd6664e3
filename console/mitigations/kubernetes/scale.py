"""k8s.scale: set the number of replicas through the scale subresource, guarded by its resourceVersion."""

from __future__ import annotations

import msgspec

from console.engine.ports import PlanError
from console.mitigations.base import NoOptions
from console.mitigations.kubernetes import facts
from console.mitigations.kubernetes.act import Undo, carry_out, save_evidence, verify_rollout, workload_pods
from console.mitigations.kubernetes.api import MERGE_PATCH, WORKLOADS, Answer, Object, Request, open_api
from console.mitigations.kubernetes.judge import related_service
from console.mitigations.kubernetes.subject import kubectl, preview, send_guarded
from console.mitigations.kubernetes.surroundings import NAMED, database_budget, hpa_notes, pod_names
from console.mitigations.kubernetes.workload import Study, draft, study
from console.mitigations.world import World
from console.model.kube import KubeSnapshot
from console.model.plan import Hit, Outcome, Plan, Risk, Target, Verdict
from console.model.quantity import cores, size
from console.model.symptoms.words import plural

SCALABLE = ("deployment", "statefulset")


class Scale(NoOptions):
    """Sets ``spec.replicas``."""

    name = "k8s.scale"

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look and dry-run. Raises PlanError."""
        if target.kind not in SCALABLE:
            raise PlanError(f"{target} cannot be scaled; scale a {' or '.join(SCALABLE)}")
        wanted = _number(params.get("replicas", ""))
        seen = await study(world, target, sub="scale")
        now = int(seen.live["spec"].get("replicas", 1))
        command = kubectl(
            world, seen.api, "scale", str(target), f"--current-replicas={now}", f"--replicas={wanted}"
        )
        title = f"Scale {target} from {now} to {wanted}"
        short = database_budget(world, seen.live, seen.around.pods, now, wanted, short=True)
        risk = _risk(seen, now, wanted, short=bool(short))
        plan = draft(world, seen, self.name, title, risk, command)
        plan = msgspec.structs.replace(plan, params={"replicas": str(wanted)})
        if refusal := _refusal(target, now, wanted, params.get("expect", "")):
            return msgspec.structs.replace(plan, refusal=refusal)
        scale = await seen.api.get(WORKLOADS[target.kind], target.name, "scale")
        answer = await preview(
            seen.api,
            lambda scale: scale_request(seen.api.namespace, target, scale, wanted),
            scale,
            f"scale {target}",
        )
        return msgspec.structs.replace(
            plan,
            changes=answer.changes,
            hits=_hits(seen, now, wanted),
            undone_by=(*plan.undone_by, *hpa_notes(seen.around.hpas, replicas=wanted)),
            reversible=True,
            undo=f"scale back to {now}",
            warnings=(
                *_load(world, seen, now, wanted),
                *short,
                *_room(world, seen, wanted - now),
                *_storage(seen, now, wanted),
                *answer.warnings,
                *plan.warnings,
            ),
            notes=database_budget(world, seen.live, seen.around.pods, now, wanted, short=False),
            dry_run=answer.text,
            refusal=answer.refusal,
            temporary=not params.get("expect"),
            payload={**plan.payload, "from": now, "to": wanted},
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Save the evidence when pods go, then scale."""
        api = await open_api(world, plan.target.namespace)
        kind, now, wanted = WORKLOADS[plan.target.kind], plan.payload["from"], int(plan.payload["to"])

        def check(scale: Object) -> str:
            if scale["metadata"]["uid"] != plan.target.uid:
                return f"{plan.target} was made anew since the plan. Nothing was changed; plan again."
            live = int(scale.get("spec", {}).get("replicas", 0))
            if live != now:
                return (
                    f"{plan.target} has {plural(live, 'replica')} now, not the {now} of the plan:"
                    " somebody else scales it. Nothing was changed; plan again."
                )
            return ""

        async def write() -> Answer:
            if wanted < now:
                live = await api.get(kind, plan.target.name)
                world.tell(f"Scaling.{await save_evidence(world, api, live, await workload_pods(api, live))}")
            return await send_guarded(
                api,
                kind,
                plan.target.name,
                check,
                lambda scale: scale_request(api.namespace, plan.target, scale, wanted),
                sub="scale",
            )

        back = Undo(self.name, {"replicas": str(now), "expect": str(wanted)})
        return await carry_out(world, f"scale {plan.target} to {wanted}", write, lambda _: back)

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """Wait for the pods and judge."""

        def landed(live: Object) -> bool:
            return int(live["spec"].get("replicas", 1)) == int(plan.payload["to"])

        return await verify_rollout(world, plan, outcome, landed)


def scale_request(namespace: str, target: Target, scale: Object, replicas: int) -> Request:
    """A merge patch of the scale subresource, guarded by the resourceVersion of ``scale``."""
    body = {
        "metadata": {"resourceVersion": scale["metadata"]["resourceVersion"]},
        "spec": {"replicas": replicas},
    }
    return Request("PATCH", WORKLOADS[target.kind].path(namespace, target.name, "scale"), body, MERGE_PATCH)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) > 10_000:
        raise PlanError(f"replicas={text or '(nothing)'} is no number of replicas; give e.g. replicas=5")
    return int(text)


def _risk(seen: Study, now: int, wanted: int, *, short: bool) -> Risk:
    """``short`` is whether a database may run out of connections."""
    if facts.database(seen.live) and wanted < now:
        return Risk.DESTRUCTIVE
    if wanted == 0:
        return Risk.DESTRUCTIVE
    return Risk.DISRUPTIVE if wanted < now or short else Risk.ROUTINE


def _refusal(target: Target, now: int, wanted: int, expect: str) -> str:
    if expect and expect != str(now):
        return (
            f"{target} has {plural(now, 'replica')}, not the {expect} that the action to be undone had set;"
            f" it would go back to {wanted}. Somebody changed it since: plan a scale by itself if that is"
            " still wanted."
        )
    return f"{target} has {plural(now, 'replica')} already: nothing would change." if now == wanted else ""


def _hits(seen: Study, now: int, wanted: int) -> tuple[Hit, ...]:
    if wanted >= now:
        return (Hit("pods added", wanted - now), *seen.around.endpoints)
    names = pod_names(seen.around.pods)
    if seen.target.kind == "statefulset":
        names = tuple(f"{seen.target.name}-{ordinal}" for ordinal in range(wanted, now))
        return (Hit("pods removed", now - wanted, names[:NAMED]), *seen.around.endpoints)
    return (Hit(f"pods removed, of these {len(names)}", now - wanted, names[:NAMED]), *seen.around.endpoints)


def _load(world: World, seen: Study, now: int, wanted: int) -> tuple[str, ...]:
    """What fewer replicas mean for each that is left."""
    if wanted >= now:
        return ()
    found: list[str] = []
    if wanted == 0:
        found += facts.store_warnings(seen.live)
        found.append("0 replicas: the service is gone until somebody scales it up again.")
    elif wanted == 1:
        found.append("1 replica: no redundancy; its next restart is an outage. Scaling down cures no errors.")
    service = related_service(world, seen.target.kind, seen.target.name)
    if service is not None and service.rate.ok and service.rate.value is not None and now:
        before = service.rate.value / now
        after = f"{service.rate.value / wanted:.1f}" if wanted else "no pod for all"
        found.append(
            f"Load of {service.name}: {service.rate.value:.1f} requests/s, {before:.1f} per replica now,"
            f" {after} after."
        )
    else:
        share = f"{now / wanted:.1f} times" if wanted else "all of"
        found.append(f"Each replica that is left takes {share} the load of now.") if wanted else None
    return tuple(found)


def _room(world: World, seen: Study, more: int) -> tuple[str, ...]:
    """What the new pods request, beside what the nodes have to give in all."""
    snapshot = world.board.snapshot(world.source)
    if more <= 0 or not isinstance(snapshot, KubeSnapshot):
        return ()
    nodes = [node for node in snapshot.nodes.values() if node.ready and not node.unschedulable]
    requests = [
        (container.get("resources") or {}).get("requests") or {}
        for container in seen.live["spec"]["template"].get("spec", {}).get("containers", ())
    ]
    cpu = sum(cores(str(item["cpu"])) or 0 for item in requests if "cpu" in item) * more
    memory = sum(size(str(item["memory"])) or 0 for item in requests if "memory" in item) * more
    if not nodes or not (cpu or memory):
        return ()
    there = sum(node.cpu for node in nodes)
    return (
        f"The {plural(more, 'new pod requests', 'new pods request')} {plural(cpu, 'core', show='g')} and"
        f" {memory / 2**30:.1f} GiB; the {plural(len(nodes), 'node that takes', 'nodes that take')} pods"
        f" {'has' if len(nodes) == 1 else 'have'} {plural(there, 'core', show='g')} and"
        f" {sum(node.memory for node in nodes) / 2**30:.1f} GiB in all, most of it perhaps in use.",
    )


def _storage(seen: Study, now: int, wanted: int) -> tuple[str, ...]:
    if seen.target.kind != "statefulset":
        return ()
    if wanted > now and facts.database(seen.live):
        return (
            "New replicas of a data store have to be cloned first, and help only where reads go to them.",
        )
    if wanted < now:
        return ("The volumes of the removed pods stay, unless the retention policy says Delete.",)
    return ()
