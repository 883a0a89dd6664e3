import asyncio
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from console.config import HttpSettings
from console.model.clock import SystemClock
from console.model.http import HttpCheck
from console.model.secret import Secret
from console.model.source import Health
from console.model.strict import convert
from console.sources.http import HttpSource, ReadOnlyError, check, checking_session
from tests.sources.publishing import Kept, Stall, reply, run_until, scripted

Answerer = Callable[[BaseHTTPRequestHandler], None]


def ask(answer: Answerer, path: str = "/health", **settings: Any) -> HttpCheck:
    with scripted(answer) as (url, _):
        return ask_url(f"{url}{path}", **settings)


def ask_url(url: str, tls: bool | ssl.SSLContext = True, **settings: Any) -> HttpCheck:
    async def once() -> HttpCheck:
        async with checking_session(ssl=tls) as session:
            wanted = convert({"name": "shop", "url": url, "timeout": 5} | settings, HttpSettings)
            return await check(wanted, session, SystemClock())

    return asyncio.run(once())


@pytest.mark.parametrize(
    ("answer", "settings", "state", "reason"),
    [
        (reply(200), {}, "healthy", "status 200"),
        (reply(204), {"expect": [200, 204]}, "healthy", "status 204"),
        (reply(503), {"expect": [503]}, "healthy", "status 503"),
        (reply(200, b'{"status": "ok"}'), {"body": '"status":\\s*"ok"'}, "healthy", "status 200"),
        (reply(200, b"degraded"), {"body": "ok"}, "reachable", "does not match 'ok'"),
        (reply(503, b"no database"), {}, "down", "status 503: no database"),
        (reply(500, b"<html>oops</html>"), {}, "down", "status 500"),
        (reply(405), {"method": "HEAD"}, "reachable", "not to HEAD"),
        (reply(401), {}, "reachable", "wants credentials"),
        (reply(404), {}, "reachable", "not with 200"),
        (
            reply(302, Location="https://login.test/?token=s3cr3tS3cr3t99"),
            {},
            "reachable",
            "https://login.test/",
        ),
    ],
)
def test_an_answer_is_judged(answer: Answerer, settings: dict[str, Any], state: str, reason: str) -> None:
    found = ask(answer, **settings)
    assert (found.state, reason in found.reason) == (state, True), found.reason
    assert found.latency is not None and 0 < found.latency < 5
    assert "s3cr3t" not in found.reason


def test_terminal_control_in_a_body_is_removed() -> None:
    found = ask(reply(500, b"\x1b]0;owned\x07bad\x1b[31m"))
    assert found.reason == "status 500: bad"


def test_a_refused_connection_is_down() -> None:
    with scripted(reply(200)) as (url, _):
        pass
    found = ask_url(url)
    assert (found.state, found.status, found.latency) == ("down", None, None)
    assert found.reason == "connection refused"


def test_an_endless_body_is_down_after_its_time_limit() -> None:
    stall = Stall()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "10")
        handler.end_headers()
        handler.wfile.write(b"o")
        stall(handler)

    try:
        found = ask(drip, timeout=0.3)
    finally:
        stall.release()
    assert (found.state, found.status) == ("down", 200)
    assert "no complete answer within 0.3 s" in found.reason


def test_credentials_go_to_the_server_and_nowhere_else() -> None:
    with scripted(reply(401)) as (url, requests):
        secret = url.replace("://", "://admin:hunter22@")
        found = ask_url(f"{secret}/?api_key=abcdef123456", headers={"X-Token": Secret("s3cr3t")})
    assert requests[0].headers["X-Token"] == "s3cr3t"
    assert requests[0].headers["Authorization"].startswith("Basic ")
    shown = repr(found)
    assert not any(word in shown for word in ("hunter22", "abcdef123456", "s3cr3t", "admin"))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"", "server disconnected"),
        (b"SSH-2.0-dropbear\r\n", "Bad status line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab", "response payload is not completed"),
    ],
)
def test_a_peer_that_does_not_speak_http_is_down(sent: bytes, reason: str) -> None:
    async def story() -> HttpCheck:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(sent)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        url = f"http://user:hunter22@127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        async with server, checking_session() as session:
            return await check(HttpSettings(name="shop", url=url), session, SystemClock())

    found = asyncio.run(story())
    assert (found.state, reason.lower() in found.reason.lower()) == ("down", True), found.reason
    assert "hunter22" not in repr(found)
    assert "\n" not in found.reason


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_the_session_sends_nothing_but_reads(method: str) -> None:
    async def send(url: str) -> None:
        async with checking_session() as session:
            with pytest.raises(ReadOnlyError, match=method):
                await session.request(method, url)

    with scripted(reply(200)) as (url, requests):
        asyncio.run(send(url))
    assert requests == []


def test_one_hanging_check_delays_no_other() -> None:
    stall = Stall()
    with scripted(stall) as (slow, _), scripted(reply(200)) as (fast, requests):
        settings = (
            HttpSettings(name="slow", url=slow, timeout=30),
            HttpSettings(name="fast", url=fast, interval=1),
        )
        kept = Kept()
        source = HttpSource(settings, SystemClock())
        asyncio.run(run_until(source, kept, lambda kept: len(requests) >= 2))
        stall.release()
    assert [item.name for item in kept.snapshots[-1].checks] == ["fast"]
    assert kept.statuses[-1].health is Health.OK
    assert kept.statuses[-1].address == "2 checks"


def test_a_check_keeps_since_when_its_state_is_what_it_is() -> None:
    statuses = iter((200, 503, 500, 200))
    last = 200

    def answer(handler: BaseHTTPRequestHandler) -> None:
        nonlocal last
        last = next(statuses, last)
        reply(last)(handler)

    with scripted(answer) as (url, _):
        kept = Kept()
        source = HttpSource((HttpSettings(name="shop", url=url, interval=0.05),), SystemClock())
        asyncio.run(run_until(source, kept, lambda kept: len(kept.snapshots) >= 5))
    found = [snapshot.checks[0] for snapshot in kept.snapshots[:5]]
    assert [one.state for one in found] == ["healthy", "down", "down", "healthy", "healthy"]
    first = (0, 1, 1, 3, 3)
    assert [one.since for one in found] == [found[index].at for index in first]


def test_checks_are_published_in_the_order_of_the_configuration() -> None:
    with scripted(reply(200)) as (url, _):
        settings = tuple(HttpSettings(name=name, url=url) for name in ("c", "a", "b"))
        kept = Kept()
        source = HttpSource(settings, SystemClock())
        asyncio.run(
            run_until(source, kept, lambda kept: any(len(item.checks) == 3 for item in kept.snapshots))
        )
    assert [item.name for item in kept.snapshots[-1].checks] == ["c", "a", "b"]


def test_the_end_of_a_certificate_is_read_and_an_untrusted_one_is_down(certificate: Path) -> None:
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    trusting = ssl.create_default_context(cafile=certificate / "cert.pem")
    with scripted(reply(200), tls=server) as (url, _):
        found = ask_url(url, tls=trusting)
        stranger = ask_url(url)
    assert found.state == "healthy"
    assert found.expires is not None and 29 * 86400 < found.expires - found.at < 31 * 86400
    assert (stranger.state, stranger.status) == ("down", None)
    assert stranger.reason == "TLS: self-signed certificate"
