"""No free text of the cluster brings a secret onto a screen."""

from typing import Any

import msgspec
import pytest

from console.model.text import ELLIPSIS
from console.sources.kubernetes import wire
from console.sources.kubernetes import wire_objects as shapes
from console.sources.kubernetes.errors import refusal
from console.sources.kubernetes.objects import project_budget, project_event, project_node
from console.sources.kubernetes.pods import project_pod
from console.sources.kubernetes.text import prose
from console.sources.kubernetes.workloads import CHANGE_CAUSE, project_replicaset, project_workload
from tests.sources.kubernetes.samples import container_status, deployment, pod, replicaset

SAID = "cannot reach postgres://app:hunter2@db/shop"
MASKED = "cannot reach postgres://app:REDACTED@db/shop"


def read(obj: dict[str, Any]) -> Any:
    return project_pod(msgspec.convert(obj, wire.Pod), "")


@pytest.mark.parametrize("state", ["waiting", "terminated"])
def test_of_containers(state: str) -> None:
    container = container_status(state={state: {"reason": "Error", "message": SAID}})
    assert read(pod(containerStatuses=[container])).containers[0].message == MASKED


def test_of_pods() -> None:
    assert read(pod(message=SAID)).message == MASKED
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": SAID}
    assert read(pod(conditions=[condition])).message == f"Unschedulable: {MASKED}"


def test_of_nodes_events_and_budgets() -> None:
    condition = {"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": SAID}
    node = {"metadata": {"name": "n1"}, "status": {"conditions": [condition]}}
    assert project_node(msgspec.convert(node, shapes.Node)).why == f"KubeletNotReady: {MASKED}"
    event = {"metadata": {"name": "e"}, "message": SAID}
    assert project_event(msgspec.convert(event, shapes.Event)).message == MASKED
    failed = {"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": SAID}
    budget = {"metadata": {"name": "b"}, "status": {"conditions": [failed]}}
    assert project_budget(msgspec.convert(budget, shapes.Pdb)).trouble == MASKED


@pytest.mark.parametrize(
    ("kind", "condition", "expected"),
    [
        ("Deployment", {"type": "Progressing", "status": "False"}, MASKED),
        ("Deployment", {"type": "ReplicaFailure", "status": "True"}, f"ReplicaFailure: {MASKED}"),
        ("Job", {"type": "Failed", "status": "True"}, f"Failed: {MASKED}"),
    ],
)
def test_of_workloads(kind: str, condition: dict[str, str], expected: str) -> None:
    obj = deployment(conditions=[{**condition, "message": SAID}])
    assert project_workload(kind, msgspec.convert(obj, shapes.Workload)).message == expected


def test_of_revisions() -> None:
    obj = replicaset("web-abc", "web")
    obj["metadata"]["annotations"][CHANGE_CAUSE] = SAID
    assert project_replicaset(msgspec.convert(obj, shapes.Workload), "").change_cause == MASKED


def test_of_refusals() -> None:
    said = {"message": SAID, "details": {"causes": [{"reason": "FieldValueInvalid", "message": SAID}]}}
    error = refusal(400, {}, msgspec.json.encode(said), "GET /log")
    assert error.message == MASKED
    assert [cause.message for cause in error.causes] == [MASKED]
    assert refusal(500, {}, SAID.encode(), "GET /log").message == MASKED


def test_that_control_characters_hide_or_that_the_end_cuts() -> None:
    assert prose("postgres://app:hun\u200bter2@db/shop token=\x1b[1mabcdef0123456789") == (
        "postgres://app:REDACTED@db/shop token=REDACTED"
    )
    long = prose(f"{'x' * 280} postgres://app:hunter2hunter2@db/shop")
    assert "hunter" not in long and len(long) == 300 and long.endswith(ELLIPSIS)
    assert prose(None) == prose("") == ""
