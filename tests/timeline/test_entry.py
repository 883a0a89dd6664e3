import hashlib
import json
import random
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from console.timeline.entry import (
    KINDS,
    Entry,
    decode,
    decode_sound,
    encode,
    format_time,
    open_intents,
    parse_time,
    seal,
)
from console.timeline.ulid import new_ulid
from tests.timeline.helpers import draft

KEYS = "v seq id ts occurred_at incident user host session kind source text data ref corrects prev hash"


def test_an_entry_has_exactly_the_agreed_keys() -> None:
    line = encode(seal(draft(), seq=1, entry_id="a", prev="0" * 64))
    assert set(json.loads(line)) == set(KEYS.split())
    assert {"incident.reopened", "note", "change", "action.intent", "comms.failed", "correction"} <= set(
        KINDS
    )
    assert len(KINDS) == 22


def test_the_hash_can_be_checked_with_the_standard_library_alone() -> None:
    data = {"z": 1, "a": [True, None, 1.5, -3], "ü": 'x"\\\n\u2028€😀', "n": {"b": 2, "a": 1}}
    line = encode(seal(draft("größer", data=data), seq=7, entry_id="a", prev="f" * 64))
    fields = json.loads(line)
    recorded = fields.pop("hash")
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(canonical).hexdigest() == recorded
    assert b"\n" not in line
    assert decode_sound(line).data == data


@pytest.mark.parametrize("field", KEYS.split())
def test_a_change_of_any_field_is_seen(field: str) -> None:
    fields = json.loads(encode(seal(draft(), seq=1, entry_id="a", prev="0" * 64)))
    value = fields[field]
    fields[field] = {"x": 1} if field == "data" else value + 1 if isinstance(value, int) else "system"
    with pytest.raises(ValueError, match=r"hash|not an entry"):
        decode_sound(json.dumps(fields).encode())


def test_an_added_field_is_seen() -> None:
    fields = json.loads(encode(seal(draft(), seq=1, entry_id="a", prev="0" * 64)))
    with pytest.raises(ValueError, match="hash"):
        decode_sound(json.dumps({**fields, "extra": 1}).encode())


@pytest.mark.parametrize(
    "line", [b"", b"{", b"[]", b"null", b'{"v":1}', b"\xff\xfe", b'{"v":2,"seq":1}', b"x" * 99]
)
def test_rubbish_is_refused_with_a_reason(line: bytes) -> None:
    with pytest.raises(ValueError, match="not an entry"):
        decode(line)


def test_times_are_utc_with_milliseconds() -> None:
    east = timezone(timedelta(hours=2))
    assert format_time(datetime(2026, 3, 1, 14, 0, 0, 123999, tzinfo=east)) == "2026-03-01T12:00:00.123Z"
    assert parse_time("2026-03-01T12:00:00.123Z") == datetime(2026, 3, 1, 12, 0, 0, 123000, tzinfo=UTC)
    with pytest.raises(ValueError, match="time zone"):
        parse_time("2026-03-01T12:00:00")
    with pytest.raises(ValueError, match="time zone"):
        format_time(datetime(2026, 3, 1, tzinfo=UTC).replace(tzinfo=None))


def test_a_result_answers_its_intent_whichever_comes_first() -> None:
    intent, result = draft(kind="action.intent", id="1"), draft(kind="action.result", ref="1")
    for entries in ((intent, result), (result, intent), (intent, result, intent)):
        assert open_intents(entries) == ()


def test_open_intents_are_those_without_result() -> None:
    def entry(entry_id: str, kind: str, ref: str | None = None) -> Entry:
        return msgspec.structs.replace(draft(), id=entry_id, kind=kind, ref=ref)

    entries = [
        entry("1", "action.intent"),
        entry("2", "action.intent"),
        entry("3", "action.intent"),
        entry("4", "action.result", "2"),
        entry("5", "action.cancelled", "3"),
        entry("6", "action.verdict", "1"),
    ]
    assert [e.id for e in open_intents(entries)] == ["1"]


def test_ulids_sort_by_time_and_never_fall_back() -> None:
    rng = random.Random(3)
    last = ""
    for moment in [
        1_700_000_000_000,
        1_700_000_000_000,
        1_699_000_000_000,
        1_700_000_000_001,
        0,
        1_800_000_000_000,
    ]:
        ulid = new_ulid(moment, last, rng.randbytes)
        assert len(ulid) == 26
        assert ulid > last
        last = ulid
    assert new_ulid(2**48 - 1, random=lambda n: b"\xff" * n) == "7" + "Z" * 25
    # The example of the ULID specification: 1469918176385 ms is 01ARYZ6S41.
    assert new_ulid(1469918176385).startswith("01ARYZ6S41")
