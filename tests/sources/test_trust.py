"""Whom the sources believe over TLS, and that the authorities are read for nobody who does not ask."""

import asyncio
import random
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from console.config import AlertmanagerSettings, HttpSettings
from console.model.clock import SystemClock
from console.model.source import Health
from console.sources import trust
from console.sources.alertmanager import AlertmanagerSource
from console.sources.http import HttpSource
from tests.sources.publishing import Kept, reply, run_until, scripted

LOADED = """
import ssl
{imports}
from aiohttp import connector
assert connector._SSL_CONTEXT_VERIFIED.get_ca_certs() == []
assert connector._SSL_CONTEXT_VERIFIED.verify_mode is ssl.CERT_REQUIRED
assert "set_default_verify_paths" not in vars(ssl.SSLContext)
"""


@pytest.fixture
def forgotten() -> Iterator[None]:
    """The authorities are read anew, before the test and after it."""
    trust._authorities.cache_clear()
    yield
    trust._authorities.cache_clear()


@pytest.mark.parametrize("module", ["kubernetes", "http", "alertmanager"])
def test_a_source_is_loaded_without_authorities_and_trusts_nobody(module: str) -> None:
    program = LOADED.format(imports=f"import console.sources.{module}")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_who_makes_a_context_in_another_thread_meanwhile_gets_the_authorities(
    monkeypatch: pytest.MonkeyPatch, certificate: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    monkeypatch.setattr(ssl.SSLContext, "set_default_verify_paths", trust._read_nothing)
    monkeypatch.setattr(trust, "_importer", threading.get_ident())
    mine = ssl.create_default_context()
    with ThreadPoolExecutor(1) as pool:
        theirs = pool.submit(ssl.create_default_context).result(20)
    assert (len(mine.get_ca_certs()), len(theirs.get_ca_certs())) == (0, 1)


@pytest.mark.parametrize(
    ("urls", "asked"),
    [
        (("http://a.test",), False),
        (("http://a.test", None), False),
        (("http://a.test", "HTTPS://b.test"), True),
        (("http://a.test", "https://proxy.test"), True),
        (("http://[",), False),
    ],
)
def test_authorities_are_read_where_somebody_is_asked_over_tls(
    monkeypatch: pytest.MonkeyPatch, urls: tuple[str | None, ...], asked: bool
) -> None:
    monkeypatch.setenv("no_proxy", "*")
    assert isinstance(trust.trust(*urls), ssl.SSLContext) is asked


def test_a_proxy_of_the_environment_may_be_asked_over_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "https://proxy.test")
    monkeypatch.delenv("no_proxy", raising=False)
    assert isinstance(trust.trust("http://a.test"), ssl.SSLContext)


@pytest.mark.usefixtures("forgotten")
@pytest.mark.parametrize("known", [True, False])
def test_the_authorities_of_the_machine_are_believed_and_nobody_else(
    monkeypatch: pytest.MonkeyPatch, certificate: Path, known: bool
) -> None:
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    checks, alerts = Kept(), Kept()
    clock = SystemClock()
    with scripted(reply(200, b"[]"), tls=server) as (url, _):
        http = HttpSource((HttpSettings(name="shop", url=url),), clock)
        asyncio.run(run_until(http, checks, lambda kept: bool(kept.snapshots)))
        manager = AlertmanagerSource(AlertmanagerSettings(url=url), clock, random.Random(1))
        asyncio.run(run_until(manager, alerts, lambda kept: len(kept.statuses) > 1))
    assert checks.snapshots[-1].checks[0].state == ("healthy" if known else "down")
    assert alerts.statuses[-1].health is (Health.OK if known else Health.FAILED)
