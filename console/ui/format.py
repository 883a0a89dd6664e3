"""Numbers and times as short text, and readings as honest cells."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from console.model.reading import Reading, State
from console.ui.cells import Span


def age(seconds: float | None) -> str:
    """Seconds as ``12s``, ``4m``, ``3h12m``, ``5d``; never negative. Coarse, so that few cells change."""
    if seconds is None:
        return "-"
    whole = max(0, int(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d"


def elapsed(seconds: float) -> str:
    """Seconds as ``H:MM:SS`` for the incident's clock."""
    whole = max(0, int(seconds))
    return f"{whole // 3600}:{whole % 3600 // 60:02d}:{whole % 60:02d}"


def countdown(seconds: float) -> str:
    """Seconds as ``MM:SS``, from an hour on as ``H:MM:SS``."""
    whole = max(0, int(seconds))
    return elapsed(whole) if whole >= 3600 else f"{whole // 60:02d}:{whole % 60:02d}"


def size(number: float | None) -> str:
    """Bytes as ``812M`` or ``1.5G`` (powers of 1024)."""
    if number is None:
        return "-"
    value = float(number)
    for unit in ("B", "K", "M", "G", "T"):
        if abs(value) < 1000 or unit == "T":
            return f"{value:.0f}{unit}" if value >= 10 or unit == "B" else f"{value:.1f}{unit}"
        value /= 1024
    return "-"


def count(number: float | None) -> str:
    """A count or rate as ``950``, ``1.2k``, ``3.4M``; small fractions keep two digits."""
    if number is None:
        return "-"
    if abs(number) >= 1e6:
        return f"{number / 1e6:.1f}M"
    if abs(number) >= 10_000:
        return f"{number / 1e3:.0f}k"
    if abs(number) >= 1000:
        return f"{number / 1e3:.1f}k"
    if number == int(number):
        return str(int(number))
    return f"{number:.1f}" if abs(number) >= 1 else f"{number:.2f}"


def percent(ratio: float | None) -> str:
    """A ratio 0..1 as ``8.1%``; small ones keep two digits, so that 0.04 % does not read as nothing."""
    if ratio is None:
        return "-"
    value = ratio * 100
    if value == 0:
        return "0%"
    if abs(value) < 1:
        return f"{value:.2f}%"
    return f"{value:.1f}%" if abs(value) < 99.95 else f"{value:.0f}%"


def seconds(value: float | None) -> str:
    """A latency as ``420ms`` or ``1.3s``."""
    if value is None:
        return "-"
    return f"{value * 1000:.0f}ms" if value < 0.9995 else f"{value:.1f}s"


def clock_text(at: float) -> str:
    """Unix seconds as ``14:02:11`` in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S")


def honest(
    reading: Reading, show: Callable[[float], str], now: float, *, sick: Callable[[float], bool] | None = None
) -> Span:
    """A reading as a cell: its value, or why there is none. Never a quiet zero."""
    match reading.state:
        case State.OK if reading.value is not None:
            bad = sick is not None and sick(reading.value)
            return (show(reading.value), "bad" if bad else "text")
        case State.STALE:
            old = f" {age(now - reading.at)}" if reading.at is not None else ""
            return (f"stale{old}", "warn")
        case State.NO_TRAFFIC:
            return ("no traffic", "faint")
        case State.DENIED:
            return ("denied", "warn")
        case State.FAILED:
            return ("failed", "bad")
        case State.DISABLED:
            return ("off", "faint")
        case _:
            return ("no data", "warn")


def moment(text: str) -> float | None:
    """Unix seconds of an ISO 8601 text, None when it is none: anybody may have written it."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
