"""The arithmetic of a rollout, as pure functions on objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from console.drill.cluster import names
from console.drill.cluster.schema import Obj

_REVISION = "deployment.kubernetes.io/revision"
_MAXIMUM = "deployment.kubernetes.io/max-replicas"
_HASH = "pod-template-hash"


def without_hash(template: Obj) -> Obj:
    """Return a pod template without the label that ReplicaSets add."""
    meta = dict(template.get("metadata") or {})
    labels = {name: value for name, value in (meta.get("labels") or {}).items() if name != _HASH}
    meta["labels"] = labels
    return {**template, "metadata": meta}


def revision(replica_set: Obj) -> int:
    """Return the revision number of a ReplicaSet."""
    return int((replica_set["metadata"].get("annotations") or {}).get(_REVISION, "0"))


def next_revision(sets: Iterable[Obj]) -> int:
    """Return the number after the highest."""
    return max(map(revision, sets), default=0) + 1


def share(value: Any, total: int, *, up: bool) -> int:
    """Return an IntOrString such as 1 or "25%" of a total."""
    if isinstance(value, str) and value.endswith("%"):
        part = total * int(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value or 0)


def bounds(spec: Obj) -> tuple[int, int]:
    """Return maxSurge and maxUnavailable as numbers of pods."""
    if spec["strategy"]["type"] == "Recreate":
        return 0, 0
    rolling = spec["strategy"].get("rollingUpdate") or {}
    most = share(rolling.get("maxSurge", "25%"), spec["replicas"], up=True)
    least = share(rolling.get("maxUnavailable", "25%"), spec["replicas"], up=False)
    if most == 0 and least == 0:
        least = 1
    return most, min(least, spec["replicas"])


def surge(spec: Obj) -> int:
    """Return maxSurge as a number of pods."""
    return bounds(spec)[0]


def new_replicas(deployment: Obj, current: int, sets: Sequence[Obj]) -> int:
    """Return how many replicas the new ReplicaSet may have now."""
    spec = deployment["spec"]
    if spec["strategy"]["type"] == "Recreate":
        running = sum(one["spec"]["replicas"] or one["status"].get("replicas", 0) for one in sets)
        return current if current or running else int(spec["replicas"])
    if current > spec["replicas"]:
        return int(spec["replicas"])
    total = sum(one["spec"]["replicas"] for one in sets)
    room = spec["replicas"] + surge(spec) - total
    return current if room <= 0 else current + min(room, spec["replicas"] - current)


def shrink_old(deployment: Obj, new: Obj, old: Sequence[Obj]) -> dict[str, int]:
    """Return the new sizes of old ReplicaSets: unhealthy pods first, then as many as may be missing."""
    spec = deployment["spec"]
    live = [one for one in old if one["spec"]["replicas"] > 0]
    if not live:
        return {}
    least = spec["replicas"] - bounds(spec)[1]
    missing = new["spec"]["replicas"] - new["status"].get("availableReplicas", 0)
    total = new["spec"]["replicas"] + sum(one["spec"]["replicas"] for one in live)
    may_go = total - least - missing
    sizes: dict[str, int] = {}
    for one in sorted(live, key=lambda o: o["metadata"]["creationTimestamp"]):
        sick = one["spec"]["replicas"] - one["status"].get("availableReplicas", 0)
        gone = min(max(sick, 0), max(may_go, 0))
        if gone:
            sizes[one["metadata"]["name"]] = one["spec"]["replicas"] - gone
            may_go -= gone
    available = sum(one["status"].get("availableReplicas", 0) for one in [new, *live])
    spare = available - least
    for one in sorted(live, key=lambda o: o["metadata"]["creationTimestamp"]):
        size = sizes.get(one["metadata"]["name"], one["spec"]["replicas"])
        gone = min(size, max(spare, 0))
        if gone:
            sizes[one["metadata"]["name"]] = size - gone
            spare -= gone
    return sizes


def proportional(deployment: Obj, sets: Sequence[Obj], new_name: str) -> dict[str, int]:
    """Return the sizes after a change of `replicas` in the midst of a rollout or a pause."""
    spec = deployment["spec"]
    live = [one for one in sets if one["spec"]["replicas"] > 0]
    if len(live) <= 1:
        target = live[0] if live else next((one for one in sets if one["metadata"]["name"] == new_name), None)
        return {target["metadata"]["name"]: spec["replicas"]} if target is not None else {}
    total = sum(one["spec"]["replicas"] for one in live)
    allowed = spec["replicas"] + surge(spec) if spec["replicas"] > 0 else 0
    change = allowed - total
    sizes = {one["metadata"]["name"]: one["spec"]["replicas"] for one in live}
    ranked = sorted(
        live, key=lambda o: (o["spec"]["replicas"], o["metadata"]["creationTimestamp"]), reverse=True
    )
    left = change
    for one in ranked:
        size = one["spec"]["replicas"]
        most = int((one["metadata"].get("annotations") or {}).get(_MAXIMUM, total)) or total
        part = round(size * allowed / most) - size
        part = min(part, left) if change > 0 else max(part, left)
        sizes[one["metadata"]["name"]] = max(size + part, 0)
        left -= part
    first = ranked[0]["metadata"]["name"]
    sizes[first] = max(sizes[first] + left, 0)
    return sizes


def with_condition(
    conditions: Sequence[Obj], kind: str, status: str, reason: str, message: str, now: str
) -> list[Obj]:
    """Return the conditions with one set; times as the controller keeps them."""
    old = next((one for one in conditions if one["type"] == kind), None)
    if old is not None and (old["status"], old["reason"], old["message"]) == (status, reason, message):
        return list(conditions)
    since = old["lastTransitionTime"] if old is not None and old["status"] == status else now
    fresh = {
        "type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": since,
        "reason": reason, "message": message,
    }  # fmt: skip
    return [*(one for one in conditions if one["type"] != kind), fresh]


def complete(deployment: Obj, status: Obj) -> bool:
    """Return whether the rollout is done."""
    wanted = deployment["spec"]["replicas"]
    return all(status.get(name, 0) == wanted for name in ("updatedReplicas", "replicas", "availableReplicas"))


def unfinished(deployment: Obj, status: Obj) -> bool:
    """Return whether something is still to come."""
    return not complete(deployment, status)


def _counts(deployment: Obj, sets: Sequence[Obj], new: Obj | None) -> Obj:
    total = sum(one["status"].get("replicas", 0) for one in sets)
    available = sum(one["status"].get("availableReplicas", 0) for one in sets)
    wanted = max(sum(one["spec"]["replicas"] for one in sets), 0)
    counts = {
        "replicas": total,
        "updatedReplicas": new["status"].get("replicas", 0) if new is not None else 0,
        "readyReplicas": sum(one["status"].get("readyReplicas", 0) for one in sets),
        "availableReplicas": available,
        "unavailableReplicas": max(wanted - available, 0),
    }
    result: Obj = {"observedGeneration": deployment["metadata"]["generation"]}
    result |= {name: count for name, count in counts.items() if count}
    result["terminatingReplicas"] = sum(one["status"].get("terminatingReplicas", 0) for one in sets)
    return result


def status(deployment: Obj, sets: Sequence[Obj], new: Obj | None, now: datetime) -> Obj:
    """Return the Deployment's status with its conditions."""
    old, spec, text = deployment["status"], deployment["spec"], names.timestamp(now)
    result = _counts(deployment, sets, new)
    if old.get("collisionCount"):
        result["collisionCount"] = old["collisionCount"]
    conditions: list[Obj] = list(old.get("conditions") or ())
    enough = result.get("availableReplicas", 0) >= spec["replicas"] - bounds(spec)[1]
    name = new["metadata"]["name"] if new is not None else ""
    progressing = next((one for one in conditions if one["type"] == "Progressing"), None)
    if spec.get("paused"):
        conditions = with_condition(
            conditions, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", text
        )
    elif progressing is not None and progressing["reason"] == "DeploymentPaused":
        conditions = with_condition(
            conditions, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", text
        )
    elif complete(deployment, result):
        done = f'ReplicaSet "{name}" has successfully progressed.'
        conditions = with_condition(conditions, "Progressing", "True", "NewReplicaSetAvailable", done, text)
    elif new is not None and _moved(old, result) and old.get("observedGeneration"):
        message = f'ReplicaSet "{name}" is progressing.'
        others = [one for one in conditions if one["type"] != "Progressing"]
        fresh = with_condition(others, "Progressing", "True", "ReplicaSetUpdated", message, text)
        if progressing is not None and progressing["status"] == "True":
            fresh[-1]["lastTransitionTime"] = progressing["lastTransitionTime"]
        conditions = fresh
    elif progressing is not None and _late(progressing, spec, now) and progressing["status"] != "False":
        message = f'ReplicaSet "{name}" has timed out progressing.'
        conditions = with_condition(
            conditions, "Progressing", "False", "ProgressDeadlineExceeded", message, text
        )
    reason, message = (
        ("MinimumReplicasAvailable", "Deployment has minimum availability.") if enough
        else ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    )  # fmt: skip
    conditions = with_condition(conditions, "Available", "True" if enough else "False", reason, message, text)
    failure = next(
        (c for s in sets for c in s["status"].get("conditions") or () if c["type"] == "ReplicaFailure"), None
    )
    conditions = [one for one in conditions if one["type"] != "ReplicaFailure"]
    if failure is not None:
        conditions.append({**failure, "lastUpdateTime": failure["lastTransitionTime"]})
    result["conditions"] = conditions
    return result


