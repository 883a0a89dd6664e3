"""The store: objects by table, one resourceVersion for all, a bounded history, listeners.

Objects are kept without `kind` and `apiVersion`, as they stand in a list, and encoded at most once. A stored
object is never changed in place: every write puts a new one.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

Obj = dict[str, Any]
Key = tuple[str, str]

ENCODER: Final = msgspec.json.Encoder()
encode: Final = ENCODER.encode
decode: Final = msgspec.json.Decoder().decode
_FRAMED: Final = 1_000
"""Events of a table whose encoded form is kept."""


def clone(obj: Any) -> Any:
    """Return a deep copy of something that is JSON."""
    return decode(encode(obj))


class Entry:
    """One version of one object. It is made either from an object or from its encoded form."""

    __slots__ = ("_obj", "_raw", "labels", "name", "namespace", "owner", "rv", "uid")

    def __init__(self, obj: Obj | None, raw: bytes | None, rv: int, meta: Mapping[str, Any]) -> None:
        self._obj = obj
        self._raw = raw
        self.rv = rv
        self.namespace: str = meta.get("namespace", "")
        self.name: str = meta["name"]
        self.uid: str = meta["uid"]
        self.labels: dict[str, str] = meta.get("labels") or {}
        owners = meta.get("ownerReferences")
        self.owner: str = next((o["uid"] for o in owners if o.get("controller")), "") if owners else ""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        return (self.namespace, self.name)

    @property
    def obj(self) -> Obj:
        """The object, to be read only."""
        return self._obj if self._obj is not None else decode(self.raw)

    @property
    def raw(self) -> bytes:
        """The object as JSON, without `kind` and `apiVersion`."""
        if self._raw is None:
            self._raw = encode(self._obj)
        return self._raw


class Event:
    """One change: ADDED, MODIFIED or DELETED. `frames` keeps what was encoded for watchers, by their form."""

    __slots__ = ("entry", "frames", "old", "rv", "table", "type")

    def __init__(self, kind: str, table: str, entry: Entry, old: Entry | None) -> None:
        self.type = kind
        self.table = table
        self.entry = entry
        self.old = old
        self.rv = entry.rv
        self.frames: dict[tuple[Any, ...], bytes] = {}


class Table:
    """The objects of one resource, in the order of namespace and name, and what changed lately."""

    def __init__(self, name: str, history: int) -> None:
        self.name = name
        self.entries: dict[Key, Entry] = {}
        self.order: list[Key] = []
        self.owned: dict[str, set[Key]] = {}
        self.history: deque[Event] = deque(maxlen=history)
        self.floor = 0

    def record(self, event: Event) -> None:
        """Append to the history; what falls out raises the floor below which a watch gets a 410."""
        if len(self.history) == self.history.maxlen:
            self.floor = self.history[0].rv
        self.history.append(event)
        if len(self.history) > _FRAMED:
            # Every watcher has long been sent it; one that resumes from before has it encoded again.
            self.history[-_FRAMED].frames.clear()

    def index(self, entry: Entry) -> None:
        """Take in an entry under its key and its owner."""
        if entry.key not in self.entries:
            bisect.insort(self.order, entry.key)
        self.entries[entry.key] = entry
        if entry.owner:
            self.owned.setdefault(entry.owner, set()).add(entry.key)

    def unindex(self, entry: Entry) -> None:
        """Take out an entry."""
        del self.entries[entry.key]
        del self.order[bisect.bisect_left(self.order, entry.key)]
        self.disown(entry)

    def disown(self, entry: Entry) -> None:
        """Forget whose an entry is."""
        owned = self.owned.get(entry.owner)
        if owned is not None:
            owned.discard(entry.key)
            if not owned:
                del self.owned[entry.owner]

    def keys(self, namespace: str = "", after: Key | None = None) -> Iterator[Key]:
        """Yield the keys of a namespace ("" is all) in order, from the one after `after`."""
        start, end = self._span(namespace, after)
        for i in range(start, end):
            yield self.order[i]

    def count(self, namespace: str = "", after: Key | None = None) -> int:
        """Return how many keys `keys` yields."""
        start, end = self._span(namespace, after)
        return max(end - start, 0)

    def _span(self, namespace: str, after: Key | None) -> tuple[int, int]:
        order = self.order
        start = bisect.bisect_left(order, (namespace, "")) if namespace else 0
        end = bisect.bisect_left(order, (f"{namespace}\0", "")) if namespace else len(order)
        if after is not None:
            start = max(start, bisect.bisect_right(order, after))
        return start, end


class Store:
    """All tables. `listeners` are called with every event, in order, within the write."""

    def __init__(self, tables: list[str], history: int = 10_000) -> None:
        self.rv = 1
        self.tables = {name: Table(name, history) for name in tables}
        self.listeners: list[Callable[[Event], None]] = []

    def get(self, table: str, namespace: str, name: str) -> Entry | None:
        """Return an entry or None."""
        return self.tables[table].entries.get((namespace, name))

    def entries(self, table: str, namespace: str = "") -> list[Entry]:
        """Return the entries of a namespace ("" is all), in order."""
        found = self.tables[table]
        return [found.entries[key] for key in found.keys(namespace)]

    def owned(self, table: str, uid: str) -> list[Entry]:
        """Return the entries whose controller is `uid`, in order."""
        found = self.tables[table]
        return [found.entries[key] for key in sorted(found.owned.get(uid, ()))]

    def insert(self, table: str, obj: Obj) -> Entry:
        """Store a new object; the store owns it from now on."""
        entry = self._stamp(obj)
        self.tables[table].index(entry)
        self._emit(Event("ADDED", table, entry, None))
        return entry

    def replace(self, table: str, old: Entry, obj: Obj) -> Entry:
        """Store the next version of an object."""
        entry = self._stamp(obj)
        if old.owner != entry.owner:
            self.tables[table].disown(old)
        self.tables[table].index(entry)
        self._emit(Event("MODIFIED", table, entry, old))
        return entry

    def remove(self, table: str, old: Entry) -> Entry:
        """Delete an object; its last state gets the resourceVersion of the deletion."""
        final = {**old.obj, "metadata": {**old.obj["metadata"]}}
        entry = self._stamp(final)
        self.tables[table].unindex(old)
        self._emit(Event("DELETED", table, entry, old))
        return entry

    def replace_entry(self, table: str, old: Entry, make: Callable[[int], Entry]) -> Entry:
        """Store the next version of an object, of the same owner, as the entry that `make` has for its
        resourceVersion."""
        self.rv += 1
        entry = make(self.rv)
        self.tables[table].entries[entry.key] = entry
        self._emit(Event("MODIFIED", table, entry, old))
        return entry

    def load(self, table: str, entries: Iterable[Entry]) -> None:
        """Take in many new entries at once; their versions are at most `rv`.

        They come without events: the history starts after them, so watches begin with a list.
        """
        found = self.tables[table]
        for entry in entries:
            key = entry.key
            found.entries[key] = entry
            if entry.owner:
                found.owned.setdefault(entry.owner, set()).add(key)
        found.order = sorted(found.entries)
        found.history.clear()
        found.floor = self.rv

    def expire(self, table: str = "") -> None:
        """Forget the history of a table, or of all: older watches and continue tokens get a 410."""
        for name, found in self.tables.items():
            if not table or name == table:
                found.history.clear()
                found.floor = self.rv

    def since(self, table: str, rv: int) -> list[Event]:
        """Return the events of a table after `rv`. Raises LookupError when history does not reach back."""
        found = self.tables[table]
        if rv < found.floor:
            raise LookupError(rv)
        events: list[Event] = []
        for event in reversed(found.history):
            if event.rv <= rv:
                break
            events.append(event)
        events.reverse()
        return events

    def at(self, table: str, rv: int) -> dict[Key, Entry | None]:
        """Return what was different at `rv`: the entry of then by key, None where there was none."""
        return {event.entry.key: event.old for event in reversed(self.since(table, rv))}

    def _stamp(self, obj: Obj) -> Entry:
        self.rv += 1
        meta = obj["metadata"]
        meta["resourceVersion"] = str(self.rv)
        return Entry(obj, None, self.rv, meta)

    def _emit(self, event: Event) -> None:
        self.tables[event.table].record(event)
        for listener in self.listeners:
            listener(event)
