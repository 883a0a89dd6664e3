"""The items of a list one after the other while it comes in, for lists that no server cuts into pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

ITEM_LIMIT = 2**20
"""Bytes of one item; what is longer is no item."""
_SLICE = 2**16
"""Bytes that are looked through at once, however many came."""

_BEGIN = re.compile(rb'"items"\s*:\s*(null|\[\s*(?=(\S)))')
_MAYBE_END = re.compile(rb"\}\s*(,\s*(?=\{)|\])")
"""Where an item may end: a brace before the next one, or before the end of an array, be it one inside it."""


class ItemSplitter(Generic[T]):
    """Decodes each item as soon as it is complete, so that a list of megabytes is never held.

    An object that is a complete one when cut at a brace ends there: a shorter cut leaves one open.
    """

    def __init__(self, decoder: msgspec.json.Decoder[T]) -> None:
        self._decoder = decoder
        self._held = bytearray()
        self._begun = self._ended = False

    def feed(self, chunk: bytes) -> Iterator[T]:
        """The items that ``chunk`` completes, each decoded when it is asked for; to be gone through to its
        end. Raises msgspec.DecodeError."""
        for start in range(0, len(chunk), _SLICE):
            if self._ended:
                return
            self._held += chunk[start : start + _SLICE]
            if self._begun or self._begin():
                yield from self._complete()
            if len(self._held) > ITEM_LIMIT and not self._ended:
                raise msgspec.DecodeError(f"an item of more than {ITEM_LIMIT} bytes")

    def finish(self) -> None:
        """There is no more. Raises msgspec.DecodeError when the list is not complete."""
        if not self._ended:
            raise msgspec.DecodeError("the list ends before its last item")

    def _begin(self) -> bool:
        begin = _BEGIN.search(self._held)
        if begin is None:
            return False
        self._begun = True
        self._ended = begin[1] == b"null" or begin[2] == b"]"
        del self._held[: begin.end()]
        return True

    def _complete(self) -> Iterator[T]:
        start = 0
        for match in _MAYBE_END.finditer(bytes(self._held)):
            try:
                yield self._decoder.decode(self._held[start : match.start() + 1])
            except msgspec.ValidationError:
                raise
            except msgspec.DecodeError:
                continue
            start = match.end()
            self._ended = match[1] == b"]"
            if self._ended:
                break
        del self._held[:start]
