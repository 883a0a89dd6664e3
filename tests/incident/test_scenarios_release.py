"""A release that is to blame, and changes that are not."""

from typing import Any

import pytest

from console.incident.scenarios import suggest
from console.incident.scene import Scene
from console.model.kube import Revision, Workload
from console.model.plan import Target
from console.model.signals import detect
from tests.incident.suggesting import FAILING, checkout, first, suggestions
from tests.model.board import (
    KUBE,
    NOW,
    Records,
    cluster,
    container,
    history,
    pod,
    prometheus,
    revision,
    service,
    template,
    workload,
)


def test_a_bad_release_points_at_the_image_not_at_the_latest_revision() -> None:
    best = first({KUBE: cluster(*checkout(), workload("other")), "prometheus": FAILING})
    assert (best.scenario, best.action, best.source) == ("bad-release", "k8s.rollback", KUBE)
    assert best.target == Target("deployment", "checkout", "prod", "uid-checkout", "7")
    assert best.evidence[0] == "deployment/checkout changed at 20:16Z (revision 42): image v41 -> v42"
    assert best.evidence[1] == "revision 41 (v41) is the one to go back to"
    assert best.evidence[2].startswith("error-ratio-high(checkout) 12 % > 5 % since 20:")
    assert "a restart does not cure a bad release" in best.why.lower()
    assert best.steps[0].action == "k8s.rollback"
    found = suggestions({KUBE: cluster(*checkout(), workload("other")), "prometheus": FAILING})
    assert "error-spike" not in [item.scenario for item in found], "it says: without a release"


def test_the_workload_of_a_service_may_be_configured() -> None:
    failing = prometheus(
        service("pay", 0.12, history=history(0.0, *[0.12] * 36), workload="deployment/checkout")
    )
    board = {KUBE: cluster(workload("pay"), *checkout()), "prometheus": failing}
    best = first(board)
    assert (best.scenario, best.target and best.target.name) == ("bad-release", "checkout")
    assert "another workload" not in best.evidence[0]


def test_a_change_of_another_workload_counts_less() -> None:
    failing = prometheus(service("web", 0.12, history=history(0.0, *[0.12] * 36)))
    found = suggestions({KUBE: cluster(workload("web"), *checkout()), "prometheus": failing})
    by_name = {item.scenario: item for item in found}
    own = first({KUBE: cluster(*checkout()), "prometheus": FAILING})
    assert by_name["bad-release"].score < own.score
    assert "(another workload than the sick one)" in by_name["bad-release"].evidence[0]


@pytest.mark.parametrize("age", [7200, 90_000])
def test_an_old_release_is_not_blamed(age: float) -> None:
    made = workload("checkout", revision=2, revision_at=NOW - age, containers=template("v42"))
    records = (made, revision(1, "v41", 99_999, "checkout"), revision(2, "v42", age, "checkout"))
    best = first({KUBE: cluster(*records), "prometheus": FAILING})
    assert (best.scenario, best.action) == ("error-spike", "k8s.restart")


def test_a_rollback_that_was_just_made_is_not_taken_for_the_release() -> None:
    made = workload("checkout", revision=3, revision_at=NOW - 20, containers=template("v41"))
    records = (made, revision(3, "v41", 90_000, "checkout"), revision(2, "v42", 40_000, "checkout"))
    for ratio in (FAILING, prometheus(service("checkout", 0.12))):  # the old trouble, and a new one after it
        found = suggestions({KUBE: cluster(*records), "prometheus": ratio})
        assert "k8s.rollback" not in [item.action for item in found]


def test_after_something_was_done_the_next_step_is_to_wait() -> None:
    done = workload("checkout", revision=3, revision_at=NOW - 20, containers=template("v41"))
    records = (done, revision(3, "v41", 90_000, "checkout"), revision(2, "v42", 40_000, "checkout"))
    best = first({KUBE: cluster(*records), "prometheus": FAILING})
    assert (best.scenario, best.action, best.target) == ("error-spike", "", None)
    assert best.why.startswith("Something was just done")
    assert "(revision 3)" in best.evidence[0]


