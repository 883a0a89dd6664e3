"""HTTP health checks: does a service answer, with what, and how fast. GET and HEAD only.

A curl that exits 0 says nothing about health: here the status, the body, the latency, a redirect and the
time limit are all looked at, and an answer that proves nothing (HEAD refused with 405, 401 without
credentials) is *reachable*, neither healthy nor down.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from console.config import HttpSettings
from console.model.clock import Clock
from console.model.http import HttpCheck, HttpSnapshot
from console.model.redact import redact
from console.model.text import clean
from console.sources.base import Publisher, Reporter

if TYPE_CHECKING:
    import httpx

NAME = "http"
BODY_LIMIT = 65_536
"""Bytes of an answer that are read; a health body is small, and a check must not download a file."""

READ_METHODS = ("GET", "HEAD")


class ReadOnlyError(Exception):
    """A request other than GET or HEAD was about to leave a source."""


async def refuse_writes(request: httpx.Request) -> None:
    """An httpx request hook that stops everything but reads before a byte is sent."""
    if request.method not in READ_METHODS:
        raise ReadOnlyError(f"{request.method} refused: sources only read.")


def read_only_client(**options: Any) -> httpx.AsyncClient:
    """An httpx client that refuses writes and follows no redirect; httpx is imported on first use."""
    import httpx

    return httpx.AsyncClient(event_hooks={"request": [refuse_writes]}, follow_redirects=False, **options)


def without_userinfo(url: str) -> str:
    """A URL for the screen: no user, no password, secrets in its query masked, cleaned."""
    parts = urlsplit(url)
    return clean(redact(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))), 300)


def describe_failure(error: BaseException) -> str:
    """What broke a connection, as the innermost cause words it: ``connection refused``, a TLS reason …"""
    seen: BaseException | None = error
    best = ""
    for _ in range(12):
        if seen is None:
            break
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"TLS: {clean(seen.verify_message, 160)}"
        if isinstance(seen, ssl.SSLError):
            return f"TLS: {clean(seen.reason or str(seen), 160)}"
        if isinstance(seen, OSError) and seen.strerror:
            # asyncio puts words of its own into strerror; name resolution has its own numbers.
            number = 0 if isinstance(seen, socket.gaierror) else seen.errno or 0
            best = clean(os.strerror(number) if number > 0 else seen.strerror, 160)
        seen = seen.__cause__ or seen.__context__
    text = best or clean(redact(str(error)), 160) or type(error).__name__
    return text[:1].lower() + text[1:]


class HttpSource:
    """All checks of the configuration, each in a task of its own, published together."""

    def __init__(self, settings: tuple[HttpSettings, ...], clock: Clock, rng: random.Random) -> None:
        self.name = NAME
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._results: dict[int, HttpCheck] = {}
        self._client: httpx.AsyncClient | None = None

    async def run(self, publisher: Publisher) -> None:
        """Check until cancelled. One check that hangs or fails never delays another."""
        import httpx

        count = len(self._settings)
        reporter = Reporter(self.name, f"{count} check{'s' if count != 1 else ''}", publisher, self._clock)
        # No kept-alive connection: a check that reuses one would not see that new ones are refused.
        self._client = read_only_client(limits=httpx.Limits(max_keepalive_connections=0))
        try:
            async with asyncio.TaskGroup() as tasks:
                for index in range(count):
                    tasks.create_task(self._repeat(index, self._client, reporter, publisher))
        finally:
            await self._client.aclose()

    async def close(self) -> None:
        """Close open connections."""
        if self._client is not None:
            await self._client.aclose()

    async def _repeat(
        self, index: int, client: httpx.AsyncClient, reporter: Reporter, publisher: Publisher
    ) -> None:
        settings = self._settings[index]
        while True:
            self._results[index] = await check(settings, client, self._clock)
            found = tuple(result for _, result in sorted(self._results.items()))
            publisher.publish(self.name, HttpSnapshot(self._clock.now().timestamp(), found))
            reporter.ok()
            # A little jitter keeps many checks of one server from arriving together.
            await asyncio.sleep(settings.interval * (0.95 + self._rng.random() / 10))


async def check(settings: HttpSettings, client: httpx.AsyncClient, clock: Clock) -> HttpCheck:
    """Ask once and judge. Never raises for what the network or the server does."""
    import httpx

    started = clock.monotonic()
    status: int | None = None
    expires: float | None = None
    try:
        async with asyncio.timeout(settings.timeout):
            headers = {name: value.get_secret_value() for name, value in settings.headers.items()}
            async with client.stream(
                settings.method, settings.url, headers=headers, timeout=settings.timeout
            ) as response:
                status, expires = response.status_code, _certificate_end(response)
                body = await _read_some(response)
        state, reason = judge(settings, status, body, response.headers.get("location", ""))
    except (TimeoutError, httpx.TimeoutException):
        got = f", only the status {status}" if status is not None else ""
        state, reason = "down", f"no complete answer within {settings.timeout:g} s{got}"
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        state, reason = "down", describe_failure(error)
    return HttpCheck(
        name=clean(settings.name, 100),
        url=without_userinfo(settings.url),
        state=state,
        status=status,
        latency=clock.monotonic() - started if state != "down" or status is not None else None,
        reason=reason,
        at=clock.now().timestamp(),
        expires=expires,
    )


def judge(settings: HttpSettings, status: int, body: bytes, location: str) -> tuple[str, str]:
    """``healthy``, ``reachable`` or ``down``, and why, from one complete answer."""
    if status in settings.expect:
        if settings.body and not re.search(settings.body, body.decode("utf-8", "replace")):
            return "reachable", f"status {status}, but the body does not match {clean(settings.body, 80)!r}"
        return "healthy", f"status {status}"
    if status >= 500:
        said = clean(redact(clean(body[:200])), 80)
        return "down", f"status {status}" + (f": {said}" if said and "<" not in said else "")
    if 300 <= status < 400:
        return "reachable", f"status {status}: redirects to {without_userinfo(location) or 'nowhere'}"
    if status in (401, 403):
        return "reachable", f"status {status}: answers, but wants credentials; not verified"
    if status == 405:
        return "reachable", f"status {status}: answers, but not to {settings.method}; not verified"
    wanted = ", ".join(map(str, settings.expect))
    return "reachable", f"status {status}: answers, but not with {wanted}; not verified"


async def _read_some(response: httpx.Response) -> bytes:
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= BODY_LIMIT:
            break
    return body[:BODY_LIMIT]


def _certificate_end(response: httpx.Response) -> float | None:
    """When the server's certificate ends; its connection is at hand, so this costs no request."""
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    peer = tls.getpeercert() if tls is not None else None
    ends = (peer or {}).get("notAfter")
    return float(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else None
