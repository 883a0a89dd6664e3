"""A scriptable API server on loopback: lists, watches and the ways in which real ones fail."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

Obj = dict[str, Any]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


def status(code: int, reason: str, message: str, **headers: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}
    return web.json_response(body, status=code, headers=headers)


def unauthorized_once() -> Handler:
    """A script that accepts no credentials the first time it is asked."""
    refusals = [status(401, "Unauthorized", "Unauthorized")]

    async def script(request: web.Request) -> web.StreamResponse | None:
        return refusals.pop() if refusals else None

    return script


class FakeApi:
    """Objects by collection path. ``script`` answers before the rest when it returns a response.

    ``requests`` are the (method, path with query) seen so far. ``cut`` resets all sockets, ``freeze`` holds
    everything back while leaving them open.
    """

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Obj]] = {}
        self.version = 100
        self.log: list[tuple[int, str, Obj]] = []
        self.compacted = 0
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.script: Handler | None = None
        self.frozen = False
        self.absent: set[str] = set()
        self.port = 0
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._transports: set[asyncio.Transport] = set()
        self.watches = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls)
        await site.start()
        assert site._server is not None
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]

    async def stop(self) -> None:
        """Take the server away; ``start`` brings it back on the same port."""
        self.cut()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def cut(self) -> None:
        for transport in list(self._transports):
            transport.abort()
        self._transports.clear()

    def put(self, collection: str, obj: Obj) -> Obj:
        """Create or change an object; ``collection`` is e.g. ``/api/v1/pods``."""
        self.version += 1
        metadata = {**obj.get("metadata", {}), "resourceVersion": str(self.version)}
        metadata.setdefault("uid", f"{metadata.get('namespace', '')}.{metadata['name']}")
        stored = {**obj, "metadata": metadata}
        table = self.objects.setdefault(collection, {})
        kind = "MODIFIED" if metadata["uid"] in table else "ADDED"
        table[metadata["uid"]] = stored
        self._tell(collection, kind, stored)
        return stored

    def delete(self, collection: str, uid: str) -> None:
        self.version += 1
        gone = self.objects[collection].pop(uid)
        gone = {**gone, "metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self._tell(collection, "DELETED", gone)

    def raw(self, collection: str, line: bytes) -> None:
        """Send these bytes to all watches of a collection."""
        self.version += 1
        self._tell(collection, "RAW", {"metadata": {}}, line)

    def bookmark(self, collection: str) -> None:
        self.version += 1
        self._tell(collection, "BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def forget(self) -> None:
        """Compact the history: older versions can no longer be watched from."""
        self.compacted = self.version
        self.log = []

    def asked(self, fragment: str, *, watch: bool | None = None) -> int:
        return sum(
            1
            for _, path in self.requests
            if fragment in path and (watch is None or ("watch=1" in path) is watch)
        )

    def _tell(self, collection: str, kind: str, obj: Obj, line: bytes = b"") -> None:
        self.log.append((self.version, collection, {"type": kind, "object": obj, "line": line}))
        self._news.set()
        self._news = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs))
        self.headers.append(request.headers)
        if request.transport is not None:
            self._transports.add(request.transport)
        if self.script is not None:
            answer = await self.script(request)
            if answer is not None:
                return answer
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.99.0-fake"})
        if request.path.startswith("/apis/metrics.k8s.io") or any(a in request.path for a in self.absent):
            return web.Response(status=404, text="404 page not found\n")
        collection, namespace = _split(request.path)
        if request.query.get("watch"):
            return await self._watch(request, collection, namespace)
        return self._list(request, collection, namespace)

    def _list(self, request: web.Request, collection: str, namespace: str | None) -> web.Response:
        found = [o for o in self.objects.get(collection, {}).values() if _in(o, namespace)]
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "0")) or len(found) or 1
        metadata: Obj = {"resourceVersion": str(self.version)}
        if start + limit < len(found):
            metadata["continue"] = str(start + limit)
        return web.json_response({"metadata": metadata, "items": found[start : start + limit]})

    async def _watch(
        self, request: web.Request, collection: str, namespace: str | None
    ) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self.compacted:
            return status(410, "Expired", f"too old resource version: {since} ({self.compacted})")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self.watches += 1
        log = self.log
        sent, start = 0, len(log)
        try:
            while True:
                news = self._news
                if self.frozen:
                    await asyncio.sleep(3600)
                if log is not self.log:
                    log, sent, start = self.log, 0, 0
                for version, where, event in log[sent:]:
                    sent += 1
                    if event["type"] in ("RAW", "END") and sent <= start:
                        continue  # meant for the watches of that moment only
                    if where != collection or version <= since or not _in(event["object"], namespace):
                        continue
                    if event["type"] == "END":
                        return response
                    await response.write(event["line"] if event["type"] == "RAW" else _line(event))
                sent = min(sent, len(log))
                await news.wait()
        finally:
            self.watches -= 1

    def end_watches(self, collection: str) -> None:
        """End all watches of a collection normally, as a server does after timeoutSeconds."""
        self.version += 1
        self._tell(collection, "END", {"metadata": {}})


def _line(event: Obj) -> bytes:
    return json.dumps({"type": event["type"], "object": event["object"]}).encode() + b"\n"


def _in(obj: Obj, namespace: str | None) -> bool:
    own = obj.get("metadata", {}).get("namespace")
    return namespace is None or own is None or own == namespace


def _split(path: str) -> tuple[str, str | None]:
    parts = path.split("/")
    if "namespaces" in parts:
        index = parts.index("namespaces")
        return "/".join(parts[:index] + parts[index + 2 :]), parts[index + 1]
    return path, None


@asynccontextmanager
async def fake_api(tls: ssl.SSLContext | None = None) -> AsyncIterator[FakeApi]:
    api = FakeApi()
    await api.start(tls)
    try:
        yield api
    finally:
        await api.stop()


def kubeconfig(
    folder: Path,
    server: str,
    *,
    user: Obj | None = None,
    namespace: str = "shop",
    context: str = "test",
    cluster: Obj | None = None,
) -> Path:
    """Write a kubeconfig of one context (JSON is YAML) and return its path."""
    file = folder / f"{context}.kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": user if user is not None else {"token": "secret-token"}}],
        "contexts": [{"name": context, "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
    }
    file.write_text(json.dumps(config), encoding="utf-8")
    return file
