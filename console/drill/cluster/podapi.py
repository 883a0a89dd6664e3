"""The calls on pods that are more than objects: logs and evictions."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from aiohttp import web

from console.drill.cluster import errors, listing, logs, names, selectors
from console.drill.cluster.api import Call
from console.drill.cluster.controllers.podstatus import condition
from console.drill.cluster.controllers.replicaset import pod_ready
from console.drill.cluster.errors import ApiError
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

_FOLLOW_SECONDS: Final = 0.1
_PODS, _BUDGETS = BY_TABLE["pods"], BY_TABLE["poddisruptionbudgets.policy"]


def _options(query: Mapping[str, str], now: float) -> logs.Options:
    since = None
    if "sinceSeconds" in query:
        since = now - listing.number(query, "sinceSeconds")
    elif "sinceTime" in query:
        try:
            since = names.parse_time(query["sinceTime"]).timestamp()
        except ValueError:
            raise errors.bad_request(
                f'parsing time "{query["sinceTime"]}" as "2006-01-02T15:04:05Z07:00"'
            ) from None
    for name in ("tailLines", "limitBytes"):
        if listing.number(query, name) < 0:
            cause = errors.invalid_value(name, query[name], "must be greater than or equal to 0")
            raise errors.invalid("PodLogOptions", "", "", [cause])
    return logs.Options(
        tail=listing.number(query, "tailLines") if query.get("tailLines") else None,
        since=since,
        limit_bytes=listing.number(query, "limitBytes") if query.get("limitBytes") else None,
        timestamps=query.get("timestamps") in ("1", "true"),
    )


async def log(cluster: Cluster, entry: Entry, http: web.Request) -> web.StreamResponse:
    """Answer a log request; with `follow` until the container's run ends or the client goes away."""
    query = http.query
    options = _options(query, cluster.clock.now().timestamp())
    run = cluster.view.run(entry, query.get("container", ""), previous=query.get("previous") in ("1", "true"))
    data = logs.render(run.lines, options)
    follow = query.get("follow") in ("1", "true")
    if not follow:
        return web.Response(body=data, headers={"Content-Type": "text/plain"})
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    written = run.written
    left = options.limit_bytes - len(data) if options.limit_bytes is not None else None
    tail = logs.Options(timestamps=options.timestamps)
    try:
        await response.prepare(http)
        if data:
            await response.write(data)
        while run.ended is None and cluster.store.get("pods", entry.namespace, entry.name) is not None:
            if left is not None and left <= 0:
                break
            await asyncio.sleep(_FOLLOW_SECONDS)
            run.fill(cluster.behaviour, cluster.clock.now().timestamp())
            fresh = logs.render(run.after(written), tail)[:left]
            written = run.written
            if fresh:
                left = left - len(fresh) if left is not None else None
                await response.write(fresh)
        await response.write(logs.render(run.after(written), tail)[:left])
        await response.write_eof()
    except ConnectionError:
        pass
    return response


def _budgets(cluster: Cluster, entry: Entry) -> list[Entry]:
    found = []
    for one in cluster.store.entries("poddisruptionbudgets.policy", entry.namespace):
        selector = selectors.from_spec(one.obj["spec"].get("selector"))
        if selector is not None and selector.matches(entry.labels):
            found.append(one)
    return found


def evict(cluster: Cluster, entry: Entry, options: Obj, call: Call) -> Obj:
    """Evict a pod if its disruption budget allows. Raises 429 (blocked), 500 (more than one budget), 409."""
    pod = entry.obj
    uid = (options.get("preconditions") or {}).get("uid")
    if uid not in (None, entry.uid):
        raise errors.precondition("Pod", entry.name, "UID", uid, entry.uid)
    done = (
        pod["status"].get("phase") in ("Succeeded", "Failed", "Pending")
        or "deletionTimestamp" in pod["metadata"]
    )
    budgets = [] if done else _budgets(cluster, entry)
    if len(budgets) > 1:
        message = (
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
        )
        raise ApiError(500, "InternalError", message, {})
    if budgets:
        _spend(cluster, budgets[0], pod, call)
    if not call.dry_run:
        _mark(cluster, entry)
        cluster.api.delete(
            _PODS, entry.namespace, entry.name, {**options, "dryRun": None, "preconditions": None}, call
        )
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _spend(cluster: Cluster, budget: Entry, pod: Obj, call: Call) -> None:
    status = budget.obj["status"]
    healthy, wanted = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not pod_ready(pod):
        policy = budget.obj["spec"].get("unhealthyPodEvictionPolicy", "IfHealthyBudget")
        if policy == "AlwaysAllow" or (healthy >= wanted and wanted > 0):
            return
    if status.get("observedGeneration", 0) < budget.obj["metadata"]["generation"]:
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        cause = {
            "reason": "DisruptionBudget",
            "message": f"The disruption budget {budget.name} is still being processed by the server.",
        }
        raise ApiError(
            429,
            "TooManyRequests",
            message,
            {"causes": [cause], "retryAfterSeconds": 10},
            {"Retry-After": "10"},
        )
    if status.get("disruptionsAllowed", 0) <= 0:
        text = f"The disruption budget {budget.name} needs {wanted} healthy pods and has {healthy} currently"
        message = "Cannot evict pod as it would violate the pod's disruption budget."
        raise ApiError(
            429, "TooManyRequests", message, {"causes": [{"reason": "DisruptionBudget", "message": text}]}
        )
    if not call.dry_run:
        spent = {**status, "disruptionsAllowed": status["disruptionsAllowed"] - 1}
        disrupted = {**(status.get("disruptedPods") or {}), pod["metadata"]["name"]: cluster.api.now()}
        spent["disruptedPods"] = disrupted
        cluster.api.write(_BUDGETS, budget, {**budget.obj, "status": spent}, "kube-apiserver", "status")


def _mark(cluster: Cluster, entry: Entry) -> None:
    """Give the pod the condition that says why it goes."""
    status = entry.obj["status"]
    target = condition(
        status, "DisruptionTarget", True, cluster.api.now(), "EvictionByEvictionAPI", "Eviction API: evicting"
    )
    conditions = [one for one in status.get("conditions") or () if one["type"] != "DisruptionTarget"]
    changed = {**entry.obj, "status": {**status, "conditions": [*conditions, target]}}
    cluster.api.write(_PODS, entry, changed, "kube-apiserver", "status")
