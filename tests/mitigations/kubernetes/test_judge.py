import pytest

from console.mitigations.kubernetes.judge import Before, by_pods, compare
from console.model.reading import Reading, State


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.30, 0.002, "helped"),
        (0.30, 0.14, "helped"),
        (0.30, 0.16, "no_change"),
        (0.30, 0.46, "worse"),
        (0.00, 0.06, "worse"),
        (0.00, 0.04, "no_change"),
        (0.01, 0.02, "no_change"),
    ],
)
def test_error_ratios(before: float, after: float, verdict: str) -> None:
    found = compare(before, Reading(State.OK, after, 1.0), 0.05, "shop")

    assert found.status == verdict
    assert f"{after:.2%} after" in found.detail


@pytest.mark.parametrize("state", [State.NO_DATA, State.NO_TRAFFIC, State.STALE, State.FAILED, State.DENIED])
def test_blindness_is_never_a_verdict(state: State) -> None:
    assert compare(0.30, Reading(state, None, 1.0), 0.05, "shop").status == "inconclusive"
    assert compare(None, Reading(State.OK, 0.0, 1.0), 0.05, "shop").status == "inconclusive"


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        ((1, 3), (3, 3), "helped"),
        ((3, 3), (3, 3), "no_change"),
        ((3, 3), (1, 3), "worse"),
        ((1, 3), (1, 3), "no_change"),
    ],
)
def test_pods_decide_where_nothing_is_measured(
    before: tuple[int, int], after: tuple[int, int], verdict: str
) -> None:
    assert by_pods(Before("", None, *before), *after).status == verdict
