"""Client configurations for the simulated server."""

from __future__ import annotations

import base64
from typing import Any


def make(
    url: str, user: str, token: str, *, namespace: str = "default", ca: bytes = b"", context: str = "drill"
) -> dict[str, Any]:
    """Return a kubeconfig with one context. `ca` is a PEM certificate, empty without TLS."""
    cluster: dict[str, Any] = {"server": url}
    if ca:
        cluster["certificate-authority-data"] = base64.b64encode(ca).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": context, "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [
            {"name": context, "context": {"cluster": context, "user": user, "namespace": namespace}}
        ],
        "current-context": context,
        "preferences": {},
    }
