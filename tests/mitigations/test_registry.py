from console.mitigations.registry import IMPLEMENTATIONS, find
from console.model.actions import ACTIONS


def test_every_mutating_action_has_exactly_one_implementation_and_the_other_way_round() -> None:
    declared = sorted(action.name for action in ACTIONS if action.mutating)

    assert sorted(mitigation.name for mitigation in IMPLEMENTATIONS) == declared


def test_an_implementation_is_found_by_its_name_alone() -> None:
    for mitigation in IMPLEMENTATIONS:
        assert find(mitigation.name) is mitigation
    assert find("k8s.nope") is None
