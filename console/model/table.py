"""Tables that can be published at the cost of what changed: an immutable view, and what makes the next one.

A table is cut into shards of some dozens of entries by the hash of the key. A version shares all shards with
the version before but those in which something changed, so that a change among 50,000 records copies some
fifty entries, and two versions are compared by comparing shards by identity.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, Sequence, ValuesView
from itertools import chain
from typing import Any, TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
D = TypeVar("D")

_FULL = 64
"""Entries a shard, on average, from which there are twice as many shards."""
_MISSING: Any = object()


class _Sharded(Mapping[K, V]):
    """What a table and its builder have in common: reading."""

    __slots__ = ("_shards", "_size")

    _shards: Sequence[dict[K, V]]
    _size: int

    def __getitem__(self, key: K) -> V:
        return self._shards[hash(key) & (len(self._shards) - 1)][key]

    def __contains__(self, key: object) -> bool:
        return key in self._shards[hash(key) & (len(self._shards) - 1)]

    def __iter__(self) -> Iterator[K]:
        return chain.from_iterable(self._shards)

    def __len__(self) -> int:
        return self._size

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | D) -> V | D: ...
    def get(self, key: K, /, default: Any = None) -> Any:
        """The value of a key, or ``default``."""
        return self._shards[hash(key) & (len(self._shards) - 1)].get(key, default)

    def values(self) -> ValuesView[V]:
        """All values."""
        return _Values(self)

    def items(self) -> ItemsView[K, V]:
        """All keys with their values."""
        return _Items(self)

    @property
    def shards(self) -> Sequence[Mapping[K, V]]:
        """What it is made of; an identical shard of another version holds the same."""
        return self._shards


class _Values(ValuesView[V]):
    """The base class would look up each key anew."""

    _mapping: _Sharded[Any, V]

    def __iter__(self) -> Iterator[V]:
        return chain.from_iterable(shard.values() for shard in self._mapping.shards)


class _Items(ItemsView[K, V]):
    _mapping: _Sharded[K, V]

    def __iter__(self) -> Iterator[tuple[K, V]]:
        return chain.from_iterable(shard.items() for shard in self._mapping.shards)


class Table(_Sharded[K, V]):
    """An immutable mapping, in no particular order. Made by a ``TableBuilder``."""

    __slots__ = ()

    def __init__(self, shards: tuple[dict[K, V], ...], size: int) -> None:
        self._shards = shards
        self._size = size

    def __repr__(self) -> str:
        return f"Table({dict(self)!r})"


class TableBuilder(_Sharded[K, V]):
    """A table that changes. ``freeze`` gives its state as a ``Table``, which later changes leave alone."""

    __slots__ = ("_frozen", "_own")

    _shards: list[dict[K, V]]

    def __init__(self) -> None:
        self._shards = [{}]
        self._own = {0}
        """The shards that no table shares."""
        self._size = 0
        self._frozen: Table[K, V] | None = None

    def put(self, key: K, value: V) -> None:
        """Add or replace an entry."""
        shard = self._writable(key)
        before = len(shard)
        shard[key] = value
        self._size += len(shard) - before
        if self._size > _FULL * len(self._shards):
            self._spread()

    def drop(self, key: K) -> V | None:
        """Take an entry out and return it, None when there was none."""
        if key not in self:
            return None
        self._size -= 1
        return self._writable(key).pop(key)

    def freeze(self) -> Table[K, V]:
        """The state now; the identical object as long as nothing changes."""
        if self._frozen is None or self._own:
            self._own.clear()
            self._frozen = Table(tuple(self._shards), self._size)
        return self._frozen

    def _writable(self, key: K) -> dict[K, V]:
        number = hash(key) & (len(self._shards) - 1)
        if number not in self._own:
            self._own.add(number)
            self._shards[number] = self._shards[number].copy()
        return self._shards[number]

    def _spread(self) -> None:
        """Twice as many shards."""
        entries = list(chain.from_iterable(shard.items() for shard in self._shards))
        count = 2 * len(self._shards)
        self._shards = [{} for _ in range(count)]
        self._own = set(range(count))
        for key, value in entries:
            self._shards[hash(key) & (count - 1)][key] = value


def changed(before: Mapping[K, V], after: Mapping[K, V]) -> Iterator[K]:
    """The keys whose value is another object, or which only one of the two has, in no particular order."""
    if before is after:
        return
    old: Sequence[Mapping[K, V]] = before.shards if isinstance(before, Table) else (before,)
    new: Sequence[Mapping[K, V]] = after.shards if isinstance(after, Table) else (after,)
    if len(old) != len(new):
        old, new = (before,), (after,)
    for one, other in zip(old, new, strict=True):
        if one is other:
            continue
        for key, value in other.items():
            if one.get(key, _MISSING) is not value:
                yield key
        for key in one:
            if key not in other:
                yield key
