"""How an address and a broken connection are worded on the screen."""

from __future__ import annotations

import os
import socket
import ssl
from urllib.parse import urlsplit, urlunsplit

from console.model.redact import redact
from console.model.text import clean


def without_userinfo(url: str) -> str:
    """A URL for the screen: no user, no password, secrets in its query masked, cleaned."""
    try:
        parts = urlsplit(url)
        url = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    except ValueError:  # not a URL; the request says so
        url = url.rpartition("@")[2]
    return clean(redact(url), 300)


def describe_failure(error: BaseException) -> str:
    """What broke a connection, as the innermost cause words it: ``connection refused``, a TLS reason …"""
    seen: BaseException | None = error
    best = ""
    for _ in range(12):
        if seen is None:
            break
        # aiohttp wraps TLS errors in errors that are such as well, but without their attributes.
        if isinstance(seen, ssl.SSLError) and hasattr(seen, "reason"):
            return f"TLS: {clean(getattr(seen, 'verify_message', '') or seen.reason or str(seen), 160)}"
        if isinstance(seen, OSError) and seen.strerror:
            # asyncio puts words of its own into strerror; name resolution has its own numbers.
            number = 0 if isinstance(seen, socket.gaierror) else seen.errno or 0
            best = clean(os.strerror(number) if number > 0 else seen.strerror, 160)
        seen = seen.__cause__ or seen.__context__
    said = " ".join(str(getattr(error, "message", "") or error).split())
    text = best or clean(redact(said), 160) or type(error).__name__
    return text[:1].lower() + text[1:]
