"""Which revision brought a change, and which one to return to; a rollback gives an old one a new number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.model.kube import Revision

SUSPECT = 6 * 3600.0
"""Seconds before the trouble within which a release may have caused it."""

SOAK = 600.0
"""Seconds a revision must have been live, before its successor and the trouble, to count as proven."""

TRUSTED = 3600.0
"""Seconds after which images are not suspected any more, if something else was changed since."""


def came_before(revision: Revision, known: Iterable[Revision]) -> Revision | None:
    """The revision that was in force when ``revision`` was made, of those that are kept; None for the first.

    That is the one with the number below, unless that number is missing because its holder was rolled back
    to later: then its time of creation tells where it stood.
    """
    older_ones = [item for item in known if _made(item) < _made(revision)]
    lower = max((it for it in older_ones if it.number < revision.number), key=_number, default=None)
    older = max(older_ones, key=_made, default=None)
    return older if older is not None and older.number > revision.number else lower


def preferred_revision(
    revisions: Iterable[Revision], current: Revision | None, trouble_at: float | None = None
) -> Revision | None:
    """The revision to return to: the newest of before the trouble that is not under suspicion.

    Suspected are the images of ``current``, and of the revision that was in force when the trouble began
    (``trouble_at``, unix seconds), if it was made within SUSPECT of it; and every revision that was itself
    rolled back from. A restart or a changed variable makes a revision too, with the same bad image: hence
    images, not numbers. Only where the images had been live for TRUSTED when something else was changed
    (environment, resources) is that change suspected, and the revision before it returned. A revision that
    still has ready pods, as in the middle of a stuck rollout, is preferred to one that has none, and one
    that was live for SOAK to one that was not. None when no revision is left.
    """
    newest_first = sorted(revisions, key=_number, reverse=True)
    everything = tuple(newest_first)
    if current is None and newest_first:
        current = newest_first[0]
    suspects = {current.images} if current is not None else set()
    if trouble_at is not None:
        before = [revision for revision in newest_first if revision.created <= trouble_at]
        in_force = max(before, key=_made, default=None)
        if in_force is not None and in_force.created >= trouble_at - SUSPECT:
            spared = _before_the_setting(in_force, everything, trouble_at)
            if spared is not None and current is not None and current.images == in_force.images:
                return spared if spared.uid != current.uid else None
            suspects.add(in_force.images)
        newest_first = before
    candidates = [
        revision
        for revision in newest_first
        if revision.images not in suspects and not _abandoned(revision, everything)
    ]
    serving = [revision for revision in candidates if revision.ready > 0]
    proven = [revision for revision in candidates if _lived(revision, everything, trouble_at) >= SOAK]
    return next(iter(serving or proven or candidates), None)


def _before_the_setting(
    in_force: Revision, everything: Sequence[Revision], trouble_at: float
) -> Revision | None:
    """The revision before the last change of anything but images and restarts, if its images are trusted."""
    changed, before = in_force, came_before(in_force, everything)
    while before is not None and before.containers == changed.containers:
        changed, before = before, came_before(before, everything)
    if before is None or before.images != changed.images or changed.created < trouble_at - SUSPECT:
        return None
    first = min(item.created for item in everything if item.images == changed.images)
    return before if changed.created - first >= TRUSTED else None


def _number(revision: Revision) -> int:
    return revision.number


def _made(revision: Revision) -> tuple[float, int]:
    return revision.created, revision.number


def _abandoned(revision: Revision, all_of_it: tuple[Revision, ...]) -> bool:
    """Rolled back from: a ReplicaSet that is older, with another image, carries a newer number."""
    return any(
        other.number > revision.number
        and other.created < revision.created
        and other.images != revision.images
        for other in all_of_it
    )


def _lived(revision: Revision, all_of_it: tuple[Revision, ...], trouble_at: float | None) -> float:
    """Seconds from its creation to its successor or the trouble, whichever came first."""
    ends = [other.created for other in all_of_it if other.number > revision.number]
    if trouble_at is not None:
        ends.append(trouble_at)
    return min((end for end in ends if end > revision.created), default=revision.created) - revision.created
