"""What the tests of the sources share: a publisher that keeps what it is given, and a scripted server."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from console.model.source import SourceStatus
from console.sources.base import Source


class Kept:
    """A Publisher that remembers everything, newest last."""

    def __init__(self) -> None:
        self.snapshots: list[Any] = []
        self.statuses: list[SourceStatus] = []

    def publish(self, name: str, snapshot: Any) -> None:
        self.snapshots.append(snapshot)

    def report(self, status: SourceStatus) -> None:
        self.statuses.append(status)


async def run_until(source: Source, kept: Kept, done: Callable[[Kept], bool], timeout: float = 20.0) -> None:
    """Run a source until ``done(kept)``; fail when that takes longer than ``timeout`` seconds."""
    task = asyncio.create_task(source.run(kept))
    deadline = time.monotonic() + timeout
    try:
        while not done(kept):
            if task.done():
                task.result()
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {timeout:g} s: {kept.statuses} {kept.snapshots[-1:]}")
            await asyncio.sleep(0.02)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await source.close()


class Request:
    """A request as it arrived."""

    def __init__(self, method: str, path: str, headers: dict[str, str]) -> None:
        self.method, self.path, self.headers = method, path, headers


Answerer = Callable[[BaseHTTPRequestHandler], None]


@contextlib.contextmanager
def scripted(answer: Answerer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[Request]]]:
    """A server on loopback whose every answer is written by ``answer``; yields its URL and the requests."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            requests.append(Request(self.command, self.path, dict(self.headers)))
            with contextlib.suppress(OSError):
                answer(self)

        do_GET = do_HEAD = do_POST = handle_any  # noqa: N815

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # a client that goes away, or does not trust us
                super().handle()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}", requests
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(status: int, body: bytes = b"", **headers: str) -> Answerer:
    """An answer with a status, a body and headers (underscores become dashes)."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return write


class Stall:
    """An answer that never comes; ``release`` lets the waiting threads of the server go."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self._event.wait(30)

    def release(self) -> None:
        self._event.set()
