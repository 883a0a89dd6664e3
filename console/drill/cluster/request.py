"""What a request asks for, and the log of requests that tests and drills read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from console.drill.cluster.errors import RawError
from console.drill.cluster.resources import BY_PATH, REVIEWS, Resource

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}
METRICS_GROUP: Final = "metrics.k8s.io"


class Info(msgspec.Struct, frozen=True):
    """A request taken apart. `resource` is None for a path that is no resource; `plural` names it for
    RBAC."""

    verb: str
    path: str
    group: str = ""
    version: str = ""
    plural: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    resource: Resource | None = None

    @property
    def is_resource(self) -> bool:
        """Whether RBAC goes by resource, not by path."""
        return bool(self.plural)

    @property
    def rbac_resource(self) -> str:
        """`pods` or `pods/log`."""
        return f"{self.plural}/{self.subresource}" if self.subresource else self.plural


def parse(method: str, path: str, query: Mapping[str, str]) -> Info:
    """Return what a request asks for. Raises RawError (404) for a resource that is not served."""
    parts = [part for part in path.split("/") if part]
    group = version = ""
    rest: list[str] = []
    if len(parts) >= 3 and parts[:2] == ["api", "v1"]:
        version, rest = "v1", parts[2:]
    elif len(parts) >= 4 and parts[0] == "apis":
        group, version, rest = parts[1], parts[2], parts[3:]
    if not rest:
        return Info(method.lower(), path)
    namespace = name = subresource = ""
    if (
        rest[0] == "namespaces"
        and len(rest) > 2
        and not (len(rest) == 3 and rest[2] in ("status", "finalize"))
    ):
        namespace, rest = rest[1], rest[2:]
    plural = rest[0]
    name = rest[1] if len(rest) > 1 else ""
    subresource = "/".join(rest[2:])
    resource = BY_PATH.get((group, version, plural))
    served = resource is not None or plural in REVIEWS or group == METRICS_GROUP
    if resource is not None:
        wrong = resource.namespaced and name and not namespace
        served = not wrong and (not subresource or subresource in resource.subresources)
    if not served:
        raise RawError(404, "404 page not found\n")
    if plural == "namespaces" and name:
        namespace = name
    verb = _VERBS.get(method, "")
    if method == "GET":
        verb = "get" if name else "watch" if query.get("watch") in ("1", "true") else "list"
    elif method == "DELETE":
        verb = "delete" if name else "deletecollection"
    return Info(verb or method.lower(), path, group, version, plural, namespace, name, subresource, resource)


class Record:
    """One request as it came in and what became of it. `at` is unix seconds; `status` 0 until it is
    answered; `dry_run` whether its query or its body asked for one."""

    __slots__ = ("at", "body", "dry_run", "info", "method", "path", "query", "status", "user", "user_agent")

    def __init__(self, at: float, method: str, path: str, query: Mapping[str, str], user_agent: str) -> None:
        self.at = at
        self.method = method
        self.path = path
        self.query = dict(query)
        self.user_agent = user_agent
        self.user = ""
        self.status = 0
        self.body = b""
        self.dry_run = False
        self.info: Info | None = None

    @property
    def verb(self) -> str:
        """The Kubernetes verb: get, list, watch, create, update, patch, delete, deletecollection."""
        return self.info.verb if self.info is not None else self.method.lower()

    @property
    def resource(self) -> str:
        """`pods`, `pods/log`, or "" for other paths."""
        return self.info.rbac_resource if self.info is not None else ""

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.query} {self.status}>"
