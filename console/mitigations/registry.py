"""Which class implements which action. One line each; nothing else knows them."""

from __future__ import annotations

from console.mitigations.base import Mitigation
from console.mitigations.kubernetes.pods import DeletePod, EvictPod
from console.mitigations.kubernetes.restart import Restart
from console.mitigations.kubernetes.rollback import Rollback
from console.mitigations.kubernetes.scale import Scale
from console.mitigations.postgres.matching import TerminateMatching
from console.mitigations.postgres.single import CancelQuery, TerminateSession

IMPLEMENTATIONS: tuple[Mitigation, ...] = (
    Restart(),
    Rollback(),
    Scale(),
    DeletePod(),
    EvictPod(),
    CancelQuery(),
    TerminateSession(),
    TerminateMatching(),
)
_BY_NAME = {mitigation.name: mitigation for mitigation in IMPLEMENTATIONS}


def find(name: str) -> Mitigation | None:
    """The implementation of an action, or None."""
    return _BY_NAME.get(name)
