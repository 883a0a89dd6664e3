"""What is suggested while the effect of something that was just done cannot be judged yet."""

import pytest

from tests.incident.suggesting import FAILING, first
from tests.model.board import KUBE, NOW, cluster, revision, workload
from tests.model.board import template as image


@pytest.mark.parametrize(
    ("age", "title"),
    [
        (20, "Wait for the last change"),
        (170, "Wait for the last change"),
        (200, "Errors rise without a release"),
    ],
)
def test_just_after_a_rollback_it_does_not_say_that_there_was_no_release(age: float, title: str) -> None:
    back = workload("checkout", revision=3, revision_at=NOW - age, containers=image("v41"))
    records = (back, revision(3, "v41", 90_000, "checkout"), revision(2, "v42", 40_000, "checkout"))
    best = first({KUBE: cluster(*records), "prometheus": FAILING})
    assert (best.scenario, best.title) == ("error-spike", title)
