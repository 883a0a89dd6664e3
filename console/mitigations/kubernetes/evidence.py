"""What is saved before a mitigation destroys it: objects, events, logs of now and of the last crash."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from console.engine.ports import PlanError
from console.mitigations.kubernetes.api import EVENT, POD, Api, LostAnswerError, Object, Tail, sentence
from console.mitigations.kubernetes.surroundings import ready
from console.mitigations.world import SECRET_REACH, World
from console.model.redact import redact_value
from console.sources.kubernetes.errors import KubeError

PODS = 5
"""Pods whose logs are saved."""
DESCRIBED = 50
"""Pods that are saved as objects."""
LOG_LINES = 5000
LOG_BYTES = 1_000_000
"""Bytes of a log that are kept: its last ones."""
READ_BYTES = 4_000_000
"""A log whose last LOG_LINES are more than this, or too slow, is asked for again with fewer lines."""
FEWEST_LINES = 100
FAR_BYTES = 32_000_000
"""How far even that log is read, to get to the end of a very long line."""
DEADLINE = 25.0
"""Seconds that the saving of logs may take in all: evidence must not hold a mitigation up for long."""


def announce(pods: tuple[Object, ...]) -> tuple[str, ...]:
    """What ``save`` will keep, for the plan."""
    chosen = worst(pods)
    if not chosen:
        return ("the object and its events",)
    names = ", ".join(str(pod["metadata"]["name"]) for pod in chosen)
    return (
        "the object, its pods and their events as JSON",
        f"logs of now and of the last crash: {names}"
        + (f" (worst {PODS} of {len(pods)})" if len(pods) > PODS else ""),
    )


def worst(pods: tuple[Object, ...], limit: int = PODS) -> tuple[Object, ...]:
    """The pods whose logs tell most: not ready first, then those that restarted most."""
    return tuple(
        sorted(pods, key=lambda pod: (ready(pod), -_restarts(pod), str(pod["metadata"]["name"])))[:limit]
    )


def _restarts(pod: Object) -> int:
    return sum(int(status.get("restartCount", 0)) for status in _statuses(pod))


def _statuses(pod: Object) -> list[dict[str, Any]]:
    status = pod.get("status", {})
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


async def save(world: World, api: Api, subject: Object | None, pods: tuple[Object, ...]) -> tuple[str, ...]:
    """Save what ``announce`` said; returns what could not be read. Raises OSError when it cannot write."""
    missing: list[str] = []
    if subject is not None:
        name = f"{str(subject.get('kind', 'object')).lower()}-{subject['metadata']['name']}.json"
        await _put(world, name, subject)
    if pods:
        await _put(world, "pods.json", list(worst(pods, DESCRIBED)))
    about = [str(item["metadata"]["name"]) for item in (*worst(pods), *([subject] if subject else []))]
    try:
        lists = await asyncio.gather(
            *(api.list(EVENT, fieldSelector=f"involvedObject.name={name}") for name in dict.fromkeys(about))
        )
        await _put(world, "events.json", [event for found in lists for event in found])
    except PlanError as error:
        missing.append(f"events: {error}")
    try:
        async with asyncio.timeout(DEADLINE):
            results = await asyncio.gather(*(_logs(world, api, pod) for pod in worst(pods)))
        missing += [problem for result in results for problem in result]
    except TimeoutError:
        missing.append(f"logs: not all could be read within {DEADLINE:g} s")
    return tuple(missing)


async def _put(world: World, name: str, value: Any) -> None:
    await asyncio.to_thread(lambda: world.save_evidence(name, _json(value)))


async def _logs(world: World, api: Api, pod: Object) -> list[str]:
    name, problems = str(pod["metadata"]["name"]), []
    for status in _statuses(pod):
        container = str(status.get("name", ""))
        wanted = [False, True] if int(status.get("restartCount", 0)) else [False]
        for previous in wanted:
            suffix = "previous.log" if previous else "log"
            try:
                tail = await _tail(api, name, container, previous=previous)
            except (KubeError, LostAnswerError) as error:
                why = sentence(error, "read them") if isinstance(error, KubeError) else str(error)
                problems.append(f"{suffix} of {name}/{container}: {why}")
                continue
            if not tail.ended:
                problems.append(f"{suffix} of {name}/{container}: its end could not be reached")
            await asyncio.to_thread(
                world.save_evidence,
                f"{name}.{container}.{suffix}",
                tail.data,
                limit=LOG_BYTES,
                before=tail.total - len(tail.data),
                inside=tail.inside,
            )
    return problems


async def _tail(api: Api, name: str, container: str, *, previous: bool) -> Tail:
    """The end of a log. The server's own limit is no use: it keeps the beginning of what was asked for."""

    async def read(lines: int, at_most: int) -> Tail:
        params = {"container": container, "timestamps": "true", "tailLines": str(lines)}
        if previous:
            params["previous"] = "true"
        path = POD.path(api.namespace, name, "log")
        return await api.tail(path, params, keep=LOG_BYTES + SECRET_REACH, at_most=at_most)

    tail = await read(LOG_LINES, READ_BYTES)
    if tail.ended:
        return tail
    fewer = tail.lines * min(LOG_BYTES, tail.total // 2) // tail.total
    end = await read(max(FEWEST_LINES, fewer), FAR_BYTES)
    if not end.ended:
        end = await read(1, FAR_BYTES)
    return msgspec.structs.replace(end, total=max(tail.total, end.total))


def _json(value: Any) -> bytes:
    value = [_slim(item) for item in value] if isinstance(value, list) else _slim(value)
    return msgspec.json.format(msgspec.json.encode(redact_value(value)), indent=1)


def _slim(item: Object) -> Object:
    metadata = {key: value for key, value in item.get("metadata", {}).items() if key != "managedFields"}
    return {**item, "metadata": metadata}