def test_a_restart_alone_is_no_release() -> None:
    made = workload("checkout", revision=2, revision_at=NOW - 600)
    records = (made, revision(1, "v41", 9000, "checkout"), revision(2, "v41", 600, "checkout"))
    assert first({KUBE: cluster(*records), "prometheus": FAILING}).scenario == "error-spike"


def test_a_changed_variable_is_a_release_of_less_weight() -> None:
    made = workload("checkout", revision=2, revision_at=NOW - 600)
    before = revision(1, "v41", 9000, "checkout", MODE="a")
    best = first(
        {KUBE: cluster(made, before, revision(2, "v41", 600, "checkout", MODE="b")), "prometheus": FAILING}
    )
    assert (best.scenario, best.score) == ("bad-release", 0.6)
    assert best.evidence[0].endswith("env MODE a -> b")


def test_a_changed_variable_is_found_behind_an_older_release_and_a_restart() -> None:
    made = workload("checkout", revision=5, revision_at=NOW - 60)
    records = (
        made,
        revision(2, "v40", 90_000, "checkout", TTL="3600"),
        revision(3, "v41", 18_000, "checkout", TTL="3600"),
        revision(4, "v41", 560, "checkout", TTL="1"),
        revision(5, "v41", 60, "checkout", TTL="1"),
    )
    best = first({KUBE: cluster(*records), "prometheus": FAILING})
    assert (best.scenario, best.action, best.score) == ("bad-release", "k8s.rollback", 0.6)
    assert best.evidence[0].endswith("(revision 4): env TTL 3600 -> 1")
    assert best.evidence[1] == "revision 3 (v41) is the one to go back to"


def test_a_changed_variable_that_was_rolled_back_is_no_release_any_more() -> None:
    made = workload("checkout", revision=6, revision_at=NOW - 60)
    records = (
        made,
        revision(2, "v40", 90_000, "checkout", TTL="3600"),
        revision(6, "v41", 18_000, "checkout", TTL="3600"),
        revision(4, "v41", 560, "checkout", TTL="1"),
    )
    found = suggestions({KUBE: cluster(*records), "prometheus": FAILING})
    assert [item.scenario for item in found] == ["error-spike"]
    assert found[0].why.startswith("Something was just done")


def test_a_release_that_does_not_start_is_bad_without_any_metric() -> None:
    stuck = workload(
        "checkout",
        revision=42,
        revision_at=NOW - 120,
        sick=True,
        progressing="ProgressDeadlineExceeded",
        message="timed out",
    )
    waiting = container(state="waiting", reason="ErrImagePull")
    records = (
        stuck,
        revision(41, "v41", 9000, "checkout"),
        revision(42, "v42", 120, "checkout"),
        pod("checkout-1", "Deployment/checkout", "app: ErrImagePull", containers=(waiting,)),
    )
    best = first({KUBE: cluster(*records)})
    assert (best.scenario, best.action, best.score) == ("bad-release", "k8s.rollback", 1.0)


def test_old_trouble_elsewhere_does_not_hide_a_release() -> None:
    looping = container(state="waiting", reason="CrashLoopBackOff", last_reason="Error", restarts=90)
    old = pod("legacy-1", "Deployment/legacy", "app: CrashLoopBackOff", containers=(looping,))
    records = (workload("legacy"), old, *checkout())
    best = first({KUBE: cluster(*records), "prometheus": FAILING})
    assert (best.scenario, best.target and best.target.name) == ("bad-release", "checkout")
    assert not any("legacy" in line for line in best.evidence)


def test_when_everything_fails_after_a_release_a_look_costs_what_there_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = 300
    records: list[Workload | Revision] = []
    for number in range(count):
        name = f"w{number:03}"
        made = workload(name, ready=0, sick=True, why="0 of 3 ready", revision=2, revision_at=NOW - number)
        records += [made, revision(1, "v1", 90_000, name), revision(2, "v2", number, name)]
    board = Records({KUBE: cluster(*records)})
    signals = detect(board, {}, NOW)
    assert len(signals) >= count
    looked = []
    real = Scene._found

    def found(self: Scene, *arguments: Any) -> Any:
        looked.append(arguments)
        return real(self, *arguments)

    monkeypatch.setattr(Scene, "_found", found)
    best = suggest(signals, board)[0]
    assert best.scenario == "bad-release"
    assert len(looked) < 6 * count
