"""Plain data read strictly: every mistake at once, at its place, in words that repeat no value."""

from __future__ import annotations

import itertools
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from console.model.secret import Secret
from console.model.strict import MistakesError, convert


def _even(value: int) -> int:
    if value % 2:
        raise ValueError("is odd")
    return value


def _unlike(servers: tuple[Server, ...]) -> tuple[Server, ...]:
    if len({server.name for server in servers}) < len(servers):
        raise ValueError("two have one name")
    return servers


class Server(msgspec.Struct, frozen=True, kw_only=True):
    name: str = "main"
    dsn: Secret
    pool: Annotated[int, Meta(ge=1, le=9)] | None = None


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1)] = "x"
    code: Annotated[str, Meta(pattern=r"^[a-z]+\Z")] = "x"
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    size: int = 1
    lit: bool = False
    mode: Literal["GET", "HEAD"] = "GET"
    day: date | None = None
    file: Path | None = None
    window: tuple[int, int] = (0, 1)
    names: tuple[str, ...] = ()
    even: Annotated[int, Meta(extra={"check": _even})] = 0
    tables: Annotated[dict[Literal["a", "b"], int], Meta(min_length=1)] = {}
    answer: Annotated[int | str, Meta(extra={"wanted": "give a number or a name"})] = 1
    headers: dict[str, Secret] = {}
    server: Server | None = None
    servers: Annotated[tuple[Server, ...], Meta(extra={"check": _unlike})] = ()


def mistakes(data: object) -> list[str]:
    """The sentences about data that is no desk."""
    with pytest.raises(MistakesError) as caught:
        convert(data, Desk)
    assert str(caught.value).splitlines() == [sentence for _, sentence in caught.value.mistakes]
    return [sentence for _, sentence in caught.value.mistakes]


def test_lists_become_tuples_texts_paths_and_secrets_and_numbers_floats() -> None:
    desk = convert(
        {
            "ratio": 0.25,
            "window": [1, 2],
            "names": ["a", "b"],
            "day": date(2025, 1, 31),
            "file": "/x",
            "headers": {"X": "y"},
            "servers": [{"dsn": "d", "pool": 9}],
            "answer": "name",
        },
        Desk,
    )
    assert (desk.window, desk.names, desk.day) == ((1, 2), ("a", "b"), date(2025, 1, 31))
    assert (desk.file, desk.headers, desk.answer) == (Path("/x"), {"X": Secret("y")}, "name")
    assert desk.servers == (Server(dsn=Secret("d"), pool=9),)
    assert convert({}, Desk) == Desk()


