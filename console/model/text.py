"""The one cleaning function for outside text: names, logs, queries, annotations, alerts.

Terminals obey control sequences wherever they stand, so text of others passes here once, at ingest. What
comes out holds no control character, nothing that reorders or hides text, and is safe to measure. It is
still data: never render it as markup and never hand it to a shell.
"""

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
ELLIPSIS = "…"
_TAB = 8

# ECMA-48: complete control sequences and control strings, in their 7-bit (ESC x) and 8-bit (C1) forms. The
# body of a string ends at any control character, so an unterminated introducer cannot hide what follows it:
# the last two alternatives drop the introducer alone.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"  # OSC, DCS, SOS, PM, APC ...
    r"[^\x00-\x08\n\x0e-\x1f\x7f-\x9f]*(?:\x07|\x1b\\|\x9c)"  # ... up to BEL or ST
    r"|\x1b[ -/]*[0-~]"  # nF and two-byte escapes
    r"|[\x90\x98\x9b\x9d-\x9f]"  # 8-bit introducers of nothing
)

# C0 without tab and newline, DEL, C1, line and paragraph separators, surrogates, and the default-ignorable
# characters of Unicode (bidi controls, zero-width characters, fillers, tags). Variation selectors are
# combining marks and stay.
_UNSAFE_CLASS = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff"
)
_UNSAFE = re.compile(f"[{_UNSAFE_CLASS}]")
_NOT_PLAIN = re.compile(f"[\t\n{_UNSAFE_CLASS}]")


def clean(text: str | bytes, limit: int = 4096) -> str:
    """Return `text` as one safe line of at most `limit` characters; a clipped one ends in an ellipsis.

    Bytes are read as UTF-8 with replacement. Lines are joined by one space. Plain text comes back as the
    same object.
    """
    line, cut = _clipped(text, limit)
    if not ((line.isascii() and line.isprintable()) or _NOT_PLAIN.search(line) is None):
        parts = _without_controls(line).split("\n")
        line = " ".join(filter(None, (part.strip(" ") for part in parts))) if len(parts) > 1 else parts[0]
    return _finish(line, limit, cut)


def clean_lines(text: str | bytes, limit: int = 65_536) -> str:
    """Return `text` made safe like `clean` does, with its newlines kept; CR LF becomes a newline.

    `limit` counts characters of the whole text.
    """
    lines, cut = _clipped(text, limit)
    if not ((lines.isascii() and lines.isprintable()) or _NOT_PLAIN.search(lines) is None):
        lines = _without_controls(lines)
    return _finish(lines, limit, cut)


def _clipped(text: str | bytes, limit: int) -> tuple[str, bool]:
    if isinstance(text, bytes):
        # A character has at most four bytes, so this many bytes hold more than `limit` characters.
        text = text[: 4 * limit + 4].decode("utf-8", "replace")
    return (text[:limit], True) if len(text) > limit else (text, False)


def _finish(text: str, limit: int, cut: bool) -> str:
    if len(text) > limit or (cut and len(text) == limit):
        return text[: limit - 1] + ELLIPSIS
    return text + ELLIPSIS if cut else text


def _without_controls(text: str) -> str:
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    if text.endswith("\r"):  # what is left of CR LF when a source splits at LF
        text = text[:-1]
    return _UNSAFE.sub(REPLACEMENT, text).expandtabs(_TAB)
