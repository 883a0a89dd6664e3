"""Dialogs that are filled in: the parameters of a mitigation, a note, an incident."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from console.engine.ports import Mitigator
from console.model.actions import Action, Param
from console.model.plan import Option
from console.ui.cells import Spans, paragraph
from console.ui.panes.base import Selection
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.widgets.line_widget import Bar, Block
from console.ui.widgets.table import Column, Table

PROBLEM_LINES = 4


class Field(NamedTuple):
    """A line to fill in."""

    param: Param
    value: str = ""


def mistake(param: Param, value: str, options: Sequence[Option]) -> str:
    """What is wrong with a value, as a sentence, or empty."""
    if wrong := param.mistake(value):
        return wrong
    chosen = next((option for option in options if option.value == value), None)
    if chosen is not None and chosen.disabled:
        return f"{param.name} cannot be {value}: {chosen.disabled}"
    return ""


class Form(Dialog[dict[str, str]]):
    """Fields one below the other; Enter on any takes the form. Gives the values that were filled in."""

    HINT: ClassVar[tuple[tuple[str, str], ...]] = (("tab", "Next field"), ("enter", "Take"), ("esc", "Close"))

    def __init__(self, engine: Engine, title: str, fields: Sequence[Field]) -> None:
        super().__init__(engine, title)
        self._fields = tuple(fields)
        self.inputs = {
            field.param.name: Input(
                value=field.value or field.param.default, classes="field", select_on_focus=False
            )
            for field in fields
        }
        self.problem = Block(classes="field")
        self.options: dict[str, tuple[Option, ...]] = {}

    def body(self) -> Iterable[Widget]:
        """Each field below its label."""
        for field in self._fields:
            param = field.param
            label = Bar(classes="heading")
            needed = " (needed)" if param.required else ""
            label.show(((f" {param.name}{needed}", "strong"), (f"  {param.help}", "dim")))
            yield label
            yield self.inputs[param.name]
        yield self.problem

    def content_height(self) -> int:
        """Two lines a field, one for what is wrong, and the choices."""
        choices = max((len(options) for options in self.options.values()), default=0)
        return 2 * len(self._fields) + max(1, len(self.problem.lines)) + (choices + 2 if choices else 0)

    def first_focus(self) -> Widget | None:
        """The first field."""
        return next(iter(self.inputs.values()), None)

    def handle(self, event: events.Key) -> bool:
        """Take the form."""
        if event.key == "enter":
            self.take()
            return True
        return False

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field takes the form."""
        event.stop()
        self.take()

    def take(self) -> None:
        """Leave with the values, or say what is wrong."""
        values = {name: field.value.strip() for name, field in self.inputs.items()}
        for field in self._fields:
            name = field.param.name
            wrong = mistake(field.param, values[name], self.options.get(name, ()))
            if wrong:
                self.show_problem(wrong)
                self.inputs[name].focus()
                return
        self.dismiss(self.taken(values))

    def show_problem(self, sentence: str) -> None:
        """Say what is wrong, to the end of the sentence."""
        lines = paragraph(sentence, "bad", self.heading.size.width, PROBLEM_LINES)
        self.problem.fit(lines, at_most=PROBLEM_LINES)

    def taken(self, values: dict[str, str]) -> dict[str, str]:
        """What the form gives: an empty field is one that was not filled in."""
        return {name: value for name, value in values.items() if value}


class ParamForm(Form):
    """The parameters of a mitigation, with the choices that the system itself offers."""

    def __init__(
        self,
        engine: Engine,
        mitigator: Mitigator,
        action: Action,
        selection: Selection,
        given: dict[str, str],
    ) -> None:
        fields = [Field(param, given.get(param.name, "")) for param in action.params]
        super().__init__(engine, f"{action.title}  {selection.label}", fields)
        self._mitigator = mitigator
        self._action = action
        self._selection = selection
        self._shown: dict[str, Option] = {}
        self.list = Table(
            (
                Column("", 1, lambda option: (("*" if option.recommended else "", "ok"),)),
                Column("CHOICE", 34, self._label, grow=1),
                Column("", 24, lambda option: ((option.disabled or option.detail, "dim"),), grow=2),
            ),
            self._shown.get,
        )
        self.list.can_focus = False
        self.list.always_marked = True
        self.chosen = Block(classes="field")

    def body(self) -> Iterable[Widget]:
        """The fields, then the choices for the one that has the focus."""
        yield from super().body()
        self.list.add_class("options")
        yield self.list
        yield self.chosen

    def content_height(self) -> int:
        """The fields, the choices, and the longest text of one."""
        return super().content_height() + self._text_height()

    def _text(self, option: Option) -> list[Spans]:
        return paragraph(option.disabled or option.detail, "dim", self.list.size.width, self.size.height // 3)

    def _text_height(self) -> int:
        return max((len(self._text(option)) for option in self._shown.values()), default=0)

    def refresh_data(self) -> None:
        """What a choice means, in full and as high as the longest, so that the list stays where it is."""
        option = self.list.record
        lines = self._text(option) if isinstance(option, Option) else []
        height = self._text_height()
        self.chosen.fit([*lines, *[()] * (height - len(lines))], at_most=height)

    def _label(self, option: Option) -> Spans:
        return ((option.label or option.value, "faint" if option.disabled else "text"),)

    def opened(self) -> None:
        """Ask for the choices."""
        self.list.display = False
        self.run_worker(self._load(), exit_on_error=False)

    async def _load(self) -> None:
        for param in self._action.params:
            if param.type != "choice":
                continue
            work = self._mitigator.options(
                self._action.name, self._selection.target, param.name, source=self._selection.source
            )
            try:
                self.options[param.name] = await asyncio.wrap_future(self.engine.submit(work))
            except Exception as error:
                self.show_problem(str(error) or type(error).__name__)
                continue
            field = self.inputs[param.name]
            best = next((option for option in self.options[param.name] if option.recommended), None)
            if best is not None and not field.value:
                field.value = best.value
        self._show_choices()

    def on_descendant_focus(self, _event: events.DescendantFocus) -> None:
        """Other choices for another field."""
        self._show_choices()

    def _show_choices(self) -> None:
        name = next((name for name, field in self.inputs.items() if field.has_focus), "")
        options = self.options.get(name, ())
        self._shown.clear()
        self._shown.update({option.value: option for option in options})
        self.list.display = bool(options)
        self.list.set_keys(list(self._shown))
        if name:
            self.list.select(self.inputs[name].value if self.inputs[name].value in self._shown else None)
        self.list.forget()
        self.renew()

    def handle(self, event: events.Key) -> bool:
        """Choose with the arrows; the choice is written into its field."""
        if event.key in ("up", "down") and self._shown:
            self.list.action_move(-1 if event.key == "up" else 1)
            name = next((name for name, field in self.inputs.items() if field.has_focus), "")
            if name and self.list.cursor is not None:
                self.inputs[name].value = self.list.cursor
            self.refresh_data()
            return True
        return super().handle(event)


def note_form(engine: Engine) -> Form:
    """A note for the timeline."""
    return Form(engine, "Note", [Field(Param("text", "text", "What was seen, thought or done.", True))])


def declare_form(engine: Engine) -> Form:
    """A new incident."""
    severity = Param("severity", "int", "1 (worst) to 4.", required=True, default="2")
    title = Param("title", "text", "What users notice.", required=True)
    return Form(engine, "Declare an incident", [Field(severity), Field(title)])
