"""The metrics API (metrics.k8s.io/v1beta1), as metrics-server gives it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from console.drill.cluster import errors, forms, listing, quantity
from console.drill.cluster.errors import RawError
from console.drill.cluster.request import Info
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, encode

if TYPE_CHECKING:
    from console.drill.cluster.cluster import Cluster

_VERSION = "metrics.k8s.io/v1beta1"
# What the system itself takes on a node.
_BASE_CORES, _BASE_BYTES = 0.15, 600.0 * 2**20


def _usage(cores: float, memory: float) -> Obj:
    return {"cpu": quantity.cores(cores), "memory": quantity.kibibytes(memory)}


def _pod(cluster: Cluster, entry: Entry) -> Obj | None:
    used = cluster.view.usage(entry)
    if not used:
        return None
    meta: Obj = {"name": entry.name, "namespace": entry.namespace, "creationTimestamp": cluster.api.now()}
    if entry.labels:
        meta["labels"] = entry.labels
    containers = [{"name": name, "usage": _usage(cores, memory)} for name, cores, memory in used]
    return {"metadata": meta, "timestamp": cluster.api.now(), "window": "15s", "containers": containers}


def _nodes(cluster: Cluster, choice: listing.Choice) -> list[Obj]:
    totals: dict[str, tuple[float, float]] = {}
    for entry in cluster.store.entries("pods"):
        node = entry.obj["spec"].get("nodeName", "")
        for _, cores, memory in cluster.view.usage(entry):
            before = totals.get(node, (0.0, 0.0))
            totals[node] = (before[0] + cores, before[1] + memory)
    found = []
    for entry in cluster.store.entries("nodes"):
        if choice.admits(entry):
            cores, memory = totals.get(entry.name, (0.0, 0.0))
            meta = {"name": entry.name, "creationTimestamp": cluster.api.now(), "labels": entry.labels}
            usage = _usage(cores + _BASE_CORES, memory + _BASE_BYTES)
            found.append({"metadata": meta, "timestamp": cluster.api.now(), "window": "20s", "usage": usage})
    return found


def serve(cluster: Cluster, info: Info, query: Mapping[str, str], form: forms.Form) -> bytes:
    """Return the body of a request to the metrics API. Raises 404, 405."""
    if not cluster.metrics_available or info.plural not in ("pods", "nodes") or info.subresource:
        raise RawError(404, "404 page not found\n")
    if info.verb not in ("get", "list"):
        raise errors.method_not_allowed()
    resource = BY_TABLE[info.plural]
    choice = listing.choose(resource, info.namespace, query)
    kind = "PodMetrics" if info.plural == "pods" else "NodeMetrics"
    if info.plural == "pods":
        entries = (entry for entry in cluster.store.entries("pods", info.namespace) if choice.admits(entry))
        if info.name:
            entries = (entry for entry in entries if entry.name == info.name)
        items = [item for entry in entries if (item := _pod(cluster, entry)) is not None]
    else:
        items = [item for item in _nodes(cluster, choice) if info.name in ("", item["metadata"]["name"])]
    if info.name:
        if not items:
            raise errors.not_found(f"{kind.lower()}", "metrics.k8s.io", info.name)
        return encode({"kind": kind, "apiVersion": _VERSION, **items[0]})
    if form.kind == "table":
        now = cluster.clock.now()
        rows = [forms.row(kind, _VERSION, item, encode(item), form.include, now) for item in items]
        return forms.table(kind, {}, rows)
    return encode({"kind": f"{kind}List", "apiVersion": _VERSION, "metadata": {}, "items": items})
