"""What stands around a workload: its pods, autoscalers, services, volumes and the database behind it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes import facts
from console.mitigations.kubernetes.api import BUDGET, CLAIM, HPA, POD, SERVICE, Api, Object
from console.mitigations.world import World
from console.model.budgets import covering, refusal
from console.model.plan import Hit
from console.model.postgres import ACTOR, READER, PostgresSnapshot
from console.model.symptoms.words import plural
from console.model.text import clean
from console.sources.kubernetes import wire_objects
from console.sources.kubernetes.objects import project_budget

T = TypeVar("T")

NAMED = 50
"""How many pods of a hit are named; the count is always whole."""


class Share(msgspec.Struct, frozen=True):
    """How many pods behind a service are ready, and which of these are to go or to be replaced."""

    service: str
    ready: int
    pods: tuple[str, ...]

    @property
    def hit(self) -> Hit:
        """As a part of the blast radius."""
        ready = plural(self.ready, "ready pod")
        return Hit(f"of the {ready} behind service {self.service}", len(self.pods), self.pods[:NAMED])

    @property
    def whole(self) -> bool:
        """Whether no other ready pod is behind the service."""
        return 0 < len(self.pods) == self.ready


class Surroundings(msgspec.Struct, frozen=True):
    """Read fresh for a plan; ``unread`` says what could not be read, so that nothing is quietly missing."""

    pods: tuple[Object, ...]
    hpas: tuple[Object, ...]
    endpoints: tuple[Hit, ...]
    claims: dict[str, list[str]]
    unread: tuple[str, ...] = ()


async def look_around(api: Api, workload: Object) -> Surroundings:
    """Everything around a workload, read at once; what is denied or absent is named instead of missing."""
    unread: list[str] = []

    async def attempt(what: str, read: Awaitable[T], otherwise: T) -> T:
        try:
            return await read
        except PlanError as error:
            unread.append(f"{what}: unknown ({clean(str(error), 160)})")
            return otherwise

    selector = facts.selector_text(workload["spec"].get("selector") or {})
    nothing: list[Object] = []
    pods, hpas, services, claims = await asyncio.gather(
        attempt("Pods", api.list(POD, labelSelector=selector), nothing),
        attempt("Autoscalers", api.list(HPA), nothing),
        attempt("Services", api.list(SERVICE), nothing),
        attempt("Volumes", _claims(api, workload), {}),
    )
    own = tuple(pod for pod in pods if owned(pod, workload))
    labels = workload["spec"]["template"].get("metadata", {}).get("labels") or {}
    names = frozenset(str(pod["metadata"]["name"]) for pod in own)
    shares = await attempt("Pods behind the services", _shares(api, services, labels, names), ())
    return Surroundings(
        own,
        tuple(hpa for hpa in hpas if _scales(hpa, workload)),
        tuple(share.hit for share in shares),
        claims,
        tuple(unread),
    )


def owned(pod: Object, workload: Object) -> bool:
    """Whether the workload controls the pod, itself or through a ReplicaSet of its name."""
    name, uid = workload["metadata"]["name"], workload["metadata"]["uid"]
    for owner in pod["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and (
            owner.get("uid") == uid
            or (owner.get("kind") == "ReplicaSet" and str(owner.get("name", "")).rpartition("-")[0] == name)
        ):
            return True
    return False


async def service_shares(api: Api, labels: Mapping[str, str], pods: frozenset[str]) -> tuple[Share, ...]:
    """For each service that selects ``labels``: how many of the ready pods behind it are ``pods``.

    Raises PlanError.
    """
    return await _shares(api, await api.list(SERVICE), labels, pods)


async def _shares(
    api: Api, services: list[Object], labels: Mapping[str, str], pods: frozenset[str]
) -> tuple[Share, ...]:
    serving = [item for item in services if _selects(item.get("spec", {}).get("selector") or {}, labels)]
    return tuple(await asyncio.gather(*(_share(api, item, pods) for item in serving)))


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and all(labels.get(key) == value for key, value in selector.items())


def _scales(hpa: Object, workload: Object) -> bool:
    target = hpa.get("spec", {}).get("scaleTargetRef", {})
    return bool(
        target.get("kind") == workload.get("kind") and target.get("name") == workload["metadata"]["name"]
    )


async def _claims(api: Api, workload: Object) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in facts.claim_names(workload):
        claim = await api.find(CLAIM, name)
        found[name] = list((claim or {}).get("spec", {}).get("accessModes") or ())
    return found


async def _share(api: Api, service: Object, pods: frozenset[str]) -> Share:
    """Ready pods behind a service, which are its endpoints unless it publishes unready addresses."""
    name, selector = clean(str(service["metadata"]["name"]), 80), service["spec"]["selector"]
    behind = await api.list(POD, labelSelector=facts.selector_text({"matchLabels": selector}))
    serving = [pod for pod in behind if ready(pod) and not pod["metadata"].get("deletionTimestamp")]
    hit = tuple(name for name in pod_names(tuple(serving)) if name in pods)
    return Share(name, len(serving), hit)


def hpa_notes(hpas: tuple[Object, ...], *, replicas: int | None = None) -> tuple[str, ...]:
    """What each autoscaler will do; with ``replicas`` to the number that somebody wants to set."""
    found: list[str] = []
    for hpa in hpas:
        name, spec = clean(str(hpa["metadata"]["name"]), 80), hpa.get("spec", {})
        low, high = int(spec.get("minReplicas", 1)), int(spec.get("maxReplicas", 0))
        text = f"HPA {name} keeps between {low} and {plural(high, 'replica')}"
        if replicas is None:
            found.append(f"{text}; it goes on doing so.")
        elif replicas == 0:
            found.append(f"{text}; 0 replicas switch it off until somebody sets another number.")
        else:
            found.append(f"{text} and sets its own number at its next look; change minReplicas instead.")
    return tuple(found)


def database_budget(
    world: World, workload: Object, pods: tuple[Object, ...], pods_now: int, pods_then: int, *, short: bool
) -> tuple[str, ...]:
    """Connections that ``pods_then`` pods can open, against the slots of each database with a pool size.

    Usable is max_connections less the reserved slots. Only growth is told, and either of the databases that
    are too ``short`` of slots or of the others, among them those that ``pods`` of the workload do not use.
    """
    found: list[str] = []
    for settings in world.config.postgres:
        snapshot = world.board.snapshot(f"postgres:{settings.name}")
        if settings.pool_size is None or not isinstance(snapshot, PostgresSnapshot) or pods_then <= pods_now:
            continue
        if _unused(snapshot, str(workload["metadata"]["name"]), pods):
            text = f"No session of it is seen on {settings.name}: no connection is counted for its pods."
            found += () if short else (text,)
            continue
        wanted, more = pods_then * settings.pool_size, (pods_then - pods_now) * settings.pool_size
        text = (
            f"Database {settings.name}: {plural(pods_then, 'pod')} × pool of {settings.pool_size} ="
            f" {plural(wanted, 'connection')}; {plural(snapshot.usable, 'slot is', 'slots are')} usable,"
            f" {snapshot.clients} taken now, {more} more may be opened"
        )
        if (max(wanted, snapshot.clients + more) > snapshot.usable) is short:
            found.append(f"{text}: {'not enough' if short else 'enough'}.")
    return tuple(found)


def _unused(snapshot: PostgresSnapshot, name: str, pods: tuple[Object, ...]) -> bool:
    """Whether sessions are seen and none is of the workload: by application name, or by address.

    The address of a node may be that of any pod on it. Nothing is known where addresses are hidden, or while
    no pod of the workload is ready to have a session.
    """
    sessions = [it for it in snapshot.backends if it.client_session and it.application not in (READER, ACTOR)]
    if snapshot.limited or not sessions or not any(map(ready, pods)):
        return False
    addresses = {pod.get("status", {}).get(key) for pod in pods for key in ("podIP", "hostIP")}
    addresses |= {it.get("ip") for pod in pods for it in pod.get("status", {}).get("podIPs") or ()}
    return not any(it.application.startswith(name) or it.client in addresses for it in sessions)


async def budget_notes(api: Api, pod: Object) -> tuple[str, ...]:
    """The disruption budgets of a pod that let it go now; nothing of others, or where none can be read."""
    try:
        found = await api.list(BUDGET)
    except PlanError:
        return ()
    budgets = [project_budget(msgspec.convert(it, wire_objects.Pdb, strict=False)) for it in found]
    covered = covering(budgets, api.namespace, pod["metadata"].get("labels") or {})
    if not covered:
        return ("No disruption budget covers it.",)
    if refusal(covered, ready=ready(pod)):
        return ()
    return tuple(
        f"Budget {it.name} allows {plural(it.allowed, 'disruption')} now."
        if it.allowed > 0
        else f"Budget {it.name} lets it go, because it is not ready."
        for it in covered
    )


def pod_names(pods: tuple[Object, ...]) -> tuple[str, ...]:
    """The names of pods, cleaned and sorted."""
    return tuple(sorted(clean(str(pod["metadata"]["name"]), 120) for pod in pods))


def ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod's Ready condition is True."""
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(item.get("type") == "Ready" and item.get("status") == "True" for item in conditions)


def failing(pod: Mapping[str, Any]) -> bool:
    """Whether a pod fails rather than starts: a container was restarted, or waits because of an error."""
    status = pod.get("status", {})
    containers = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
    waiting = (item.get("state", {}).get("waiting", {}).get("reason", "") for item in containers)
    return any(item.get("restartCount") for item in containers) or any(
        reason not in ("", "ContainerCreating", "PodInitializing") for reason in waiting
    )
