"""What each action needs to be allowed to do, asked of the systems without doing it."""

from __future__ import annotations

import msgspec

from console.config import ClusterSettings, PostgresSettings
from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import (
    DAEMONSET,
    DEPLOYMENT,
    POD,
    STATEFULSET,
    Api,
    Kind,
    open_api,
)
from console.mitigations.world import World

_NEEDS: dict[str, tuple[tuple[str, Kind, str], ...]] = {
    "k8s.restart": (("patch", DEPLOYMENT, ""), ("patch", STATEFULSET, ""), ("patch", DAEMONSET, "")),
    "k8s.rollback": (("patch", DEPLOYMENT, ""), ("patch", STATEFULSET, ""), ("patch", DAEMONSET, "")),
    "k8s.scale": (("patch", DEPLOYMENT, "scale"), ("patch", STATEFULSET, "scale")),
    "k8s.delete-pod": (("delete", POD, ""),),
    "k8s.evict-pod": (("create", POD, "eviction"),),
}
_SIGNALS = ("pg.cancel", "pg.terminate", "pg.terminate-matching")


class Permission(msgspec.Struct, frozen=True):
    """Whether one action is allowed on one system: yes, no, or None when it could not be told, and why."""

    action: str
    source: str
    allowed: bool | None
    detail: str


async def permissions(world: World) -> tuple[Permission, ...]:
    """The permissions of every action on the system of ``world``; problems are told, never raised."""
    try:
        if isinstance(world.settings, ClusterSettings):
            return await _kubernetes(world, world.settings)
        if isinstance(world.settings, PostgresSettings):
            return await _postgres(world)
    except PlanError as error:
        actions = _NEEDS if isinstance(world.settings, ClusterSettings) else _SIGNALS
        return tuple(Permission(action, world.source, None, str(error)) for action in actions)
    return ()


async def _kubernetes(world: World, settings: ClusterSettings) -> tuple[Permission, ...]:
    found: list[Permission] = []
    for namespace in settings.namespaces or ("default",):
        api = await open_api(world, namespace)
        user = await api.who_am_i() or "this user"
        for action, needs in _NEEDS.items():
            missing, unknown = await _missing(api, needs)
            allowed = None if unknown else not missing
            detail = f"{user} in {namespace}"
            if missing:
                detail += f" may not {', '.join(missing)}"
            found.append(Permission(action, world.source, allowed, detail))
    return tuple(found)


async def _missing(api: Api, needs: tuple[tuple[str, Kind, str], ...]) -> tuple[list[str], bool]:
    missing, unknown = list[str](), False
    for verb, kind, sub in needs:
        allowed = await api.may(verb, kind, sub)
        unknown = unknown or allowed is None
        if allowed is False:
            missing.append(f"{verb} {kind.resource}{'/' + sub if sub else ''}")
    return missing, unknown


async def _postgres(world: World) -> tuple[Permission, ...]:
    from console.mitigations.postgres.sessions import look, open_link

    seen = await look(await open_link(world))
    allowed = seen.superuser or seen.signals_any
    detail = "" if allowed else f"grant pg_signal_backend to {seen.user}, which has to inherit it"
    return tuple(Permission(action, world.source, allowed, detail) for action in _SIGNALS)
