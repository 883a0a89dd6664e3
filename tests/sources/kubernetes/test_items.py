"""Items of a list while it comes in: wherever the network cuts it, and whatever stands in them."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest

from console.sources.kubernetes import items
from console.sources.kubernetes.items import ItemSplitter


def text(rng: random.Random) -> str:
    return "".join(rng.choices('ab"\\{}[],:ü🙂 \n', k=rng.randrange(8)))


def made(rng: random.Random, depth: int = 3) -> dict[str, Any]:
    """An object of texts that look like the ends of objects, of objects and of lists of them."""
    kinds = (
        lambda: text(rng),
        lambda: rng.randrange(10),
        lambda: made(rng, depth - 1) if depth else None,
        lambda: [made(rng, depth - 1) for _ in range(rng.randrange(3))] if depth else [],
    )
    return {text(rng): rng.choice(kinds)() for _ in range(rng.randrange(4))}


def split(answer: bytes, size: int) -> list[Any]:
    splitter = ItemSplitter(msgspec.json.Decoder(dict[str, Any]))
    found: list[Any] = []
    for start in range(0, len(answer), size):
        found += splitter.feed(answer[start : start + size])
    splitter.finish()
    return found


@pytest.mark.parametrize("seed", range(200))
def test_every_item_comes_once_and_whole(seed: int) -> None:
    rng = random.Random(seed)
    wanted = [made(rng) for _ in range(rng.randrange(6))]
    answer = {"kind": "PodMetricsList", "metadata": {"resourceVersion": "7"}, "items": wanted, "rest": [{}]}
    indent = rng.choice((None, 1))
    written = json.dumps(answer, indent=indent, separators=None if indent else (",", ":"))
    assert split(written.encode(), rng.randrange(1, 40)) == wanted


def test_a_list_of_nothing() -> None:
    assert split(b'{"kind":"PodMetricsList","items":null}', 7) == []
    assert split(b'{"items":[]}', 100) == []


@pytest.mark.parametrize("answer", [b"", b"{}", b"<html>", b'{"items":[{"a":1},{"a"', b'{"items":[{"a":1}'])
def test_what_is_no_whole_list_is_refused(answer: bytes) -> None:
    with pytest.raises(msgspec.DecodeError, match="ends before"):
        split(answer, 5)


def test_an_item_of_another_shape_is_refused_where_it_stands() -> None:
    splitter = ItemSplitter(msgspec.json.Decoder(dict[str, int]))
    with pytest.raises(msgspec.ValidationError):
        list(splitter.feed(b'{"items":[{"a":1},{"a":"one"},{"a":2}'))


def test_an_item_without_an_end_is_not_held_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "ITEM_LIMIT", 100)
    with pytest.raises(msgspec.DecodeError, match="more than 100 bytes"):
        split(b'{"items":[{"a":"' + b"x" * 300, 50)
