"""A throw-away certificate authority with a server and a client certificate, made by openssl."""

import ssl
import subprocess
from pathlib import Path

import pytest


class Pki:
    """PEM files in a folder: ``ca``, ``server`` and ``client``, each with a key."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._make("ca", "/CN=test-ca", ["-x509"])
        for name, subject, san in (
            ("server", "/CN=server", "IP:127.0.0.1,DNS:localhost"),
            ("client", "/CN=jane/O=sre", "DNS:jane"),
        ):
            self._make(name, subject, ["-x509", "-CA", self.pem("ca"), "-CAkey", self.key("ca")], san)

    def pem(self, name: str) -> str:
        return str(self.folder / f"{name}.pem")

    def key(self, name: str) -> str:
        return str(self.folder / f"{name}.key")

    def _make(self, name: str, subject: str, how: list[str], san: str = "") -> None:
        extension = ["-addext", f"subjectAltName={san}"] if san else []
        command = ["openssl", "req", *how, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        subprocess.run(
            [
                *(*command, "-nodes", "-days", "2", "-subj", subject, *extension),
                *("-keyout", self.key(name), "-out", self.pem(name)),
            ],
            check=True,
            capture_output=True,
        )

    def server_context(self, *, demand_client: bool = False) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.pem("ca"))
        context.load_cert_chain(self.pem("server"), self.key("server"))
        if demand_client:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))
