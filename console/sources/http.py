"""HTTP health checks: does a service answer, with what, and how fast. GET and HEAD only.

A curl that exits 0 says nothing about health: here the status, the body, the latency, a redirect and the
time limit are all looked at, and an answer that proves nothing (HEAD refused with 405, 401 without
credentials) is *reachable*, neither healthy nor down.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import TYPE_CHECKING, Any

import msgspec

from console.config import HttpSettings
from console.model.clock import Clock
from console.model.http import HttpCheck, HttpSnapshot
from console.model.redact import redact
from console.model.symptoms.words import plural
from console.model.text import clean
from console.sources.base import Publisher, Reporter, until_next_round
from console.sources.proxy import environment_proxy
from console.sources.trust import aiohttp, trust
from console.sources.wording import describe_failure, without_userinfo

if TYPE_CHECKING:
    from aiohttp.connector import Connection

NAME = "http"
BODY_LIMIT = 65_536
"""Bytes of an answer that are read; a health body is small, and a check must not download a file."""

READ_METHODS = ("GET", "HEAD")


class ReadOnlyError(Exception):
    """A request other than GET or HEAD was about to leave a source."""


async def refuse_writes(
    request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """An aiohttp middleware that stops everything but reads before a byte is sent."""
    if request.method not in READ_METHODS:
        raise ReadOnlyError(f"{request.method} refused: sources only read.")
    return await send(request)


def read_only_session(**options: Any) -> aiohttp.ClientSession:
    """An aiohttp session that refuses writes and keeps no cookies."""
    return aiohttp.ClientSession(middlewares=(refuse_writes,), cookie_jar=aiohttp.DummyCookieJar(), **options)


class CheckedResponse(aiohttp.ClientResponse):
    """A response that knows when the server's certificate ends.

    That is read before the body: a short one gives the connection back before anybody could ask it.
    """

    certificate_end: float | None = None
    """Seconds since the epoch; None without TLS."""

    async def start(self, connection: Connection) -> CheckedResponse:
        """Read the headers."""
        transport = connection.transport
        tls = transport.get_extra_info("ssl_object") if transport is not None else None
        ends = (tls.getpeercert() or {}).get("notAfter") if tls is not None else None
        self.certificate_end = float(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else None
        await super().start(connection)
        return self


def checking_session(**options: Any) -> aiohttp.ClientSession:
    """A session for checks: every one connects anew, or it would not see that new connections are refused."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0, **options)
    return read_only_session(connector=connector, response_class=CheckedResponse)


class HttpSource:
    """All checks of the configuration, each in a task of its own, published together."""

    def __init__(self, settings: tuple[HttpSettings, ...], clock: Clock) -> None:
        self.name = NAME
        self._settings = settings
        self._clock = clock
        self._tls = trust(*(one.url for one in settings))
        self._results: dict[int, HttpCheck] = {}
        self._session: aiohttp.ClientSession | None = None

    async def run(self, publisher: Publisher) -> None:
        """Check until cancelled. One check that hangs or fails never delays another."""
        count = len(self._settings)
        reporter = Reporter(self.name, plural(count, "check"), publisher, self._clock)
        async with checking_session(ssl=self._tls) as self._session, asyncio.TaskGroup() as tasks:
            for index in range(count):
                tasks.create_task(self._repeat(index, self._session, reporter, publisher))

    async def close(self) -> None:
        """Close open connections."""
        if self._session is not None:
            await self._session.close()

    async def _repeat(
        self, index: int, session: aiohttp.ClientSession, reporter: Reporter, publisher: Publisher
    ) -> None:
        settings = self._settings[index]
        while True:
            result, before = await check(settings, session, self._clock), self._results.get(index)
            since = before.since if before is not None and before.state == result.state else result.at
            self._results[index] = msgspec.structs.replace(result, since=since)
            found = tuple(result for _, result in sorted(self._results.items()))
            publisher.publish(self.name, HttpSnapshot(self._clock.now().timestamp(), found))
            reporter.ok()
            await asyncio.sleep(until_next_round(asyncio.get_running_loop().time(), settings.interval))


async def check(settings: HttpSettings, session: aiohttp.ClientSession, clock: Clock) -> HttpCheck:
    """Ask once and judge. Never raises for what the network or the server does."""
    started = clock.monotonic()
    status: int | None = None
    expires: float | None = None
    try:
        async with session.request(
            settings.method,
            settings.url,
            headers={name: value.reveal() for name, value in settings.headers.items()},
            timeout=aiohttp.ClientTimeout(total=settings.timeout),
            allow_redirects=False,
            proxy=environment_proxy(settings.url),
        ) as response:
            status = response.status
            expires = response.certificate_end if isinstance(response, CheckedResponse) else None
            body = await _read_some(response)
        state, reason = judge(settings, status, body, response.headers.get("location", ""))
    except TimeoutError:
        got = f", only the status {status}" if status is not None else ""
        state, reason = "down", f"no complete answer within {settings.timeout:g} s{got}"
    except (aiohttp.ClientError, OSError) as error:
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


async def _read_some(response: aiohttp.ClientResponse) -> bytes:
    body = b""
    async for part in response.content.iter_any():
        body += part
        if len(body) >= BODY_LIMIT:
            break
    return body[:BODY_LIMIT]
