"""Private keys of which a text holds the end alone, in the forms in which logs have them."""

from __future__ import annotations

import base64
import json
import random
import time
from collections.abc import Callable

import pytest

from console.model.pem import mask_keys
from console.model.redact import MASK, redact
from console.model.text import clean, clean_lines

END = "-----END RSA PRIVATE KEY-----"
BEGIN = "-----BEGIN RSA PRIVATE KEY-----"


def key_lines(seed: int, size: int = 1_190, width: int = 64) -> list[str]:
    """The body of a key of `size` bytes: base64 in lines."""
    text = base64.b64encode(random.Random(seed).randbytes(size)).decode()
    return [text[at : at + width] for at in range(0, len(text), width)]


def stamped(lines: list[str]) -> str:
    """As kubectl logs --timestamps shows them."""
    return "\n".join(f"2026-03-01T12:00:{number:02}.123456789Z {line}" for number, line in enumerate(lines))


def interleaved(lines: list[str]) -> str:
    """As two threads write one log."""
    return "\n".join(
        f"{line}\nINFO request 4711 served in 3 ms" if n % 3 else line for n, line in enumerate(lines)
    )


FORMS: dict[str, Callable[[list[str]], str]] = {
    "plain": "\n".join,
    "crlf": "\r\n".join,
    "timestamps": stamped,
    "interleaved": interleaved,
    "indented": lambda lines: "\n".join(f"    {line}" for line in lines),
    "levels": lambda lines: "\n".join(f"12:00:01 INFO [main] tls.key: {line}" for line in lines),
    "named": lambda lines: "\n".join(f"key={line}" for line in lines),
    "psql": lambda lines: "\n".join(f" {line:<64} +" for line in lines),
    "list": lambda lines: json.dumps(lines, indent=2),
    "json": lambda lines: json.dumps({"tls": "\n".join(lines) + "\n"}),
    "json in json": lambda lines: json.dumps(json.dumps({"tls": "\r\n".join(lines) + "\n"})),
    "one line": " ".join,
    "one word": lambda lines: f"{''.join(lines[:-1])}\n{lines[-1]}",
    "blank lines": "\n\n".join,
}


def leaks(text: str, body: list[str]) -> list[str]:
    """The pieces of twelve characters of a key that a text shows."""
    pieces = {line[at : at + 12] for line in body for at in range(len(line) - 11)}
    return sorted(piece for piece in pieces if piece in text)


SIZES = [*((form, 1_190, 64) for form in FORMS), *((form, 32, 64) for form in FORMS)]
SIZES += [("plain", 609, 64), ("timestamps", 2_349, 70), ("json", 2_349, 76), ("psql", 609, 76)]


@pytest.mark.parametrize(("form", "size", "width"), SIZES)
def test_wherever_a_key_is_cut_the_rest_of_it_is_masked(form: str, size: int, width: int) -> None:
    body = key_lines(size, size, width)
    whole = FORMS[form]([BEGIN, *body, END]) + "\nafter it"
    assert not leaks(redact(whole), body)
    for at in range(0, whole.index(END), 31):
        masked = redact(whole[at:])
        assert not leaks(masked, body), whole[at : at + 80]
        assert END in masked and masked.endswith("after it")
        assert redact(masked) == masked


@pytest.mark.parametrize("form", ["plain", "timestamps", "json", "one line"])
def test_what_stands_before_and_beside_a_key_stays(form: str) -> None:
    before = "12:00:00 INFO started\n12:00:01 WARN digest 0123456789abcdef0123456789abcdef0123456789abcdef\n"
    text = f"{before}reading\n{FORMS[form]([*key_lines(1), END])}\n12:00:02 INFO ready"
    masked = redact(text)
    assert masked.startswith(before)
    assert masked.endswith("12:00:02 INFO ready")
    assert MASK in masked


def test_times_and_the_lines_of_others_stay_readable() -> None:
    body = key_lines(2)
    masked = redact(stamped([*body, END])).splitlines()
    assert masked[3] == f"2026-03-01T12:00:03.123456789Z {MASK}"
    assert masked[-1] == f"2026-03-01T12:00:{len(body):02}.123456789Z {END}"
    masked = redact(interleaved([*body, END])).splitlines()
    assert masked.count("INFO request 4711 served in 3 ms") == len(body) - len(body) // 3 - 1 + 1
    assert not leaks("\n".join(masked), body)


