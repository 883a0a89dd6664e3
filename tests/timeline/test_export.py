import csv
import io
import json
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from console.timeline.corrected import corrected
from console.timeline.entry import Entry, TimelineError
from console.timeline.export import Format, export
from tests.timeline.helpers import START, draft, new_recorder

SECRET = "Tr0ub4dor" + "And3"


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    recorder = new_recorder(tmp_path)
    wrong = recorder.record("note", "14 pods are down")
    recorder.record("note", "<b>bold</b> | [x](http://evil) `code`\n# second line")
    first = recorder.record("correction", "5 pods are down", corrects=wrong.id)
    recorder.record("correction", "4 pods are down", corrects=first.id)
    recorder.record("note", "seen before", occurred_at=START - timedelta(days=1))
    return recorder.entries(None)


def whole(entries: list[Entry], form: Format, title: str = "Timeline", drill: bool = False) -> str:
    return "".join(export(corrected(entries), form, title=title, drill=drill))


def test_the_last_correction_counts_and_is_marked(entries: list[Entry]) -> None:
    rows = corrected(entries)
    assert rows[0].entry.text == "seen before"
    row = rows[1]
    assert (row.entry.text, row.original, row.entry.kind) == ("4 pods are down", "14 pods are down", "note")
    assert row.mark == "(corrected by alice at 2026-03-01T12:00:00.000Z)"
    assert len(rows) == 3


def test_a_correction_may_move_an_entry_in_time_and_an_orphan_stays() -> None:
    note = msgspec.structs.replace(draft("x"), id="1")
    moved = msgspec.structs.replace(
        draft("x", kind="correction", data={"occurred_at": "2026-03-01T11:00:00.000Z"}), id="2", corrects="1"
    )
    orphan = msgspec.structs.replace(draft("y", kind="correction"), id="3", corrects="gone")
    circle = msgspec.structs.replace(draft("z", kind="correction"), id="4", corrects="4")
    rows = corrected([note, moved, orphan, circle])
    assert [row.entry.id for row in rows] == ["1", "3", "4"]
    assert rows[0].entry.occurred_at == "2026-03-01T11:00:00.000Z"


def test_markdown_is_escaped_and_marks_corrections(entries: list[Entry]) -> None:
    text = whole(entries, "md", title="INC-20260301-1: <db>", drill=True)
    lines = text.splitlines()
    assert lines[0] == "# INC-20260301-1: \\<db\\> (DRILL)"
    assert "## 2026-02-28" in lines
    assert any(
        line.startswith("- **12:00:00** `note` 4 pods are down *(corrected by alice") for line in lines
    )
    assert "14 pods" not in text
    assert "\\<b\\>bold\\</b\\> \\| \\[x\\](http://evil) \\`code\\`  \n  \\# second line" in text


def test_json_holds_both_wordings(entries: list[Entry]) -> None:
    document = json.loads(whole(entries, "json", title="T"))
    assert (document["title"], document["drill"]) == ("T", False)
    assert document["entries"][1]["text"] == "4 pods are down"
    assert document["entries"][1]["original_text"] == "14 pods are down"
    assert document["entries"][1]["corrected_by"] == "alice"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_json_in_pieces_is_indented_like_json_as_a_whole(entries: list[Entry], count: int) -> None:
    text = whole(entries[:count], "json", title='an "odd" one: "entries": [')
    assert text == msgspec.json.format(text, indent=2) + "\n"
    assert len(json.loads(text)["entries"]) == min(count, 2)


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "  =1", "\t=1", "'=1", "＝1", '"=1'])
def test_no_csv_cell_is_a_formula(cell: str) -> None:
    rows = list(csv.reader(io.StringIO(whole([draft(cell, user=cell)], "csv"))))
    assert len(rows) == 2
    record = dict(zip(rows[0], rows[1], strict=True))
    assert record["text"].startswith("'")
    assert record["user"].startswith("'")
    assert record["seq"] == "0"
    assert record["drill"] == "no"


def test_csv_keeps_quotes_and_newlines_in_their_cell() -> None:
    text = 'say "hi", a;b\nnext'
    rows = list(csv.reader(io.StringIO(whole([draft(text, data={"a": [1]})], "csv", drill=True))))
    record = dict(zip(rows[0], rows[1], strict=True))
    assert (record["text"], record["data"], record["drill"]) == (text, '{"a":[1]}', "yes")


@pytest.mark.parametrize("form", ["md", "json", "csv"])
def test_what_others_wrote_is_cleaned_and_redacted_on_the_way_out(form: str) -> None:
    dirty = draft(
        f"\x1b]0;x\x07password={SECRET}\u202e",
        user="a\x1b[2J",
        data={"token": SECRET, "l": [f"pwd={SECRET}\x9b"]},
    )
    text = whole([dirty], form)  # type: ignore[arg-type]
    assert SECRET not in text
    assert not any(ord(char) < 32 and char not in "\r\n" for char in text)
    assert "\\u001b" not in text
    assert "\u202e" not in text


def test_an_unknown_form_is_a_sentence() -> None:
    with pytest.raises(TimelineError, match="choose md, json, csv"):
        export([], "pdf")  # type: ignore[arg-type]
