"""The API server over HTTP on 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import uuid
from collections import Counter, deque
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import hdrs, web

from console.drill.cluster import discovery, errors, kubeconfig, openapi_v2
from console.drill.cluster.auth import User
from console.drill.cluster.cluster import Cluster
from console.drill.cluster.documents import dump_yaml
from console.drill.cluster.errors import ApiError, RawError
from console.drill.cluster.faults import Faults
from console.drill.cluster.handlers import Handlers, Request, respond
from console.drill.cluster.request import Info, Record, parse
from console.drill.cluster.store import encode
from console.drill.cluster.watch import Hub

_KEPT_REQUESTS: Final = 100_000
_LARGEST_BODY: Final = 64 * 1024 * 1024
_HEALTH: Final = ("/healthz", "/livez", "/readyz")


class _MalformedError(Exception):
    """Says that a fault wants a broken body."""


class ApiServer:
    """Serves a cluster; an asynchronous context manager.

    `port` 0 takes a free one; after `stop` the same one is used again by `start`. `tick` is how often (real
    seconds) the cluster's controllers run in the background, None leaves that to the caller. `certificate`
    and `key` (PEM files) switch TLS on, `ca` is what clients are to trust. `anonymous` is the user of
    requests without credentials: kubectl sends none over plain HTTP, so it is `admin` there and nobody (401)
    with TLS. `requests` is the log of requests, `faults` breaks things, `hub.bookmark_seconds` sets how often
    bookmarks come.
    """

    def __init__(
        self,
        cluster: Cluster,
        port: int = 0,
        *,
        tick: float | None = 0.1,
        version: str = "1.36.2",
        certificate: Path | None = None,
        key: Path | None = None,
        ca: Path | None = None,
        anonymous: str | None = None,
    ) -> None:
        self.cluster = cluster
        self.port = port
        self.version = version
        self.faults = Faults()
        self.requests: deque[Record] = deque(maxlen=_KEPT_REQUESTS)
        self.hub = Hub(cluster.store, cluster.clock)
        self._handlers = Handlers(cluster, self.hub, self.faults)
        self._tick = tick
        self._ca = ca
        self._tls: ssl.SSLContext | None = None
        if certificate is not None:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            self._tls.load_cert_chain(certificate, key)
        self.anonymous = anonymous if anonymous is not None else "" if certificate is not None else "admin"
        self._runner: web.AppRunner | None = None
        self._driver: asyncio.Task[None] | None = None
        self._flow_schema = str(uuid.UUID(int=cluster.rng.getrandbits(128), version=4))

    # Life

    async def __aenter__(self) -> Self:
        await self.start()
        if self._tick is not None:
            self._driver = asyncio.create_task(self.cluster.run(self._tick))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._driver is not None:
            self._driver.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._driver
        self.faults.clear()
        await self.stop()
        self.hub.close()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        app.on_response_prepare.append(self._stamp)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1, max_line_size=65536
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and break all connections, as in an outage; the cluster goes on."""
        for watcher in list(self.hub.watchers):
            watcher.end()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # For clients

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def kubeconfig(
        self, user: str = "admin", namespace: str = "default", context: str = "drill"
    ) -> dict[str, Any]:
        """Return a kubeconfig; a user that the server does not know gets a token that it refuses."""
        ca = self._ca.read_bytes() if self._ca is not None else b""
        token = self.cluster.users.token(user)
        return kubeconfig.make(self.url, user, token, namespace=namespace, ca=ca, context=context)

    def write_kubeconfig(
        self, path: Path | str, user: str = "admin", namespace: str = "default", context: str = "drill"
    ) -> Path:
        """Write a kubeconfig (mode 0600) and return its path."""
        target = Path(path)
        target.touch(mode=0o600)
        target.write_text(dump_yaml(self.kubeconfig(user, namespace, context)), encoding="utf-8")
        return target

    def counts(self) -> Counter[tuple[str, str]]:
        """Return how many requests there were by (verb, resource), such as ("watch", "pods")."""
        return Counter((record.verb, record.resource or record.path) for record in self.requests)

    # Requests

    async def _handle(self, http: web.Request) -> web.StreamResponse:
        record = Record(
            self.cluster.clock.now().timestamp(),
            http.method,
            http.path,
            http.query,
            http.headers.get(hdrs.USER_AGENT, ""),
        )
        self.requests.append(record)
        try:
            response = await self._answer(http, record)
        except ApiError as error:
            response = await respond(http, encode(error.status()), status=error.code, headers=error.headers)
        except _MalformedError:
            response = web.Response(
                body=b'{"kind":"PodList","apiVersion":"v1","items":[{"meta', content_type="application/json"
            )
        except RawError as error:
            response = web.Response(status=error.code, text=error.text)
            response.headers["X-Content-Type-Options"] = "nosniff"
        record.status = response.status
        return response

    async def _stamp(self, http: web.Request, response: web.StreamResponse) -> None:
        response.headers["Audit-Id"] = http.headers.get("Audit-ID") or str(uuid.uuid4())
        response.headers["Cache-Control"] = "no-cache, private"
        if response.status != 401:
            response.headers["X-Kubernetes-Pf-Flowschema-Uid"] = self._flow_schema

    async def _answer(self, http: web.Request, record: Record) -> web.StreamResponse:
        if http.can_read_body:
            record.body = await http.read()
        unknown: RawError | None = None
        try:
            info = parse(http.method, http.path, http.query)
        except RawError as error:
            unknown, info = error, Info(http.method.lower(), http.path)
        record.info = info
        if http.path not in _HEALTH:
            user = self.cluster.users.authenticate(http.headers.get(hdrs.AUTHORIZATION, ""), self.anonymous)
            record.user = user.name
            await self._break(http, record)
            if unknown is not None:
                raise unknown
            self._authorize(user, info)
            if info.is_resource:
                request = Request(http, info, user, record)
                return await self._handlers.find(info, http.method)(request)
        else:
            await self._break(http, record)
        return await self._meta(http)

    def _authorize(self, user: User, info: Info) -> None:
        if not info.is_resource:
            if not user.may_url(info.verb, info.path):
                message = f'forbidden: User "{user.name}" cannot {info.verb} path "{info.path}"'
                raise ApiError(403, "Forbidden", message, {})
        elif not user.may(info.verb, info.group, info.rbac_resource, info.namespace):
            raise errors.forbidden(
                user.name, info.verb, info.group, info.rbac_resource, info.namespace, info.name
            )

    async def _break(self, http: web.Request, record: Record) -> None:
        """Let the faults strike."""
        fault = self.faults.strike(record, ("slow",))
        if fault is not None:
            await asyncio.sleep(fault.seconds)
        fault = self.faults.strike(record, ("hang",))
        if fault is not None:
            await fault.lifted.wait()
        fault = self.faults.strike(record, ("status", "reset", "malformed"))
        if fault is None:
            return
        if fault.kind == "status":
            raise fault.error()
        if fault.kind == "malformed":
            raise _MalformedError
        transport = http.transport
        if transport is not None:
            sock = transport.get_extra_info("socket")
            if sock is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        raise ConnectionResetError("reset by a fault of the drill")

    async def _meta(self, http: web.Request) -> web.StreamResponse:
        path, metrics = http.path.rstrip("/"), self.cluster.metrics_available
        if path in _HEALTH:
            return web.Response(text="ok")
        if path == "/version":
            return await respond(http, encode(discovery.version(self.version)))
        if path in ("/api", "/apis"):
            return await self._groups(http, path, metrics)
        if path == "/openapi/v2":
            return web.Response(body=openapi_v2.document(), headers={"Content-Type": openapi_v2.MEDIA})
        if path == "/openapi/v3":
            return await respond(http, encode(discovery.openapi_paths()))
        found = None
        parts = path.split("/")[1:]
        if parts[:2] == ["openapi", "v3"]:
            found = discovery.openapi("/".join(parts[2:]))
        elif parts == ["api", "v1"]:
            found = discovery.resource_list("", "v1", metrics)
        elif parts[0] == "apis" and len(parts) == 2:
            found = discovery.one_group(parts[1], metrics)
        elif parts[0] == "apis" and len(parts) == 3:
            found = discovery.resource_list(parts[1], parts[2], metrics)
        if found is None:
            raise RawError(404, "404 page not found\n")
        return await respond(http, encode(found))

    async def _groups(self, http: web.Request, path: str, metrics: bool) -> web.StreamResponse:
        if "g=apidiscovery.k8s.io;v=v2;" in http.headers.get(hdrs.ACCEPT, ""):
            response = await respond(http, encode(discovery.aggregated(path == "/api", metrics)))
            response.headers[hdrs.CONTENT_TYPE] = discovery.AGGREGATED
            return response
        if path == "/api":
            return await respond(http, encode(discovery.core_versions(f"127.0.0.1:{self.port}")))
        return await respond(http, encode(discovery.group_list(metrics)))
