"""Credential plugins: tokens that end, failures that explain themselves, certificates."""

import asyncio
import base64
import json
import os
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from console.config import ClusterSettings
from console.model.source import Health
from console.sources.kubernetes.connection import open_connection
from console.sources.kubernetes.errors import KubeError
from tests.sources.kubernetes.certificates import Pki
from tests.sources.kubernetes.fake import fake_api, kubeconfig, status, unauthorized_once
from tests.sources.kubernetes.running import clock, running
from tests.sources.kubernetes.samples import NOW, pod

VERSION = "client.authentication.k8s.io/v1"


def plugin(folder: Path, body: str, **more: Any) -> dict[str, Any]:
    """A user whose credentials come from a shell script with this body."""
    script = folder / "plugin.sh"
    script.write_text(f"#!/bin/sh\necho run >> {folder}/runs\n{body}\n")
    script.chmod(0o755)
    return {"exec": {"apiVersion": VERSION, "command": "./plugin.sh", **more}}


def credential(**fields: str) -> str:
    answer = {"apiVersion": VERSION, "kind": "ExecCredential", "status": fields}
    return f"cat <<'EOF'\n{json.dumps(answer)}\nEOF"


def runs(folder: Path) -> int:
    file = folder / "runs"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_an_expired_token_is_renewed_once_for_all_watches(tmp_path: Path) -> None:
    async def main() -> None:
        async with fake_api() as api:
            api.put("/api/v1/pods", pod("one"))
            good = {"token": "t1"}

            async def check(request: web.Request) -> web.Response | None:
                if request.headers.get("Authorization") != f"Bearer {good['token']}":
                    return status(401, "Unauthorized", "Unauthorized")
                return None

            api.script = check
            user = plugin(tmp_path, credential(token="t1"))
            file = kubeconfig(tmp_path, api.url, user=user)
            async with running(tmp_path, api, kubeconfig=file) as (_, board):
                await board.synced()
                await board.health(Health.OK)
                assert runs(tmp_path) == 1

                plugin(tmp_path, credential(token="t2"))
                good["token"] = "t2"
                api.cut()
                api.put("/api/v1/pods", pod("two"))
                await board.until(lambda b: len(b.last.pods) == 2)
                assert runs(tmp_path) == 2, "ten watches share one renewal"
                assert all(s.health in (Health.CONNECTING, Health.OK) for s in board.statuses)

                good["token"] = "t3"
                api.cut()
                said = await board.health(Health.DENIED, "does not accept the credentials")
                assert "log in again" in said.advice
                assert len(board.last.pods) == 2
                plugin(tmp_path, credential(token="t3"))
                await board.health(Health.OK)

    asyncio.run(main())


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    async def main() -> None:
        time = clock()
        async with fake_api() as api:
            ends = (NOW + timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
            user = plugin(tmp_path, credential(token="t1", expirationTimestamp=ends))
            file = kubeconfig(tmp_path, api.url, user=user)
            connection = await open_connection(ClusterSettings(kubeconfig=file), clock=time)
            try:
                await connection.get("/version")
                time.advance(500)
                await connection.get("/version")
                assert runs(tmp_path) == 1
                later = datetime.fromtimestamp(NOW.timestamp() + 7200, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                plugin(tmp_path, credential(token="t2", expirationTimestamp=later))
                time.advance(90)
                await connection.get("/version")
                assert runs(tmp_path) == 2
                assert api.headers[-1]["Authorization"] == "Bearer t2"
            finally:
                await connection.close()

    asyncio.run(main())


def test_plugins_are_told_the_protocol_and_get_no_terminal(tmp_path: Path) -> None:
    body = (
        f'echo "$KUBERNETES_EXEC_INFO" > {tmp_path}/info\n'
        f'cat > {tmp_path}/stdin\necho "$WHO" > {tmp_path}/who\n'
    )
    user = plugin(
        tmp_path,
        body + credential(token="t"),
        env=[{"name": "WHO", "value": "jane"}],
        provideClusterInfo=True,
    )
    file = kubeconfig(tmp_path, "http://127.0.0.1:9", user=user)

    async def main() -> None:
        connection = await open_connection(ClusterSettings(kubeconfig=file), clock=clock())
        await connection.close()

    asyncio.run(main())
    info = json.loads((tmp_path / "info").read_text())
    assert info["spec"] == {"interactive": False, "cluster": {"server": "http://127.0.0.1:9"}}
    assert (tmp_path / "stdin").read_bytes() == b""
    assert (tmp_path / "who").read_text() == "jane\n"


@pytest.mark.parametrize(
    ("body", "more", "expected"),
    [
        ("echo 'token expired: password=hunter2hunter2' >&2; exit 3", {}, "failed with 3: token expired"),
        ("echo hello", {}, "did not print a credential"),
        (credential(), {}, "neither a token nor a certificate"),
        ("true", {"command": "no-such-plugin", "installHint": "brew install it"}, "cannot be run"),
        ("true", {"interactiveMode": "Always"}, "wants a terminal"),
        ("true", {"apiVersion": ""}, "lacks command or apiVersion"),
    ],
)
def test_failures_of_plugins_are_sentences(
    tmp_path: Path, body: str, more: Mapping[str, Any], expected: str
) -> None:
    file = kubeconfig(tmp_path, "http://127.0.0.1:9", user=plugin(tmp_path, body, **more))

    async def main() -> None:
        await open_connection(ClusterSettings(kubeconfig=file), clock=clock())

    with pytest.raises(KubeError, match=expected) as caught:
        asyncio.run(main())
    assert "hunter2" not in caught.value.reason
    assert caught.value.advice
    if "installHint" in more:
        assert caught.value.advice == "brew install it"


def test_a_plugin_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.sources.kubernetes.execplugin.PLUGIN_SECONDS", 0.2)
    user = plugin(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 60")
    file = kubeconfig(tmp_path, "http://127.0.0.1:9", user=user)

    async def main() -> None:
        await open_connection(ClusterSettings(kubeconfig=file), clock=clock())

    with pytest.raises(KubeError, match="took longer than"):
        asyncio.run(main())
    pid = tmp_path / "pid"
    if pid.exists():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize("given", ["by a plugin", "inline", "inline beside a file"])
def test_a_client_certificate_works_and_its_key_is_left_in_no_file(
    tmp_path: Path, pki: Pki, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    certificate, key = (Path(file) for file in (pki.pem("client"), pki.key("client")))
    inline = {"client-key-data": base64.b64encode(key.read_bytes()).decode()}
    if given == "by a plugin":
        user = plugin(
            tmp_path,
            credential(clientCertificateData=certificate.read_text(), clientKeyData=key.read_text()),
        )
    elif given == "inline":
        user = inline | {"client-certificate-data": base64.b64encode(certificate.read_bytes()).decode()}
    else:
        user = inline | {"client-certificate": str(certificate), "client-key": "/no/such/file"}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    async def main() -> None:
        async with fake_api(pki.server_context(demand_client=True)) as api:
            file = kubeconfig(
                tmp_path,
                f"https://127.0.0.1:{api.port}",
                user=user,
                cluster={"certificate-authority": pki.pem("ca")},
            )
            connection = await open_connection(ClusterSettings(kubeconfig=file), clock=clock())
            try:
                assert b"fake" in await connection.get("/version")
                assert list(scratch.iterdir()) == []
                api.script = unauthorized_once()
                assert b"fake" in await connection.get("/version"), "with the credentials read anew"
                assert list(scratch.iterdir()) == []
            finally:
                await connection.close()

    asyncio.run(main())
    assert os.environ.get("KUBERNETES_EXEC_INFO") is None
