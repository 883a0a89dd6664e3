"""Numbers with their nouns."""

from __future__ import annotations

import pytest

from console.model.symptoms.words import plural


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((1, "pod"), "1 pod"),
        ((0, "pod"), "0 pods"),
        ((3, "pod"), "3 pods"),
        ((1, "entry", "entries"), "1 entry"),
        ((2, "entry", "entries"), "2 entries"),
        ((1, "session matches", "sessions match"), "1 session matches"),
        ((1.0, "core", "", "g"), "1 core"),
        ((0.5, "core", "", "g"), "0.5 cores"),
        ((12000, "line", "", ","), "12,000 lines"),
    ],
)
def test_a_count_agrees_with_its_noun(given: tuple[float, str], text: str) -> None:
    assert plural(*given) == text
