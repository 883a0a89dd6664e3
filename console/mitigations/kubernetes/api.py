"""The requests that mitigations make: one pinned namespace, a deadline on each, errors as sentences."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from console.engine.ports import PlanError
from console.mitigations.world import World
from console.model.redact import redact
from console.model.text import clean
from console.sources.kubernetes.connection import Connection, Response
from console.sources.kubernetes.errors import KubeError
from console.sources.trust import aiohttp

FIELD_MANAGER = "warroom"
JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

Object = dict[str, Any]


class Kind(msgspec.Struct, frozen=True):
    """A kind by its API group and plural."""

    title: str
    group: str
    version: str
    resource: str

    def path(self, namespace: str, name: str = "", sub: str = "") -> str:
        """The URL path of a collection, an object or a subresource in a namespace."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = (quote(part, safe="") for part in (namespace, self.resource, name, sub) if part)
        return f"{root}/namespaces/{'/'.join(parts)}"


DEPLOYMENT = Kind("Deployment", "apps", "v1", "deployments")
STATEFULSET = Kind("StatefulSet", "apps", "v1", "statefulsets")
DAEMONSET = Kind("DaemonSet", "apps", "v1", "daemonsets")
REPLICASET = Kind("ReplicaSet", "apps", "v1", "replicasets")
CONTROLLER_REVISION = Kind("ControllerRevision", "apps", "v1", "controllerrevisions")
POD = Kind("Pod", "", "v1", "pods")
EVENT = Kind("Event", "", "v1", "events")
SERVICE = Kind("Service", "", "v1", "services")
CLAIM = Kind("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims")
HPA = Kind("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
BUDGET = Kind("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")

WORKLOADS = {"deployment": DEPLOYMENT, "statefulset": STATEFULSET, "daemonset": DAEMONSET}


class Request(msgspec.Struct, frozen=True):
    """A write: what is sent is the same for the dry run and for the act.

    Where the server reads ``dryRun`` from the body and ignores the URL (a DELETE with options),
    ``dry_body`` is the body of the dry run.
    """

    method: str
    path: str
    body: Any
    content_type: str
    dry_body: Any = None


class Answer(msgspec.Struct, frozen=True):
    """A successful answer: the object and the server's warnings, cleaned."""

    body: Object
    warnings: tuple[str, ...] = ()


class Tail(msgspec.Struct, frozen=True):
    """The end of a long answer, of which ``total`` bytes in ``lines`` lines were read.

    ``ended`` is False when reading stopped before its end, ``inside`` says that ``data`` may begin in a line.
    """

    data: bytes
    total: int
    lines: int
    ended: bool
    inside: bool


class LostAnswerError(Exception):
    """No answer came. ``sent`` is False when the request surely never reached the server."""

    def __init__(self, text: str, *, sent: bool = True) -> None:
        self.sent = sent
        super().__init__(text)


class Api:
    """One connection in one namespace. Reads raise PlanError, writes KubeError or LostAnswerError."""

    def __init__(self, connection: Connection, namespace: str, timeout: float, audit_id: str = "") -> None:
        self._connection = connection
        self._timeout = timeout
        self._headers = {"Audit-ID": audit_id} if audit_id else {}
        self.namespace = namespace
        self.context = connection.context
        self.server = connection.server

    async def get(self, kind: Kind, name: str, sub: str = "") -> Object:
        """One object or subresource. Raises PlanError, also when it does not exist."""
        return await self._read(kind.path(self.namespace, name, sub), {}, f"{kind.title} {name}")

    async def find(self, kind: Kind, name: str) -> Object | None:
        """One object, or None when it does not exist. Raises PlanError when that could not be told."""
        try:
            return await self._call("GET", kind.path(self.namespace, name), None, "", {})
        except KubeError as error:
            if error.status == 404:
                return None
            raise PlanError(sentence(error, f"read {kind.title} {name}")) from None
        except LostAnswerError as error:
            raise PlanError(str(error)) from None

    async def object_at(self, path: str) -> Object:
        """The object at a path. Raises KubeError or LostAnswerError."""
        return await self._call("GET", path, None, "", {})

    async def list(self, kind: Kind, **params: str) -> list[Object]:
        """The objects of a kind in the namespace. Raises PlanError."""
        body = await self._read(kind.path(self.namespace), params, f"the {kind.resource}")
        items: list[Object] = body.get("items") or []
        return items

    async def tail(self, path: str, params: Mapping[str, str], *, keep: int, at_most: int) -> Tail:
        """The last ``keep`` bytes of an answer such as a log, of which ``at_most`` bytes are read.

        Raises KubeError or LostAnswerError; what arrived before a silence or a cut comes back.
        """
        chunks: deque[bytes] = deque()
        total = held = lines = 0
        ended = False
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._connection.stream(path, params, stall=self._timeout) as body,
            ):
                async for chunk in body:
                    chunks.append(chunk)
                    total, held, lines = total + len(chunk), held + len(chunk), lines + chunk.count(b"\n")
                    while held - len(chunks[0]) >= keep:
                        held -= len(chunks.popleft())
                    if total > at_most:
                        break
                else:
                    ended = True
        except TimeoutError:
            if not total:
                raise self._no_answer() from None
        except KubeError as error:
            if error.status:
                raise
            if not total:
                raise LostAnswerError(error.reason) from None
        return Tail(b"".join(chunks)[-keep:], total, lines, ended, inside=total > keep)

    async def write(self, request: Request, *, dry_run: bool) -> Answer:
        """Send a write, or ask the server what it would do. Raises KubeError, or LostAnswerError."""
        params = {"fieldManager": FIELD_MANAGER} if request.method == "PATCH" else {}
        body = request.body
        if dry_run:
            params["dryRun"] = "All"
            if request.method != "PATCH" and request.dry_body is None:
                raise ValueError(f"{request.method} {request.path} has no body for a dry run")
            body = request.dry_body or body
        answer = await self._send(request.method, request.path, body, request.content_type, params)
        return Answer(_decode(answer.body), _warnings(answer.headers))

    async def who_am_i(self) -> str:
        """The user name that the server sees, or an empty string where it does not say."""
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        try:
            answer = await self._call(
                "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body, JSON, {}
            )
        except (KubeError, LostAnswerError):
            return ""
        return clean(str(answer.get("status", {}).get("userInfo", {}).get("username", "")), 120)

    async def may(self, verb: str, kind: Kind, sub: str = "") -> bool | None:
        """Whether the server would allow a verb; None where it does not say. A hint: the act decides."""
        attributes = {
            "namespace": self.namespace,
            "verb": verb,
            "group": kind.group,
            "resource": kind.resource,
            **({"subresource": sub} if sub else {}),
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        try:
            answer = await self._call("POST", path, body, JSON, {})
        except (KubeError, LostAnswerError):
            return None
        return bool(answer.get("status", {}).get("allowed"))

    async def _read(self, path: str, params: Mapping[str, str], what: str) -> Object:
        try:
            return await self._call("GET", path, None, "", dict(params))
        except KubeError as error:
            raise PlanError(sentence(error, f"read {what}")) from None
        except LostAnswerError as error:
            raise PlanError(str(error)) from None

    async def _call(
        self, method: str, path: str, body: Any, content_type: str, params: dict[str, str]
    ) -> Object:
        answer = await self._send(method, path, body, content_type, params)
        return _decode(answer.body)

    async def _send(
        self, method: str, path: str, body: Any, content_type: str, params: dict[str, str]
    ) -> Response:
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._connection.request(
                    method,
                    path,
                    data,
                    content_type,
                    params,
                    self._headers,
                    timeout=self._timeout,
                    patience=self._timeout / 2,
                )
        except TimeoutError:
            raise self._no_answer() from None
        except KubeError as error:
            if error.status:
                raise
            raise LostAnswerError(error.reason, sent=_was_sent(error)) from None

    def _no_answer(self) -> LostAnswerError:
        return LostAnswerError(f"{self.server} did not answer within {self._timeout:g} s")


async def open_api(world: World, namespace: str) -> Api:
    """The API of the world's cluster in ``namespace``. Raises PlanError when either is not known."""
    if not namespace:
        raise PlanError("the namespace is not known; name it with --namespace")
    return Api(await world.kubernetes(), namespace, world.timing.request, world.audit_id)


def sentence(error: KubeError, what: str) -> str:
    """Why a request was refused, and what to do."""
    extra = [cause.message for cause in error.causes if cause.message and cause.message not in error.message]
    advice = {
        401: "Log in again: the server does not accept these credentials.",
        403: "Ask for the right, or let somebody act who has it.",
        404: "It does not exist any more; look at the pods pane again.",
        409: "It changed in the meantime; plan again.",
        429: "The server limits the rate; try again in a moment.",
    }.get(error.status, "")
    parts = (f"Could not {what}: {redact(error.message) or error.reason}", *map(redact, extra), advice)
    return " ".join(part if part.endswith((".", "!", "?")) else f"{part}." for part in parts if part)


def budget_refusal(error: KubeError) -> str:
    """What a disruption budget says against an eviction; empty when the 429 is something else."""
    found = (cause.message.rstrip(".") for cause in error.causes if cause.reason == "DisruptionBudget")
    return "; ".join(found)


def _decode(body: bytes | bytearray) -> Object:
    try:
        return msgspec.json.decode(body or b"{}", type=Object)
    except msgspec.MsgspecError:
        raise LostAnswerError("the server's answer cannot be read") from None


def _was_sent(error: KubeError) -> bool:
    """Whether a request without an answer may have reached the server; unsure means yes."""
    cause = error.__context__
    never = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
    return isinstance(cause, (aiohttp.ClientError, OSError)) and not isinstance(cause, never)


def _warnings(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The texts of ``Warning: 299 - "text"`` headers (RFC 7234, as the API server sends them)."""
    joined = " ".join(value for name, value in headers.items() if name.lower() == "warning")
    return tuple(
        clean(text.replace('\\"', '"'), 300) for text in re.findall(r'299 \S+ "((?:[^"\\]|\\.)*)"', joined)
    )
