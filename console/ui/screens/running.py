"""A mitigation while it runs and after: stages, each target's result, the verdict, and the way back."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future

from textual.events import Key
from textual.widget import Widget

from console.engine.ports import Mitigator
from console.model.plan import Outcome, Plan, Progress, Verdict
from console.ui.cells import Spans
from console.ui.format import age
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.widgets.page import Page, labelled

_STAGES = ("evidence", "executing", "verifying", "finished")
_STAGE_TEXT = {
    "evidence": "Intent recorded",
    "executing": "Saving evidence, executing",
    "verifying": "Verifying the effect",
    "finished": "Finished",
}


class RunningScreen(Dialog[Outcome]):
    """Follows one plan. Closing it changes nothing: the mitigation goes on.

    Gives an Outcome to undo, or one that was refused for want of a record and is to be done all the same.
    """

    def __init__(
        self, engine: Engine, mitigator: Mitigator, plan: Plan, future: Future[Progress] | None = None
    ) -> None:
        super().__init__(engine, plan.title)
        self._mitigator = mitigator
        self._plan = plan
        self._future = future
        self._digest = plan.digest
        self.page = Page()

    def body(self) -> Iterable[Widget]:
        """The page."""
        yield self.page

    def content_height(self) -> int:
        """All lines."""
        return self.page.total

    def first_focus(self) -> Widget:
        """The page scrolls."""
        return self.page

    @property
    def progress(self) -> Progress | None:
        """Where it stands: what the run gave, or what the engine says of it."""
        future = self._future
        if future is not None and future.done() and not future.cancelled() and future.exception() is None:
            return future.result()
        for progress in self._mitigator.progress:
            if progress.plan is self._plan or progress.plan.digest == self._digest:
                return progress
        return None

    @property
    def failure(self) -> str:
        """Why the run could not be carried through, as a sentence."""
        future = self._future
        if future is None or not future.done() or future.cancelled():
            return ""
        error = future.exception()
        return (str(error) or type(error).__name__) if error is not None else ""

    @property
    def unrecorded(self) -> Outcome | None:
        """The outcome, if nothing was done only because it could not be recorded."""
        progress = self.progress
        outcome = progress.outcome if progress is not None else None
        return outcome if outcome is not None and outcome.unrecorded else None

    @property
    def undoable(self) -> Outcome | None:
        """The outcome, if there is a way back."""
        progress = self.progress
        outcome = progress.outcome if progress is not None else None
        return outcome if outcome is not None and outcome.undo_action else None

    def keys_hint(self) -> tuple[tuple[str, str], ...]:
        """Undo is offered once there is something to undo."""
        progress = self.progress
        ended = self.failure or (progress is not None and progress.stage == "finished")
        undo = (("u", "Undo"),) if self.undoable else ()
        glass = (("b", "Break glass: act without a record"),) if self.unrecorded else ()
        return (*undo, *glass, ("esc", "Close" if ended else "Close, it goes on"), ("↑↓ pgup pgdn", "Scroll"))

    def handle(self, event: Key) -> bool:
        """Undo, or go on to act without a record."""
        if event.key == "b" and self.unrecorded is not None:
            self.dismiss(self.unrecorded)
            return True
        if event.key == "u" and self.undoable is not None:
            self.dismiss(self.undoable)
            return True
        return False

    def refresh_data(self) -> None:
        """Draw where it stands."""
        width = self.page.size.width
        if width:
            self.page.put(self._lines(width))

    def _lines(self, width: int) -> list[Spans]:
        progress = self.progress
        lines = labelled("target", f"{self._plan.target}  {self._plan.context}", width, role="accent")
        lines += labelled("command", self._plan.command, width, role="dim")
        if self.failure:
            return [*lines, (), *labelled("FAILED", self.failure, width, role="bad")]
        if progress is None:
            return [*lines, (), *labelled("", "Recording the intent.", width)]
        lines.append(())
        if progress.outcome is None or progress.outcome.status != "refused":
            lines += [*self._stages(progress), ()]
        if progress.stage != "finished" or progress.outcome is None:
            lines += labelled("now", progress.text, width)
        if progress.outcome is not None:
            lines += outcome_lines(progress.outcome, width)
        if progress.verdict is not None:
            lines += verdict_lines(progress.verdict, width)
        if progress.by_hand:
            lines += [(), ((" BREAK GLASS: no timeline has this. Write it down by hand:", "alarm"),)]
            lines += [spans for text in progress.by_hand.splitlines() for spans in labelled("", text, width)]
        return lines

    def _stages(self, progress: Progress) -> list[Spans]:
        glyphs = self.page.glyphs
        reached = _STAGES.index(progress.stage)
        lines: list[Spans] = []
        for index, stage in enumerate(_STAGES):
            if stage == "evidence" and progress.unrecorded:
                lines.append(((f"  {glyphs.bad} ", "alarm"), ("Intent NOT recorded: BREAK GLASS", "bad")))
            elif index < reached or stage == progress.stage == "finished":
                lines.append(((f"  {glyphs.light} ", "ok"), (_STAGE_TEXT[stage], "dim")))
            elif index == reached:
                text = "Recording the intent" if stage == "evidence" else _STAGE_TEXT[stage]
                since = f"  {age(self.now - progress.started)}"
                lines.append(((f"  {glyphs.closed} ", "accent"), (text, "strong"), (since, "dim")))
            else:
                lines.append(((f"  {glyphs.dot} ", "faint"), (_STAGE_TEXT[stage], "faint")))
        return lines


def outcome_lines(outcome: Outcome, width: int) -> list[Spans]:
    """What execution did, target by target."""
    role = {"done": "ok", "partial": "warn"}.get(outcome.status, "bad")
    word = "OUTCOME UNKNOWN" if outcome.status == "unknown" else outcome.status
    lines = labelled("result", f"{word}: {outcome.detail}", width, role=role)
    for result in outcome.results:
        mark = "ok" if result.ok else "failed"
        text = f"{mark:<7}{result.target}  {result.detail}"
        lines += labelled("", text, width, role="text" if result.ok else "bad")
    return lines


def verdict_lines(verdict: Verdict, width: int) -> list[Spans]:
    """Whether it helped, and what of the evidence the verdict does not quote."""
    role = {"helped": "ok", "worse": "bad"}.get(verdict.status, "warn")
    word = verdict.status.replace("_", " ")
    lines = labelled("verdict", f"{word}: {verdict.detail}", width, role=role)
    for text in verdict.evidence:
        if text in verdict.detail:
            continue
        lines += labelled("", text, width, role="dim")
    return lines
