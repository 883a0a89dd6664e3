"""Time-ordered identifiers: ULIDs (48 bits of milliseconds, 80 random bits, 26 characters of base 32).

https://github.com/ulid/spec, monotonic variant: an identifier is always greater than the one it follows.
"""

import os
from collections.abc import Callable

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_VALUE = {char: number for number, char in enumerate(_ALPHABET)}
_LENGTH = 26
_MAX = (1 << 128) - 1


def new_ulid(milliseconds: int, after: str = "", random: Callable[[int], bytes] = os.urandom) -> str:
    """Return an identifier for a Unix time in milliseconds; greater than `after` whatever the clock did."""
    number = (milliseconds & ((1 << 48) - 1)) << 80 | int.from_bytes(random(10), "big")
    previous = _number(after)
    if number <= previous:
        number = min(previous + 1 + int.from_bytes(random(4), "big"), _MAX)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (_LENGTH - 1), -1, -5))


def _number(ulid: str) -> int:
    if len(ulid) != _LENGTH or not all(char in _VALUE for char in ulid):
        return -1
    number = 0
    for char in ulid:
        number = number << 5 | _VALUE[char]
    return min(number, _MAX)
