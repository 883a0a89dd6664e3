"""Whether a mitigation helped: pods before and after, error ratio before and after. Mostly pure."""

from __future__ import annotations

import asyncio
import math
import statistics

import msgspec

from console.mitigations.world import World
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.plan import Verdict
from console.model.reading import NO_DATA, Reading, State

FEWEST_MOVES = 5
"""With fewer moves between windows it is not known how much a ratio moves by itself."""


class Before(msgspec.Struct, frozen=True):
    """What was measured before the act: the related service's error ratio, and pods available of desired.

    ``noise`` is how far the ratio moved by itself from one window to the next, None when that is not known.
    """

    service: str = ""
    ratio: float | None = None
    available: int = 0
    desired: int = 0
    noise: float | None = None


def related_service(world: World, kind: str, name: str) -> ServiceMetrics | None:
    """The service that a workload serves: by ``workload`` of its configuration, else of the same name."""
    configured = world.config.prometheus.services if world.config.prometheus else ()
    wanted = next((item.name for item in configured if item.workload == f"{kind}/{name}"), name)
    for snapshot in world.board.of_type(PrometheusSnapshot).values():
        for service in snapshot.services:
            if service.name == wanted:
                return service
    return None


def measure(world: World, kind: str, name: str, available: int, desired: int) -> Before:
    """What is measured now."""
    service = related_service(world, kind, name)
    if service is None:
        return Before(available=available, desired=desired)
    ratio = service.error_ratio.value if service.error_ratio.ok else None
    noise = None if ratio is None else variation(service, ratio, _window(world))
    return Before(service.name, ratio, available, desired, noise)


def _window(world: World) -> float:
    return world.config.prometheus.window if world.config.prometheus else 60.0


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


def clear_fall(ratio: float, noise: float | None) -> float:
    """How far an error ratio has to fall so that it is not by chance.

    Three times its median move, which is about two standard deviations, but at least a quarter of it and at
    most nine tenths; half of it where the moves are not known.
    """
    return ratio / 2 if noise is None else min(max(ratio / 4, 3 * noise), 0.9 * ratio)


def compare(before: Before, after: Reading, threshold: float) -> Verdict:
    """The verdict of an error ratio before and after.

    Helped: it was above the threshold, fell clearly (``clear_fall``), and is not above it any more or fell
    by half. A fall that is not clear is inconclusive however it stands to the threshold. Worse: it is above
    the threshold and rose by half, by one percentage point and by more than it usually moves.
    """
    ratio, service, now = before.ratio, before.service, after.value
    if ratio is None or not after.ok or now is None:
        blind = "no usable value before" if ratio is None else _blind(after)
        return Verdict("inconclusive", f"The error ratio of {service} cannot be compared: {blind}.")
    text = f"error ratio of {service} {ratio:.2%} before, {now:.2%} after, threshold {threshold:.2%}"
    needed = clear_fall(ratio, before.noise)
    if ratio > threshold and (now <= threshold or now <= ratio / 2):
        if ratio - now >= needed:
            return Verdict("helped", f"The {text}.", (text,))
        return Verdict("inconclusive", f"The {text}: {_unclear(before, ratio - needed)}.", (text,))
    if now > threshold and now - ratio >= max(ratio / 2, 0.01, 3 * (before.noise or 0.0)):
        return Verdict("worse", f"The {text}.", (text,))
    return Verdict("no_change", f"The {text}.", (text,))


def _unclear(before: Before, limit: float) -> str:
    moved = "" if before.noise is None else f" (it moved by {before.noise:.2%} from window to window before)"
    return f"so small a fall may be chance{moved}; {limit:.2%} or less would be a clear one"


def _blind(reading: Reading) -> str:
    words = {
        State.NO_TRAFFIC: "no traffic",
        State.NO_DATA: "no data",
        State.STALE: "the newest sample is stale",
    }
    return reading.reason or words.get(reading.state, str(reading.state))


def by_pods(before: Before, available: int, desired: int) -> Verdict:
    """The verdict where no service is measured: pods available before and after."""
    text = f"{before.available} of {before.desired} pods available before, {available} of {desired} after"
    was_short, is_short = before.available < before.desired, available < desired
    if was_short and not is_short:
        return Verdict("helped", f"All pods are available: {text}.", (text,))
    if is_short and available < before.available:
        return Verdict("worse", f"Fewer pods are available: {text}.", (text,))
    return Verdict("no_change", f"{text[:1].upper()}{text[1:]}. No service metric is related to it.", (text,))


def _by_pods_at_most(before: Before, available: int, desired: int) -> Verdict:
    """The verdict without an error ratio of before, as of a service that is down: its pods, if they tell."""
    blind = compare(before, NO_DATA, 0.0)
    pods = by_pods(before, available, desired)
    if pods.status == "no_change":
        return blind
    return Verdict(pods.status, f"{pods.detail} {blind.detail}", pods.evidence)


async def settle(world: World, kind: str, name: str, before: Before, available: int, desired: int) -> Verdict:
    """Wait until the related service's error ratio can be judged, at most ``timing.settle`` seconds.

    The ratio is a rate over a window, so a sample counts only when its whole window lies after now; until
    then only a clear fall, to half of what it was and below the threshold, ends the wait.
    """
    if not before.service:
        return by_pods(before, available, desired)
    if before.ratio is None:
        return _by_pods_at_most(before, available, desired)
    window = _window(world)
    fresh_at = world.now + window
    give_up = world.clock.monotonic() + world.timing.settle
    while True:
        service = related_service(world, kind, name)
        if service is None:
            return Verdict("inconclusive", f"The service {before.service} is not measured any more.")
        after = service.error_ratio
        verdict = compare(before, after, service.threshold)
        sampled = (after.at or 0) if after.ok else 0
        clear = min(service.threshold, before.ratio / 2)
        recovered = verdict.status == "helped" and (after.value or 0) <= clear
        if sampled >= fresh_at or (recovered and sampled > fresh_at - window):
            return verdict
        if world.clock.monotonic() >= give_up:
            why = "no sample of after the change came in time" if after.ok else _blind(after)
            return Verdict("inconclusive", f"The error ratio of {service.name} cannot be compared: {why}.")
        await asyncio.sleep(world.timing.poll)
