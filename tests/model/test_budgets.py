"""Which pods a disruption budget covers, and when it has an eviction refused."""

from typing import Any

import pytest

from console.model.budgets import Budget, LabelSelector, Requirement, covering, refusal

EVERYTHING = LabelSelector()


def budget(name: str = "shop", allowed: int = 0, healthy: int = 3, needed: int = 3, **more: Any) -> Budget:
    defaults: dict[str, Any] = {"uid": name, "namespace": "shop", "selector": EVERYTHING}
    return Budget(name=name, allowed=allowed, healthy=healthy, needed=needed, **{**defaults, **more})


@pytest.mark.parametrize(
    ("labels", "requirements", "matches"),
    [
        ({}, (), True),
        ({"app": "web"}, (), True),
        ({"app": "other"}, (), False),
        ({"app": "web", "tier": "back"}, (), False),
        ({}, (("app", "In", ("shop", "web")),), True),
        ({}, (("app", "In", ("shop",)),), False),
        ({}, (("tier", "In", ("front",)),), False),
        ({}, (("app", "NotIn", ("web",)),), False),
        ({}, (("tier", "NotIn", ("front",)),), True),
        ({}, (("app", "Exists", ()),), True),
        ({}, (("tier", "Exists", ()),), False),
        ({}, (("app", "DoesNotExist", ()),), False),
        ({}, (("tier", "DoesNotExist", ()),), True),
        ({"app": "web"}, (("app", "Exists", ()), ("app", "NotIn", ("web",))), False),
        ({}, (("app", "Fancy", ("web",)),), False),
    ],
)
def test_pairs_and_requirements_all_have_to_be_met(
    labels: dict[str, str], requirements: tuple[Requirement, ...], matches: bool
) -> None:
    selector = LabelSelector(tuple(labels.items()), requirements)
    assert selector.matches({"app": "web", "pod-template-hash": "abc"}) is matches


def test_an_empty_selector_covers_the_namespace_and_none_covers_nothing() -> None:
    found = [budget("b"), budget("a"), budget("other", namespace="db"), budget("none", selector=None)]
    assert [one.name for one in covering(found, "shop", {})] == ["a", "b"]


@pytest.mark.parametrize(
    ("covered", "ready", "why"),
    [
        ((), True, ""),
        ((budget(allowed=1),), True, ""),
        ((budget(),), True, "budget shop needs 3 healthy and has 3"),
        ((budget(),), False, ""),
        ((budget(healthy=2),), False, "budget shop needs 3 healthy and has 2"),
        ((budget(healthy=2, unready_may_go=True),), False, ""),
        ((budget(healthy=2, unready_may_go=True),), True, "budget shop needs 3 healthy and has 2"),
        ((budget(healthy=0, needed=0),), False, "budget shop needs 0 healthy and has 0"),
        ((budget(allowed=1, current=False),), True, "the server is still working out budget shop"),
        (
            (budget(trouble="found no controllers"),),
            True,
            "budget shop allows none while its pods cannot be counted: found no controllers",
        ),
        (
            (budget("a", allowed=1), budget("b", allowed=1)),
            False,
            "2 budgets cover it (a, b), and no pod with more than one can be evicted",
        ),
    ],
)
def test_why_an_eviction_is_refused(covered: tuple[Budget, ...], ready: bool, why: str) -> None:
    assert refusal(covered, ready=ready) == why