def test_a_whole_number_stands_for_a_float_and_becomes_one() -> None:
    class Timer(msgspec.Struct, frozen=True):
        seconds: float

    assert repr(convert({"seconds": 5}, Timer).seconds) == "5.0"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("title", 3, 'has to be a text in quotes, as in "shop"'),
        ("title", "", "must not be empty"),
        ("code", "A", r"has to match the pattern '^[a-z]+\\Z'"),
        ("code", "a\n", r"has to match the pattern '^[a-z]+\\Z'"),
        ("ratio", "0.5", "has to be a number"),
        ("ratio", True, "has to be a number"),
        ("ratio", 0, "has to be greater than 0"),
        ("ratio", 1, "has to be less than 1"),
        ("ratio", float("nan"), "has to be greater than 0"),
        ("size", "1", "has to be a whole number"),
        ("size", True, "has to be a whole number"),
        ("size", 1.0, "has to be a whole number"),
        ("size", 2**63, "has to be a number of at most 18 digits"),
        ("size", -(2**63) - 1, "has to be a number of at most 18 digits"),
        ("lit", 1, "has to be true or false"),
        ("lit", "yes", "has to be true or false"),
        ("mode", "POST", "has to be 'GET' or 'HEAD'"),
        ("mode", ["GET"], "has to be 'GET' or 'HEAD'"),
        ("day", "2025-01-31", "has to be a date without quotes and time, as in 2025-01-31"),
        ("day", datetime(2025, 1, 31), "has to be a date without quotes and time, as in 2025-01-31"),  # noqa: DTZ001
        ("file", 3, 'has to be a path in quotes, as in "/etc/warroom"'),
        ("file", "/tmp/a\0b", "must not hold control characters"),
        ("title", "\x1b[31mred", "must not hold control characters"),
        ("title", "\u202eabc", "must not hold control characters"),
        ("window", [1], "has to be a list of 2 values"),
        ("window", "12", 'has to be a list, as in ["a", "b"]'),
        ("names", "ab", 'has to be a list, as in ["a", "b"]'),
        ("names", {}, 'has to be a list, as in ["a", "b"]'),
        ("even", 3, "is odd"),
        ("even", "3", "has to be a whole number"),
        ("tables", [], 'has to be a table, as in { name = "value" }'),
        ("tables", {}, "must not be empty"),
        ("answer", 1.5, "give a number or a name"),
        ("headers", [], 'has to be a table, as in { name = "value" }'),
        ("server", [], 'has to be a table, as in { name = "value" }'),
        ("servers", {}, 'has to be a list, as in ["a", "b"]'),
        ("servers", [{"dsn": "a"}, {"dsn": "b"}], "two have one name"),
    ],
)
def test_what_is_wrong_with_a_value(key: str, value: object, words: str) -> None:
    assert mistakes({key: value}) == [f"'{key}': {words}"]


def test_a_text_may_have_lines_and_a_name_that_is_a_secret_is_masked() -> None:
    assert convert({"title": "a\n\tb\r\n"}, Desk).title == "a\n\tb\r\n"
    assert "hunter2" not in mistakes({"redis://:hunter2@h": 1})[0]


def test_every_mistake_has_its_path() -> None:
    data = {
        "window": [1, "x"],
        "tables": {"c": "x", "a": "y"},
        "servers": [{"nam": "a"}, {"dsn": "b", "pool": 10}, 5],
        "titel": 1,
    }
    with pytest.raises(MistakesError) as caught:
        convert(data, Desk)
    assert caught.value.mistakes == (
        (("window", 1), "'window.1': has to be a whole number"),
        (("tables", "c", "[key]"), "'tables.c.[key]': has to be 'a' or 'b'"),
        (("tables", "c"), "'tables.c': has to be a whole number"),
        (("tables", "a"), "'tables.a': has to be a whole number"),
        (("servers", 0, "dsn"), "'servers.0.dsn' is missing"),
        (("servers", 0, "nam"), "unknown key 'servers.0.nam'; did you mean 'name'?"),
        (("servers", 1, "pool"), "'servers.1.pool': has to be less than or equal to 9"),
        (("servers", 2), "'servers.2': has to be a table, as in { name = \"value\" }"),
        (("titel",), "unknown key 'titel'; did you mean 'title'?"),
    )


VALUES: tuple[Any, ...] = (
    "hunter2",
    ["hunter2"],
    {"key": "hunter2"},
    [["hunter2"]],
    {"dsn": ["hunter2"]},
)


@pytest.mark.parametrize(
    ("key", "value"), list(itertools.product([*Desk.__struct_fields__, "password"], VALUES)), ids=str
)
def test_no_mistake_repeats_a_value(key: str, value: Any) -> None:
    data = {"server": {"dsn": "hunter2"}, "size": "wrong"} | {key: value}
    sentences = "\n".join(mistakes(data))
    assert "hunter2" not in sentences
    assert not any(word in sentences for word in ("Expected", "$", "str", "int", "None", "Secret", "class"))


def test_a_type_that_no_record_has_is_a_mistake_of_the_program() -> None:
    class Odd(msgspec.Struct, frozen=True):
        raw: bytes

    with pytest.raises(TypeError, match="BytesType"):
        convert({"raw": b"x"}, Odd)
