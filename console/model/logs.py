"""Log lines, what to ask for, and the filters that tell an error from a number that looks like one."""

from __future__ import annotations

import re

import msgspec

TAIL = 500
"""Lines of a container that a log begins with, unless something else is asked for."""


class LogRequest(msgspec.Struct, frozen=True):
    """Which logs to read: pods of one namespace by name; an empty ``container`` means all of them.

    ``since`` is seconds back (None: by ``tail`` lines of each container), ``previous`` the last terminated
    container.
    """

    namespace: str
    pods: tuple[str, ...]
    container: str = ""
    previous: bool = False
    follow: bool = True
    since: float | None = None
    tail: int = TAIL


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


_HINTS = (
    *("err", "eror", "fatal", "crit", "severe", "panic", "emerg", "alert", "exception", "traceback"),
    *("segmentation", "unhandled", "oomkilled", "out of memory"),
)
_KLOG = re.compile(r"[EF]\d{4} ")
# A level that is stated decides; without one, words decide. klog writes E1120 18:00:00.000000.
_LEVEL = re.compile(
    r"\b(?:level|lvl|severity|loglevel|log\.level)\b[\"']?\s*[=:]\s*[\"']?(?P<named>[a-z]+)"
    r"|[\[<|](?P<boxed>trace|debug|info|notice|warn|warning|error|err|fatal|critical|crit|panic|emerg|alert)[\]>|]"
    r"|(?:^|\s)(?P<bare>TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|PANIC)(?=[\s:\]|]|$)"
    r"|^(?P<klog>[IWEF])\d{4} \d\d:\d\d:\d\d",
    re.IGNORECASE,
)
_BAD_LEVELS = frozenset(
    {"error", "err", "eror", "fatal", "critical", "crit", "severe", "panic", "dpanic", "emerg", "alert"}
)
_WORDS = re.compile(
    r"\berror\b(?![\w-]|\s*[=:]\s*(?:0|null|nil|none|false|\"\"|'')(?![\w.]))"
    r"|(?-i:\b\w+(?:Error|Exception)\b)|\bexception\b|^Traceback \(|\bpanic:|\bfatal\b|\bsegmentation fault\b"
    r"|\bunhandled rejection\b|\bOOMKilled\b|\bout of memory\b",
    re.IGNORECASE,
)
_NO_ERROR = re.compile(r"\b(?:no|without|zero|0)\s+errors?\b|\berrors?\s*[=:]\s*0\b", re.IGNORECASE)


def is_error(text: str) -> bool:
    """Whether a line reports an error.

    A level that the line states decides (``level=info msg="no error"`` is none); otherwise the words of
    exceptions and panics do, and ``errors=0`` or ``no errors`` do not.
    """
    # Most lines hold none of the words, and to see that is twenty times cheaper than the patterns.
    folded = text.lower()
    if not any(hint in folded for hint in _HINTS) and _KLOG.match(text) is None:
        return False
    match = _LEVEL.search(text)
    if match is not None:
        klog = match["klog"]
        if klog is not None:
            return klog in "EF"
        level = match["named"] or match["boxed"] or match["bare"]
        return level.lower() in _BAD_LEVELS
    return _WORDS.search(_NO_ERROR.sub("", text)) is not None


_PHRASES = (
    "internal server error|not implemented|bad gateway|service (?:temporarily )?unavailable"
    "|gateway time-?out|http version not supported|insufficient storage"
)
_NUMBER = re.compile(r"5\d\d")
_5XX = re.compile(
    # status=502, "status_code": 503, http_status:500, code=504, response_code 500
    r"\b(?:status|status_?code|http_?status|http_?code|http\.status_code|response_?code|response_?status|code|sc)"
    r"[\"']?\s*(?:[=:]|\bis\b|\bwas\b)?\s*[\"'(]?5\d\d\b(?![.:]\d|\s*(?:[mu]s|s|bytes|kb|mb)\b(?!=))"
    # access logs: "GET / HTTP/1.1" 502 157, HTTP/2 503, HTTP 500
    r"|\"\s*5\d\d\s+(?:\d+|-)(?=\s|$)"
    r"|\bHTTP(?:/\d(?:\.\d)?)?\"?\s+5\d\d\b(?![.:]\d|\s*(?:[mu]s|s|bytes|kb|mb)\b(?!=))"
    # without quotes, as morgan and many a service write: GET /orders/7 500 15 ms, POST /pay -> 503
    r"|(?-i:\b(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS))\s+(?:/|https?://)\S*\s+(?:[-=]>\s*|→\s*)?5\d\d"
    r"(?![\w.:/]|\s*(?:[mu]s|s|bytes|kb|mb)\b)"
    # chi: "GET http://shop/ HTTP/1.1" from 10.1.2.3:4711 - 500 21B in 1ms
    r"|\bHTTP/\d(?:\.\d)?\"\s+from\s+\S+\s+-\s+5\d\d\b"
    # a verb of answering: returned 503, responded with 502, failed with 500
    r"|\b(?:returned|returns|responded|responds|answered|replied|failed|received|got)\s+"
    r"(?:with\s+)?(?:an?\s+)?(?:http\s+)?(?:status\s+|code\s+|status code\s+)?5\d\d\b"
    r"(?![.:,]\d|\s*(?:[mu]s|s|sec\w*|bytes|kb|mb|rows|items|records|messages|requests|connections)\b)"
    # a column of its own: | 500 |
    r"|\|\s*5\d\d\s*\|"
    # the number with its name: 502 Bad Gateway
    rf"|\b5\d\d\s*[:,-]?\s*(?:{_PHRASES})\b",
    re.IGNORECASE,
)


def is_5xx(text: str) -> bool:
    """Whether a line tells of an HTTP answer 500 to 599.

    A number counts only in the place of a status: after ``status=``, in the column of an access log, after
    *returned*, or before its reason phrase. ``1500ms``, ``took 503 ms`` and port ``5003`` do not.
    """
    return _NUMBER.search(text) is not None and _5XX.search(text) is not None
