"""aiohttp, and the certificate authorities of this machine, read when a server is first asked over TLS.

aiohttp reads them twice while it is imported: 50 ms and 3 MB before the first pod is asked for, and the API
servers of clusters have authorities of their own. So it is imported here with contexts that trust nobody,
and a session without ``trust()`` fails over TLS; it is never less safe.
"""

from __future__ import annotations

import functools
import ssl
import threading

from console.sources.proxy import environment_proxy

_importer = threading.get_ident()


def _read_nothing(self: ssl.SSLContext) -> None:
    """Stands in for a method of the C type; other threads that make a context meanwhile get it whole."""
    if threading.get_ident() != _importer:
        super(ssl.SSLContext, self).set_default_verify_paths()


ssl.SSLContext.set_default_verify_paths = _read_nothing  # type: ignore[method-assign]
try:
    import aiohttp
finally:
    del ssl.SSLContext.set_default_verify_paths

__all__ = ["aiohttp", "trust"]


def trust(*urls: str | None) -> ssl.SSLContext | bool:
    """What a session for ``urls`` passes as ``ssl``: whom to believe, where one of them is asked over TLS.

    A proxy of the environment that is on the way counts as well.
    """
    ways = [way for url in urls if url is not None for way in (url, environment_proxy(url) or "")]
    return _authorities() if any(way[:6].lower() == "https:" for way in ways) else True


@functools.cache
def _authorities() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    return context
