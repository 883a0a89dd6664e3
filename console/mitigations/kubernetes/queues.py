"""The queue that a worker empties, by which a change of the worker is judged: which one, and its depth."""

from __future__ import annotations

import re

from console.mitigations.kubernetes.figures import Before, Figure
from console.mitigations.world import World
from console.model.kube import KubeSnapshot
from console.model.reading import NO_DATA, Reading
from console.model.redis import RedisSnapshot
from console.model.symptoms.stores import GROWTH_LEAST, GROWTH_SHARE

WORKERS = ("worker", "consumer", "celery", "sidekiq")
"""Words in the name of a workload that empties queues."""


def queue_of(world: World, name: str) -> tuple[str, float] | None:
    """The watched queue that a workload empties, as ``source/queue`` with its depth; None when it is unclear.

    No configuration says it. It is a worker by its name, and of the queues in which something waits one alone
    has a word of its name, or there is but one queue and one worker. The length of a stream does not fall as
    it is read.
    """
    if not _worker(name):
        return None
    waiting = {
        f"{source}/{queue.name}": queue.depth.value
        for source, snapshot in world.board.of_type(RedisSnapshot).items()
        for queue in snapshot.queues
        if queue.type != "stream" and queue.depth.ok and (queue.depth.value or 0) >= GROWTH_LEAST
    }
    named = [key for key in waiting if _words(key.partition("/")[2]) & (_words(name) - {*WORKERS})]
    shot = world.board.snapshot(world.source)
    others = shot.workloads.values() if isinstance(shot, KubeSnapshot) else ()
    alone = not any(_worker(other.name) for other in others if other.name != name)
    found = named or (list(waiting) if alone else [])
    return (found[0], waiting[found[0]] or 0.0) if len(found) == 1 else None


def _worker(name: str) -> bool:
    return any(word in name.lower() for word in WORKERS)


def _words(name: str) -> set[str]:
    return set(re.split(r"[^a-z0-9]+", name.lower())) - {""}


def depth_now(world: World, key: str) -> Reading:
    """The depth of a queue of ``queue_of``, with the time at which it was read."""
    source, _, name = key.partition("/")
    snapshot = world.board.of_type(RedisSnapshot).get(source)
    for queue in snapshot.queues if snapshot is not None else ():
        if snapshot is not None and queue.name == name:
            depth = queue.depth
            return Reading(depth.state, depth.value, snapshot.at, depth.reason)
    return NO_DATA


def depth(before: Before, ready: Reading, after: Reading) -> Figure:
    """The depth of the queue, from the higher one of before and of when the pods were ``ready``.

    It got better or worse when it moved by a fifth and by 50, as a queue that grows is recognised.
    """
    name = f"depth of queue {before.queue.partition('/')[2]}"
    was, now = before.depth, after.value
    if was is None or now is None or not after.ok:
        why = after.reason or "it is not read any more"
        return Figure(name, "inconclusive", f"cannot be compared: {why}")
    start = ready.value if ready.ok and ready.value is not None else was
    text = f"{was:,.0f} before, {start:,.0f} when the pods were ready, {now:,.0f} after"
    top = max(was, start)
    least = max(GROWTH_LEAST, GROWTH_SHARE * top)
    if top - now >= least:
        return Figure(name, "helped", text)
    return Figure(name, "worse" if now - top >= least else "no_change", text, high=True)
