"""Fixtures: a repeatable cluster, its server, kubectl with certificates."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.drill.cluster import Behaviour, Cluster
from console.model.clock import ManualClock

START = datetime(2026, 11, 20, 17, 25, 58, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    """A clock that tests move."""
    return ManualClock(START)


@pytest.fixture
def build(clock: ManualClock) -> Callable[..., Cluster]:
    """Return a maker of repeatable clusters with a namespace `production`."""

    def make(behaviour: Behaviour | None = None, **options: object) -> Cluster:
        cluster = Cluster(clock, random.Random(1), behaviour, **options)  # type: ignore[arg-type]
        cluster.add_namespace("production")
        return cluster

    return make


@pytest.fixture
def cluster(build: Callable[..., Cluster]) -> Cluster:
    """A repeatable cluster with a namespace `production`."""
    return build()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA (ca.crt) and a certificate for 127.0.0.1 (server.crt, server.key)."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("tls")
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    steps = (
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=drill-ca"],
        ["req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1"],
        ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
         "-out", "server.crt", "-days", "2", "-extfile", "san"],
    )  # fmt: skip
    for step in steps:
        subprocess.run([openssl, *step], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def kubectl() -> Iterator[str]:
    """The path of kubectl; without one the test is skipped, or fails where services are required."""
    found = shutil.which("kubectl")
    if found is None:
        if os.environ.get("WARROOM_REQUIRE_SERVICES") == "1":
            pytest.fail("kubectl is required here and was not found")
        pytest.skip("kubectl is not installed")
    yield found
