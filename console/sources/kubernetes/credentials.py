# mypy: disable-error-code="no-untyped-call"
"""Who the console is towards one cluster: the pinned context with its address, TLS and credentials.

The context is resolved once. A refresh reads credentials anew (kubeconfig, token file, exec plugin), but
only for the same context, server and user: a context switched by another shell has no effect, and one that
was redefined is refused.
"""

from __future__ import annotations

import base64
import os
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from console.config import ClusterSettings
from console.model.clock import Clock
from console.sources.kubernetes.errors import CredentialError
from console.sources.kubernetes.execplugin import run_plugin
from console.sources.kubernetes.library import (
    ConfigException,
    ConfigNode,
    Configuration,
    FileOrData,
    InClusterConfigLoader,
    KubeConfigLoader,
    KubeConfigMerger,
)

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds its own token, CA and namespace."""
TOKEN_FILE_SECONDS = 60.0
"""A service account's token file is rotated under us; it is read again this often, as the clients do."""


class Credentials(Protocol):
    """What a connection needs to know; ``refresh`` replaces ``headers``, ``tls`` and ``expires``.

    ``tls`` is None for a server that is not asked over TLS.
    """

    context: str
    server: str
    namespace: str
    proxy: str | None
    server_name: str | None
    headers: Mapping[str, str]
    tls: ssl.SSLContext | None
    expires: float | None

    async def refresh(self) -> None:
        """Read or make the credentials anew. Raises CredentialError."""
        ...


async def load_credentials(settings: ClusterSettings, clock: Clock) -> Credentials:
    """The credentials of the context that ``settings`` names. Raises CredentialError with what to do."""
    if settings.in_cluster or (_kubeconfig(settings) is None and "KUBERNETES_SERVICE_HOST" in os.environ):
        found: Credentials = _InCluster(clock)
    else:
        found = _FromKubeconfig(settings)
    await found.refresh()
    return found


def _kubeconfig(settings: ClusterSettings) -> str | None:
    """The kubeconfig path or path list that applies, None when no such file exists."""
    if settings.kubeconfig is not None:
        return str(settings.kubeconfig)
    paths = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    present = [path for path in paths.split(os.pathsep) if path and Path(path).expanduser().is_file()]
    return os.pathsep.join(present) or None


class _FromKubeconfig:
    """A context of the kubeconfig files."""

    def __init__(self, settings: ClusterSettings) -> None:
        paths = _kubeconfig(settings)
        if paths is None:
            raise CredentialError(
                "there is no kubeconfig file", "set KUBECONFIG, give --kubeconfig, or configure kubernetes"
            )
        self._paths = paths
        self._identity: tuple[str, str] | None = None
        self.context = settings.context or ""
        self.server = ""
        self.namespace = "default"
        self.proxy: str | None = None
        self.server_name: str | None = None
        self.headers: Mapping[str, str] = {}
        self.tls: ssl.SSLContext | None = None
        self.expires: float | None = None

    async def refresh(self) -> None:
        try:
            await self._load()
        except CredentialError:
            raise
        except Exception as error:  # a damaged file fails in whatever way the client's loader meets it
            what = f"context {self.context}" if self.context else "the current context"
            raise CredentialError(
                f"{what} of {self._paths} cannot be used: {_explain(error)}",
                "check it with kubectl config get-contexts and kubectl config view",
            ) from None

    async def _load(self) -> None:
        merged = self._merged()
        if not self.context:
            self.context = str(merged["current-context"])
        loader = _Loader(merged, self.context)
        target = Configuration()
        await loader.load_and_set(target)
        identity = (str(target.host), loader.user_name)
        if self._identity is not None and identity != self._identity:
            raise ConfigException("it now points to another server or user; start the console anew to use it")
        self._identity = identity
        self.server = str(target.host)
        self.namespace = loader.namespace
        self.proxy = target.proxy
        self.server_name = target.tls_server_name
        self.headers = _headers(target, loader.impersonation)
        self.tls = _tls(target, loader.pem)
        self.expires = loader.expires

    def _merged(self) -> ConfigNode:
        merged: ConfigNode | None = KubeConfigMerger(self._paths).config
        if merged is None:
            raise ConfigException("the file does not exist or is empty")
        return merged


