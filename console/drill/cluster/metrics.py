"""The metrics API (metrics.k8s.io/v1beta1), as metrics-server gives it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from console.drill.cluster import errors, forms, listing, quantity
from console.drill.cluster.errors import RawError
from console.drill.cluster.quietpods import QuietPod
from console.drill.cluster.request import Info
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, decode, encode

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

_VERSION = "metrics.k8s.io/v1beta1"
_TURN = 1_000
"""Pods after which other requests get their turn."""
# What the system itself takes on a node.
_BASE_CORES, _BASE_BYTES = 0.15, 600.0 * 2**20


def _usage(cores: float, memory: float) -> Obj:
    return {"cpu": quantity.cores(cores), "memory": quantity.kibibytes(memory)}


class _Usages:
    """What pods use at one moment; of sleeping pods of the same ReplicaSet only one is asked."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._asleep: dict[str, list[tuple[str, float, float]]] = {}

    def of(self, entry: Entry) -> list[tuple[str, float, float]]:
        """Return (container, cores, bytes) for each running container of a pod."""
        if not isinstance(entry, QuietPod):
            return self._cluster.view.usage(entry)
        known = self._asleep.get(entry.owner)
        if known is None:
            known = self._asleep[entry.owner] = self._cluster.view.usage(entry)
        return known


def _pod(entry: Entry, used: list[tuple[str, float, float]], now: str) -> Obj:
    meta: Obj = {"name": entry.name, "namespace": entry.namespace, "creationTimestamp": now}
    if entry.labels:
        meta["labels"] = entry.labels
    containers = [{"name": name, "usage": _usage(cores, memory)} for name, cores, memory in used]
    return {"metadata": meta, "timestamp": now, "window": "15s", "containers": containers}


async def _pods(cluster: Cluster, choice: listing.Choice, name: str) -> list[bytes]:
    usages, now, found = _Usages(cluster), cluster.api.now(), []
    for number, entry in enumerate(cluster.store.entries("pods", choice.namespace), start=1):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        if choice.admits(entry) and name in ("", entry.name) and (used := usages.of(entry)):
            found.append(encode(_pod(entry, used, now)))
    return found


async def _nodes(cluster: Cluster, choice: listing.Choice, name: str) -> list[bytes]:
    usages, now = _Usages(cluster), cluster.api.now()
    totals: dict[str, tuple[float, float]] = {}
    for number, entry in enumerate(cluster.store.entries("pods"), start=1):
        if number % _TURN == 0:
            await asyncio.sleep(0)
        used = usages.of(entry)
        node = entry.node if isinstance(entry, QuietPod) else entry.obj["spec"].get("nodeName", "")
        for _, cores, memory in used:
            before = totals.get(node, (0.0, 0.0))
            totals[node] = (before[0] + cores, before[1] + memory)
    found = []
    for entry in cluster.store.entries("nodes"):
        if choice.admits(entry) and name in ("", entry.name):
            cores, memory = totals.get(entry.name, (0.0, 0.0))
            meta = {"name": entry.name, "creationTimestamp": now, "labels": entry.labels}
            usage = _usage(cores + _BASE_CORES, memory + _BASE_BYTES)
            found.append(encode({"metadata": meta, "timestamp": now, "window": "20s", "usage": usage}))
    return found


async def serve(cluster: Cluster, info: Info, query: Mapping[str, str], form: forms.Form) -> bytes:
    """Return the body of a request to the metrics API. Raises 404, 405."""
    if not cluster.metrics_available or info.plural not in ("pods", "nodes") or info.subresource:
        raise RawError(404, "404 page not found\n")
    if info.verb not in ("get", "list"):
        raise errors.method_not_allowed()
    resource = BY_TABLE[info.plural]
    choice = listing.choose(resource, info.namespace, query)
    kind = "PodMetrics" if info.plural == "pods" else "NodeMetrics"
    gather = _pods if info.plural == "pods" else _nodes
    items = await gather(cluster, choice, info.name)
    if info.name:
        if not items:
            raise errors.not_found(f"{kind.lower()}", "metrics.k8s.io", info.name)
        return encode({"kind": kind, "apiVersion": _VERSION, **decode(items[0])})
    if form.kind == "table":
        now = cluster.clock.now()
        rows = [forms.row(kind, _VERSION, decode(item), item, form.include, now) for item in items]
        return forms.table(kind, {}, rows)
    raw = [msgspec.Raw(item) for item in items]
    return encode({"kind": f"{kind}List", "apiVersion": _VERSION, "metadata": {}, "items": raw})
