"""The object a plan is about, its fingerprint, and the dry run of the very request that would be sent."""

from __future__ import annotations

import difflib
import hashlib
import re
import shlex
from collections.abc import Callable
from typing import Any

import msgspec

from console.config import ClusterSettings
from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import (
    Answer,
    Api,
    Kind,
    LostAnswerError,
    Object,
    Request,
    budget_refusal,
    sentence,
)
from console.mitigations.kubernetes.diff import changes
from console.mitigations.world import World
from console.model.plan import Change, Target
from console.model.symptoms.words import plural
from console.model.text import clean
from console.sources.kubernetes.errors import KubeError

REVISION = "deployment.kubernetes.io/revision"
CONFLICT_TRIES = 5
"""How often a write is built anew when only the status or replicas of its object moved in between."""
_CONTAINERS = ("initContainers", "containers")
_OF_CONTAINERS = {"image": ("image",), "environment": ("env", "envFrom"), "resources": ("resources",)}


class RefusedError(Exception):
    """Why an act is not carried out, as a sentence. Nothing was changed."""


class Preview(msgspec.Struct, frozen=True):
    """What the server said to the dry run; ``refusal`` is set when it would refuse the act too."""

    text: str
    changes: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = ()
    refusal: str = ""


async def load(api: Api, kind: Kind, target: Target) -> tuple[Object, Target]:
    """Read the target anew and freeze its identity. Raises PlanError, also when it is another one by now."""
    live = await api.find(kind, target.name)
    if live is None:
        near = await _nearest(api, kind, target.name)
        raise PlanError(f"{target} does not exist in namespace {api.namespace} of {api.context}{near}")
    metadata = live["metadata"]
    if target.uid and metadata["uid"] != target.uid:
        raise PlanError(
            f"{target} is not the one that was selected: it was deleted and made again since. Select it anew."
        )
    frozen = Target(
        target.kind, target.name, api.namespace, metadata["uid"], str(metadata.get("resourceVersion", ""))
    )
    return live, frozen


async def _nearest(api: Api, kind: Kind, name: str) -> str:
    try:
        names = [str(item["metadata"]["name"]) for item in await api.list(kind, limit="500")]
    except PlanError:
        return ""
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return clean(f"; did you mean {close[0]!r}?", 160) if close else ""


def fingerprint(live: Object) -> dict[str, str]:
    """A digest of each part of a workload that people and controllers decide on, by its name.

    Its status does not count, nor does what neither a restart nor a roll-back touches: autoscalers set the
    replicas at any time. A pause has a sentence of its own.
    """
    metadata, spec = live.get("metadata", {}), live.get("spec") or {}
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != REVISION}
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    containers = [(kind, item) for kind in _CONTAINERS for item in pod.get(kind) or ()]
    told = {key for keys in _OF_CONTAINERS.values() for key in keys}
    parts: dict[str, Any] = {
        title: [[item.get(key) for key in keys] for _, item in containers]
        for title, keys in _OF_CONTAINERS.items()
    }
    parts["pod template"] = [
        {key: value for key, value in template.items() if key != "spec"},
        {key: value for key, value in pod.items() if key not in _CONTAINERS},
        [[kind, {key: value for key, value in item.items() if key not in told}] for kind, item in containers],
    ]
    parts |= {"labels": metadata.get("labels"), "annotations": notes}
    parts |= {key: value for key, value in spec.items() if key not in ("replicas", "paused", "template")}
    return {title: digest(value) for title, value in parts.items()}


def digest(value: Any) -> str:
    """The first 16 hex digits of the SHA-256 of a JSON-like value."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]


def template_digest(live: Object) -> str:
    """A digest of a workload's pod template."""
    return digest(live["spec"]["template"])


async def preview(api: Api, build: Callable[[Object], Request], live: Object, what: str) -> Preview:
    """Send the request as a dry run and tell apart: accepted, refused, and not able to say.

    A conflict means that the object moved since it was read, as a sick one does all the time: it is read
    again and asked anew. Raises PlanError when the server could not be asked.
    """
    for _ in range(CONFLICT_TRIES):
        request = build(live)
        try:
            answer = await api.write(request, dry_run=True)
        except LostAnswerError as error:
            raise PlanError(f"The dry run got no answer: {error}. Nothing was changed.") from None
        except KubeError as error:
            if error.status != 409:
                return refused_preview(error, what)
            live = await _again(api, request.path, live, what)
        else:
            found = changes(live, answer.body) if answer.body.get("kind") == live.get("kind") else ()
            count = f"{plural(len(found), 'field')} would change"
            return Preview(
                f"accepted by the server: {count if found else 'no field changes'}", found, answer.warnings
            )
    raise PlanError(f"Could not {what}: it is changed again and again while the plan is made. Try once more.")


