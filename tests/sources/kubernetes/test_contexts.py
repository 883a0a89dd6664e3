"""Which cluster and as whom: contexts, damaged kubeconfigs, certificates, the account of the own pod."""

import asyncio
import json
from pathlib import Path

import pytest

from console.config import ClusterSettings
from console.sources.kubernetes.connection import Connection, open_connection
from console.sources.kubernetes.errors import KubeError
from tests.sources.kubernetes.certificates import Pki
from tests.sources.kubernetes.fake import fake_api, kubeconfig, unauthorized_once
from tests.sources.kubernetes.running import clock
from tests.sources.kubernetes.samples import pod


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
