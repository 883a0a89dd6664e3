"""Escape as a key of its own, however close the next key comes.

A terminal sends Escape as the byte that all its other sequences begin with. Over a slow link the keys Escape
and ``u`` arrive together, and Textual takes them for Alt+u, or for ``^`` and ``u`` when an answer of the
terminal follows. No key of this console is held with Alt, so the two are always two keys.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ESC = "\x1b"
_ALONE = re.compile(r"\x1b(?![OPX\[\]\\_^]|\Z)")
"""An Escape that nothing follows which continues a sequence (ECMA-48, 5.3)."""


class EscapeKey:
    """Finds Escapes that are keys in what the terminal sends."""

    def __init__(self, wait: float) -> None:
        """``wait``: seconds until an Escape at the end of what arrived is a key for sure."""
        self._wait = wait
        self._since: float | None = None

    def until(self) -> float | None:
        """When the Escape held back becomes a key, by the clock given to ``split``; None without one."""
        return None if self._since is None else self._since + self._wait

    def split(self, text: str, now: float) -> Iterator[str | None]:
        """What arrived (nothing, when only time has passed) in pieces, None for each key Escape."""
        if self._since is not None:
            if text:
                text = _ESC + text
            elif now < self._since + self._wait:
                return
            else:
                yield None
            self._since = None
        *pieces, rest = _ALONE.split(text)
        for piece in pieces:
            if piece:
                yield piece
            yield None
        if rest.endswith(_ESC):
            self._since = now
            rest = rest[:-1]
        if rest:
            yield rest