async def _again(api: Api, path: str, before: Object, what: str) -> Object:
    try:
        live = await api.object_at(path)
    except KubeError as error:
        raise PlanError(sentence(error, what)) from None
    except LostAnswerError as error:
        raise PlanError(f"Could not {what}: {error}. Nothing was changed.") from None
    if live["metadata"]["uid"] != before["metadata"]["uid"]:
        raise PlanError(f"Could not {what}: it was deleted and made again just now. Select it anew.")
    return live


def refused_preview(error: KubeError, what: str) -> Preview:
    """The reading of a dry run that failed."""
    message = error.message
    if error.status == 400 and (
        hook := re.search(r"webhook \\?\"?([^\s\"\\]+)\\?\"? does not support dry run", message)
    ):
        return Preview(
            f"preview unavailable: the webhook {hook[1]} does not support dry runs",
            warnings=(
                f"No preview: the webhook {hook[1]} cannot be asked. The act itself may still be refused.",
            ),
        )
    if budget := budget_refusal(error):
        return Preview("refused: a disruption budget", refusal=f"A disruption budget forbids it: {budget}.")
    if error.status == 429 or error.status >= 500:
        raise PlanError(sentence(error, f"ask the server for a dry run to {what}"))
    if hook := re.search(r"admission webhook \"([^\"]+)\" denied the request:? ?(.*)", message):
        return Preview(
            "refused by a webhook", refusal=f"The webhook {hook[1]} denies it: {hook[2] or 'no reason given'}"
        )
    return Preview(f"refused by the server ({error.status} {error.word})", refusal=sentence(error, what))


async def send_guarded(
    api: Api,
    kind: Kind,
    name: str,
    check: Callable[[Object], str],
    build: Callable[[Object], Request],
    sub: str = "",
) -> Answer:
    """Read the object, make sure that it is as planned, and write guarded by the resourceVersion just read.

    ``check`` returns why the object is not as planned any more, or nothing. A conflict means that the
    server did not act, so it is tried again while ``check`` agrees. Raises RefusedError, KubeError or
    LostAnswerError.
    """
    for attempt in range(CONFLICT_TRIES):
        live = await _reread(api, kind, name, sub)
        if problem := check(live):
            raise RefusedError(problem)
        try:
            return await api.write(build(live), dry_run=False)
        except KubeError as error:
            if error.status != 409 or attempt == CONFLICT_TRIES - 1:
                raise
    raise AssertionError("unreachable")


async def _reread(api: Api, kind: Kind, name: str, sub: str) -> Object:
    path = kind.path(api.namespace, name, sub)
    try:
        return await api.object_at(path)
    except KubeError as error:
        if error.status == 404:
            raise RefusedError(f"{kind.title} {name} does not exist any more. Nothing was changed.") from None
        raise RefusedError(sentence(error, f"read {kind.title} {name} again before the act")) from None
    except LostAnswerError as error:
        raise RefusedError(f"The target could not be read again: {error}. Nothing was changed.") from None


def same_object(live: Object, target: Target, seen: dict[str, str]) -> str:
    """Why a workload is not as planned: another uid, or which parts have another digest than in ``seen``."""
    if live["metadata"]["uid"] != target.uid:
        return f"{target} was deleted and made again since the plan. Nothing was changed; plan again."
    now = fingerprint(live)
    changed = [title for title in {**seen, **now} if now.get(title) != seen.get(title)]
    if changed:
        what = " and ".join(_told(title, live) for title in changed)
        return f"Somebody changed the {what} of {target} since the plan. Nothing was changed; plan again."
    return ""


def _told(title: str, live: Object) -> str:
    """The name of a changed part, an image with the one of now."""
    if title != "image":
        return clean(title, 80)
    images = [str(item.get("image")) for item in live["spec"]["template"]["spec"].get("containers") or ()]
    return clean(f"image (now {', '.join(images)})", 240)


def kubectl(world: World, api: Api, *words: str) -> str:
    """The kubectl command that does the same, with everything pinned, quoted for a shell."""
    pins: list[str] = []
    if isinstance(world.settings, ClusterSettings) and world.settings.kubeconfig is not None:
        pins += ["--kubeconfig", str(world.settings.kubeconfig)]
    if api.context:
        pins += ["--context", api.context]
    return shlex.join(["kubectl", *pins, "-n", api.namespace, *words])
