"""The connection: read-only, and errors as sentences."""

import asyncio
import gzip
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import AddrInfoType, web

from console.config import ClusterSettings
from console.model.source import Health
from console.sources.kubernetes import connection as kubernetes_connection
from console.sources.kubernetes.connection import open_connection
from console.sources.kubernetes.errors import Cause, CutError, KubeError, ReadOnlyError, StalledError
from tests.sources.kubernetes.fake import fake_api, kubeconfig, status
from tests.sources.kubernetes.running import clock, connected


def test_only_the_asynchronous_client_is_loaded_and_of_it_no_models() -> None:
    code = (
        "import sys, console.sources.kubernetes; "
        "heavy = {'kubernetes.client', 'kubernetes.aio.client.models', 'oauthlib', 'requests', 'textual'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_read_only_refuses_everything_but_reads_before_it_is_sent(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            for method in ("POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "CONNECT"):
                with pytest.raises(ReadOnlyError, match="may only read"):
                    await connection.request(method, "/api/v1/namespaces/shop/pods/one", b"{}")
            for sub in ("exec", "attach", "portforward", "proxy", "proxy/admin"):
                with pytest.raises(ReadOnlyError):
                    await connection.get(f"/api/v1/namespaces/shop/pods/one/{sub}")
                with pytest.raises(ReadOnlyError):
                    async with connection.stream(f"/api/v1/namespaces/shop/pods/one/{sub}", stall=1):
                        pass
            assert api.requests == []

    asyncio.run(main())


def test_a_connection_that_the_network_forgot_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[socket.socket] = []
    make = kubernetes_connection._socket

    def note(address: AddrInfoType) -> socket.socket:
        made.append(make(address))
        return made[-1]

    monkeypatch.setattr(kubernetes_connection, "_socket", note)

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            await connection.get("/version")
            (used,) = made
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            idle, interval, times = (used.getsockopt(socket.IPPROTO_TCP, option) for option in options)
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert idle + interval * times <= 30

    asyncio.run(main())


def test_a_writable_connection_sends_body_type_and_headers(tmp_path: Path) -> None:
    seen: list[tuple[str, str, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        seen.append((request.method, request.content_type, await request.read()))
        return web.json_response({"ok": True}, headers={"Audit-Id": request.headers["Audit-ID"]})

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api, writable=True) as connection:
            api.script = take
            answer = await connection.request(
                "PATCH",
                "/apis/apps/v1/namespaces/shop/deployments/web",
                b'{"spec":{"replicas":2}}',
                "application/merge-patch+json",
                {"dryRun": "All"},
                {"Audit-ID": "abc"},
            )
            assert (answer.status, json.loads(answer.body), answer.headers["Audit-Id"]) == (
                200,
                {"ok": True},
                "abc",
            )
            assert seen == [("PATCH", "application/merge-patch+json", b'{"spec":{"replicas":2}}')]
            assert api.requests == [("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web?dryRun=All")]
            assert api.headers[0]["User-Agent"].startswith("warroom/")
            assert api.headers[0]["Authorization"] == "Bearer secret-token"
            assert "gzip" in api.headers[0]["Accept-Encoding"]

    asyncio.run(main())


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST"])
@pytest.mark.parametrize("body", [b"{}", None])
@pytest.mark.parametrize("fresh", [True, False])
def test_a_write_is_sent_once_however_the_connection_ends(
    tmp_path: Path, method: str, body: bytes | None, fresh: bool
) -> None:
    async def cut(request: web.Request) -> web.Response | None:
        if request.method == "GET":
            return None
        await request.read()
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api, writable=True) as connection:
            api.script = cut
            if not fresh:
                await connection.get("/version")
            with pytest.raises(CutError):
                await connection.request(method, "/api/v1/namespaces/shop/pods/one", body)
            assert [asked for asked, _ in api.requests if asked != "GET"] == [method]

    asyncio.run(main())


