"""The connection: pinned, read-only, and errors as sentences."""

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
from console.sources.kubernetes.connection import Connection, open_connection
from console.sources.kubernetes.errors import Cause, CutError, KubeError, ReadOnlyError, StalledError
from tests.sources.kubernetes.certificates import Pki
from tests.sources.kubernetes.fake import fake_api, kubeconfig, status, unauthorized_once
from tests.sources.kubernetes.running import clock, connected
from tests.sources.kubernetes.samples import pod


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


def test_the_context_is_pinned_when_it_is_opened(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api, fake_api() as other:
            file = kubeconfig(tmp_path, api.url)
            connection = await open_connection(ClusterSettings(kubeconfig=file), clock=clock())
            config = json.loads(file.read_text())
            config["contexts"].append({"name": "elsewhere", "context": {"cluster": "d", "user": "u"}})
            config["clusters"].append({"name": "d", "cluster": {"server": other.url}})
            config["current-context"] = "elsewhere"
            file.write_text(json.dumps(config))
            try:
                await connection.get("/version")
                api.script = unauthorized_once()
                await connection.get("/version")
                assert (connection.context, connection.namespace) == ("test", "shop")
                assert len(api.requests) == 3 and other.requests == []

                config["clusters"][0]["cluster"]["server"] = other.url
                file.write_text(json.dumps(config))
                api.script = unauthorized_once()
                with pytest.raises(KubeError, match="now points to another server"):
                    await connection.get("/version")
                assert other.requests == []
            finally:
                await connection.close()

    asyncio.run(main())


def test_contexts_of_several_files_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with fake_api() as one, fake_api() as two:
            files = [
                kubeconfig(tmp_path, one.url, context="one"),
                kubeconfig(tmp_path, two.url, context="two"),
            ]
            second = json.loads(files[1].read_text())
            second["clusters"][0]["name"] = second["contexts"][0]["context"]["cluster"] = "c2"
            files[1].write_text(json.dumps(second))
            monkeypatch.setenv("KUBECONFIG", ":".join(map(str, files)))
            for name, api in (("one", one), ("two", two)):
                connection = await open_connection(ClusterSettings(context=name), clock=clock())
                await connection.get("/version")
                await connection.close()
                assert (connection.server, len(api.requests)) == (api.url, 1)
            with pytest.raises(KubeError, match="no-such"):
                await open_connection(ClusterSettings(context="no-such"), clock=clock())

    asyncio.run(main())


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "damaged"),
        ("{{{", "cannot be used"),
        ("a: [1", "cannot be used"),
        ("just text", "cannot be used"),
    ],
)
def test_a_damaged_kubeconfig_is_a_sentence(tmp_path: Path, content: str, expected: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(KubeError, match=expected) as caught:
        asyncio.run(_open(ClusterSettings(kubeconfig=file)))
    assert "\n" not in caught.value.reason and caught.value.advice


async def _open(settings: ClusterSettings) -> Connection:
    return await open_connection(settings, clock=clock())


def test_no_kubeconfig_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(KubeError, match="no kubeconfig file"):
        asyncio.run(_open(ClusterSettings()))


def test_client_certificates_and_an_untrusted_server(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read() -> None:
        raise AssertionError("the authorities of the machine are no cluster's")

    monkeypatch.setattr("console.sources.trust._authorities", read)

    async def main() -> None:
        async with fake_api(pki.server_context(demand_client=True)) as api:
            url = f"https://127.0.0.1:{api.port}"
            user = {"client-certificate": pki.pem("client"), "client-key": pki.key("client")}
            trusted = {"certificate-authority": pki.pem("ca")}
            for context, cluster, who, expected in (
                ("good", trusted, user, ""),
                ("nobody", trusted, {}, "TLS|cut the connection"),
                ("wrong-name", {**trusted, "tls-server-name": "other.example"}, user, "certificate"),
                ("named", {**trusted, "tls-server-name": "localhost"}, user, ""),
                ("untrusted", {}, user, "TLS certificate of 127.0.0.1:[0-9]+ is not accepted"),
                ("careless", {"insecure-skip-tls-verify": True}, user, ""),
            ):
                file = kubeconfig(tmp_path, url, user=who, cluster=cluster, context=context)
                connection = await open_connection(ClusterSettings(kubeconfig=file), clock=clock())
                try:
                    if expected:
                        with pytest.raises(KubeError, match=expected):
                            await connection.get("/version")
                    else:
                        assert b"fake" in await connection.get("/version")
                finally:
                    await connection.close()

    asyncio.run(main())


def test_the_service_account_of_the_own_pod(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    from console.sources.kubernetes import credentials

    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "ca.crt").write_bytes(Path(pki.pem("ca")).read_bytes())
    (tmp_path / "token").write_text("first\n")
    (tmp_path / "namespace").write_text("payments\n")

    async def main() -> None:
        async with fake_api(pki.server_context()) as api:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(api.port))
            api.put("/api/v1/pods", pod("one"))
            time = clock()
            connection = await open_connection(ClusterSettings(in_cluster=True), clock=time)
            try:
                await connection.get("/version")
                assert connection.namespace == "payments"
                (tmp_path / "token").write_text("rotated")
                api.script = unauthorized_once()
                await connection.get("/version")
                (tmp_path / "token").write_text("again")
                await connection.get("/version")
                time.advance(61)
                await connection.get("/version")
            finally:
                await connection.close()
            assert [h["Authorization"].lower() for h in api.headers] == [
                "bearer first",
                "bearer first",
                "bearer rotated",
                "bearer rotated",
                "bearer again",
            ]

    asyncio.run(main())
    (tmp_path / "token").unlink()
    with pytest.raises(KubeError, match="service account"):
        asyncio.run(_open(ClusterSettings(in_cluster=True)))
