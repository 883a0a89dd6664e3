"""Kubernetes quantities (``250m``, ``1.5Gi``, ``1e3``) to numbers and back.

The grammar is that of ``k8s.io/apimachinery/pkg/api/resource``: a decimal number and a decimal suffix
(n u m k M G T P E), a binary suffix (Ki Mi Gi Ti Pi Ei) or a decimal exponent.
"""

from __future__ import annotations

import re
from functools import lru_cache

_FACTORS = {
    "n": 1e-9,
    "u": 1e-6,
    "m": 1e-3,
    "": 1.0,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
    "T": 1e12,
    "P": 1e15,
    "E": 1e18,
    "Ki": 2.0**10,
    "Mi": 2.0**20,
    "Gi": 2.0**30,
    "Ti": 2.0**40,
    "Pi": 2.0**50,
    "Ei": 2.0**60,
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:[eE]([+-]?\d{1,3})|([numkMGTPE]|[KMGTPE]i)?)", re.ASCII)
_BINARY = (("Gi", 2**30), ("Mi", 2**20), ("Ki", 2**10))


@lru_cache(maxsize=4096)
def parse_quantity(text: str) -> float:
    """The number a quantity stands for, in its base unit (cores, bytes, pieces). Raises ValueError."""
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no quantity; write e.g. 250m, 2 or 512Mi")
    number, exponent, suffix = match.groups()
    if exponent is not None:
        return float(f"{number}e{exponent}")
    return float(number) * _FACTORS[suffix or ""]


def cores(text: str | None) -> float | None:
    """A CPU quantity in cores, None when it is absent or unreadable."""
    if not text:
        return None
    try:
        return round(parse_quantity(text), 9)
    except ValueError:
        return None


def size(text: str | None) -> int | None:
    """A memory quantity in bytes, None when it is absent or unreadable."""
    value = cores(text)
    return None if value is None else int(value)


def format_cores(value: float | None) -> str:
    """Cores as kubectl writes them: ``2``, ``250m``; ``-`` for None."""
    if value is None:
        return "-"
    milli = round(value * 1000)
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def format_size(value: int | None) -> str:
    """Bytes in the largest binary unit that keeps them exact or nearly so: ``512Mi``; ``-`` for None."""
    if value is None:
        return "-"
    for suffix, factor in _BINARY:
        if value >= factor and value % factor == 0:
            return f"{value // factor}{suffix}"
    for suffix, factor in _BINARY:
        if value >= 10 * factor:
            return f"{value / factor:.0f}{suffix}"
    return str(value)
