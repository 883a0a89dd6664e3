import random
import time
import unicodedata

import pytest

from console.model.text import ELLIPSIS, REPLACEMENT, clean, clean_lines

R = REPLACEMENT


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b[1;38;5;196mx\x1b[K", "x"),
        ("\x9b31mred\x9b0m", "red"),
        ("\x1b[?1049h\x1b[2Jgone", "gone"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x1b]0;title\x1b\\rest", "rest"),
        ("\x9d0;title\x9crest", "rest"),
        ("\x1b]52;c;cm0gLXJmIC8=\x07rest", "rest"),
        ("\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bPq#0;2;0;0;0\x1b\\after", "after"),
        ("\x1bXsos\x1b\\a\x1b^pm\x1b\\b\x1b_apc\x1b\\c", "abc"),
        ("\x90q\x9ca\x98s\x9cb\x9ep\x9cc\x9fa\x9cd", "abcd"),
        ("\x1bc\x1b(B\x1b=\x1b7text", "text"),
        ("a\x1b#8b", "ab"),
    ],
)
def test_complete_sequences_vanish(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("\x1b]0;ERROR: disk full", "0;ERROR: disk full"),
        ("\x9d0;ERROR: disk full", "0;ERROR: disk full"),
        ("\x1bPhidden?", "hidden?"),
        ("\x1b[12", "12"),
        ("\x1b]0;one \x1b]0;two\x07three", "0;one three"),
        ("end\x1b", "end" + R),
    ],
)
def test_an_unterminated_introducer_hides_nothing(dirty: str, expected: str) -> None:
    assert clean(dirty) == expected


def test_a_string_does_not_reach_over_lines() -> None:
    assert clean_lines("\x1b]0;a\nERROR b\x07c") == f"0;a\nERROR b{R}c"


def test_a_removal_cannot_build_a_new_sequence() -> None:
    assert clean("\x1b\x1b[0m[31mred") == f"{R}[31mred"


@pytest.mark.parametrize(
    "char",
    [
        *"\x00\x07\x08\x0b\x0c\x0e\x7f\x80\x85\x9c\u061c\u200b\u200d\u200e\u202a\u202e\u2066\u2069\u2028\u2029",
        *"\ufeff\u2060\u00ad\u3164\ud800\udfff\U000e0041\U000e0001",
    ],
)
def test_invisible_and_control_characters_show(char: str) -> None:
    assert clean(f"a{char}b") == f"a{R}b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "  two  blanks ",
        "Ünïcödé",
        "日本語",
        "e\u0301",
        "é̂̃",
        "❤\ufe0f",
        "[/] [@click=app.quit]x[/]",
        "a\\b",
    ],
)
def test_ordinary_text_is_the_same_object(text: str) -> None:
    assert clean(text) is text
    assert clean_lines(text) is text


def test_newlines_become_one_space_or_stay() -> None:
    query = "\n  SELECT *\n\tFROM t\r\n\n  WHERE x\n"
    assert clean(query) == "SELECT * FROM t WHERE x"
    assert clean_lines(query) == "\n  SELECT *\n        FROM t\n\n  WHERE x\n"


def test_a_lone_carriage_return_is_shown_and_a_trailing_one_dropped() -> None:
    assert clean("secret\rOK") == f"secret{R}OK"
    assert clean("line\r") == "line"


def test_tabs_are_expanded_to_columns() -> None:
    assert clean("a\tb") == "a       b"


def test_bytes_are_utf8_with_replacement() -> None:
    assert clean("grün".encode()) == "grün"
    assert clean(b"ok \xff\xfe \xed\xa0\x80 end") == f"ok {R}{R} {R}{R}{R} end"


def test_long_text_is_clipped_with_a_mark() -> None:
    assert clean("x" * 5000) == "x" * 4095 + ELLIPSIS
    assert clean(b"x" * 50, limit=10) == "x" * 9 + ELLIPSIS
    assert clean("é".encode() * 50, limit=10) == "é" * 9 + ELLIPSIS
    assert clean("\t" * 9, limit=20) == " " * 19 + ELLIPSIS
    assert clean("x" * 10, limit=10) == "x" * 10
    assert clean("\x1b[31m" + "x" * 20, limit=10) == "x" * 5 + ELLIPSIS


ALPHABET = (
    [chr(c) for c in range(0xA0)]
    + list("\x1b\x1b\x1b[[]]PX^_\\;?;0123m\x07\x9c\x9b\x9d\n\n\r\t  é日\u0301")
    + ["\u202e", "\u2028", "\u200d", "\ud812", "\U000e0041", "\U0001f600"]
)


@pytest.mark.parametrize("seed", range(8))
def test_any_mixture_comes_out_safe(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(400):
        text = "".join(rng.choices(ALPHABET, k=rng.randrange(60)))
        limit = rng.choice([1, 5, 30, 4096])
        for result, newlines in ((clean(text, limit), ""), (clean_lines(text, limit), "\n")):
            bad = [
                c
                for c in result
                if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in newlines
            ]
            assert not bad, (text, result)
            assert len(result) <= limit
            result.encode()
        once = clean(text, limit)
        assert clean(once, limit) == once
        data = rng.randbytes(40)
        assert clean(clean(data)) == clean(data)


@pytest.mark.parametrize("unit", ["\x9d", "\x1b]", "\x1b[", "\x1b ", "\x9b0", " \n", "\t", "\x1b]0;"])
def test_hostile_repetition_takes_linear_time(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    start = time.process_time()
    clean_lines(text, limit=400_000)
    clean(text, limit=400_000)
    # A quadratic pattern needs minutes for this input, a linear one some hundredths of a second.
    assert time.process_time() - start < 5
