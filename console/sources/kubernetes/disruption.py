"""What the disruption budgets say of a pod or a workload, in words, from the budgets that are watched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from console.model.budgets import Budget, covering, refusal
from console.model.symptoms.words import plural

TITLE = "Disruption budget"


class Known(NamedTuple):
    """The budgets that are known by uid, and why some may be missing, or ""."""

    budgets: Mapping[str, Budget] = {}
    missing: str = ""


def pod_lines(pod: Mapping[str, Any], known: Known) -> tuple[str, ...]:
    """Which budgets cover a pod as the server has it, and whether they would refuse its eviction."""
    covered, lines = _covered(pod.get("metadata") or {}, pod, known)
    if not covered:
        return lines
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp") or status.get("phase") in _FREE:
        return (*lines, "Evict this pod: allowed now, for no budget counts a pod that does not run")
    conditions = status.get("conditions") or ()
    ready = any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)
    return (*lines, f"Evict this pod: {_verdict(refusal(covered, ready=ready))}")


def workload_lines(workload: Mapping[str, Any], known: Known) -> tuple[str, ...]:
    """Which budgets cover the pods of a workload, and whether they would refuse an eviction."""
    template = ((workload.get("spec") or {}).get("template") or {}).get("metadata") or {}
    covered, lines = _covered(template, workload, known)
    if not covered:
        return lines
    unready = refusal(covered, ready=False)
    whole = refusal(covered, ready=True)
    lines = (*lines, f"Evict a ready pod: {_verdict(whole)}")
    return lines if unready == whole else (*lines, f"Evict an unready pod: {_verdict(unready)}")


_FREE = frozenset({"Pending", "Succeeded", "Failed"})
"""The phases in which the server evicts a pod whatever its budget says."""


def _covered(
    carrier: Mapping[str, Any], obj: Mapping[str, Any], known: Known
) -> tuple[tuple[Budget, ...], tuple[str, ...]]:
    """The budgets of the labels that ``carrier`` has, and what there is to say of them."""
    namespace = (obj.get("metadata") or {}).get("namespace", "")
    covered = covering(known.budgets.values(), namespace, carrier.get("labels") or {})
    missing = (known.missing,) if known.missing else ()
    if not covered:
        return (), missing or ("none covers it, so none holds an eviction back",)
    lines = [line for budget in covered for line in _numbers(budget)]
    return covered, (*missing, *lines)


def _numbers(budget: Budget) -> tuple[str, ...]:
    return (
        f"Budget: {budget.name}",
        f"Allowed now: {plural(max(0, budget.allowed), 'disruption')}",
        f"Healthy: {plural(budget.healthy, 'pod')}, and {budget.needed} are needed",
    )


def _verdict(why: str) -> str:
    return f"refused now: {why}" if why else "allowed now"
