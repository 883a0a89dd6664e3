"""Tables: versions are independent, share what did not change, and are compared at the cost of the change."""

import random

import pytest

from console.model.table import Table, TableBuilder, changed


def built(count: int) -> TableBuilder[str, int]:
    """A table of ``count`` numbers."""
    builder: TableBuilder[str, int] = TableBuilder()
    for number in range(count):
        builder.put(f"k{number}", number)
    return builder


def test_it_is_a_mapping_like_any_other() -> None:
    rng = random.Random(5)
    builder: TableBuilder[str, int] = TableBuilder()
    plain: dict[str, int] = {}
    for turn in range(5000):
        key = f"k{rng.randrange(900)}"
        if rng.random() < 0.4:
            assert builder.drop(key) == plain.pop(key, None)
        else:
            builder.put(key, turn)
            plain[key] = turn
        if turn % 500 == 0:
            table = builder.freeze()
            assert dict(table) == dict(table.items()) == dict(builder) == dict(builder.items()) == plain
            assert sorted(table.values()) == sorted(builder.values()) == sorted(plain.values())
            assert len(table) == len(builder) == len(plain) == len(list(table))
    table = builder.freeze()
    assert table == plain and len(table.shards) > 1
    missing = next(f"k{number}" for number in range(1000) if f"k{number}" not in plain)
    assert missing not in table and table.get(missing) is None and table.get(missing, 7) == 7
    with pytest.raises(KeyError):
        table[missing]
    assert f"'{next(iter(plain))}'" in repr(table)


def test_a_version_never_changes() -> None:
    builder = built(300)
    first = builder.freeze()
    builder.put("k7", 70)
    builder.drop("k8")
    second = builder.freeze()
    for number in range(300, 3000):
        builder.put(f"k{number}", number)
    assert (first["k7"], first["k8"], len(first)) == (7, 8, 300)
    assert (second["k7"], "k8" in second, len(second)) == (70, False, 299)
    assert len(builder.freeze()) == 2999


def test_a_change_copies_one_shard_and_no_change_copies_nothing() -> None:
    builder = built(20_000)
    first = builder.freeze()
    assert builder.freeze() is first
    assert builder.drop("nobody") is None
    assert builder.freeze() is first
    builder.put("k5", -5)
    second = builder.freeze()
    new = [shard for shard, old in zip(second.shards, first.shards, strict=True) if shard is not old]
    assert len(new) == 1 and len(new[0]) < 200


def test_versions_are_compared() -> None:
    builder = built(1000)
    first = builder.freeze()
    builder.put("k1", -1)
    builder.drop("k2")
    builder.put("new", 1)
    second = builder.freeze()
    assert sorted(changed(first, second)) == ["k1", "k2", "new"]
    assert list(changed(second, second)) == []
    for number in range(5000):
        builder.put(f"more{number}", number)
    third = builder.freeze()
    assert len(third.shards) != len(second.shards)
    assert set(changed(second, third)) == {f"more{number}" for number in range(5000)}
    assert set(changed({}, first)) == set(first)
    assert sorted(changed({"a": first, "b": second}, {"a": first, "c": third})) == ["b", "c"]


def test_an_empty_one() -> None:
    table: Table[str, int] = TableBuilder[str, int]().freeze()
    assert not table and list(table) == [] and "x" not in table
