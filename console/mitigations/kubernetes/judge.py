"""Whether a mitigation helped: what is measured before, and waiting until what is after it can be judged."""

from __future__ import annotations

import asyncio
import math
import statistics

import msgspec

from console.mitigations.kubernetes import queues
from console.mitigations.kubernetes.figures import Before, Figure, conclude, error_ratio, p95, pods
from console.mitigations.world import World
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.plan import Verdict
from console.model.reading import NO_DATA, Reading, State

FEWEST_MOVES = 5
"""With fewer moves between windows it is not known how much a ratio moves by itself."""

USUAL_WINDOW = 60.0
"""Seconds of the window that ``Timing.settle`` leaves room for."""


def related_service(world: World, kind: str, name: str) -> ServiceMetrics | None:
    """The service that a workload serves: by ``workload`` of its configuration, else of the same name."""
    configured = world.config.prometheus.services if world.config.prometheus else ()
    wanted = next((item.name for item in configured if item.workload == f"{kind}/{name}"), name)
    for snapshot in world.board.of_type(PrometheusSnapshot).values():
        for service in snapshot.services:
            if service.name == wanted:
                return service
    return None


def measure(
    world: World, kind: str, name: str, available: int, desired: int, *, rolling: bool = False
) -> Before:
    """What is measured now; ``rolling`` is as in Before."""
    service = related_service(world, kind, name)
    if service is None:
        queue, depth = queues.queue_of(world, name) or ("", None)
        return Before(available=available, desired=desired, rolling=rolling, queue=queue, depth=depth)
    ratio = service.error_ratio.value if service.error_ratio.ok else None
    noise = None if ratio is None else variation(service, ratio, _window(world))
    slow = service.p95.value if service.p95.ok else None
    return Before(service.name, ratio, available, desired, noise, slow, rolling)


def _window(world: World) -> float:
    return world.config.prometheus.window if world.config.prometheus else USUAL_WINDOW


def variation(service: ServiceMetrics, ratio: float, window: float) -> float | None:
    """The median move of the error ratio from one window to the next, while it was about as high as now.

    About as high is half to double: neither the healthy time before nor the rise counts. None when there
    are fewer than FEWEST_MOVES.
    """
    points = service.history
    step = points[1].at - points[0].at if len(points) > 1 else window
    lag = max(1, math.ceil(window / step))
    level = [it.value if it.value and ratio / 2 <= it.value <= ratio * 2 else None for it in points]
    moves = [abs(now - then) for then, now in zip(level, level[lag:], strict=False) if then and now]
    return statistics.median(moves) if len(moves) >= FEWEST_MOVES else None


async def settle(world: World, kind: str, name: str, before: Before, available: int, desired: int) -> Verdict:
    """Wait until the related service's figures can be judged, at most ``timing.settle`` seconds.

    Error ratio and p95 are of a window, so a sample counts only when its whole window lies after now. One
    longer than USUAL_WINDOW is waited for as much longer. Without a usable figure of before the pods tell at
    once.
    """
    readiness = pods(before, available, desired)
    if before.queue:
        return await _settle_queue(world, before, readiness)
    if not before.service:
        verdict = conclude((readiness,))
        if readiness.status == "no_change" and available >= desired > 0:
            # Pods that were well before and are now tell nothing of the work that the change was for.
            said = f"Its pods cannot tell: {readiness.said}."
            verdict = msgspec.structs.replace(verdict, status="inconclusive", detail=said)
        return msgspec.structs.replace(
            verdict, detail=f"{verdict.detail} No service metric is related to it."
        )
    window = _window(world)
    began = world.now
    give_up = world.clock.monotonic() + world.timing.settle + max(0.0, window - USUAL_WINDOW)
    while True:
        service = related_service(world, kind, name)
        if service is None:
            if before.ratio is None and before.p95 is None:
                return conclude((error_ratio(before, NO_DATA, 0.0), readiness))
            return Verdict("inconclusive", f"The service {before.service} is not measured any more.")
        late = world.clock.monotonic() >= give_up
        measured = [
            (before.ratio, service.error_ratio),
            (before.p95 if service.p95_threshold is not None else None, service.p95),
        ]
        waited_for = [after for was, after in measured if was is not None]
        if all(_sampled(after) >= began + window for after in waited_for):
            return conclude(_figures(before, service, readiness))
        if late:
            return conclude(_figures(before, service, readiness, fresh_at=began + window))
        await asyncio.sleep(world.timing.poll)


async def _settle_queue(world: World, before: Before, readiness: Figure) -> Verdict:
    """Give the pods a USUAL_WINDOW to work, then judge by the queue that they empty."""
    began, ready = world.now, queues.depth_now(world, before.queue)
    give_up = world.clock.monotonic() + world.timing.settle
    while True:
        late = world.clock.monotonic() >= give_up
        after = queues.depth_now(world, before.queue)
        if _sampled(after) >= began + USUAL_WINDOW:
            return conclude((queues.depth(before, ready, after), readiness))
        if late:
            blind = Reading(State.STALE, reason="it was not read after the change in time")
            return conclude((queues.depth(before, ready, blind if after.ok else after), readiness))
        await asyncio.sleep(world.timing.poll)


def _sampled(reading: Reading) -> float:
    """When a usable value was measured, in unix seconds; 0 when there is none."""
    return (reading.at or 0.0) if reading.ok else 0.0


def _figures(
    before: Before, service: ServiceMetrics, readiness: Figure, fresh_at: float = 0.0
) -> tuple[Figure, ...]:
    """All that can be compared; a sample of before ``fresh_at`` cannot."""
    ratio, latency = (
        msgspec.structs.replace(it, state=State.STALE, reason="no sample of after the change came in time")
        if it.ok and _sampled(it) < fresh_at
        else it
        for it in (service.error_ratio, service.p95)
    )
    slow = () if before.p95 is None else (p95(before, latency, service.p95_threshold),)
    return (error_ratio(before, ratio, service.threshold), *slow, readiness)
