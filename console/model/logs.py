"""Log lines, what to ask for, and the filters that tell an error from a number that looks like one."""

from __future__ import annotations

import msgspec


class LogRequest(msgspec.Struct, frozen=True):
    """Which logs to read: pods of one namespace by name; an empty ``container`` means all of them.

    ``since`` is seconds back (None: by ``tail`` lines), ``previous`` the last terminated container.
    """

    cluster: str
    namespace: str
    pods: tuple[str, ...]
    container: str = ""
    previous: bool = False
    follow: bool = True
    since: float | None = None
    tail: int = 500


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One cleaned line: the server's receive time (unix seconds, None if unknown), pod, container, text.

    ``notice`` marks a line of the console itself, such as a stream that ended or failed.
    """

    at: float | None
    pod: str
    container: str
    text: str
    notice: bool = False


class Description(msgspec.Struct, frozen=True):
    """An object in sections of labelled lines, as kubectl describe would group them."""

    title: str
    sections: tuple[tuple[str, tuple[str, ...]], ...]
