"""A quantity against its limit, on one line."""

from __future__ import annotations

from console.ui.cells import Spans
from console.ui.themes import Glyphs


def gauge(
    used: float, limit: float, width: int, glyphs: Glyphs, *, warn: float = 0.75, bad: float = 0.9
) -> Spans:
    """A bar of ``width`` cells; its colour turns at ``warn`` and ``bad`` of the limit."""
    ratio = used / limit if limit > 0 else 1.0
    full = max(0, min(width, round(ratio * width)))
    if used > 0 and full == 0:
        full = 1
    role = "bad" if ratio >= bad else "warn" if ratio >= warn else "ok"
    return ((glyphs.full * full, role), (glyphs.empty * (width - full), "faint"))
