"""Each figure judged by itself, and the one verdict of all."""

from __future__ import annotations

import pytest

from console.mitigations.kubernetes.figures import Before, Figure, conclude, error_ratio, p95, pods
from console.model.reading import NO_DATA, Reading, State


def value(number: float) -> Reading:
    return Reading(State.OK, number, 1.0)


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (0.30, 0.002, "helped"),
        (0.30, 0.14, "helped"),
        (0.30, 0.16, "no_change"),
        (0.0528, 0.0485, "inconclusive"),
        (0.09, 0.048, "inconclusive"),
        (0.30, 0.46, "worse"),
        (0.00, 0.06, "worse"),
        (0.00, 0.04, "no_change"),
        (0.01, 0.02, "no_change"),
        (0.0209, 0.0, "helped"),
        (0.042, 0.013, "helped"),
        (0.042, 0.015, "no_change"),
        (0.009, 0.0, "no_change"),
    ],
)
def test_error_ratios(before: float, after: float, verdict: str) -> None:
    found = error_ratio(Before("shop", before), value(after), 0.05)

    assert found.status == verdict
    assert f"{before:.2%} before, {after:.2%} after, threshold 5.00%" in found.text


@pytest.mark.parametrize(
    ("noise", "after", "verdict", "said"),
    [
        (0.002, 0.048, "helped", "9.00% before, 4.80% after"),
        (0.0, 0.048, "helped", "9.00% before, 4.80% after"),
        (0.02, 0.048, "inconclusive", "it moved by 2.00% from window to window before); 3.00% or less"),
        (0.02, 0.02, "helped", "2.00% after"),
        (0.20, 0.03, "inconclusive", "0.90% or less"),
        (0.20, 0.009, "helped", "0.90% after"),
        (0.002, 0.14, "worse", "14.00% after"),
        (0.02, 0.14, "no_change", "14.00% after"),
    ],
)
def test_a_fall_counts_when_it_is_more_than_the_ratio_moves_by_itself(
    noise: float, after: float, verdict: str, said: str
) -> None:
    found = error_ratio(Before("shop", 0.09, noise=noise), value(after), 0.05)

    assert found.status == verdict
    assert said in found.said


def test_a_hair_is_no_help_even_where_nothing_moves() -> None:
    before = Before("shop", 0.0528, noise=0.0)

    assert error_ratio(before, value(0.0485), 0.05).status == "inconclusive"
    assert error_ratio(before, value(0.0395), 0.05).status == "helped"


@pytest.mark.parametrize(("after", "verdict"), [(0.01, "no_change"), (0.004, "helped")])
def test_a_fall_from_below_the_threshold_has_to_be_more_than_its_own_moves(
    after: float, verdict: str
) -> None:
    assert error_ratio(Before("shop", 0.04, noise=0.02), value(after), 0.05).status == verdict


@pytest.mark.parametrize("state", [State.NO_DATA, State.NO_TRAFFIC, State.STALE, State.FAILED, State.DENIED])
def test_blindness_is_never_a_verdict(state: State) -> None:
    assert error_ratio(Before("shop", 0.30), Reading(state, None, 1.0), 0.05).status == "inconclusive"
    assert error_ratio(Before("shop"), Reading(State.OK, 0.0, 1.0), 0.05).status == "inconclusive"


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
    assert pods(Before("", None, *before), *after).status == verdict


def test_pods_that_a_rollout_was_about_to_start_are_no_help() -> None:
    found = pods(Before("", None, 3, 4, rolling=True), 4, 4)

    assert (found.status, found.why) == ("no_change", "a rollout was under way before")
    assert pods(Before("", None, 3, 4, rolling=True), 2, 4).status == "worse"


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        (3.0, 0.2, "helped"),
        (3.0, 1.4, "helped"),
        (3.0, 1.6, "no_change"),
        (0.6, 0.45, "inconclusive"),
        (0.2, 0.1, "no_change"),
        (0.2, 0.45, "no_change"),
        (0.2, 0.6, "worse"),
        (3.0, 4.0, "no_change"),
        (3.0, 4.6, "worse"),
    ],
)
def test_p95(before: float, after: float, status: str) -> None:
    found = p95(Before("shop", 0.0, p95=before), value(after), 0.5)

    assert found.status == status
    assert found.high is (after > 0.5)


