"""Items of a list while it comes in: wherever the network cuts it, and whatever stands in them."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.sources.kubernetes import items
from console.sources.kubernetes.items import ItemSplitter

TEXT = st.text('ab"\\{}[],:ü🙂 \n', max_size=8)
OBJECTS = st.recursive(
    st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=3),
    lambda inner: st.dictionaries(TEXT, inner | st.lists(inner, max_size=3), max_size=3),
    max_leaves=6,
)


def split(text: bytes, size: int) -> list[Any]:
    splitter = ItemSplitter(msgspec.json.Decoder(dict[str, Any]))
    found: list[Any] = []
    for start in range(0, len(text), size):
        found += splitter.feed(text[start : start + size])
    splitter.finish()
    return found


@given(st.lists(OBJECTS, max_size=5), st.integers(1, 40), st.sampled_from([None, 1]))
def test_every_item_comes_once_and_whole(wanted: list[Any], size: int, indent: int | None) -> None:
    answer = {"kind": "PodMetricsList", "metadata": {"resourceVersion": "7"}, "items": wanted, "rest": [{}]}
    separators = None if indent else (",", ":")
    assert split(json.dumps(answer, indent=indent, separators=separators).encode(), size) == wanted


def test_a_list_of_nothing() -> None:
    assert split(b'{"kind":"PodMetricsList","items":null}', 7) == []
    assert split(b'{"items":[]}', 100) == []


@pytest.mark.parametrize("text", [b"", b"{}", b"<html>", b'{"items":[{"a":1},{"a"', b'{"items":[{"a":1}'])
def test_what_is_no_whole_list_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="ends before"):
        split(text, 5)


def test_an_item_of_another_shape_is_refused_where_it_stands() -> None:
    splitter = ItemSplitter(msgspec.json.Decoder(dict[str, int]))
    with pytest.raises(msgspec.ValidationError):
        splitter.feed(b'{"items":[{"a":1},{"a":"one"},{"a":2}')


def test_an_item_without_an_end_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "ITEM_LIMIT", 100)
    with pytest.raises(msgspec.DecodeError, match="more than 100 bytes"):
        split(b'{"items":[{"a":"' + b"x" * 300, 50)
