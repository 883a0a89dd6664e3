"""Through which proxy a request goes, and which passwords go with it."""

import asyncio
from pathlib import Path

import pytest

from console.config import HttpSettings
from console.model.clock import SystemClock
from console.sources.http import check, checking_session
from console.sources.proxy import environment_proxy
from tests.sources.publishing import reply, scripted


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.example:6443", "http://secure.example:3128"),
        ("http://shop.example/health", "http://plain.example:8080"),
        ("https://inside.corp.example/", None),
        ("https://127.0.0.1:6443", None),
        ("http://localhost/", None),
    ],
)
def test_the_environment_names_the_proxy(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None
) -> None:
    monkeypatch.setenv("http_proxy", "http://plain.example:8080")
    monkeypatch.setenv("https_proxy", "http://secure.example:3128")
    monkeypatch.setenv("no_proxy", ".corp.example")
    assert environment_proxy(url) == proxy


def test_a_request_really_takes_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with checking_session() as session:
            found = await check(HttpSettings(name="shop", url="http://shop.example/"), session, SystemClock())
            assert found.state == "healthy"

    with scripted(reply(200)) as (proxy, requests):
        monkeypatch.setenv("http_proxy", proxy.replace("://", "://me:s3cr3t@"))
        asyncio.run(story())
    assert requests[0].headers["Host"] == "shop.example"
    assert requests[0].headers["Proxy-Authorization"].startswith("Basic ")


def test_netrc_gives_no_password_to_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "netrc"
    file.write_text("default login me password s3cr3t\n")
    file.chmod(0o600)
    monkeypatch.setenv("NETRC", str(file))

    async def story(url: str) -> None:
        async with checking_session() as session:
            await check(HttpSettings(name="shop", url=url), session, SystemClock())

    with scripted(reply(200)) as (url, requests):
        asyncio.run(story(url))
    assert "Authorization" not in requests[0].headers
