"""Kubernetes quantities ("250m", "64Mi", "1e3"): parsing, printing and canonical form.

Source of the rules: k8s.io/apimachinery `resource.Quantity`.
"""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Final

_BINARY: Final = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL: Final = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
}
_PATTERN: Final = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(?:([KMGTPE]i)|([numkMGTPE])|([eE][+-]?\d+))?$")


def _split(text: str) -> tuple[Decimal, bool]:
    match = _PATTERN.match(text)
    if match is None:
        raise ValueError(
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        )
    number = Decimal(match[1])
    if match[2]:
        return number * _BINARY[match[2]], True
    if match[4]:
        return number * Decimal(10) ** int(match[4][1:]), False
    return number * _DECIMAL[match[3] or ""], False


def parse(text: str | float) -> float:
    """Return the value in its base unit: cores, bytes, pieces. Raises ValueError on nonsense."""
    return float(_split(str(text))[0])


def canonical(text: str | float) -> str:
    """Return the form in which the API server stores it: the biggest suffix that keeps it whole."""
    value, binary = _split(str(text))
    if binary and abs(value) >= 1024 and value == value.to_integral_value():
        for suffix, factor in reversed(_BINARY.items()):
            if value % factor == 0:
                return f"{int(value // factor)}{suffix}"
        return str(int(value))
    if value == 0:
        return "0"
    for suffix, power in sorted(_DECIMAL.items(), key=lambda item: -item[1]):
        if value % power == 0:
            return f"{int(value // power)}{suffix}"
    return f"{int((value / _DECIMAL['n']).to_integral_value(ROUND_CEILING))}n"


def cores(value: float) -> str:
    """Print a processor share as the metrics API does: nanocores."""
    return f"{round(value * 1e9)}n"


def kibibytes(value: float) -> str:
    """Print bytes as the metrics API does: in Ki."""
    return f"{round(value / 1024)}Ki"


def size(value: float) -> str:
    """Print bytes in the biggest binary unit that keeps them whole."""
    return canonical(f"{round(value / 1024)}Ki") if value % 1024 == 0 and value else canonical(round(value))


def amount(text: object) -> float:
    """Return `parse(text)`, or 0 for something absent."""
    return parse(text) if isinstance(text, (str, int, float)) else 0.0
