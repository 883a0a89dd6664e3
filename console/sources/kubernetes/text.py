"""Small projections shared by all kinds: cleaned and interned strings, times, labels, controllers."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Generic, TypeVar

from console.model.redact import redact
from console.model.text import clean
from console.sources.kubernetes.wire import Metadata, OwnerReference

Pairs = tuple[tuple[str, str], ...]
T = TypeVar("T", bound=Hashable)

_SHARED_LIMIT = 20_000
_PROSE = 4096
"""Characters of a free text in which secrets are looked for; what lies behind them is shown nowhere."""


class Shared(Generic[T]):
    """Gives one object for all equal values of one type, for what thousands of records have in common."""

    def __init__(self) -> None:
        self._known: dict[T, T] = {}

    def __call__(self, value: T) -> T:
        """The object that stands for ``value``."""
        if len(self._known) > _SHARED_LIMIT:
            self._known.clear()
        return self._known.setdefault(value, value)


_pairs: Shared[Pairs] = Shared()
_moments: Shared[float] = Shared()
_words: dict[str, str] = {}


def text(value: str | None, limit: int = 300) -> str:
    """``value`` cleaned; the short plain ASCII of nearly every name skips the work."""
    if not value:
        return ""
    if len(value) <= limit and value.isascii() and value.isprintable():
        return value
    return clean(value, limit)


def prose(value: str | None, limit: int = 300) -> str:
    """Free text, such as a message, as ``text``, and without the secrets in it."""
    return text(redact(text(value, _PROSE)), limit) if value else ""


def word(value: str | None) -> str:
    """``value`` cleaned, and one object for all equal ones: for names that thousands of objects share."""
    if not value:
        return ""
    known = _words.get(value)
    if known is None:
        if len(_words) > _SHARED_LIMIT:
            _words.clear()
        known = _words[value] = text(value)
    return known


def seconds(value: datetime | None) -> float | None:
    """A time as unix seconds."""
    return None if value is None else value.timestamp()


def created(metadata: Metadata) -> float:
    """When an object was created, 0 where the server does not say."""
    return _moments(seconds(metadata.creation_timestamp) or 0.0)


def pairs(mapping: dict[str, str] | None) -> Pairs:
    """A label mapping as sorted pairs; equal ones are one object, since replicas carry the same labels."""
    if not mapping:
        return ()
    return _pairs(tuple(sorted((word(key), word(value)) for key, value in mapping.items())))


def controller(metadata: Metadata) -> OwnerReference | None:
    """The owner that is the controller, if there is one."""
    for owner in metadata.owner_references or ():
        if owner.controller:
            return owner
    return None
