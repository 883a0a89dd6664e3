import json
from collections.abc import Callable
from pathlib import Path

import pytest

from console.timeline.chain import verify
from console.timeline.entry import GENESIS, TimelineError, content_hash
from console.timeline.file import TimelineFile
from tests.timeline.helpers import draft


@pytest.fixture
def path(tmp_path: Path) -> Path:
    timeline = TimelineFile(tmp_path / "t.jsonl")
    for number in range(1, 9):
        timeline.append(draft(f"entry {number}"))
    return tmp_path / "t.jsonl"


def rehashed(line: bytes, **changes: object) -> bytes:
    """Change a line and give it a hash that fits, as a careful forger would."""
    fields = json.loads(line) | changes
    fields["hash"] = content_hash(fields)
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def edit(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4].replace(b"entry 5", b"entry X"), *lines[5:]]


def forge(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], rehashed(lines[4], text="entry X"), *lines[5:]]


def swap(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[5], lines[4], *lines[6:]]


FORGERIES: list[tuple[Callable[[list[bytes]], list[bytes]], int, str]] = [
    (edit, 5, "hash does not match"),
    (forge, 6, "chain is broken"),
    (swap, 5, "entry 5 missing"),
    (lambda lines: lines[:4] + lines[5:], 5, "entry 5 missing"),
    (lambda lines: lines[:3] + lines[6:], 4, "entries 4 to 6 missing"),
    (lambda lines: lines[1:], 1, "entry 1 missing"),
    (lambda lines: [*lines[:4], lines[3], *lines[4:]], 5, "moved or added"),
    (lambda lines: [*lines[:4], b"", *lines[4:]], 5, "not an entry"),
    (lambda lines: [*lines[:4], b"garbage", *lines[5:]], 5, "not an entry"),
    (lambda lines: [rehashed(lines[0], prev="f" * 64), *lines[1:]], 1, "chain is broken"),
    (lambda lines: [*lines[:4], rehashed(lines[4], extra=1), *lines[5:]], 6, "chain is broken"),
]


def test_an_untouched_file_verifies(path: Path) -> None:
    report = verify(path)
    assert (report.ok, report.entries) == (True, 8)
    assert report.head == json.loads(path.read_bytes().splitlines()[-1])["hash"]


@pytest.mark.parametrize(("forgery", "line", "reason"), FORGERIES)
def test_the_first_bad_line_is_named(
    path: Path, forgery: Callable[[list[bytes]], list[bytes]], line: int, reason: str
) -> None:
    lines = forgery(path.read_bytes().split(b"\n")[:-1])
    path.write_bytes(b"\n".join(lines) + b"\n")
    report = verify(path)
    assert not report.ok
    assert report.bad[0].line == line
    assert reason in report.bad[0].reason


def test_a_cut_tail_shows_in_count_and_head_alone(path: Path) -> None:
    head = verify(path).head
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-2]))
    report = verify(path)
    assert report.ok
    assert (report.entries, report.head == head) == (6, False)


def test_an_append_after_an_edited_last_line_does_not_vouch_for_it(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"entry 8", b"entry X"))
    TimelineFile(path).append(draft("next"))
    assert [bad.line for bad in verify(path).bad] == [8]


def test_an_empty_file_is_sound_and_a_missing_one_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert verify(tmp_path / "empty").head == GENESIS
    with pytest.raises(TimelineError, match="no such file"):
        verify(tmp_path / "missing")