class _Loader(KubeConfigLoader):
    """The client's loader, with an exec plugin that says why it failed, and users that may be absent.

    It would write keys that are no files into files that stay until the end; ``pem`` has them instead, behind
    their certificate.
    """

    _user: Any
    _cluster: Any

    def __init__(self, merged: ConfigNode, context: str) -> None:
        super().__init__(config_dict=merged, active_context=context, config_base_path=None)
        if self._user is None:
            self._user = ConfigNode("user", {})
        self.expires: float | None = None
        self.pem = b""
        if self._user.value.get("client-key-data"):
            self._take(self._content("client-certificate"), self._content("client-key"))

    def _content(self, name: str) -> bytes:
        """What the user entry holds under ``name``, or the file that it names."""
        base = self._get_base_path(self._user.path)
        return base64.b64decode(FileOrData(self._user, name, file_base_path=base).as_data() or "")

    def _take(self, certificate: bytes, key: bytes) -> None:
        self.pem = certificate + b"\n" + key
        self.cert_file = self.key_file = None  # so that the client's loader looks for none

    @property
    def user_name(self) -> str:
        """The user entry of the context."""
        return str(self.current_context["context"].get("user", ""))

    @property
    def namespace(self) -> str:
        """The namespace of the context."""
        return str(self.current_context["context"].get("namespace") or "default")

    @property
    def impersonation(self) -> dict[str, str]:
        """The headers for ``as`` and ``as-uid`` of the user entry."""
        user: Mapping[str, Any] = self._user.value
        if user.get("as-groups") or user.get("as-user-extra"):
            raise ConfigException("impersonation with as-groups or as-user-extra is not supported")
        named = {"Impersonate-User": user.get("as"), "Impersonate-Uid": user.get("as-uid")}
        return {name: str(value) for name, value in named.items() if value}

    async def load_from_exec_plugin(self) -> bool:
        """Run the plugin and take its token or client certificate."""
        base = self._get_base_path(self._user.path)
        credential = await run_plugin(self._user["exec"].value, Path(base), self._cluster.value)
        self.expires = credential.expires
        if credential.token:
            self.token = f"Bearer {credential.token}"
        else:
            self._take(credential.certificate.encode(), credential.key.encode())
        return True


class _InCluster:
    """The service account of the pod that the console runs in."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.context = "in-cluster"
        self.server = ""
        self.namespace = "default"
        self.proxy: str | None = None
        self.server_name: str | None = None
        self.headers: Mapping[str, str] = {}
        self.tls: ssl.SSLContext | None = None
        self.expires: float | None = None

    async def refresh(self) -> None:
        target = Configuration()
        loader = InClusterConfigLoader(
            token_filename=str(SERVICE_ACCOUNT / "token"),
            cert_filename=str(SERVICE_ACCOUNT / "ca.crt"),
            try_refresh_token=False,
        )
        try:
            loader.load_and_set(target)
            self.tls = _tls(target)
        except (ConfigException, OSError) as error:
            raise CredentialError(
                f"the service account of this pod cannot be used: {error}",
                "run inside a pod with a mounted service account token, or set in_cluster = false",
            ) from None
        self.server = str(target.host)
        self.headers = _headers(target, {})
        self.expires = self._clock.now().timestamp() + TOKEN_FILE_SECONDS
        namespace = SERVICE_ACCOUNT / "namespace"
        if namespace.is_file():
            self.namespace = namespace.read_text(encoding="utf-8").strip() or "default"


def _explain(error: Exception) -> str:
    """What to say of a file that cannot be used; errors of the YAML reader carry a position."""
    told = isinstance(error, (ConfigException, OSError, ssl.SSLError)) or hasattr(error, "problem_mark")
    return str(error) if told else "the file is damaged or incomplete"


def _headers(target: Configuration, more: Mapping[str, str]) -> dict[str, str]:
    token = target.api_key.get("BearerToken")
    return {**({"Authorization": str(token).strip()} if token else {}), **more}


def _tls(target: Configuration, pem: bytes = b"") -> ssl.SSLContext | None:
    if urlsplit(str(target.host)).scheme != "https":
        return None
    context = ssl.create_default_context(cafile=target.ssl_ca_cert)
    # Python 3.13 demands extensions that the CAs of many clusters lack; no Kubernetes client insists on them.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if target.cert_file:
        context.load_cert_chain(target.cert_file, keyfile=target.key_file)
    if pem:
        with tempfile.NamedTemporaryFile(prefix="warroom-") as file:  # OpenSSL loads keys from files alone
            file.write(pem)
            file.flush()
            context.load_cert_chain(file.name)
    if not target.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
