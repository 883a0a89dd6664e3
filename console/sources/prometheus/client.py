"""The Prometheus query API through prometheus-api-client, which is synchronous, in a thread of its own.

The thread is a daemon and is never joined: a server that hangs holds neither the engine's loop nor the
exit of the process. The library gives away only the result, so a hook on its session looks at each response
first: for the status, a redirect, and the warnings that may come with a success.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
from urllib3.util.retry import Retry

from console.config import PrometheusSettings
from console.model.redact import redact
from console.model.source import Health
from console.model.text import clean
from console.sources.base import SourceError
from console.sources.prometheus.library import PrometheusConnect, requests
from console.sources.wording import describe_failure, without_userinfo

T = TypeVar("T")

BUILD = "/api/v1/status/buildinfo"
TIMEOUT = 4
"""Seconds until a question without an answer has failed; the server is asked to give up 1 s earlier."""


class QueryError(SourceError):
    """The server answered, and said no. ``status`` is the HTTP status."""

    def __init__(self, status: int, reason: str, advice: str = "", health: Health = Health.FAILED) -> None:
        self.status = status
        super().__init__(reason, advice, health)


class Series(msgspec.Struct, frozen=True):
    """One series of an answer: labels and (unix seconds, value) pairs; NaN and infinity are values."""

    labels: dict[str, str]
    points: tuple[tuple[float, float], ...]


class Answer(msgspec.Struct, frozen=True):
    """All series of an answer, and the warnings that came with it."""

    series: tuple[Series, ...]
    warnings: tuple[str, ...] = ()


class _Job(msgspec.Struct):
    work: Callable[[], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class Client:
    """Asks one server. The coroutines may be called on any loop; questions are asked one at a time."""

    def __init__(self, settings: PrometheusSettings) -> None:
        self._settings = settings
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._library: PrometheusConnect | None = None
        self._session: Any = None
        self._warnings: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The URL without a user or password."""
        return without_userinfo(self._settings.url)

    async def instant(self, expression: str) -> Answer:
        """The value of an expression now. Raises QueryError where the server refuses, else SourceError."""
        return await self._call(
            lambda: self._ask(lambda library: library.custom_query(expression, params=_SERVER_TIMEOUT))
        )

    async def range(self, expression: str, start: float, end: float, step: float) -> Answer:
        """The values of an expression every ``step`` seconds; raises like ``instant``."""
        first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        return await self._call(
            lambda: self._ask(
                lambda library: library.custom_query_range(
                    expression, first, last, f"{step:g}", params=_SERVER_TIMEOUT
                )
            )
        )

    async def version(self) -> str:
        """The server's version, "" where it does not say, as some compatible servers do not."""
        try:
            return await self._call(self._read_version)
        except SourceError:
            return ""

    def close(self) -> None:
        """Let the thread end after its present question; returns at once."""
        self._jobs.put(None)

    async def _call(self, work: Callable[[], T]) -> T:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._serve, name="prometheus", daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, future, loop))
        return await future

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            if job.future.cancelled():
                continue
            try:
                settle = _setter(job.future, job.work())
            except Exception as error:
                settle = _failer(job.future, error)
            with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
                job.loop.call_soon_threadsafe(settle)
        if self._library is not None:
            self._library.close()
            self._library = None

    def _ask(self, question: Callable[[Any], Any]) -> Answer:
        """In the thread: one request through the library."""
        if self._library is None:
            self._library = self._connect()
        self._warnings = ()
        try:
            result = question(self._library)
            return Answer(_decode(result), self._warnings)
        except SourceError:
            raise
        except requests.exceptions.Timeout:
            raise SourceError(
                f"Prometheus gave no answer within {TIMEOUT} s", "check the network and the server's load"
            ) from None
        except (requests.exceptions.JSONDecodeError, KeyError, TypeError, ValueError, IndexError):
            raise SourceError(
                f"what {self.address} answers is not the JSON of Prometheus",
                "check the url in [prometheus]: a path prefix may be missing, or a login page answers",
            ) from None
        except requests.exceptions.RequestException as error:
            raise SourceError(
                f"Prometheus cannot be reached: {describe_failure(error)}",
                "check the url in [prometheus], the network and the server",
            ) from None

    def _read_version(self) -> str:
        """In the thread: https://prometheus.io/docs/prometheus/latest/querying/api/#build-information."""
        version = ""

        def read(library: Any) -> list[Any]:
            nonlocal version
            answer = self._session.get(f"{library.url}{BUILD}", headers=library.headers, timeout=TIMEOUT)
            version = clean(str(answer.json()["data"]["version"]), 40)
            return []

        self._ask(read)
        return version

    def _connect(self) -> Any:
        parts = urlsplit(self._settings.url)
        session = self._session = requests.Session()
        session.hooks["response"].append(self._inspect)
        if parts.username is not None:
            session.auth = (unquote(parts.username), unquote(parts.password or ""))
        else:
            session.auth = lambda request: request  # else ~/.netrc would replace the configured headers
        bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
        return PrometheusConnect(
            url=bare.rstrip("/"),
            headers={name: value.reveal() for name, value in self._settings.headers.items()},
            # The source repeats by itself, later and with back-off.
            retry=Retry(0, read=False),
            session=session,
            timeout=TIMEOUT,
        )

    def _inspect(self, response: Any, *_args: Any, **_kwargs: Any) -> None:
        if response.is_redirect:
            where = without_userinfo(response.headers.get("location", "")) or "nowhere"
            raise QueryError(
                response.status_code,
                f"Prometheus redirects to {where}",
                "set the url in [prometheus] to that",
            )
        if response.status_code != 200:
            raise _refusal(response.status_code, response.content)
        if b'"warnings"' in response.content or b'"infos"' in response.content:
            body = response.json()
            texts = [*body.get("warnings", ()), *body.get("infos", ())]
            self._warnings = tuple(clean(redact(clean(str(text))), 300) for text in texts)


_SERVER_TIMEOUT = {"timeout": f"{TIMEOUT - 1}s"}


def _setter(future: asyncio.Future[Any], result: Any) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_result(result)


def _failer(future: asyncio.Future[Any], error: Exception) -> Callable[[], None]:
    return lambda: None if future.done() else future.set_exception(error)


def _refusal(status: int, content: bytes) -> QueryError:
    try:
        body = json.loads(content)
        said = f"{body['errorType']}: {body['error']}"
    except (ValueError, KeyError, TypeError):
        text = clean(content[:300], 160)
        said = text if text and "<" not in text else ""
    said = f": {clean(redact(clean(said)), 240)}" if said else ""
    if status in (401, 403):
        return QueryError(
            status,
            f"Prometheus refuses with status {status}{said}",
            "check the headers in [prometheus]",
            Health.DENIED,
        )
    if status in (400, 422):
        return QueryError(status, f"Prometheus cannot execute the query{said}", "check the expression")
    return QueryError(
        status, f"Prometheus answers with status {status}{said}", "check the url in [prometheus] and its load"
    )


def _decode(result: Any) -> tuple[Series, ...]:
    """The ``result`` of an answer: a vector, a matrix, or one bare [time, value] pair (scalar)."""
    if result and not isinstance(result[0], dict):
        return (Series({}, (_point(result),)),)
    return tuple(
        Series(
            {clean(name, 120): clean(redact(clean(value)), 200) for name, value in item["metric"].items()},
            tuple(_point(pair) for pair in (item["values"] if "values" in item else [item["value"]])),
        )
        for item in result
    )


def _point(pair: Any) -> tuple[float, float]:
    at, value = pair
    return float(at), float(value)