@pytest.mark.parametrize(
    "end",
    ["-----END PGP PRIVATE KEY BLOCK-----", "-----END OPENSSH PRIVATE KEY-----", "-----END PRIVATE KEY-----"],
)
def test_other_kinds_of_keys_and_their_checksum(end: str) -> None:
    body = [*key_lines(3), "=njUN"]
    masked = redact("\n".join([*body[4:], end]))
    assert not leaks(masked, body)
    assert "njUN" not in masked


def test_several_keys_one_after_the_other() -> None:
    first, second, third = key_lines(4), key_lines(5), key_lines(6)
    lines = [*first[3:], END, *second[2:], END, BEGIN, *third, END, "between", BEGIN, *first[:5]]
    masked = redact("\n".join(lines))
    assert not leaks(masked, first + second + third)
    assert (masked.count(END), masked.count("between"), masked.count(BEGIN)) == (3, 1, 2)


def test_the_end_of_a_key_as_it_enters() -> None:
    body = key_lines(7)
    text = "\n".join([*body[5:], END])
    assert not leaks(redact(clean(text)), body)
    assert not leaks(redact(clean_lines(text.replace("\n", "\r\n"))), body)
    rest = redact(f"{body[-1]}\n{END}")
    assert rest == f"{MASK}\n{END}"


@pytest.mark.parametrize(
    "text",
    [
        f"the file has no {END} line",
        f"missing {END}",
        f"{END} expected",
        END,
        f"tls.key: expected\n{END}\nbut the file ended",
        f"2026-03-01T12:00:00.000Z WARN parser: found only\n2026-03-01T12:00:00.001Z WARN {END}",
        f"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef {END}",
        f"commit 3f786850e387550fdab836ed7e6dc881de23001b\n{END}",
        f"reading /etc/kubernetes/pki/Private/serviceaccount/v1/keyfile failed, no\n{END}",
        f"pod checkout-7d9f8b6c5-x2x9z restarted\n\n\n{END}",
        "-----END CERTIFICATE-----",
        "\n".join([*key_lines(8), "-----END CERTIFICATE-----"]),
        "\n".join([*key_lines(8), "-----END PUBLIC KEY-----"]),
        "\n".join([*key_lines(9), *(f"line {n} of others" for n in range(6)), f"no {END} was seen"]),
        "----- END of the report -----",
        "-----END PRIVATE KEY",
        "\n".join(["Traceback:", "  File x, line 12, in load", "ValueError: could not find", END]),
    ],
)
def test_text_that_only_mentions_the_end_of_a_key_stays(text: str) -> None:
    assert redact(text) == text


_UNITS = {
    "begins": f"{BEGIN}!",
    "ends": f"{END}!",
    "ends of nothing": f"x\n{END}\n",
    "key lines": key_lines(10)[0] + "\n",
    "almost key lines": key_lines(10)[0][:39] + " ",
    "one word": "aB3/",
    "breaks": "\\\\\\n",
    "newlines": "\n",
    "dashes": "-----",
    "names": "-----BEGIN A A A A ",
    "name": "-----END AAAAAAAAAAAA",
    "blanks": " ",
    "quotes": "\"',",
    "padding": "====",
}


@pytest.mark.parametrize("name", _UNITS)
def test_ten_megabytes_of_anything_take_time_in_proportion(name: str) -> None:
    def seconds(size: int, tail: str) -> float:
        text = _UNITS[name] * (size // len(_UNITS[name])) + tail
        took = []
        for _ in range(2):
            began = time.process_time()
            mask_keys(text, MASK)
            took.append(time.process_time() - began)
        return min(took)

    # Sixteen times the text; what is quadratic takes 256 times as long. Little time is mostly noise.
    for tail in (f"\n{END}", f"{BEGIN}\n"):
        assert seconds(10_000_000, tail) < 128 * max(seconds(625_000, tail), 0.01)


def test_text_of_no_key_is_the_same_object() -> None:
    text = "a ----- b"
    assert mask_keys(text, MASK) is text
