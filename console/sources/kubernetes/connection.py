"""One connection to one pinned context: raw bytes in and out, and read-only unless opened otherwise."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec
from yarl import URL

from console import __version__
from console.config import ClusterSettings
from console.model.clock import Clock
from console.sources.kubernetes.credentials import Credentials, load_credentials
from console.sources.kubernetes.errors import KubeError, ReadOnlyError, StalledError, no_answer, refusal
from console.sources.kubernetes.limit import BURST, QPS, Compression, bucket
from console.sources.kubernetes.wire import Body
from console.sources.proxy import LOOPBACK, environment_proxy
from console.sources.trust import aiohttp, trust

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
PATIENCE = 8.0
"""Seconds that what a person asked for waits for a busy server."""
SOONEST = 0.1
"""Seconds after which a server that says 'at once' is asked again."""
EXPIRY_MARGIN = 30.0
"""Credentials are renewed this many seconds before they end."""
_BUFFER = 2**18
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPALIVE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""tcp(7): after 15 quiet seconds the other side's kernel is asked three times, 5 s apart; TCP_KEEPALIVE is
what macOS calls the first. A firewall that forgot one watch is noticed while all other connections work."""
_GET_THAT_ACTS = frozenset({"exec", "attach", "portforward", "proxy"})


class Response(msgspec.Struct, frozen=True):
    """A complete, successful answer."""

    status: int
    headers: Mapping[str, str]
    body: Body


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request. ``silence`` and ``answer`` are seconds: without any byte, and until the answer begins."""

    method: str
    path: str
    params: Mapping[str, str] | None = None
    data: bytes | None = None
    headers: Mapping[str, str] = {}
    silence: float = READ_SECONDS
    answer: float | None = None


class Connection:
    """A session with one API server as one user.

    ``context``, ``server`` and ``namespace`` (the context's default) never change. Every request passes
    ``_open``, which refuses whatever could change something unless ``writable`` is true.
    """

    def __init__(
        self,
        credentials: Credentials,
        clock: Clock,
        *,
        writable: bool = False,
        qps: float = QPS,
        burst: int = BURST,
    ) -> None:
        self.context = credentials.context
        self.server = credentials.server
        self.namespace = credentials.namespace
        self.writable = writable
        self._host = urlsplit(self.server).netloc
        self._heard = time.monotonic()
        self._credentials = credentials
        self._clock = clock
        self._refreshing = asyncio.Lock()
        self._generation = 0
        self._bucket = bucket(self.server, self.context, qps, burst)
        self._compression = Compression(loopback=urlsplit(self.server).hostname in LOOPBACK)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                socket_factory=_socket,
                ssl=True if credentials.tls else trust(self.server, credentials.proxy),
            ),
            headers={"User-Agent": f"warroom/{__version__}", "Accept": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_BUFFER,
        )

    @property
    def silent(self) -> float:
        """Seconds since the server was last heard."""
        return time.monotonic() - self._heard

    def heard(self) -> None:
        """Something came in from the server."""
        self._heard = time.monotonic()

    async def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        timeout: float = READ_SECONDS,
        patience: float = 0.0,
    ) -> Body:
        """The body of a GET. ``timeout`` is seconds without any byte. Raises KubeError."""
        return (await self.request("GET", path, params=params, timeout=timeout, patience=patience)).body

    @asynccontextmanager
    async def stream(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        stall: float,
        answer: float | None = None,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """The body of a GET as chunks while it comes in.

        Silence of more than ``stall`` seconds raises StalledError, a cut connection KubeError, and so does
        an answer that has not begun after ``answer`` seconds.
        """
        asked = _Asked(method="GET", path=path, params=params, silence=stall, answer=answer)
        async with self._open(asked) as response:
            if response.status != 200:
                raise refusal(response.status, response.headers, await response.read(), f"GET {path}")
            yield response.content.iter_any()

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout: float = READ_SECONDS,
        patience: float = 0.0,
    ) -> Response:
        """One request with a complete answer.

        A server that is busy and says when to come back is asked again then, as long as that is within
        ``patience`` seconds altogether; only reads are.
        Raises KubeError for every status but 2xx, and ReadOnlyError for anything but a read on a
        connection that was not opened as writable.
        """
        sent = {**(headers or {}), **({"Content-Type": content_type} if body is not None else {})}
        if method == "GET":
            sent = {**self._compression.headers, **sent}
        asked = _Asked(method=method, path=path, params=params, data=body, headers=sent, silence=timeout)
        while True:
            try:
                return await self._whole(asked)
            except KubeError as error:
                pause = max(error.retry_after or 0.0, SOONEST)
                patience -= pause
                if method != "GET" or error.retry_after is None or patience < 0:
                    raise
                await asyncio.sleep(pause)

    async def _whole(self, asked: _Asked) -> Response:
        async with self._open(asked) as response:
            began = time.monotonic()
            content = bytearray()  # grows in place, where joining chunks takes twice the memory
            async for chunk in response.content.iter_any():
                content += chunk
                self.heard()
            if not 200 <= response.status < 300:
                raise refusal(response.status, response.headers, content, f"{asked.method} {asked.path}")
            if "Content-Encoding" not in response.headers:
                self._compression.heard(len(content), time.monotonic() - began)
            return Response(response.status, response.headers, content)

    async def close(self) -> None:
        """Close all sockets."""
        await self._session.close()

    @asynccontextmanager
    async def _open(self, asked: _Asked) -> AsyncIterator[aiohttp.ClientResponse]:
        """The one way to the server: guards, authenticates, renews credentials once, translates failures."""
        self._guard(asked.method, asked.path)
        if asked.method == "GET":
            await self._bucket.take()
        if self._expiring():
            await self._refresh(self._generation)
        generation = self._generation
        try:
            async with asyncio.timeout(asked.answer):
                response = await self._send(asked)
                if response.status == 401:
                    response.release()
                    await self._refresh(generation)
                    response = await self._send(asked)
        except (aiohttp.ClientError, OSError) as error:
            raise no_answer(error, self._host) from None
        self.heard()
        async with response:
            try:
                yield response
            except aiohttp.SocketTimeoutError:
                raise StalledError(
                    f"{self._host} has been silent for {asked.silence:g} s", "it is asked again"
                ) from None
            except (aiohttp.ClientError, OSError) as error:
                raise no_answer(error, self._host) from None

    def _guard(self, method: str, path: str) -> None:
        if self.writable:
            return
        if method != "GET" or not _GET_THAT_ACTS.isdisjoint(path.split("/")):
            raise ReadOnlyError(
                f"{method} {path} is refused: this connection may only read",
                "start the console without watch mode to change something",
            )

    async def _send(self, asked: _Asked) -> aiohttp.ClientResponse:
        credentials = self._credentials
        return await self._session.request(
            asked.method,
            URL(self.server + asked.path, encoded=True),
            params=asked.params,
            data=asked.data,
            headers={**asked.headers, **credentials.headers},
            ssl=credentials.tls or True,  # True: what the connector has
            server_hostname=credentials.server_name,
            proxy=credentials.proxy or environment_proxy(self.server),
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=asked.silence),
            middlewares=() if asked.method == "GET" else (self._once,),
        )

    async def _once(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Send a write, and fail with an error that is not aiohttp's own.

        After its own for a cut connection aiohttp sends a DELETE or PUT again (RFC 9110, 9.2.2 allows that),
        and the answer to the second would be taken for that to the first.
        """
        try:
            return await handler(request)
        except (aiohttp.ClientError, OSError) as error:
            raise no_answer(error, self._host) from None

    def _expiring(self) -> bool:
        expires = self._credentials.expires
        return expires is not None and self._clock.now().timestamp() > expires - EXPIRY_MARGIN

    async def _refresh(self, generation: int) -> None:
        """Renew the credentials, once for all requests that found them wanting at the same time."""
        async with self._refreshing:
            if generation == self._generation:
                await self._credentials.refresh()
                self._generation += 1


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket on which silence is told from a lost connection."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def open_connection(settings: ClusterSettings, *, writable: bool = False, clock: Clock) -> Connection:
    """Resolve the context of ``settings`` once and open a session; nothing is sent to the server yet.

    Only ``console.mitigations`` passes ``writable=True``. Raises KubeError.
    """
    credentials = await load_credentials(settings, clock)
    return Connection(credentials, clock, writable=writable, qps=settings.qps, burst=settings.burst)
