"""Pod disruption budgets: which pods they cover, and when they have an eviction refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

Requirement = tuple[str, str, tuple[str, ...]]
"""A key, one of In, NotIn, Exists and DoesNotExist, and the values of the first two."""


class LabelSelector(msgspec.Struct, frozen=True, gc=False):
    """Label pairs and requirements, all of which have to be met: an empty selector selects everything.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
    """

    labels: tuple[tuple[str, str], ...] = ()
    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.labels) and all(
            _meets(labels, requirement) for requirement in self.requirements
        )


def _meets(labels: Mapping[str, str], requirement: Requirement) -> bool:
    key, operator, values = requirement
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return False


class Budget(msgspec.Struct, frozen=True, gc=False):
    """A PodDisruptionBudget of policy/v1 with the numbers of its controller.

    Without a ``selector`` it covers no pod, with an empty one all pods of its namespace. ``current`` is False
    while the numbers are of an older spec; ``unready_may_go`` is its policy AlwaysAllow for unready pods;
    ``trouble`` why its controller cannot count, or "".
    """

    uid: str
    namespace: str
    name: str
    selector: LabelSelector | None
    allowed: int
    healthy: int
    needed: int
    current: bool = True
    unready_may_go: bool = False
    trouble: str = ""


def covering(budgets: Iterable[Budget], namespace: str, labels: Mapping[str, str]) -> tuple[Budget, ...]:
    """The budgets that cover a pod with these labels, by name."""
    found = (
        budget
        for budget in budgets
        if budget.namespace == namespace and budget.selector is not None and budget.selector.matches(labels)
    )
    return tuple(sorted(found, key=lambda budget: budget.name))


def refusal(covered: tuple[Budget, ...], *, ready: bool) -> str:
    """Why the server would refuse to evict a running pod that these budgets cover, "" when it would not.

    The rules are those of the eviction subresource, kubernetes/pkg/registry/core/pod/storage/eviction.go.
    """
    if len(covered) > 1:
        names = ", ".join(budget.name for budget in covered)
        return f"{len(covered)} budgets cover it ({names}), and no pod with more than one can be evicted"
    for budget in covered:
        if not ready and (budget.unready_may_go or budget.healthy >= budget.needed > 0):
            return ""
        if not budget.current:
            return f"the server is still working out budget {budget.name}"
        if budget.allowed <= 0 and budget.trouble:
            return f"budget {budget.name} allows none while its pods cannot be counted: {budget.trouble}"
        if budget.allowed <= 0:
            return f"budget {budget.name} needs {budget.needed} healthy and has {budget.healthy}"
    return ""
