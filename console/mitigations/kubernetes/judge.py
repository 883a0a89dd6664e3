"""Whether a mitigation helped: pods before and after, error ratio before and after. Mostly pure."""

from __future__ import annotations

import asyncio

import msgspec

from console.mitigations.world import World
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.plan import Verdict
from console.model.reading import NO_DATA, Reading, State


class Before(msgspec.Struct, frozen=True):
    """What was measured before the act: the related service's error ratio, and pods available of desired."""

    service: str = ""
    ratio: float | None = None
    available: int = 0
    desired: int = 0


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
    return Before(
        service.name, service.error_ratio.value if service.error_ratio.ok else None, available, desired
    )


def compare(before: float | None, after: Reading, threshold: float, service: str) -> Verdict:
    """The verdict of an error ratio before and after.

    Helped: it was above the threshold and is not any more, or it fell by half. Worse: it is above the
    threshold and rose by half, or by one percentage point where it was lower than that.
    """
    if before is None or not after.ok or after.value is None:
        blind = "no usable value before" if before is None else _blind(after)
        return Verdict("inconclusive", f"The error ratio of {service} cannot be compared: {blind}.")
    text = f"error ratio of {service} {before:.2%} before, {after.value:.2%} after, threshold {threshold:.2%}"
    if before > threshold and (after.value <= threshold or after.value <= before / 2):
        return Verdict("helped", f"The {text}.", (text,))
    if after.value > threshold and after.value >= max(before * 1.5, before + 0.01):
        return Verdict("worse", f"The {text}.", (text,))
    return Verdict("no_change", f"The {text}.", (text,))


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


async def settle(world: World, kind: str, name: str, before: Before, available: int, desired: int) -> Verdict:
    """Wait until the related service's error ratio can be judged, at most ``timing.settle`` seconds.

    The ratio is a rate over a window, so a sample counts only when its whole window lies after now; until
    then only a clear fall, to half of what it was and below the threshold, ends the wait: a ratio that was
    just above the threshold crosses it by chance.
    """
    if not before.service:
        return by_pods(before, available, desired)
    if before.ratio is None:
        return compare(None, NO_DATA, 0.0, before.service)
    window = world.config.prometheus.window if world.config.prometheus else 60.0
    fresh_at = world.now + window
    give_up = world.clock.monotonic() + world.timing.settle
    while True:
        service = related_service(world, kind, name)
        if service is None:
            return Verdict("inconclusive", f"The service {before.service} is not measured any more.")
        after = service.error_ratio
        verdict = compare(before.ratio, after, service.threshold, service.name)
        sampled = (after.at or 0) if after.ok else 0
        clear = min(service.threshold, before.ratio / 2)
        recovered = verdict.status == "helped" and (after.value or 0) <= clear
        if sampled >= fresh_at or (recovered and sampled > fresh_at - window):
            return verdict
        if world.clock.monotonic() >= give_up:
            why = "no sample of after the change came in time" if after.ok else _blind(after)
            return Verdict("inconclusive", f"The error ratio of {service.name} cannot be compared: {why}.")
        await asyncio.sleep(world.timing.poll)
