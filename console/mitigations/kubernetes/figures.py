"""The figures that a verdict rests on, before and after: error ratio, p95, pods available. All pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from console.model.plan import Verdict
from console.model.reading import Reading, State
from console.model.symptoms.words import span

PODS = "pods"
"""The name of readiness among the figures."""


class Before(msgspec.Struct, frozen=True):
    """What was measured before the act: of the related service, and pods available of desired.

    ``ratio`` is its error ratio (0..1), ``p95`` in seconds; None is no usable value. ``noise`` is how far
    the ratio moved by itself from one window to the next, None when that is not known. ``rolling`` is whether
    pods were missing only because a rollout was under way. Where no service is related, ``queue`` is what the
    workload empties, if that is known, and ``depth`` how many wait in it.
    """

    service: str = ""
    ratio: float | None = None
    available: int = 0
    desired: int = 0
    noise: float | None = None
    p95: float | None = None
    rolling: bool = False
    queue: str = ""
    depth: float | None = None


class Figure(msgspec.Struct, frozen=True):
    """One figure, judged. ``text`` has it before and after.

    ``high`` is whether it is above its threshold now. An inconclusive figure says why; one without a
    threshold is not judged.
    """

    name: str
    status: Literal["helped", "no_change", "worse", "inconclusive", "not_judged"]
    text: str
    high: bool = False
    why: str = ""

    @property
    def said(self) -> str:
        """Name and values, as a part of a sentence."""
        return f"{self.name} {self.text}" + (f" ({self.why})" if self.why else "")


def error_ratio(before: Before, after: Reading, threshold: float) -> Figure:
    """The error ratio. A rise by less than one percentage point is no worse.

    Below the threshold a fall to less than a third, by a fifth of the threshold or more, is a help too.
    """
    name = f"error ratio of {before.service}"
    return _judged(
        name, before.ratio, after, threshold, before.noise, 0.01, lambda it: f"{it:.2%}", threshold / 5
    )


def p95(before: Before, after: Reading, threshold: float | None) -> Figure:
    """The p95 of the request times. How much it moves by itself is not known: no history of it is kept."""
    name = f"p95 of {before.service}"
    if threshold is not None:
        return _judged(name, before.p95, after, threshold, None, 0.0, span)
    values = (span(it) if it is not None else "unknown" for it in (before.p95, after.value))
    return Figure(name, "not_judged", "{} before, {} after, no threshold configured".format(*values))


def pods(before: Before, available: int, desired: int) -> Figure:
    """Readiness: pods available of those desired. Those that a rollout was about to start are no help."""
    text = f"{before.available} of {before.desired} available before, {available} of {desired} after"
    was_short, is_short = before.available < before.desired, available < desired
    if is_short and available < before.available:
        return Figure(PODS, "worse", text, high=True)
    if was_short and not is_short and before.rolling:
        return Figure(PODS, "no_change", text, why="a rollout was under way before")
    return Figure(PODS, "helped" if was_short and not is_short else "no_change", text)


def clear_fall(value: float, noise: float | None) -> float:
    """How far a figure has to fall so that it is not by chance.

    Three times its median move, which is about two standard deviations, but at least a quarter of it and at
    most nine tenths; half of it where the moves are not known.
    """
    return value / 2 if noise is None else min(max(value / 4, 3 * noise), 0.9 * value)


def _judged(
    name: str,
    was: float | None,
    after: Reading,
    threshold: float,
    noise: float | None,
    least: float,
    show: Callable[[float], str],
    floor: float | None = None,
) -> Figure:
    """A figure that is better when lower.

    Helped: it was above the threshold, fell clearly (``clear_fall``), and is not above it any more or fell
    by half. A fall that is not clear is inconclusive however it stands to the threshold. One from below the
    threshold has to be clear, of ``floor`` or more and to less than a third; without a floor it is no help.
    Worse: it is above the threshold and rose by half, by ``least`` and by more than it usually moves.
    """
    now = after.value
    if was is None or not after.ok or now is None:
        blind = "no usable value before" if was is None else _blind(after)
        return Figure(name, "inconclusive", f"cannot be compared: {blind}")
    high = now > threshold
    text = f"{show(was)} before, {show(now)} after, threshold {show(threshold)}"
    needed = clear_fall(was, noise)
    if was > threshold and (now <= threshold or now <= was / 2):
        if was - now >= needed:
            return Figure(name, "helped", text, high)
        moved = "" if noise is None else f" (it moved by {show(noise)} from window to window before)"
        why = f"so small a fall may be chance{moved}; {show(was - needed)} or less would be a clear one"
        return Figure(name, "inconclusive", text, high, why)
    if floor is not None and now < was / 3 and was - now >= max(floor, needed):
        return Figure(name, "helped", text, high)
    if high and now - was >= max(was / 2, least, 3 * (noise or 0.0)):
        return Figure(name, "worse", text, high)
    return Figure(name, "no_change", text, high)


def _blind(reading: Reading) -> str:
    words = {
        State.NO_TRAFFIC: "no traffic",
        State.NO_DATA: "no data",
        State.STALE: "the newest sample is stale",
    }
    return reading.reason or words.get(reading.state, str(reading.state))


def conclude(figures: Sequence[Figure]) -> Verdict:
    """One verdict of all figures, which says what it rests on.

    One figure that got better is a help unless another got worse. Pods that came back are none while another
    figure is as bad as before. Figures that contradict each other are inconclusive, and said as such.
    """
    better, worse, unclear = (_with(figures, status) for status in ("helped", "worse", "inconclusive"))
    high = [one for one in figures if one.high and one not in worse]
    evidence = tuple(one.said for one in figures)
    against = worse or (high if all(one.name == PODS for one in better) else [])
    if better and against:
        text = f"The figures contradict each other. Better: {_listed(better)}."
        text += f" {'Worse' if worse else 'As bad as before'}: {_listed(against)}."
        return Verdict("inconclusive", text + _rest(figures, (*better, *against)), evidence)
    status: Literal["helped", "no_change", "worse", "inconclusive"]
    if worse:
        status, deciding = "worse", worse
    elif better:
        status, deciding = "helped", better
    elif unclear:
        status, deciding = "inconclusive", unclear
    else:
        status, deciding = "no_change", _with(figures, "no_change")
    return Verdict(status, f"It rests on {_listed(deciding)}.{_rest(figures, deciding)}", evidence)


def _with(figures: Sequence[Figure], status: str) -> list[Figure]:
    return [one for one in figures if one.status == status]


def _listed(figures: Sequence[Figure]) -> str:
    return "; ".join(one.said for one in figures)


def _rest(figures: Sequence[Figure], named: Sequence[Figure]) -> str:
    """Sentences for what the verdict does not rest on, and for what is still too high."""
    found = ""
    labels = {"no_change": "No change", "inconclusive": "Not clear", "not_judged": "Not judged"}
    for status, label in labels.items():
        if others := [one for one in _with(figures, status) if one not in named]:
            found += f" {label}: {_listed(others)}."
    high = [one.name for one in figures if one.high and one.name != PODS]
    return found + (f" Still too high: {', '.join(high)}." if high else "")
