"""The dialogs of the open incident: what can be changed with its present values, and each change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.widget import Widget

from console.engine.record import IncidentView
from console.incident.conduct import RESOLVED, ROLES, Level
from console.model.actions import INCIDENT_ACTIONS, Param
from console.ui.cells import Spans
from console.ui.format import elapsed, moment
from console.ui.port import Engine
from console.ui.screens.form import Field, Form
from console.ui.screens.menu import Item, Menu
from console.ui.widgets.line_widget import Block

_NAMED = 6
"""Temporary measures that are named one by one before an incident is resolved."""


def incident_menu(engine: Engine, incident: IncidentView) -> Menu:
    """Everything that can be changed of an incident, with what it is now."""
    roles = ", ".join(f"{role} {who}" for role, who in incident.roles.items()) or "nobody has one"
    now = {
        "ui.status": incident.status,
        "ui.severity": incident.severity_text or "none",
        "ui.roles": roles,
        "ui.title": incident.title,
    }
    items = [
        Item(
            action.name,
            "",
            action.title,
            f"{now[action.name]}. {action.help}" if action.name in now else action.help,
        )
        for action in INCIDENT_ACTIONS
    ]
    return Menu(engine, f"{incident.id}  {incident.title}", items)


def severity_menu(engine: Engine, incident: IncidentView) -> Menu:
    """The severities by their definition, with how often updates are due."""
    items = [
        Item(str(level.level), "", f"SEV{level.level}", f"{level.definition}. {_cadence(level)}")
        for level in engine.conduct.levels
    ]
    return Menu(engine, f"{incident.id}  severity", items, current=str(incident.severity))


def _cadence(level: Level) -> str:
    return "Updates as needed." if level.due is None else f"An update every {level.due / 60:.0f} minutes."


def status_menu(engine: Engine, incident: IncidentView) -> Menu:
    """The words that the team uses, and the end."""
    words = dict.fromkeys((*engine.conduct.statuses, incident.status))
    items = [
        Item(word, "", word, "Now. Take it again to give an update." if word == incident.status else "")
        for word in words
    ]
    items.append(Item(RESOLVED, "", RESOLVED, "The end; asks how it was reached."))
    return Menu(engine, f"{incident.id}  status", items, current=incident.status)


def update_form(engine: Engine, incident: IncidentView, status: str) -> Form:
    """What goes with a status; needed when that stays the same."""
    same = status == incident.status
    param = Param("update", "text", "What is known, what is done next.", required=same)
    title = f"{incident.id}  update, {status}" if same else f"{incident.id}  {incident.status} -> {status}"
    return Form(engine, title, [Field(param)])


def title_form(engine: Engine, incident: IncidentView) -> Form:
    """Another title."""
    param = Param("title", "text", "What users notice.", required=True)
    return Form(engine, f"{incident.id}  title", [Field(param, incident.title)])


def reopen_form(engine: Engine, incident: IncidentView) -> Form:
    """Why an incident is taken up again."""
    param = Param("reason", "text", "What came back.", required=True)
    return Form(engine, f"Reopen {incident.id}  {incident.title}", [Field(param)])


class RolesForm(Form):
    """Who holds which role; an empty field gives a role up."""

    def __init__(self, engine: Engine, incident: IncidentView) -> None:
        known = {**ROLES, **{role: "" for role in incident.roles if role not in ROLES}}
        fields = [
            Field(Param(role, "text", text), incident.roles.get(role, "")) for role, text in known.items()
        ]
        super().__init__(engine, f"{incident.id}  roles", fields)

    def taken(self, values: dict[str, str]) -> dict[str, str]:
        """All roles, also those that nobody has any more."""
        return values


class ResolveForm(Form):
    """The end of an incident, with the temporary measures that still stand."""

    def __init__(self, engine: Engine, incident: IncidentView, standing: Sequence[str], key: str) -> None:
        param = Param("resolution", "text", "How it was resolved, in one line.", required=True)
        declared = moment(incident.declared_at)
        after = "" if declared is None else f" after {elapsed(engine.clock.now().timestamp() - declared)}"
        super().__init__(engine, f"Resolve {incident.id}{after}", [Field(param)])
        self._lines = _standing(standing, key)
        self.still = Block(classes="field")

    def body(self) -> Iterable[Widget]:
        """The field, then what still stands."""
        yield from super().body()
        yield self.still

    def opened(self) -> None:
        """Name what still stands."""
        self.still.fit(self._lines, at_most=len(self._lines))

    def content_height(self) -> int:
        """The field, and a line for each measure."""
        return super().content_height() + len(self._lines)


def _standing(standing: Sequence[str], key: str) -> list[Spans]:
    if not standing:
        return [((" No temporary measure stands.", "dim"),)]
    lines: list[Spans] = [
        ((f" Still in force: {len(standing)}. They stay on the ledger; {key} takes one back.", "warn"),)
    ]
    lines += [((f"   {text}", "text"),) for text in standing[:_NAMED]]
    if len(standing) > _NAMED:
        lines.append(((f"   and {len(standing) - _NAMED} more", "dim"),))
    return lines