def test_a_p95_without_a_threshold_is_told_and_not_judged() -> None:
    before = Before("shop", 0.0, 3, 3, p95=3.0)
    ratio, slow = error_ratio(before, value(0.0), 0.05), p95(before, value(0.2), None)

    found = conclude((ratio, slow, pods(before, 3, 3)))
    assert found.status == "no_change"
    assert "Not judged: p95 of shop 3 s before, 200 ms after, no threshold configured." in found.detail


def verdict_of(
    ratio: tuple[float, float] = (0.001, 0.001),
    slow: tuple[float, float] = (0.1, 0.1),
    ready: tuple[int, int] = (4, 4),
) -> tuple[str, str]:
    """The verdict of figures before and after; thresholds are 5 %, 0.5 s and 4 pods."""
    before = Before("shop", ratio[0], ready[0], 4, p95=slow[0])
    found = conclude(
        (
            error_ratio(before, value(ratio[1]), 0.05),
            p95(before, value(slow[1]), 0.5),
            pods(before, ready[1], 4),
        )
    )
    assert len(found.evidence) == 3
    return found.status, found.detail


def test_a_verdict_names_the_figure_that_it_rests_on() -> None:
    assert verdict_of(slow=(3.0, 0.2)) == (
        "helped",
        "It rests on p95 of shop 3 s before, 200 ms after, threshold 500 ms. No change: error ratio of shop"
        " 0.10% before, 0.10% after, threshold 5.00%; pods 4 of 4 available before, 4 of 4 after.",
    )
    status, detail = verdict_of(ratio=(0.001, 0.2))
    assert (status, detail[:28]) == ("worse", "It rests on error ratio of s")
    assert detail.endswith(" Still too high: error ratio of shop.")
    status, detail = verdict_of(ready=(4, 2))
    assert (status, detail[:22]) == ("worse", "It rests on pods 4 of ")
    status, detail = verdict_of(ready=(2, 4))
    assert (status, detail[:22]) == ("helped", "It rests on pods 2 of ")
    status, detail = verdict_of(ratio=(0.3, 0.001), slow=(3.0, 0.2))
    assert status == "helped"
    assert detail.startswith(
        "It rests on error ratio of shop 30.00% before, 0.10% after, threshold 5.00%; p95 of"
    )
    status, detail = verdict_of()
    assert (status, detail[:28]) == ("no_change", "It rests on error ratio of s")
    status, detail = verdict_of(slow=(0.6, 0.45))
    assert (status, detail[:23]) == ("inconclusive", "It rests on p95 of shop")
    assert "(so small a fall may be chance; 300 ms or less would be a clear one)" in detail


def test_a_help_that_leaves_another_figure_too_high_says_so() -> None:
    status, detail = verdict_of(ratio=(0.3, 0.001), slow=(3.0, 2.9))
    assert status == "helped"
    assert detail.endswith(" Still too high: p95 of shop.")


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"ratio": (0.001, 0.2), "slow": (3.0, 0.2)}, "Better: p95 of shop 3 s before, 200 ms after"),
        ({"ratio": (0.001, 0.2), "slow": (3.0, 0.2)}, "Worse: error ratio of shop 0.10% before, 20.00%"),
        ({"ratio": (0.2, 0.001), "ready": (4, 2)}, "Worse: pods 4 of 4 available before, 2 of 4 after"),
        ({"ratio": (0.2, 0.2), "ready": (2, 4)}, "As bad as before: error ratio of shop 20.00% before"),
        ({"slow": (3.0, 2.9), "ready": (2, 4)}, "As bad as before: p95 of shop 3 s before"),
    ],
)
def test_figures_that_contradict_each_other_are_said_as_such(
    figures: dict[str, tuple[float, float]], said: str
) -> None:
    status, detail = verdict_of(**figures)  # type: ignore[arg-type]
    assert status == "inconclusive"
    assert detail.startswith("The figures contradict each other. Better: ")
    assert said in detail


def test_what_cannot_be_compared_leaves_the_others_to_tell() -> None:
    before = Before("shop", 0.2, 4, 4, p95=3.0)
    blind = error_ratio(before, NO_DATA, 0.05)
    readiness = pods(before, 4, 4)

    found = conclude((blind, p95(before, value(0.2), 0.5), readiness))
    assert found.status == "helped"
    assert "Not clear: error ratio of shop cannot be compared: no data." in found.detail
    assert conclude((blind, p95(before, value(2.9), 0.5), readiness)).status == "inconclusive"
    assert conclude((Figure("a", "no_change", "1"), Figure("b", "not_judged", "2"))).status == "no_change"
