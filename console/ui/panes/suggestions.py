"""The suggestions pane: scenarios that fit with their first mitigation, and the signals they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from console.model.actions import Action, find
from console.model.signals import Signal, SignalsSnapshot, Suggestion
from console.model.symptoms.kube import cluster_prefix, clusters_of
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans
from console.ui.format import age, clock_text
from console.ui.panes.base import Pane, Selection, matches
from console.ui.widgets.page import labelled
from console.ui.widgets.table import Column


class SuggestionsPane(Pane):
    """See the module. Row keys are ``fit|scenario|target`` and ``signal|key``."""

    NAME: ClassVar[str] = "suggestions"
    SOURCES: ClassVar[tuple[str, ...]] = ()

    def __init__(self, engine: Any) -> None:
        self._rows: dict[str, Suggestion | Signal] = {}
        self._shot: SignalsSnapshot | None = None
        super().__init__(engine)

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._glyph_cell),
            Column("SCENARIO OR SIGNAL", 20, self._name_cell, grow=1),
            Column("STEP OR EVIDENCE", 18, self._step_cell, grow=1, rank=1),
            Column("SINCE", 6, self._since_cell, right=True, rank=2),
        )

    def lookup(self, key: str) -> Suggestion | Signal | None:
        """The suggestion or signal of a key."""
        return self._rows.get(key)

    def signature(self) -> tuple[tuple[str, int], ...]:
        """What the observer published."""
        return (("signals", self.engine.board.version("signals")),)

    def read(self) -> None:
        """Suggestions best first, then signals worst first."""
        self._shot = next(iter(self.engine.board.of_type(SignalsSnapshot).values()), None)
        rows: dict[str, Suggestion | Signal] = {}
        if self._shot is not None:
            for suggestion in self._shot.suggestions:
                rows[f"fit|{suggestion.scenario}|{suggestion.target}"] = suggestion
            for signal in self._shot.signals:
                rows[f"signal|{signal.key}"] = signal
        if self.filter:
            rows = {key: row for key, row in rows.items() if matches(_text(row), self.filter)}
        self._rows = rows
        self.table.set_keys(list(rows))

    # The cells: the object comes first, so that it is not what is cut off

    def _glyph_cell(self, row: Suggestion | Signal) -> Spans:
        glyphs = self.table.glyphs
        if isinstance(row, Suggestion):
            return ((glyphs.closed, "accent"),)
        signs = {"critical": (glyphs.bad, "bad"), "warning": (glyphs.warn, "warn")}
        return (signs.get(row.severity, (glyphs.dot, "faint")),)

    def _name_cell(self, row: Suggestion | Signal) -> Spans:
        if isinstance(row, Suggestion):
            return ((row.title, "strong"), (f" {row.score:.0%}", "dim"))
        return ((_object(row), "text"), (" ", "dim"), (row.name, "dim"))

    def _step_cell(self, row: Suggestion | Signal) -> Spans:
        if isinstance(row, Signal):
            return ((row.detail, "dim"),)
        action = self.first_action(row)
        on = (row.target.name, "accent") if row.target is not None else ("", "accent")
        colon = (": " if row.target is not None else "", "accent")
        if action is None and row.by_hand:
            return (on, (" by hand: " if on[0] else "By hand: ", "accent"), (row.by_hand, "text"))
        if action is None:
            return (on, colon, (row.steps[0].text if row.action and row.steps else row.why, "dim"))
        place = cluster_prefix(clusters_of(self.engine.board), row.source).rstrip(":")
        return (on, colon, (action.title, "accent"), (f" in {place}" if place else "", "accent"))

    def _since_cell(self, row: Suggestion | Signal) -> Spans:
        return ((age(self.now - row.since), "dim") if isinstance(row, Signal) else ("", "dim"),)

    # What the screen asks

    def first_action(self, row: Suggestion) -> Action | None:
        """The first mitigation, where there is one and this console may act."""
        action = find(row.action) if row.action else None
        return action if self.engine.mitigator is not None else None

    def offer(self) -> tuple[Action, Selection, dict[str, str]] | None:
        """The first mitigation of the suggestion under the cursor, on its target."""
        row = self.table.record
        if not isinstance(row, Suggestion) or row.target is None:
            return None
        action = self.first_action(row)
        if action is None:
            return None
        return action, Selection(row.source, row.target, str(row.target)), dict(row.params)

    def summary(self) -> Spans:
        """How many signals there are."""
        if self._shot is None:
            return ()
        critical = sum(signal.severity == "critical" for signal in self._shot.signals)
        spans: list[Span] = [(f"{critical} critical  ", "bad")] if critical else []
        spans.append((plural(len(self._shot.signals), "signal"), "dim"))
        return tuple(spans)

    def selections(self) -> tuple[Selection, ...]:
        """The target of the suggestion, so that its mitigations are offered."""
        row = self.table.record
        if isinstance(row, Suggestion) and row.target is not None:
            return (Selection(row.source, row.target, str(row.target)),)
        return ()

    def detail(self) -> Spans:
        """Why it fits, or the signal in full."""
        row = self.table.record
        if isinstance(row, Suggestion):
            return ((row.why, "text"), (f"  {row.evidence[0]}" if row.evidence else "", "dim"))
        return ((row.text, "text"),) if isinstance(row, Signal) else ()

    def extra_notice(self) -> Sequence[Spans]:
        """Quiet, and known to be."""
        return [(("No signal: nothing is above a limit.", "dim"),)] if self._shot is not None else ()


def suggestion_lines(row: Suggestion | Signal, action: Action | None, width: int) -> list[Spans]:
    """A suggestion with its evidence and steps, or a signal."""
    if isinstance(row, Signal):
        lines = labelled("signal", row.text, width)
        lines += labelled("since", f"{clock_text(row.since)}Z", width, role="dim")
        return lines + labelled("source", row.source, width, role="dim")
    lines = labelled("why", row.why, width)
    for number, text in enumerate(row.evidence):
        lines += labelled("evidence" if number == 0 else "", text, width)
    if action is not None and row.target is not None:
        lines += labelled("first", f"{action.title} {row.target}", width, role="accent")
        lines += labelled("", action.help, width, role="dim")
        for name, value in row.params:
            lines += labelled("", f"{name} = {value}", width, role="dim")
    if row.by_hand:
        lines += labelled("by hand", row.by_hand, width, role="accent")
        lines += labelled("", "The console has no action for this yet.", width, role="dim")
        for command in row.commands:
            lines += labelled("", command, width)
    for number, step in enumerate(row.steps, start=1):
        by_hand = "" if step.action else " (by hand)"
        lines += labelled("steps" if number == 1 else "", f"{number}. {step.text}{by_hand}", width)
    for number, hint in enumerate(row.hints):
        lines += labelled("hints" if number == 0 else "", hint, width, role="dim")
    return lines


def _object(signal: Signal) -> str:
    """What a signal is about, short enough to stay whole: the kind of a workload is in its page."""
    parts = signal.subject.split("/")
    if signal.source.startswith("kubernetes") and len(parts) > 1:
        del parts[-2]
    return f"{signal.place}{'/'.join(parts)}"


def _text(row: Suggestion | Signal) -> str:
    if isinstance(row, Signal):
        return row.text
    return f"{row.title} {row.scenario} {row.target} {' '.join(row.evidence)}"
