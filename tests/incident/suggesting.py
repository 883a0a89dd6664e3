"""What is suggested for a board, and the board of a failing release."""

from typing import Any

from console.incident.scenarios import suggest
from console.model.signals import Suggestion, detect, remember
from console.model.symptoms.finding import Memory
from tests.model.board import NOW, Records, history, prometheus, revision, service, template, workload


def suggestions(snapshots: dict[str, Any], memory: Memory | None = None) -> tuple[Suggestion, ...]:
    board = Records(snapshots)
    memory = memory or remember(board, Memory())
    return suggest(detect(board, {}, NOW, memory), board)


def first(snapshots: dict[str, Any]) -> Suggestion:
    return suggestions(snapshots)[0]


def checkout(**more: Any) -> Any:
    """The Deployment of four revisions of which the second brought the bad image."""
    made = workload("checkout", revision=44, revision_at=NOW - 60, containers=template("v42", LEVEL="debug"))
    return (
        made,
        revision(41, "v41", 90_000, "checkout", LEVEL="info"),
        revision(42, "v42", 600, "checkout", LEVEL="info"),
        revision(43, "v42", 300, "checkout", LEVEL="info"),
        revision(44, "v42", 60, "checkout", LEVEL="debug"),
    )


FAILING = prometheus(service("checkout", 0.12, history=history(*[0.0] * 40, *[0.12] * 36)))
"""Fails since 525 s: after revision 42, before 43."""
