"""The kinds that are watched: where they live, how their bytes are decoded, and older API versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec

from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes

T = TypeVar("T")

PAGE = 500
"""Objects a page: decoding this many pods takes about 10 ms, so that keys are answered in between."""
FIRST_PAGE = 100
"""Pods and workloads of the very first pages, twice what a screen shows: there in a tenth of the time."""


class Kind(Generic[T]):
    """One watched kind. ``name`` is the resource (``pods``), as in ``denied`` and ``synced``.

    ``roots`` are the API group versions to try in this order, since old servers lack the newest. ``first``
    is how many objects the first page has, the others have ``PAGE``.
    """

    def __init__(
        self,
        name: str,
        roots: tuple[str, ...],
        shape: Any,
        *,
        namespaced: bool = True,
        params: dict[str, str] | None = None,
        first: int = PAGE,
    ) -> None:
        self.name = name
        self.first = first
        self.roots = roots
        self.namespaced = namespaced
        self.params = params or {}
        self._page: msgspec.json.Decoder[wire.Page[T]] = msgspec.json.Decoder(wire.Page[shape])
        self._change: msgspec.json.Decoder[wire.Change[T]] = msgspec.json.Decoder(wire.Change[shape])

    def page(self, body: wire.Body) -> wire.Page[T]:
        """One page of a list. Raises msgspec.DecodeError or ValidationError."""
        return self._page.decode(body)

    def change(self, line: bytes) -> wire.Change[T] | wire.ErrorEvent:
        """One line of a watch. Raises msgspec.DecodeError when it is neither an event nor an error."""
        try:
            change = self._change.decode(line)
        except msgspec.ValidationError:
            return _ERROR.decode(line)
        return _ERROR.decode(line) if change.type == "ERROR" else change


_ERROR = msgspec.json.Decoder(wire.ErrorEvent)

PODS: Kind[wire.Pod] = Kind("pods", ("/api/v1",), wire.Pod, first=FIRST_PAGE)
CONTROLLERS = {
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "jobs": "Job",
}
"""Resources whose objects are rows, with their kind."""

KINDS: tuple[Kind[Any], ...] = (
    PODS,
    *(
        Kind(
            name,
            ("/apis/batch/v1" if name == "jobs" else "/apis/apps/v1",),
            shapes.Workload,
            first=FIRST_PAGE,
        )
        for name in CONTROLLERS
    ),
    Kind("nodes", ("/api/v1",), shapes.Node, namespaced=False),
    Kind("horizontalpodautoscalers", ("/apis/autoscaling/v2", "/apis/autoscaling/v1"), shapes.Hpa),
    Kind("poddisruptionbudgets", ("/apis/policy/v1",), shapes.Pdb),
    Kind("events", ("/api/v1",), shapes.Event, params={"fieldSelector": "type=Warning"}),
)
"""Everything that is watched. The first pods are asked for before anything else."""


def path(root: str, resource: str, namespace: str | None = None, name: str = "", sub: str = "") -> str:
    """The URL path of a collection, an object or a subresource, every part quoted.

    ``root`` is ``/api/v1`` or ``/apis/GROUP/VERSION``; without ``namespace`` it is cluster-wide.
    """
    parts: Iterable[str] = (
        *(("namespaces", namespace) if namespace is not None else ()),
        resource,
        *((name,) if name else ()),
        *((sub,) if sub else ()),
    )
    return "/".join((root, *(quote(part, safe="") for part in parts)))
