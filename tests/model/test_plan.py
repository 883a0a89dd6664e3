"""The words of a plan."""

from __future__ import annotations

import pytest

from console.model.plan import Hit


@pytest.mark.parametrize(
    ("hit", "text"),
    [
        (Hit("pods replaced", 1), "1 pod replaced"),
        (Hit("pods replaced", 3), "3 pods replaced"),
        (Hit("sessions ended", 1), "1 session ended"),
        (Hit("queries cancelled", 1), "1 query cancelled"),
        (Hit("sessions", 0), "0 sessions"),
        (Hit("extra pods at once while it runs", 1), "1 extra pod at once while it runs"),
        (Hit("matching sessions left alone", 1), "1 matching session left alone"),
        (Hit("of the 2 ready pods behind web", 1), "1 of the 2 ready pods behind web"),
    ],
)
def test_a_count_agrees_with_its_noun(hit: Hit, text: str) -> None:
    assert hit.counted == text
