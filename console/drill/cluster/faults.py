"""Failures on demand: what the API server does wrong to which requests."""

from __future__ import annotations

import asyncio
import re
from typing import Final

import msgspec

from console.drill.cluster import errors
from console.drill.cluster.errors import ApiError
from console.drill.cluster.request import Record

_REASONS: Final = {
    401: ("Unauthorized", "Unauthorized"),
    403: ("Forbidden", "forbidden by a fault of the drill"),
    409: (
        "Conflict",
        "the object has been modified; please apply your changes to the latest version and try again",
    ),
    410: ("Expired", "The resourceVersion for the provided list is too old."),
    429: ("TooManyRequests", "Too many requests, please try again later."),
    500: ("InternalError", "Internal error occurred: etcdserver: request timed out"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
    504: ("Timeout", "Timeout: request did not complete within the allotted timeout"),
}


class Fault:
    """One kind of failure. It strikes requests that match, at most `times` (None: until it is removed).

    `kind`: status, malformed, hang, reset, slow, cut. `hits` counts.
    """

    def __init__(
        self,
        kind: str,
        *,
        method: str = "",
        path: str = "",
        verb: str = "",
        user: str = "",
        times: int | None = None,
        status: int = 500,
        message: str = "",
        retry_after: int | None = None,
        seconds: float = 0.0,
        events: int = 0,
    ) -> None:
        self.kind = kind
        self.method = method
        self.path = re.compile(path)
        self.verb = verb
        self.user = user
        self.times = times
        self.status = status
        self.message = message
        self.retry_after = retry_after
        self.seconds = seconds
        self.events = events
        self.hits = 0
        self.lifted = asyncio.Event()

    def matches(self, record: Record) -> bool:
        """Return whether it strikes a request."""
        return (
            (self.times is None or self.hits < self.times)
            and (not self.method or self.method == record.method)
            and (not self.verb or self.verb == record.verb)
            and (not self.user or self.user == record.user)
            and self.path.search(record.path) is not None
        )

    def error(self) -> ApiError:
        """Return the answer of a `status` fault."""
        reason, text = _REASONS.get(self.status, ("", "a fault of the drill"))
        if self.status == 401:
            return errors.unauthorized()
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after is not None else None
        details = {"retryAfterSeconds": self.retry_after} if self.retry_after is not None else None
        return ApiError(self.status, reason, self.message or text, details, headers)


class Match(msgspec.Struct, frozen=True):
    """Which requests a fault strikes: method, a regular expression searched in the path, verb, user."""

    method: str = ""
    path: str = ""
    verb: str = ""
    user: str = ""


class Faults:
    """The failures in force. Each method returns its Fault, whose `hits` can be read; `remove` or `clear`
    ends it."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def _add(self, kind: str, match: Match, **options: object) -> Fault:
        fault = Fault(kind, method=match.method, path=match.path, verb=match.verb, user=match.user, **options)  # type: ignore[arg-type]
        self._faults.append(fault)
        return fault

    def fail(
        self,
        status: int,
        match: Match = Match(),
        *,
        times: int | None = None,
        message: str = "",
        retry_after: int | None = None,
    ) -> Fault:
        """Answer with an error status (401, 403, 409, 410, 429, 500, 503, 504 …) and its Status body."""
        return self._add(
            "status", match, status=status, times=times, message=message, retry_after=retry_after
        )

    def malformed(self, match: Match = Match(), *, times: int | None = None) -> Fault:
        """Answer 200 with JSON that breaks off."""
        return self._add("malformed", match, times=times)

    def hang(self, match: Match = Match(), *, times: int | None = None) -> Fault:
        """Accept the request and never answer, until the fault is lifted; then go on."""
        return self._add("hang", match, times=times)

    def reset(self, match: Match = Match(), *, times: int | None = None) -> Fault:
        """Reset the connection instead of an answer."""
        return self._add("reset", match, times=times)

    def slow(self, seconds: float, match: Match = Match(), *, times: int | None = None) -> Fault:
        """Answer `seconds` late."""
        return self._add("slow", match, times=times, seconds=seconds)

    def cut_watch(
        self, match: Match = Match(), *, after_events: int = 0, times: int | None = 1, status: int = 0
    ) -> Fault:
        """Break watches off after some events: the connection ends in mid-stream, or with an ERROR of
        `status`."""
        return self._add("cut", match, times=times, events=after_events, status=status)

    def remove(self, fault: Fault) -> None:
        """End one fault."""
        self._faults.remove(fault)
        fault.lifted.set()

    def clear(self) -> None:
        """End all faults."""
        for fault in list(self._faults):
            self.remove(fault)

    def strike(self, record: Record, kinds: tuple[str, ...]) -> Fault | None:
        """Return the first fault of these kinds that strikes a request, counted."""
        for fault in self._faults:
            if fault.kind in kinds and fault.matches(record):
                fault.hits += 1
                return fault
        return None
