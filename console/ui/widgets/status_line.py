"""The status line: what is on fire, for how long, and whether this console can be trusted."""

from __future__ import annotations

from typing import NamedTuple

from console.incident.conduct import next_update
from console.model.kube import KubeSnapshot
from console.model.source import Health
from console.model.symptoms.kube import clusters_of
from console.ui.cells import Span, Spans, sides, spans_width, width_of
from console.ui.format import clock_text, countdown, elapsed, moment
from console.ui.port import Engine
from console.ui.themes import Glyphs
from console.ui.widgets.line_widget import Bar


class _Part(NamedTuple):
    """A part of the line; the lowest rank is kept longest."""

    rank: int
    spans: Spans


class StatusLine(Bar):
    """One line, always there. ``bring_up`` is called once a second and with every frame."""

    def bring_up(self, engine: Engine, *, paused: bool) -> None:
        """Write the line for now."""
        now = engine.clock.now().timestamp()
        width = self.size.width
        left = [*alarms(engine), *_incident(engine, now, width)]
        right = _right(engine, now, self.glyphs, paused=paused)
        while spans_width(_joined(left)) + spans_width(_joined(right)) + 2 > width:
            droppable = [part for part in (*left, *right) if part.rank > 0]
            if not droppable:
                break
            worst = max(droppable, key=lambda part: part.rank)
            (left if worst in left else right).remove(worst)
        self.show(sides(_joined(left), _joined(right), width))


def _joined(parts: list[_Part]) -> Spans:
    spans: list[Span] = []
    for part in parts:
        if spans:
            spans.append(("  ", "text"))
        spans.extend(part.spans)
    return tuple(spans)


def alarms(engine: Engine) -> list[_Part]:
    """What makes the console itself untrustworthy, in red: the record, the API, an unknown outcome."""
    parts: list[_Part] = []
    timeline = engine.timeline
    if timeline.health == "failed":
        parts.append(_Part(0, ((" LOG FAILED ", "alarm"),)))
        if timeline.reason:
            parts.append(_Part(5, ((timeline.reason, "bad"),)))
    if timeline.changed:
        parts.append(_Part(0, ((" RECORD CHANGED, see Sources ", "alarm"),)))
    clusters = [s for name, s in engine.board.statuses.items() if name.startswith("kubernetes:")]
    for status in clusters:
        if status.health is Health.FAILED:
            name = f" {status.name.partition(':')[2]}" if len(clusters) > 1 else ""
            text = f" API unreachable since {clock_text(status.since)}{name} "
            parts.append(_Part(0, ((text, "alarm"),)))
    crashed = engine.board.status("engine")
    if crashed is not None and crashed.health is Health.FAILED:
        parts.append(_Part(0, ((" ENGINE STOPPED ", "alarm"),)))
    unknown = len(timeline.open_intents) + _lost(engine)
    if unknown:
        parts.append(_Part(1, ((f" {unknown} OUTCOME{'S' if unknown > 1 else ''} UNKNOWN ", "alarm"),)))
    return parts


def _lost(engine: Engine) -> int:
    """The mitigations whose outcome is unknown and whose target nobody has acted on since, here."""
    seen: set[tuple[str, str, str, str]] = set()
    lost = 0
    for progress in engine.mitigator.progress if engine.mitigator is not None else ():
        target = progress.plan.target
        place = (progress.plan.source, target.kind, target.namespace, target.name)
        outcome = progress.outcome
        if place not in seen and outcome is not None and outcome.status == "unknown":
            lost += 1
        if outcome is None or outcome.status != "refused":
            seen.add(place)
    return lost


_REMIND = 120.0
"""Seconds before an update is due from which that is coloured."""
_WORDY = 100
"""Columns from which there is room for the words: the context is not to give way to them."""
_OVER_FOR = 3600.0
"""Seconds for which the line says that an incident is over."""


def _incident(engine: Engine, now: float, width: int) -> list[_Part]:
    incident = engine.timeline.incident
    if incident is None:
        return [_Part(3, _none(engine, now))]
    declared = moment(incident.declared_at)
    parts: list[_Part] = []
    if incident.severity_text:
        role = "bad" if (incident.severity or 9) <= 2 else "warn"
        parts.append(_Part(2, ((incident.severity_text, role),)))
    if declared is not None:
        parts.append(_Part(1, ((elapsed(now - declared), "strong"),)))
    parts += _update(engine, now, width)
    parts.append(_Part(4, ((incident.status, "text"),)))
    parts.append(_Part(8, ((incident.id, "dim"),)))
    if incident.lead:
        parts.append(_Part(6, (("lead ", "dim"), (incident.lead, "text"))))
    parts.append(_Part(7, ((incident.title, "text"),)))
    return parts


def _update(engine: Engine, now: float, width: int) -> list[_Part]:
    """When others are to hear the next word, counted from the last."""
    incident = engine.timeline.incident
    last = moment(incident.updated_at or incident.declared_at) if incident is not None else None
    if incident is None or last is None:
        return []
    update = next_update(engine.conduct.level(incident.severity), now - last)
    if update is None:
        return []
    if update.state == "overdue":
        return [_Part(1, ((f" update overdue {countdown(update.seconds)} ", "alarm"),))]
    if update.state == "now":
        return [_Part(1, (("next update due now", "warn"),))]
    role = "warn" if update.seconds <= _REMIND else "dim"
    words = "next update due " if width >= _WORDY else "due "
    return [_Part(3, ((words, role), (countdown(update.seconds), role)))]


def _none(engine: Engine, now: float) -> Spans:
    """That no incident is open, or, for a while, that the last one is over and how long it was."""
    over = engine.timeline.over
    ended = moment(over.resolved_at) if over is not None else None
    declared = moment(over.declared_at) if over is not None else None
    if over is None or ended is None or declared is None or now - ended > _OVER_FOR:
        return (("no incident", "dim"),)
    return ((f"{over.id} resolved after {elapsed(ended - declared)}", "ok"),)


def _right(engine: Engine, now: float, glyphs: Glyphs, *, paused: bool) -> list[_Part]:
    parts: list[_Part] = []
    if paused:
        parts.append(_Part(1, ((" PAUSED ", "match"),)))
    where = context_text(engine)
    if where:
        parts.append(_Part(5, ((where, "accent"),)))
    mode = {"live": ("LIVE", "ok"), "watch": ("WATCH", "accent"), "drill": ("DRILL", "warn")}[engine.mode]
    parts.append(_Part(1, (mode,)))
    health = engine.timeline.health
    word = {"ok": "log", "degraded": "log degraded", "failed": "log failed"}.get(health, health)
    role = {"ok": "ok", "degraded": "warn"}.get(health, "bad")
    light = (glyphs.light, role) if health == "ok" else (glyphs.warn, role)
    parts.append(_Part(4 if health == "ok" else 1, (light, (f" {word}", "dim" if health == "ok" else role))))
    parts.append(_Part(2, ((clock_text(now) + "Z", "dim"), (" ", "text"))))
    return parts


def context_text(engine: Engine) -> str:
    """Context and namespaces of the cluster, short; of several their names."""
    names = [name.partition(":")[2] for name in clusters_of(engine.board)]
    if len(names) > 1:
        text = ", ".join(sorted(names))
        return text if width_of(text) <= 40 else f"{len(names)} clusters"
    for snapshot in engine.board.of_type(KubeSnapshot).values():
        spaces = ",".join(snapshot.namespaces)
        text = f"{snapshot.context}/{spaces or '*'}"
        return text if width_of(text) <= 40 else f"{snapshot.context}/{len(snapshot.namespaces)} ns"
    return ""
