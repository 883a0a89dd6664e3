"""The dialog before a mitigation: all that a person must have seen, and a yes that grows with the risk.

The focus is on Cancel. A routine plan takes one key, a disruptive one a second, different key, a destructive
one the typed name of its target. Keys do nothing before the plan has been painted and for a moment after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from console.engine.ports import Mitigator
from console.model.actions import Action
from console.model.plan import Plan, Risk
from console.model.symptoms.words import plural
from console.ui.cells import Spans, paragraph, sides, spans_width, width_of, wrap
from console.ui.painter import when_seen
from console.ui.panes.base import Selection
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.screens.plan_page import plan_lines
from console.ui.widgets.line_widget import Block
from console.ui.widgets.page import Page

ARMED_AFTER = 0.4
"""Seconds after the plan was painted in which no key says yes."""

FIRST, SECOND = "y", "g"
"""The keys of a yes; a disruptive plan needs both, one after the other."""

ERROR_LINES = 12

QUESTION_LINES = 4
"""Lines that the question itself may take, what it asks for comes below; the page above has all of it."""

HINT_WIDTH = 24
"""Cells that are kept free for how many lines are below."""


class Decision(NamedTuple):
    """Yes or no to the plan that was shown, and why."""

    plan: Plan
    reason: str
    yes: bool


class ConfirmScreen(Dialog[Decision]):
    """Plans, shows the plan, and asks. Gives a Decision, or None when there was no plan to decide on."""

    def __init__(
        self,
        engine: Engine,
        mitigator: Mitigator,
        action: Action,
        selection: Selection,
        params: dict[str, str],
        *,
        break_glass: bool = False,
    ) -> None:
        super().__init__(engine, f"{action.title}  {selection.label}")
        self._mitigator = mitigator
        self._action = action
        self._selection = selection
        self._params = params
        self._break_glass = break_glass
        self._plan: Plan | None = None
        self._error = ""
        self._painted: float | None = None
        self._first = False
        self._typed = ""
        self._decided = False
        self.page = Page()
        self.question = Block(classes="question")
        self.reason = Input(classes="reason", placeholder="why (optional)", select_on_focus=False)

    def body(self) -> Iterable[Widget]:
        """The plan, which scrolls, and the question, which stays."""
        yield self.page
        yield self.question
        yield self.reason

    def content_height(self) -> int:
        """The plan, the question, and the field for the reason."""
        return self.page.total + len(self.question.lines) + 3

    def opened(self) -> None:
        """Plan at once; the focus is on Cancel, which is no field."""
        self.reason.display = False
        self.run_worker(self._make_plan(), exit_on_error=False)

    async def _make_plan(self) -> None:
        work = self._mitigator.plan(
            self._action.name, self._selection.target, dict(self._params), source=self._selection.source
        )
        try:
            self._plan = await asyncio.wrap_future(self.engine.submit(work))
        except Exception as error:
            self._error = str(error) or type(error).__name__
        self.renew()
        self.call_after_refresh(when_seen, self.app, self._was_painted)

    def _was_painted(self) -> None:
        self._painted = self.engine.clock.monotonic()

    # What it shows

    @property
    def risk(self) -> Risk:
        """The plan's risk, or the action's while there is no plan. What is not recorded is destructive."""
        if self._break_glass:
            return Risk.DESTRUCTIVE
        return self._plan.risk if self._plan is not None else self._action.risk

    @property
    def refused(self) -> bool:
        """Whether there is nothing to say yes to."""
        return self._plan is None or bool(self._plan.refusal)

    def badge(self) -> Spans:
        """The risk as a word."""
        role = {Risk.ROUTINE: "text", Risk.DISRUPTIVE: "warn", Risk.DESTRUCTIVE: "alarm"}.get(
            self.risk, "dim"
        )
        return ((f" {self.risk.value.upper()} ", role),)

    def refresh_data(self) -> None:
        """Draw the plan and the question."""
        width = self.page.size.width
        if not width:
            return
        if self._plan is not None:
            unrecorded: list[Spans] = [((" BREAK GLASS: this will not be in the timeline.", "alarm"),)]
            lines = plan_lines(self._plan, width, self.now)
            self.page.put(unrecorded + lines if self._break_glass else lines)
        elif self._error:
            self.page.put(paragraph(self._error, "bad", width, ERROR_LINES))
        else:
            self.page.put([((" Looking at the target and asking the server for a dry run.", "dim"),)])
        self._draw_question(width)

    def _draw_question(self, width: int) -> None:
        """As many lines as it takes to ask; what is left of the plan below is counted once they stand."""
        lines = self._question(width)
        if len(lines) != len(self.question.lines):
            self.call_after_refresh(self.renew)
        self.question.fit(lines, at_most=len(lines))

    def _question(self, width: int) -> list[Spans]:
        plan = self._plan
        if plan is None:
            text = "There is no plan, so nothing can be done." if self._error else "Planning."
            return [*paragraph(text, "text", width, QUESTION_LINES), self._cancel_line("Close", (), width)]
        if plan.refusal:
            return [
                *paragraph(f"Refused: {plan.refusal}", "bad", width, QUESTION_LINES),
                self._cancel_line("Close", (), width),
            ]
        where = " / ".join(part for part in (self._cluster(plan), plan.target.namespace) if part)
        asked = f"{plan.title} in {where}?" if where else f"{plan.title}?"
        ask = paragraph(asked, "strong", width, QUESTION_LINES)
        name = plan.typed_name
        if self.risk is not Risk.DESTRUCTIVE:
            return [*ask, self._cancel_line("Cancel", self._yes_button(), width)]
        typed = (self._typed + self.page.glyphs.rule, "ok" if self._typed == name else "bad")
        type_it: Spans = (("   type ", "dim"), (name, "strong"), (" then enter: ", "dim"))
        cancel = spans_width(self._cancel_button("Cancel")) + HINT_WIDTH
        if cancel + spans_width(type_it) + width_of(name) + 2 <= width:
            return [*ask, self._cancel_line("Cancel", (*type_it, typed), width)]
        rows: list[Spans] = [
            ((f"   {'type' if number == 0 else '':<5}", "dim"), (part, "strong"))
            for number, part in enumerate(wrap(name, width - 10))
        ]
        end = (typed[0][-(width - 20) :], typed[1])
        return [*ask, *rows, (("   then enter: ", "dim"), end), self._cancel_line("Cancel", (), width)]

    def _cluster(self, plan: Plan) -> str:
        """The pinned context; where there are several clusters also what the panes call it."""
        name = plan.source.partition(":")[2]
        several = len(self.engine.config.kubernetes) > 1 and plan.source.startswith("kubernetes:")
        return f"{name} (context {plan.context})" if several and name != plan.context else plan.context

    def _cancel_line(self, text: str, yes: Spans, width: int) -> Spans:
        """The last line: the way out, the yes, and how much of the plan is below what is seen."""
        more = self.page.more
        below: Spans = ((f"{plural(more, 'more line')}, ↓ pgdn ", "warn"),) if more > 0 else ()
        return sides((*self._cancel_button(text), *yes), below, width)

    def _cancel_button(self, text: str) -> Spans:
        focused = not self.reason.has_focus
        glyphs = self.page.glyphs
        return ((f" {glyphs.cursor if focused else ' '}", "accent"), (f" {text} (enter) ", "title"))

    def _yes_button(self) -> Spans:
        match self.risk:
            case Risk.DISRUPTIVE if self._first:
                return (("   now ", "dim"), (SECOND, "key"), (f" {self._action.title}", "bad"))
            case Risk.DISRUPTIVE:
                return (("   ", "dim"), (f"{FIRST} {SECOND}", "key"), (f" {self._action.title}", "warn"))
            case _:
                return (("   ", "dim"), (FIRST, "key"), (f" {self._action.title}", "text"))

    def keys_hint(self) -> tuple[tuple[str, str], ...]:
        """What works now."""
        if self.refused:
            return (("esc enter", "Close"), ("↑↓ pgup pgdn", "Scroll"))
        return (("esc enter", "Cancel"), ("tab", "Write why"), ("↑↓ pgup pgdn", "Scroll"))

    # What it takes

    @property
    def armed(self) -> bool:
        """Whether the plan has been on the screen long enough for a yes to mean it."""
        if self._painted is None or self._decided:
            return False
        return self.engine.clock.monotonic() - self._painted >= ARMED_AFTER

    def handle(self, event: events.Key) -> bool:
        """Every key is ours; only the field for the reason gets any."""
        if self.reason.has_focus:
            leaves = event.key in ("escape", "enter", "tab", "shift+tab")
            if leaves:
                self._leave_reason()
            return leaves
        if event.key == "escape":
            self._say_no()
        elif event.key in ("up", "down", "pageup", "pagedown", "home", "end"):
            self._scroll(event.key)
        elif self.armed:
            self._take(event.key, event.character)
        self.show_question()
        return True

    def show_question(self) -> None:
        """Draw what the keys changed."""
        if width := self.page.size.width:
            self._draw_question(width)
        self.show_hint()

    def _scroll(self, key: str) -> None:
        page = self.page
        match key:
            case "up" | "down":
                page.action_move(-1 if key == "up" else 1)
            case "pageup" | "pagedown":
                page.action_page(-1 if key == "pageup" else 1)
            case _:
                page.action_edge(0 if key == "home" else 1)

    def _take(self, key: str, character: str | None) -> None:
        if key in ("tab", "shift+tab"):
            if not self.refused:
                self.reason.display = True
                self.reason.focus()
            return
        if self.refused:
            if key == "enter":
                self._say_no()
            return
        if self.risk is Risk.DESTRUCTIVE:
            self._take_name(key, character)
        elif key == "enter":
            self._say_no()
        elif self.risk is Risk.DISRUPTIVE:
            if self._first and key == SECOND:
                self._say_yes()
            self._first = key == FIRST
        elif key == FIRST:
            self._say_yes()

    def _take_name(self, key: str, character: str | None) -> None:
        assert self._plan is not None
        if key == "enter":
            if self._typed == self._plan.typed_name:
                self._say_yes()
            elif not self._typed:
                self._say_no()
        elif key in ("ctrl+u", "ctrl+w"):
            self._typed = ""
        elif key == "backspace":
            self._typed = self._typed[:-1]
        elif character is not None and character.isprintable():
            self._typed += character

    def on_paste(self, event: events.Paste) -> None:
        """A pasted name counts as typed; a pasted reason goes to its field."""
        if not self.reason.has_focus:
            event.stop()
            if self.armed and self.risk is Risk.DESTRUCTIVE and not self.refused:
                self._typed += "".join(part for part in event.text if part.isprintable())
                self.show_question()

    def _leave_reason(self) -> None:
        self.set_focus(None)
        self.call_after_refresh(self.show_question)

    def _say_yes(self) -> None:
        """Once, whatever is typed afterwards."""
        if self._decided or self._plan is None or self._plan.refusal:
            return
        self._decided = True
        self.dismiss(Decision(self._plan, self.reason.value.strip(), yes=True))

    def _say_no(self) -> None:
        if self._decided:
            return
        self._decided = True
        reason = self.reason.value.strip()
        self.dismiss(None if self._plan is None else Decision(self._plan, reason, yes=False))
