"""Refusals and failures of a Kubernetes API as sentences, with what to do about each."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from console.model.source import Health
from console.model.text import clean
from console.sources.base import SourceError
from console.sources.kubernetes import wire
from console.sources.kubernetes.text import prose
from console.sources.trust import aiohttp

_STATUS = msgspec.json.Decoder(wire.Status)


class Cause(msgspec.Struct, frozen=True):
    """One cause that the server gives: its reason word, its message and the field it concerns."""

    reason: str
    message: str
    field: str = ""


class KubeError(SourceError):
    """A request that failed.

    ``status`` is the HTTP status (0: there was no answer), ``word`` the server's reason such as Conflict,
    ``message`` its own words, ``retry_after`` the seconds it asks to wait, ``token`` what an expired list
    can be gone on with. ``reason`` and ``advice`` are the sentences for the screen.
    """

    def __init__(
        self,
        reason: str,
        advice: str = "",
        *,
        status: int = 0,
        word: str = "",
        message: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        token: str = "",
    ) -> None:
        super().__init__(reason, advice, Health.DENIED if status in (401, 403) else Health.FAILED)
        self.status = status
        self.word = word
        self.message = message
        self.causes = causes
        self.retry_after = retry_after
        self.token = token


class CredentialError(KubeError):
    """Credentials that cannot be had; to the server it is as if somebody unknown had asked (401)."""

    def __init__(self, reason: str, advice: str) -> None:
        super().__init__(reason, advice, status=401)


class StalledError(KubeError):
    """A stream that has been silent for too long: the peer may be gone without a word."""


class CutError(KubeError):
    """An answer that ended in the middle, as any watch does when a server or a proxy restarts."""


class ReadOnlyError(KubeError):
    """A request that would change something, on a connection that may only read."""


_ADVICE = {
    401: "log in again (for example with the cluster's own login command); it is retried by itself",
    403: "ask for the permission, or choose a namespace that you may read",
    404: "it may have been deleted, or the server does not serve this kind",
    409: "it was changed by someone else in the meantime; look again and decide anew",
    410: "the list is read anew",
    422: "see the causes and correct the request",
    429: "the server is busy; it is retried by itself",
}


def refusal(status: int, headers: Mapping[str, str], body: wire.Body, what: str) -> KubeError:
    """The error for an HTTP answer that is not a success; ``what`` says which request it was."""
    try:
        answer = _STATUS.decode(body)
    except msgspec.MsgspecError:
        answer = wire.Status(message=body[:300].decode("utf-8", "replace"))
    details = answer.details or wire.StatusDetails()
    causes = tuple(
        Cause(clean(item.reason or "", 80), prose(item.message), clean(item.field or "", 200))
        for item in details.causes or ()
    )
    message = prose(answer.message, 600).strip() or f"HTTP {status}"
    retry_after = _retry_after(headers, details)
    if status == 401:
        sentence = "the API server does not accept the credentials (401)"
    elif status >= 500:
        sentence = f"the API server failed ({status}): {message}"
    else:
        sentence = message
    if retry_after is not None:
        sentence = f"{sentence}; it asks to wait {retry_after:.0f} s"
    return KubeError(
        f"{what}: {sentence}",
        _ADVICE.get(status, "see the health of the API server" if status >= 500 else ""),
        status=status,
        word=clean(answer.reason or "", 80),
        message=message,
        causes=causes,
        retry_after=retry_after,
        token=answer.metadata.continue_ or "" if answer.metadata is not None else "",
    )


def _retry_after(headers: Mapping[str, str], details: wire.StatusDetails) -> float | None:
    """The seconds that a refusal asks to wait, by its header (RFC 9110, 10.2.3) or its body; at most 300."""
    given = headers.get("Retry-After", "").strip()
    seconds: float | None = details.retry_after_seconds
    if given.isascii() and given.isdigit():
        seconds = float(given)
    elif given:
        moment = _moment(given)
        # The server's own clock counts, where it tells the time.
        now = _moment(headers.get("Date", "")) or datetime.now(UTC)
        seconds = (moment - now).total_seconds() if moment is not None else seconds
    return None if seconds is None else min(max(seconds, 0.0), 300.0)


def _moment(text: str) -> datetime | None:
    """An HTTP date; None for anything else."""
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def no_answer(error: BaseException, host: str) -> KubeError:
    """The error for a request that got no complete answer from ``host``."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return KubeError(f"the name {host} does not resolve", "check the VPN, DNS and the context's server")
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)):
        detail = getattr(getattr(error, "certificate_error", error), "verify_message", "") or "not trusted"
        return KubeError(
            f"the TLS certificate of {host} is not accepted: {detail}",
            "check certificate-authority and server of the context; do not switch verification off",
        )
    if isinstance(error, (aiohttp.ClientSSLError, ssl.SSLError)):
        return KubeError(
            f"no TLS with {host}: {_first(error)}", "check that the server speaks TLS on that port"
        )
    if isinstance(error, (aiohttp.ConnectionTimeoutError, aiohttp.ServerTimeoutError, TimeoutError)):
        return KubeError(f"{host} did not answer in time", "check the VPN and the load of the API server")
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return KubeError(
            f"the proxy on the way to {host} cannot be reached", "check proxy-url or HTTPS_PROXY"
        )
    if isinstance(error, OSError) and _errno(error) == errno.ECONNREFUSED:
        return KubeError(f"{host} refuses connections", "is the API server up, and is this its port?")
    if isinstance(error, OSError) and _errno(error) in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return KubeError(f"there is no route to {host}", "check the VPN")
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError, ConnectionError)):
        return CutError(f"{host} cut the connection", "it is tried again by itself")
    return KubeError(f"no answer from {host}: {type(error).__name__} {_first(error)}".rstrip())


def _errno(error: OSError) -> int | None:
    inner = getattr(error, "os_error", None)
    known = isinstance(inner, OSError) and not isinstance(inner, socket.gaierror)
    return inner.errno if known and inner is not None else error.errno


def _first(error: BaseException) -> str:
    lines = str(error).splitlines()
    return clean(lines[0], 200) if lines else ""


def garbled(what: str, error: Exception) -> KubeError:
    """The error for an answer that is not what the API promises."""
    return KubeError(
        f"{what}: the answer cannot be read: {_first(error)}",
        "is something other than a Kubernetes API server answering at this address?",
    )
