"""The record of one thing that happened: the entry, its canonical form and its hash.

Canonical form: the JSON object with keys sorted at every level, no blanks, UTF-8 not escaped beyond what
JSON demands. The hash of an entry is the SHA-256, in lower-case hexadecimal, of its canonical form without
`hash`; `prev` is the hash of the entry before it in the same file.
"""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import msgspec

VERSION = 1
GENESIS = "0" * 64
"""`prev` of the first entry of a file."""

Kind = Literal[
    "incident.declared",
    "incident.severity",
    "incident.status",
    "incident.role",
    "incident.resolved",
    "incident.reopened",
    "note",
    "signal",
    "change",
    "action.intent",
    "action.result",
    "action.verdict",
    "action.refused",
    "action.cancelled",
    "ledger.opened",
    "ledger.closed",
    "comms.sent",
    "comms.failed",
    "escalation",
    "check",
    "evidence",
    "correction",
]
CLOSING: frozenset[Kind] = frozenset(("action.result", "action.refused", "action.cancelled"))
"""Kinds that answer an intent."""
Source = Literal["operator", "console", "system"]
KINDS: tuple[str, ...] = get_args(Kind)


class TimelineError(Exception):
    """The timeline cannot be read or written. The message is a sentence for the screen."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of a timeline.

    `ts` is when it was recorded and `occurred_at` when it happened, both as `format_time` writes them.
    `ref` is the id of the entry this one answers (the result of an intent), `corrects` the id of the entry
    whose text this one replaces. `incident` is null in the standby record. `seq` counts from 1 in a file.
    """

    v: Literal[1] = 1
    seq: int
    id: str
    ts: str
    occurred_at: str
    incident: str | None
    user: str
    host: str
    session: str
    kind: Kind
    source: Source
    text: str
    data: dict[str, Any]
    ref: str | None = None
    corrects: str | None = None
    prev: str
    hash: str


class BadLine(msgspec.Struct, frozen=True):
    """A line that is not a sound entry: its number (from 1), why, and whether it is a torn last line."""

    line: int
    reason: str
    torn: bool = False


_decode_entry = msgspec.json.Decoder(Entry).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_encode_canonical = msgspec.json.Encoder(order="sorted").encode


def format_time(moment: datetime) -> str:
    """Write an aware time in UTC with milliseconds: 2026-03-01T12:00:00.000Z."""
    if moment.tzinfo is None:
        raise ValueError("A time without a time zone cannot be recorded.")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read what `format_time` wrote, or any ISO 8601 time with an offset; ValueError otherwise."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"The time {text} has no time zone; write it like 2026-03-01T12:00:00Z.")
    return moment.astimezone(UTC)


def content_hash(fields: Mapping[str, Any]) -> str:
    """Return the hash of an entry given as its fields; a `hash` among them is left out."""
    return hashlib.sha256(
        _encode_canonical({key: value for key, value in fields.items() if key != "hash"})
    ).hexdigest()


def seal(entry: Entry, *, seq: int, entry_id: str, prev: str) -> Entry:
    """Return `entry` with its place in the chain and its hash."""
    placed = msgspec.structs.replace(entry, seq=seq, id=entry_id, prev=prev, hash="")
    return msgspec.structs.replace(placed, hash=content_hash(msgspec.structs.asdict(placed)))


def encode(entry: Entry) -> bytes:
    """Return the line of `entry`, canonical, without its newline."""
    return _encode_canonical(msgspec.structs.asdict(entry))


def decode(line: bytes) -> Entry:
    """Read one line; ValueError with the reason when it is not an entry. The hash is not checked."""
    try:
        return _decode_entry(line)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"it is not an entry: {error}") from error


def decode_sound(line: bytes) -> Entry:
    """Read one line and check its hash over all of its fields; ValueError with the reason otherwise."""
    entry = decode(line)
    if content_hash(_decode_object(line)) != entry.hash:
        raise ValueError("its hash does not match its content: the line was changed after it was written")
    return entry


class OpenIntents:
    """The intents without a result among entries that come one by one: the outcome of each is unknown.

    A result may come before its intent when one of them waited in the spool. Of an intent that has its
    result no more than the id is kept.
    """

    def __init__(self) -> None:
        self._open: dict[str, Entry] = {}
        self._answered: set[str] = set()

    def take(self, entry: Entry) -> None:
        """Learn from an entry of any kind."""
        if entry.kind == "action.intent" and entry.id not in self._answered:
            self._open[entry.id] = entry
        elif entry.kind in CLOSING and entry.ref is not None:
            self._answered.add(entry.ref)
            self._open.pop(entry.ref, None)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The intents, in the order in which they came."""
        return tuple(self._open.values())


def open_intents(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """Return the intents without a result: the console ended in between, the outcome is unknown."""
    found = OpenIntents()
    for entry in entries:
        found.take(entry)
    return found.entries
