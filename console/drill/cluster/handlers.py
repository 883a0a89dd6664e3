"""What each verb answers over HTTP."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from aiohttp import hdrs, web

from console.drill.cluster import api as writes
from console.drill.cluster import convert, errors, forms, listing, podapi, protobuf, validation
from console.drill.cluster.api import Call, Written
from console.drill.cluster.auth import User, review
from console.drill.cluster.cluster import Cluster
from console.drill.cluster.documents import load_yaml
from console.drill.cluster.faults import Fault, Faults
from console.drill.cluster.metrics import serve as serve_metrics
from console.drill.cluster.patch import json_patch, merge_patch
from console.drill.cluster.request import METRICS_GROUP, Info, Record
from console.drill.cluster.resources import REVIEWS, Resource
from console.drill.cluster.schema import Obj
from console.drill.cluster.selectors import to_text
from console.drill.cluster.store import encode
from console.drill.cluster.watch import Hub

_GZIP_FROM: Final = 128 * 1024
_YAML: Final = ("application/yaml", "application/apply-patch+yaml")
_LONGEST_WATCH: Final = 3600.0


class Request(msgspec.Struct, frozen=True):
    """A request on its way: who asks for what."""

    http: web.Request
    info: Info
    user: User
    record: Record

    @property
    def resource(self) -> Resource:
        """The resource; only for paths that have one."""
        assert self.info.resource is not None
        return self.info.resource

    @property
    def namespace(self) -> str:
        """The namespace, "" for what has none."""
        return self.info.namespace if self.resource.namespaced else ""


async def body_of(http: web.Request) -> Any:
    """Return the decoded body. Raises 400 or 415."""
    data = await http.read()
    media = http.content_type
    if media in _YAML:
        return load_yaml(data)
    if media == protobuf.MEDIA:
        return protobuf.decode(data)
    if media not in ("application/json", "application/octet-stream", ""):
        raise errors.unsupported_media_type()
    return decode_json(data) if data else {}


def decode_json(data: bytes) -> Any:
    """Return decoded JSON. Raises the 400 that Go's decoder leads to."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        cut = "truncated" in str(error)
        raise errors.bad_request(
            "unexpected end of JSON input" if cut else f"invalid character in JSON: {error}"
        ) from None


def call_of(request: Request, options: Obj | None = None) -> Call:
    """Return the circumstances of a write. Raises a 400."""
    query = request.http.query
    agent = request.http.headers.get(hdrs.USER_AGENT, "unknown").partition("/")[0] or "unknown"
    given = query.getall("dryRun", []) or (options or {}).get("dryRun") or []
    if any(one != "All" for one in given):
        raise errors.bad_request(f"Invalid value: {list(given)!r}: unsupported values in dryRun")
    request.record.dry_run = bool(given)
    return Call(
        manager=query.get("fieldManager") or agent,
        dry_run=bool(given),
        field_validation=query.get("fieldValidation") or "Warn",
        force=query.get("force") in ("1", "true"),
    )


