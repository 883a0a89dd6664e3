"""Credential plugins (``users[].user.exec``) as client-go runs them, without ever touching the terminal.

Protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
The client library's own provider inherits standard input, which would let a plugin eat the keys of a
full-screen program, and hides the reason of a failure.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from console.model.redact import redact
from console.model.text import clean
from console.sources.kubernetes.errors import CredentialError
from console.sources.kubernetes.wire import Wire

PLUGIN_SECONDS = 60.0
"""How long a plugin may take; cloud logins need a few seconds."""


class Credential(msgspec.Struct, frozen=True):
    """What a plugin gave: a token, or a client certificate with its key as PEM."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: float | None = None


class _Status(Wire):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _ExecCredential(Wire):
    api_version: str = ""
    status: _Status | None = None


async def run_plugin(spec: Mapping[str, Any], base: Path, cluster: Mapping[str, Any]) -> Credential:
    """Run the plugin of ``spec`` and return its credential. Raises CredentialError with what to do.

    ``base`` is the folder of the kubeconfig file, for commands given by a relative path; ``cluster`` is
    told to plugins that ask for it.
    """
    command = str(spec.get("command") or "")
    version = str(spec.get("apiVersion") or "")
    if not command or not version:
        raise CredentialError(
            "the exec plugin lacks command or apiVersion", "correct the user of the context"
        )
    if spec.get("interactiveMode") == "Always":
        raise CredentialError(
            f"the credential plugin {command} wants a terminal of its own",
            "log in beforehand and use a plugin that works unattended",
        )
    if os.sep in command and not Path(command).is_absolute():
        command = str(base / command)
    output = await _run(command, spec, version, cluster)
    try:
        answer = msgspec.json.decode(output, type=_ExecCredential)
    except msgspec.MsgspecError:
        raise CredentialError(
            f"the credential plugin {command} did not print a credential",
            "run it by hand to see what it says",
        ) from None
    status = answer.status or _Status()
    expires = status.expiration_timestamp.timestamp() if status.expiration_timestamp is not None else None
    if status.token:
        return Credential(token=status.token, expires=expires)
    if status.client_certificate_data and status.client_key_data:
        return Credential(
            certificate=status.client_certificate_data,
            key=status.client_key_data,
            expires=expires,
        )
    raise CredentialError(
        f"the credential plugin {command} gave neither a token nor a certificate with its key",
        "run it by hand to see what it says",
    )


async def _run(command: str, spec: Mapping[str, Any], version: str, cluster: Mapping[str, Any]) -> bytes:
    info: dict[str, Any] = {
        "apiVersion": version,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    if spec.get("provideClusterInfo"):
        info["spec"]["cluster"] = {key: value for key, value in cluster.items() if key != "extensions"}
    environment = {item["name"]: str(item["value"]) for item in spec.get("env") or ()}
    hint = clean(str(spec.get("installHint") or "")) or "install it, or check the PATH of the console"
    try:
        process = await asyncio.create_subprocess_exec(
            command,
            *(str(argument) for argument in spec.get("args") or ()),
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": msgspec.json.encode(info).decode()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        raise CredentialError(
            f"the credential plugin {command} cannot be run: {error.strerror}", hint
        ) from None
    try:
        output, complaint = await asyncio.wait_for(process.communicate(), PLUGIN_SECONDS)
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise CredentialError(
                f"the credential plugin {command} took longer than {PLUGIN_SECONDS:g} s",
                "run it by hand; it may be waiting for a login",
            ) from None
        raise
    if process.returncode != 0:
        detail = redact(clean(complaint.strip()[-400:]))
        raise CredentialError(
            f"the credential plugin {command} failed with {process.returncode}: {detail}",
            "log in again with that tool; it is retried by itself",
        )
    return output
