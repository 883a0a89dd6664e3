"""Numbers in words, short enough for one line."""

from __future__ import annotations

from datetime import UTC, datetime


def plural(number: float, one: str, many: str = "", show: str = "") -> str:
    """``1 pod``, ``3 pods``, ``2 queries``; ``many`` where it is not ``one`` with an s, ``show`` a format."""
    shown = f"{number:{show}}"
    return f"{shown} {one if shown == '1' else many or one + 's'}"


def percent(ratio: float) -> str:
    """``0.081`` -> ``8.1 %``, ``0.0004`` -> ``0.04 %``."""
    return f"{ratio * 100:.2g} %" if ratio < 0.1 else f"{ratio * 100:.0f} %"


def span(seconds: float) -> str:
    """``0.34`` -> ``340 ms``, ``75`` -> ``75 s``, ``400`` -> ``7 min``, ``9000`` -> ``2.5 h``."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.3g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.0f} days"


def size(count: float) -> str:
    """Bytes in binary units."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"


def clock(at: float) -> str:
    """``14:23Z``: hours and minutes in UTC."""
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}Z"


def names(found: list[str], most: int = 3) -> str:
    """``a, b, c and 4 more``."""
    rest = len(found) - most
    return ", ".join(found[:most]) + (f" and {rest} more" if rest > 0 else "")