async def respond(
    http: web.Request, body: bytes, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a JSON answer, compressed when it is large and the client accepts that."""
    extra = dict(headers or {})
    if len(body) >= _GZIP_FROM and "gzip" in http.headers.get(hdrs.ACCEPT_ENCODING, ""):
        body = await asyncio.to_thread(gzip.compress, body, 1)
        extra |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return web.Response(body=body, status=status, content_type="application/json", headers=extra)


class Handlers:
    """The verbs."""

    def __init__(self, cluster: Cluster, hub: Hub, faults: Faults) -> None:
        self.cluster = cluster
        self.hub = hub
        self.faults = faults

    def find(self, info: Info, method: str) -> Callable[[Request], Awaitable[web.StreamResponse]]:
        """Return the handler of a request for a resource. Raises the 405."""
        if info.plural in REVIEWS:
            if method == "POST":
                return self.review
            raise errors.method_not_allowed()
        if info.group == METRICS_GROUP:
            return self.metrics
        if info.subresource in ("log", "eviction", "exec", "attach", "portforward"):
            return self.pod_call
        if info.subresource == "scale":
            return self.scale
        table: dict[str, Callable[[Request], Awaitable[web.StreamResponse]]] = {
            "get": self.get, "list": self.list, "watch": self.watch, "create": self.create,
            "update": self.update,
            "patch": self.patch, "delete": self.delete, "deletecollection": self.delete_collection,
        }  # fmt: skip
        assert info.resource is not None
        allowed = ("get", "update", "patch") if info.subresource else info.resource.verbs
        of_one = info.verb in ("get", "update", "patch", "delete")
        if info.verb not in table or info.verb not in allowed or of_one != bool(info.name):
            raise errors.method_not_allowed()
        return table[info.verb]

    def form(self, request: Request) -> forms.Form:
        """Return the form that the client accepts. Raises the 406."""
        return forms.negotiate(
            request.http.headers.get(hdrs.ACCEPT, ""), request.http.query.get("includeObject", "Metadata")
        )

    async def answer(self, request: Request, written: Written, status: int = 200) -> web.StreamResponse:
        """Answer with a written object and its warnings."""
        resource = request.resource
        obj = convert.from_storage(resource, written.obj)
        raw = (
            written.entry.raw
            if written.entry is not None and not convert.converted(resource)
            else encode(obj)
        )
        body = forms.one(resource, raw, self.form(request), self.cluster.clock.now())
        response = await respond(request.http, body, status=status)
        for text in written.warnings:
            quoted = text.replace("\\", "\\\\").replace('"', '\\"')
            response.headers.add("Warning", f'299 - "{quoted}"')
        return response

    async def get(self, request: Request) -> web.StreamResponse:
        """One object."""
        entry = self.cluster.api.entry(request.resource, request.namespace, request.info.name)
        raw = forms.stored(request.resource, entry)
        body = forms.one(request.resource, raw, self.form(request), self.cluster.clock.now())
        return await respond(request.http, body)

    async def list(self, request: Request) -> web.StreamResponse:
        """A list, or a page of it."""
        form = self.form(request)
        resource, query = request.resource, request.http.query
        choice = listing.choose(resource, request.namespace, query)
        entries, meta = listing.page(self.cluster.store, resource, choice, query)
        return await respond(
            request.http, forms.many(resource, entries, meta, form, self.cluster.clock.now())
        )

    async def watch(self, request: Request) -> web.StreamResponse:
        """A stream of changes."""
        http, query = request.http, request.http.query
        watcher, first = self.hub.open(request.resource, request.namespace, query, self.form(request))
        fault = self.faults.strike(request.record, ("cut",))
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        request.record.status = 200
        try:
            await response.prepare(http)
            await self._stream(request, watcher, first, fault, response)
        except ConnectionError:
            pass
        finally:
            self.hub.watchers.discard(watcher)
        return response

    async def _stream(
        self, request: Request, watcher: Any, first: bytes, fault: Fault | None, response: web.StreamResponse
    ) -> None:
        query = request.http.query
        seconds = listing.number(query, "timeoutSeconds") or _LONGEST_WATCH
        bookmarks = query.get("allowWatchBookmarks") in ("1", "true")
        limit = fault.events if fault is not None else None
        if limit is not None and limit < watcher.sent:
            first = b"".join(one + b"\n" for one in first.split(b"\n")[:limit])
        if first:
            await response.write(first)
        async for data in self.hub.stream(watcher, seconds, bookmarks=bookmarks, limit=limit):
            await response.write(data)
        if fault is not None and fault.status:
            await response.write(forms.failure(fault.error()))
        if fault is not None and not fault.status and request.http.transport is not None:
            request.http.transport.abort()
            return
        await response.write_eof()

    async def create(self, request: Request) -> web.StreamResponse:
        """A new object."""
        body = await body_of(request.http)
        written = self.cluster.api.create(request.resource, request.namespace, body, call_of(request))
        return await self.answer(request, written, 201)

    async def update(self, request: Request) -> web.StreamResponse:
        """An object (or its status) replaced."""
        body = await body_of(request.http)
        call, info = call_of(request), request.info
        if isinstance(body, dict) and not (body.get("metadata") or {}).get("name"):
            raise errors.bad_request("name must be provided")
        written = self.cluster.api.update(
            request.resource, request.namespace, info.name, body, call, info.subresource
        )
        return await self.answer(request, written)

    async def _change(self, request: Request) -> tuple[str, Any]:
        media = request.http.content_type
        if media not in writes.PATCH_TYPES:
            raise errors.unsupported_media_type()
        data = await request.http.read()
        if media == writes.APPLY_PATCH:
            if not request.http.query.get("fieldManager"):
                cause = errors.required("fieldManager", "is required for apply patch")
                raise errors.invalid("PatchOptions", "meta.k8s.io", "", [cause])
            return media, data
        return media, decode_json(data)

    async def patch(self, request: Request) -> web.StreamResponse:
        """An object (or its status) patched."""
        media, change = await self._change(request)
        info = request.info
        written = self.cluster.api.patch(
            request.resource, request.namespace, info.name, change, media, call_of(request), info.subresource
        )
        return await self.answer(request, written, 201 if written.created else 200)

    async def delete(self, request: Request) -> web.StreamResponse:
        """An object deleted, or on its way."""
        options = await self._delete_options(request)
        resource, name = request.resource, request.info.name
        written = self.cluster.api.delete(
            resource, request.namespace, name, options, call_of(request, options)
        )
        if not written.gone or resource.kind == "Pod":
            return await self.answer(request, written)
        details: Obj = {"name": name, **({"group": resource.group} if resource.group else {})}
        details |= {"kind": resource.plural, "uid": written.obj["metadata"]["uid"]}
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }
        return await respond(request.http, encode(status))

    async def _delete_options(self, request: Request) -> Obj:
        body = await body_of(request.http)
        options = dict(body) if isinstance(body, dict) else {}
        query = request.http.query
        if "gracePeriodSeconds" in query:
            options["gracePeriodSeconds"] = listing.number(query, "gracePeriodSeconds")
        if "propagationPolicy" in query:
            options["propagationPolicy"] = query["propagationPolicy"]
        return options

    async def delete_collection(self, request: Request) -> web.StreamResponse:
        """All objects of a selection deleted."""
        options = await self._delete_options(request)
        resource = request.resource
        choice = listing.choose(resource, request.namespace, request.http.query)
        call = call_of(request, options)
        entries, meta = listing.page(self.cluster.store, resource, choice, {})
        for entry in entries:
            self.cluster.api.delete(resource, entry.namespace, entry.name, options, call)
        return await respond(
            request.http, forms.many(resource, entries, meta, self.form(request), self.cluster.clock.now())
        )

    async def scale(self, request: Request) -> web.StreamResponse:
        """The scale subresource: read, replaced or patched."""
        resource, info, cluster = request.resource, request.info, self.cluster
        entry = cluster.api.entry(resource, request.namespace, info.name)
        scale = _scale_of(entry.obj)
        if request.http.method == "GET":
            return await respond(request.http, encode(scale))
        if request.http.method == "PUT":
            changed = await body_of(request.http)
        elif request.http.method == "PATCH":
            media, change = await self._change(request)
            patching = json_patch if media == writes.JSON_PATCH else merge_patch
            changed = patching(scale, change)
        else:
            raise errors.method_not_allowed()
        if not isinstance(changed, dict):
            raise errors.bad_request("the Scale provided is not an object")
        seen = (changed.get("metadata") or {}).get("resourceVersion")
        if seen not in (None, "", str(entry.rv)):
            raise errors.conflict(resource.plural, resource.group, info.name)
        replicas = validation.check_scale(info.name, changed)
        written = cluster.api.patch(
            resource, request.namespace, info.name, {"spec": {"replicas": replicas}}, writes.MERGE_PATCH,
            call_of(request), "scale",
        )  # fmt: skip
        return await respond(request.http, encode(_scale_of(written.obj)))

    async def review(self, request: Request) -> web.StreamResponse:
        """A self subject review."""
        body = await body_of(request.http)
        group, version, kind = REVIEWS[request.info.plural]
        answer = review(request.user, kind, body if isinstance(body, dict) else {}, self.cluster.api.now())
        full = {"kind": kind, "apiVersion": f"{group}/{version}", **answer}
        return await respond(request.http, encode(full), status=201)

    async def metrics(self, request: Request) -> web.StreamResponse:
        """The metrics API."""
        form = self.form(request)
        body = await serve_metrics(self.cluster, request.info, request.http.query, form)
        return await respond(request.http, body)

    async def pod_call(self, request: Request) -> web.StreamResponse:
        """Logs, evictions, and what is refused."""
        sub = request.info.subresource
        entry = self.cluster.api.entry(request.resource, request.namespace, request.info.name)
        if sub == "log":
            request.record.status = 200
            return await podapi.log(self.cluster, entry, request.http)
        if sub == "eviction":
            body = await body_of(request.http)
            options = (body.get("deleteOptions") or {}) if isinstance(body, dict) else {}
            answer = podapi.evict(self.cluster, entry, options, call_of(request, options))
            return await respond(request.http, encode(answer), status=201)
        message = f"{sub} is not supported by the simulated cluster: its containers are not real"
        raise errors.ApiError(501, "NotImplemented", message, {"name": entry.name, "kind": "pods"})


def _scale_of(obj: Obj) -> Obj:
    meta = obj["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    status: Obj = {"replicas": (obj.get("status") or {}).get("replicas", 0)}
    status["selector"] = to_text(obj["spec"].get("selector"))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in kept if name in meta},
        "spec": {"replicas": obj["spec"].get("replicas", 0)},
        "status": status,
    }
