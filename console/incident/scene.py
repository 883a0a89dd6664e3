"""The board as the scenarios look at it: which workload a signal is about, and what changed before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property

import msgspec

from console.model.kube import KubeSnapshot, Revision, Workload, WorkloadKey, differences
from console.model.metrics import PrometheusSnapshot
from console.model.plan import Target
from console.model.revisions import came_before, preferred_revision
from console.model.signals import Signal
from console.model.source import Health
from console.model.symptoms.finding import BoardView
from console.model.symptoms.kube import change_words, cluster_prefix, clusters_of, subject
from console.model.symptoms.words import clock, names

BEFORE = 1800.0
"""Seconds before a signal in which a change may have caused it."""

SLACK = 30.0
"""Seconds by which a cause may seem to come after its effect: clocks, scrapes, and the time of a rollout."""


class Found(msgspec.Struct, frozen=True):
    """A workload in the snapshot that it comes from; ``label`` is how the signals name it."""

    source: str
    snapshot: KubeSnapshot
    workload: Workload
    label: str

    @property
    def target(self) -> Target:
        """Its identity for a mitigation."""
        item = self.workload
        return Target(item.kind.lower(), item.name, item.namespace, item.uid, item.resource_version)


class Release(msgspec.Struct, frozen=True):
    """A change of a workload's template: the first revision that has it, and the last that has not.

    ``known`` are all its revisions, newest first; ``image`` tells a new image from other changes.
    """

    found: Found
    known: tuple[Revision, ...]
    revision: Revision
    before: Revision
    at: float
    image: bool

    @property
    def text(self) -> str:
        """What changed, and when."""
        what = names(change_words(self.before, self.revision))
        return f"{self.found.label} changed at {clock(self.at)} (revision {self.revision.number}): {what}"

    def way_back(self, since: float) -> str:
        """The revision to return to, as the rollback preselects it."""
        number = self.found.workload.revision
        current = next((item for item in self.known if item.number == number), None)
        target = preferred_revision(self.known, current, since) or (None if self.image else self.before)
        if target is None:
            return "no revision with another image is left to go back to"
        return f"revision {target.number} ({', '.join(target.images)}) is the one to go back to"


class Scene:
    """One look at the board; what is asked several times is worked out once.

    Nobody asks for what was before ``earliest``, the beginning of the oldest signal.
    """

    def __init__(self, board: BoardView, earliest: float = float("-inf")) -> None:
        self.board = board
        self._earliest = earliest

    @cached_property
    def cut_off(self) -> bool:
        """Whether nothing answers this console: then its own network is down, and no check tells more."""
        healths = [status.health for name, status in self.board.statuses.items() if name != "http"]
        asked = [health for health in healths if health is not Health.DISABLED]
        return bool(asked) and all(health is Health.FAILED for health in asked)

    @cached_property
    def workloads(self) -> tuple[Found, ...]:
        """All workloads of all clusters."""
        return tuple(
            self._found(source, snapshot, workload)
            for source, snapshot in self.board.of_type(KubeSnapshot).items()
            for workload in snapshot.workloads.values()
        )

    def behind(self, signals: Iterable[Signal]) -> tuple[Found, ...]:
        """The workloads that the signals are about: by their own name, or by the service they make."""
        found: dict[str, Found] = {}
        for signal in signals:
            for name in (signal.subject, *self._configured.get(signal.subject, ())):
                found.update((item.workload.uid, item) for item in self._called(name, signal.source))
        return tuple(found.values())

    def _found(self, source: str, snapshot: KubeSnapshot, workload: Workload) -> Found:
        label = subject(snapshot, workload.namespace, workload.key)
        return Found(source, snapshot, workload, f"{cluster_prefix(self._clusters, source)}{label}")

    @cached_property
    def _clusters(self) -> frozenset[str]:
        return clusters_of(self.board)

    def releases(self, since: float) -> tuple[Release, ...]:
        """Changes that may have caused what began at ``since``: images first, then the latest."""
        fitting = [item for item in self._releases if since - BEFORE <= item.at <= since + SLACK]
        return tuple(sorted(fitting, key=lambda item: (not item.image, -item.at)))

    @cached_property
    def _configured(self) -> dict[str, list[str]]:
        """Service -> the workloads that the settings say are behind it."""
        configured: dict[str, list[str]] = {}
        for snapshot in self.board.of_type(PrometheusSnapshot).values():
            for service in snapshot.services:
                if service.workload:
                    configured.setdefault(service.name, []).append(service.workload)
        return configured

    @cached_property
    def _by_name(self) -> dict[str, list[tuple[str, KubeSnapshot, Workload]]]:
        """Workloads by their bare name: there may be thousands, of which a few are asked for."""
        found: dict[str, list[tuple[str, KubeSnapshot, Workload]]] = {}
        for source, snapshot in self.board.of_type(KubeSnapshot).items():
            for workload in snapshot.workloads.values():
                found.setdefault(workload.name, []).append((source, snapshot, workload))
        return found

    def _called(self, name: str, teller: str) -> Iterator[Found]:
        """Workloads by the subject of a signal, by ``kind/name`` or by bare name.

        What a cluster tells is about that cluster; what others tell may be about any.
        """
        for source, snapshot, workload in self._by_name.get(name.rpartition("/")[2], ()):
            if teller in self._clusters and teller != source:
                continue
            known_as = subject(snapshot, workload.namespace, workload.key)
            if name in (known_as, f"{workload.kind.lower()}/{workload.name}", workload.name):
                yield self._found(source, snapshot, workload)

    @cached_property
    def _releases(self) -> tuple[Release, ...]:
        """The newest changes of every workload that has revisions, as far as a signal may ask for them."""
        found: list[Release] = []
        start = self._earliest - BEFORE
        for source, snapshot in self.board.of_type(KubeSnapshot).items():
            # The present revision is the latest of all, so nothing older can matter anywhere else.
            young = {
                (workload.namespace, workload.key): workload
                for workload in snapshot.workloads.values()
                if workload.revision_at is not None and workload.revision_at >= start
            }
            revisions: dict[WorkloadKey, list[Revision]] = {}
            for revision in snapshot.revisions.values() if young else ():
                if (key := (revision.namespace, revision.workload)) in young:
                    revisions.setdefault(key, []).append(revision)
            for key, known in revisions.items():
                if len(known) > 1:
                    newest_first = tuple(sorted(known, key=lambda revision: -revision.number))
                    found += _changes(self._found(source, snapshot, young[key]), newest_first)
        return tuple(found)


def _changes(found: Found, known: tuple[Revision, ...]) -> Iterator[Release]:
    """The newest change of image, and the newest of environment or resources, that are still in force.

    Restarts are none, and what was rolled back is none any more.
    """
    number = found.workload.revision
    present = next((item for item in known if number is None or item.number == number), None)
    if present is None:
        return
    newest_first = sorted(known, key=lambda revision: -revision.created)
    for image in (True, False):
        for revision in newest_first:
            before = came_before(revision, known)
            if before is None or revision.containers == before.containers:
                continue
            if image is (revision.images != before.images) and _in_force(before, revision, present):
                yield Release(found, known, revision, before, revision.created, image)
                break


def _in_force(before: Revision, after: Revision, present: Revision) -> bool:
    """Whether anything that ``after`` changed is still so; a change of image only if the image is."""
    if before.images != after.images:
        return present.images == after.images
    kept = set(differences(before, present))
    return any(change in kept for change in differences(before, after) if change.path != "restarted at")
