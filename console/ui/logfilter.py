"""Which log lines tell of an error, and not merely of a number or a word that looks like one."""

from __future__ import annotations

import re

_ERROR = re.compile(
    r"\b(?:ERROR|FATAL|CRITICAL|SEVERE|PANIC|EMERG|ALERT)\b"
    r"|^(?:panic|fatal|error)\b"
    r"|\"?\b(?:level|severity|lvl)\"?\s*[=:]\s*\"?(?:error|err|fatal|critical|crit|panic)\b"
    r"|\bTraceback \(most recent call last\)"
    r"|\b\w+(?:Error|Exception)\b\s*[:(]"
    r"|^E\d{4} ",  # klog
    re.MULTILINE,
)
_FIVE = re.compile(
    r"\"\s+5\d\d\s"  # common log format: "GET / HTTP/1.1" 503 12
    r"|\bHTTP/\d(?:\.\d)?\"?\s+5\d\d\b"
    r"|\b(?:http_)?(?:status|status_code|statusCode|code|http_status|response_code)\"?\s*[=:]\s*\"?5\d\d\b",
    re.IGNORECASE,
)


def is_error(text: str) -> bool:
    """Whether a line reports an error: by its level, a known word in capitals, or an exception's name."""
    return _ERROR.search(text) is not None


def is_server_error(text: str) -> bool:
    """Whether a line reports an HTTP status 500 to 599, in a place where a status stands."""
    return _FIVE.search(text) is not None
