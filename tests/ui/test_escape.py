"""Escape and the next key are two keys, however close they come; sequences stay whole."""

from __future__ import annotations

import random
import re

import pytest

from console.ui.escape import EscapeKey
from tests.ui.test_terminal import Terminal

ESCAPE = None


def pieces(*texts: str) -> list[str | None]:
    """What is found in texts that arrive at once, one after the other, and then nothing for a second."""
    escape = EscapeKey(0.05)
    return [piece for at, text in enumerate((*texts, "")) for piece in escape.split(text, at * 0.001)] + list(
        escape.split("", 1.0)
    )


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("\x1b",), [ESCAPE]),
        (("\x1bu",), [ESCAPE, "u"]),
        (("\x1b", "u"), [ESCAPE, "u"]),
        (("x\x1bb\x1b[12;5R",), ["x", ESCAPE, "b\x1b[12;5R"]),
        (("\x1b\x1b", "\x1b"), [ESCAPE, ESCAPE, ESCAPE]),
        (("\x1b\x1b[A",), [ESCAPE, "\x1b[A"]),
        (("\x1b", "[A"), ["\x1b[A"]),
        (("\x1b[", "A"), ["\x1b[", "A"]),
        (("\x1bOP", "\x1b]11;rgb:0/0/0\x1b\\"), ["\x1bOP", "\x1b]11;rgb:0/0/0\x1b\\"]),
        (("\x1b[200~a", "b\x1b", "[201~\x1bu"), ["\x1b[200~a", "b", "\x1b[201~", ESCAPE, "u"]),
        (("\x1b\r",), [ESCAPE, "\r"]),
    ],
)
def test_what_is_a_key(texts: tuple[str, ...], expected: list[str | None]) -> None:
    found = pieces(*texts)
    assert _joined(found) == _joined(expected)


def test_an_escape_is_a_key_only_when_its_time_is_over() -> None:
    escape = EscapeKey(0.05)
    assert list(escape.split("\x1b", 1.0)) == []
    assert escape.until() == pytest.approx(1.05)
    assert list(escape.split("", 1.04)) == []
    assert list(escape.split("", 1.05)) == [ESCAPE]
    assert escape.until() is None


def test_nothing_is_lost_however_the_bytes_are_cut() -> None:
    rng = random.Random(5)
    keys = ["\x1b", "u", "\x1b[A", "\x1b[3;7R", "\x1bOP", "\r", "é", "\x1b[200~pq\x1b[201~"]
    for _ in range(300):
        stream = "".join(rng.choices(keys, k=12))
        cuts = sorted(rng.sample(range(len(stream) + 1), 3))
        texts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        whole, cut = _joined(pieces(stream)), _joined(pieces(*filter(None, texts)))
        assert whole == cut
        assert re.sub("\x1b", "", "".join(piece or "" for piece in whole)) == re.sub("\x1b", "", stream)
        assert sum(1 if piece is ESCAPE else piece.count("\x1b") for piece in whole) == stream.count("\x1b")


def _joined(found: list[str | None]) -> list[str | None]:
    """Without the cuts between texts, which mean nothing to the parser that reads on."""
    result: list[str | None] = []
    for piece in found:
        if piece is not None and result and result[-1] is not None:
            result[-1] += piece
        else:
            result.append(piece)
    return result


@pytest.mark.parametrize("answer", [b"", b"\x1b[1;1R"], ids=["alone", "before an answer of the terminal"])
def test_a_key_right_after_escape(answer: bytes) -> None:
    terminal = Terminal("import atexit; atexit.register(lambda: print(engine.calls))")
    terminal.until(b"auth-service")
    terminal.process.write(b"?\x1ba" + answer + b"roll back\r\x11")
    assert terminal.code() == 0
    assert b"('note', 'roll back')" in terminal.seen
