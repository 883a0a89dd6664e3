"""Which proxy a request goes through.

aiohttp's own ``trust_env`` also takes passwords from ``~/.netrc``, which must not go to servers that were
given other credentials, and asks two threads before every request.
"""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Never reached through a proxy of the environment, as with kubectl."""


def environment_proxy(url: str) -> str | None:
    """The URL of the proxy that HTTP_PROXY, HTTPS_PROXY and NO_PROXY mean for ``url``, password included."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL, which the request says
        return None
    host = parts.hostname or ""
    return None if host in LOOPBACK or proxy_bypass(host) else getproxies().get(parts.scheme)