def test_gzipped_answers_are_read(tmp_path: Path) -> None:
    async def squeeze(request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b'{"a": 1}' * 5000), headers={"Content-Encoding": "gzip"})

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            api.script = squeeze
            assert await connection.get("/version") == b'{"a": 1}' * 5000

    asyncio.run(main())


def test_redirects_are_not_followed_with_the_token(tmp_path: Path) -> None:
    async def elsewhere(request: web.Request) -> web.Response | None:
        return web.Response(status=302, headers={"Location": "/version"})

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            api.script = elsewhere
            with pytest.raises(KubeError) as caught:
                await connection.get("/api/v1/pods")
            assert caught.value.status == 302
            assert len(api.requests) == 1

    asyncio.run(main())


async def refused(tmp_path: Path, answer: web.Response) -> KubeError:
    async def script(request: web.Request) -> web.Response:
        return answer

    async with fake_api() as api, connected(tmp_path, api) as connection:
        api.script = script
        with pytest.raises(KubeError) as caught:
            await connection.get("/api/v1/pods")
        return caught.value


def test_refusals_are_typed_and_say_what_to_do(tmp_path: Path) -> None:
    error = asyncio.run(refused(tmp_path, status(403, "Forbidden", 'User "viewer" cannot list "nodes"')))
    assert (error.status, error.word, error.health) == (403, "Forbidden", Health.DENIED)
    assert 'User "viewer" cannot list' in error.reason and "permission" in error.advice

    error = asyncio.run(refused(tmp_path, status(404, "NotFound", 'pods "x" not found')))
    assert (error.status, error.health) == (404, Health.FAILED) and "deleted" in error.advice

    error = asyncio.run(refused(tmp_path, status(429, "TooManyRequests", "slow", **{"Retry-After": "7"})))
    assert (error.status, error.retry_after) == (429, 7.0)

    error = asyncio.run(refused(tmp_path, web.Response(status=404, text="404 page not found\n")))
    assert error.message == "404 page not found"

    body = {
        "kind": "Status",
        "message": "Cannot evict pod",
        "reason": "TooManyRequests",
        "details": {"causes": [{"reason": "DisruptionBudget", "message": "needs 4 healthy pods"}]},
    }
    error = asyncio.run(refused(tmp_path, web.json_response(body, status=429)))
    assert error.causes == (Cause("DisruptionBudget", "needs 4 healthy pods"),)

    hostile = status(500, "Boom", "\x1b]0;owned\x07[bold]x\x00")
    assert "\x1b" not in asyncio.run(refused(tmp_path, hostile)).reason


def test_no_answer_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            await api.stop()
            with pytest.raises(KubeError, match="refuses connections") as caught:
                await connection.get("/version")
            assert caught.value.status == 0
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        config = kubeconfig(tmp_path, "http://no-such-host.invalid:1", context="dns")
        connection = await open_connection(ClusterSettings(kubeconfig=config), clock=clock())
        try:
            with pytest.raises(KubeError, match="does not resolve"):
                await connection.get("/version")
        finally:
            await connection.close()

    asyncio.run(main())


def test_silence_before_and_within_an_answer(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        if request.path == "/half":
            response = web.StreamResponse()
            await response.prepare(request)
            await response.write(b"x")
            await release.wait()
            return response
        await release.wait()
        return web.Response()

    async def main() -> None:
        async with fake_api() as api, connected(tmp_path, api) as connection:
            api.script = silent
            with pytest.raises(KubeError, match="did not answer in time") as caught:
                await connection.get("/never", timeout=0.05)
            assert not isinstance(caught.value, StalledError)
            with pytest.raises(StalledError, match="silent"):
                async with connection.stream("/half", stall=0.05) as chunks:
                    async for _ in chunks:
                        pass
            with pytest.raises(CutError):
                async with connection.stream("/half", stall=30) as chunks:
                    async for _ in chunks:
                        api.cut()
            release.set()

    asyncio.run(main())