def _moved(old: Obj, new: Obj) -> bool:
    """Return whether the counts show progress."""
    before, after = old.get("updatedReplicas", 0), new.get("updatedReplicas", 0)
    old_before = old.get("replicas", 0) - before
    old_after = new.get("replicas", 0) - after
    return bool(
        after > before
        or old_after < old_before
        or new.get("readyReplicas", 0) > old.get("readyReplicas", 0)
        or new.get("availableReplicas", 0) > old.get("availableReplicas", 0)
    )


def _late(progressing: Obj, spec: Obj, now: datetime) -> bool:
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is None or progressing["reason"] == "NewReplicaSetAvailable":
        return False
    passed = (now - names.parse_time(progressing["lastUpdateTime"])).total_seconds()
    return passed > float(deadline)


def deadline_in(deployment: Obj, state: Obj, now: datetime) -> float | None:
    """Return in how many seconds the progress deadline has to be looked at."""
    progressing = next((one for one in state.get("conditions") or () if one["type"] == "Progressing"), None)
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    if (
        progressing is None
        or deadline is None
        or complete(deployment, state)
        or progressing["status"] != "True"
    ):
        return None
    passed = (now - names.parse_time(progressing["lastUpdateTime"])).total_seconds()
    return max(float(deadline) - passed + 1.0, 0.5)
