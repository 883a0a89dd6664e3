"""The one declaration of every action: keys, footer, help, palette, watch filtering and docs come from here.

An action is either a command of the screen (``ui.*``, Risk.READ) or a mitigation (``k8s.*``, ``pg.*`` …),
which has an implementation of the same name in ``console.mitigations``. This module is data: the watch
path may import it, and filters by ``mutating``.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from console.model.plan import Risk


class Param(msgspec.Struct, frozen=True):
    """A parameter of a mitigation, given as ``name=value`` on the command line or asked for in a form.

    ``choices`` are all there are, if they are always the same. Those from the system itself (revisions,
    containers) are offered by the mitigation's ``options``.
    """

    name: str
    type: Literal["int", "text", "choice", "duration", "bool"]
    help: str
    required: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()

    def mistake(self, value: str) -> str:
        """What is wrong with a value, as a sentence, or "". Whether the system has it, the plan tells."""
        if not value:
            return f"{self.name} is needed." if self.required else ""
        if self.choices and value not in self.choices:
            return f"{self.name} has to be one of: {', '.join(self.choices)}."
        pattern, wanted = _VALUES.get(self.type, ("", ""))
        return f"{self.name} has to be {wanted}." if wanted and not re.fullmatch(pattern, value) else ""


_VALUES = {
    "int": (r"[0-9]+", "a whole number, such as 3"),
    "duration": (r"[0-9]+|([0-9]+[smhd])+", "a duration such as 30s, 5m or 1h30m, or seconds"),
    "bool": (r"true|false|yes|no", "yes or no"),
}
"""By type, what a value has to match and how that is said."""


class Action(msgspec.Struct, frozen=True):
    """One thing a person can do.

    ``key`` is the default binding ("" = palette only); ``pane`` limits it to one pane ("" = everywhere);
    ``targets`` are the kinds it accepts; ``shown`` puts it on the key line. ``live`` is what writes into the
    record or leads to a mitigation: like those it does not exist in watch mode.
    """

    name: str
    title: str
    help: str
    key: str = ""
    pane: str = ""
    group: str = "General"
    risk: Risk = Risk.READ
    targets: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    shown: bool = False
    live: bool = False

    @property
    def mutating(self) -> bool:
        """Whether it changes the world outside the console; such an action does not exist in watch mode."""
        return self.risk is not Risk.READ


PANES = ("pods", "errors", "database", "cache", "alerts", "suggestions", "timeline")
"""The panes, in the order of the jump keys 1 to 7."""

WORKLOADS = ("deployment", "statefulset", "daemonset")


def _ui(
    name: str, key: str, title: str, text: str, *, pane: str = "", shown: bool = False, live: bool = False
) -> Action:
    return Action(f"ui.{name}", title, text, key, pane, "Screen", shown=shown, live=live)


INCIDENT_ACTIONS: tuple[Action, ...] = tuple(
    Action(f"ui.{name}", title, text, group="Incident", live=True)
    for name, title, text in (
        ("status", "Status", "Set the status of the incident, or give an update: the next one is due later."),
        ("severity", "Severity", "Set the severity of the incident; how often updates are due follows it."),
        ("roles", "Roles", "Say who leads, who communicates, who operates, who keeps the record."),
        ("title", "Title", "Correct the title of the incident."),
        (
            "resolve",
            "Resolve",
            "End the incident, in one line; temporary measures that still stand are named.",
        ),
    )
)
"""What is changed of the open incident: the dialog of ``ui.declare`` lists them, and the palette has each."""


SCREEN_ACTIONS: tuple[Action, ...] = (
    _ui("help", "question_mark", "Help", "Every key of the focused pane and what it does.", shown=True),
    _ui("palette", "colon,ctrl+p", "Commands", "Search every action by name.", shown=True),
    _ui("quit", "ctrl+q", "Quit", "Leave the console. Running mitigations are waited for or named."),
    _ui("jump", "j", "Jump", "Show a letter over each pane; the next key focuses it."),
    *(
        _ui(f"focus-{pane}", str(number), pane.capitalize(), f"Focus the {pane} pane.")
        for number, pane in enumerate(PANES, start=1)
    ),
    _ui("next-pane", "tab", "Next pane", "Focus the next pane."),
    _ui("previous-pane", "shift+tab", "Previous pane", "Focus the previous pane."),
    _ui("zoom", "z", "Zoom", "Give the focused pane the whole screen, and back.", shown=True),
    _ui("filter", "slash", "Filter", "Show only the rows that match.", shown=True),
    _ui("sort", "o", "Sort", "Sort by the next column; sick first is the default."),
    _ui(
        "open",
        "enter",
        "Open",
        "Open the row: a workload's pods; a pod, an alert, a database or a cache in full.",
        shown=True,
    ),
    _ui("back", "escape", "Back", "Close what is on top, leave a filter, go up a level."),
    _ui(
        "logs",
        "l",
        "Logs",
        "Follow the logs of the pod or of all pods of the workload.",
        pane="pods",
        shown=True,
    ),
    _ui("describe", "d", "Describe", "Everything known of the object, with its events.", pane="pods"),
    _ui("events", "e", "Events", "Warning events of the object.", pane="pods"),
    _ui("history", "h", "History", "Revisions with image, environment and time differences.", pane="pods"),
    _ui("namespace", "n", "Namespace", "Show one namespace or all.", pane="pods"),
    _ui(
        "actions",
        "m",
        "Mitigate",
        "The mitigations for the selected row, with their keys.",
        shown=True,
        live=True,
    ),
    _ui("note", "a", "Note", "Write a note into the timeline.", shown=True, live=True),
    _ui(
        "declare",
        "i",
        "Incident",
        "Declare an incident; of the open one change status, severity, roles or title, or resolve it.",
        shown=True,
        live=True,
    ),
    *INCIDENT_ACTIONS,
    Action(
        "ui.reopen",
        "Reopen",
        "Take up again the incident that was resolved last; asks why.",
        group="Incident",
        live=True,
    ),
    _ui(
        "ledger",
        "b",
        "Take back",
        "The temporary measures that still stand; take one back, or keep it for good with an owner.",
        live=True,
    ),
    _ui("sources", "s", "Sources", "Every source with its state, age, address and what to do."),
    _ui("redraw", "ctrl+l", "Redraw", "Paint the whole screen anew."),
    _ui("pause", "space", "Pause", "Freeze the tables while reading; data goes on in the background."),
)

MITIGATIONS: tuple[Action, ...] = (
    Action(
        "k8s.restart",
        "Restart",
        "Rolling restart: replaces every pod of the workload. Cures a stuck process, not a bad release.",
        "r",
        "pods",
        "Kubernetes",
        Risk.DISRUPTIVE,
        WORKLOADS,
        shown=True,
    ),
    Action(
        "k8s.rollback",
        "Roll back",
        "Return to a chosen revision; the last healthy one from before the change is preselected.",
        "u",
        "pods",
        "Kubernetes",
        Risk.DISRUPTIVE,
        WORKLOADS,
        (Param("revision", "choice", "The revision to return to; preselected when left out."),),
        shown=True,
    ),
    Action(
        "k8s.scale",
        "Scale",
        "Set the number of replicas, with the HPA, the GitOps owner and the connection budget in view.",
        "c",
        "pods",
        "Kubernetes",
        Risk.ROUTINE,
        ("deployment", "statefulset"),
        (Param("replicas", "int", "The number of replicas wanted.", required=True),),
        shown=True,
    ),
    Action(
        "k8s.delete-pod",
        "Delete pod",
        "Delete one pod, whatever its disruption budget says; its owner makes a new one.",
        "x",
        "pods",
        "Kubernetes",
        Risk.DESTRUCTIVE,
        ("pod",),
    ),
    Action(
        "k8s.evict-pod",
        "Evict pod",
        "Ask for the pod's removal within its disruption budget; prefer this to delete.",
        "v",
        "pods",
        "Kubernetes",
        Risk.DISRUPTIVE,
        ("pod",),
    ),
    Action(
        "pg.cancel",
        "Cancel query",
        "Cancel the running query of a session; the session lives on. Does nothing to an idle transaction.",
        "k",
        "database",
        "PostgreSQL",
        Risk.ROUTINE,
        ("pid",),
        shown=True,
    ),
    Action(
        "pg.terminate",
        "Terminate session",
        "End one client session and roll its transaction back.",
        "t",
        "database",
        "PostgreSQL",
        Risk.DISRUPTIVE,
        ("pid",),
        shown=True,
    ),
    Action(
        "pg.terminate-matching",
        "Terminate matching sessions",
        "End the client sessions that match, one by one, each with its own result.",
        "T",
        "database",
        "PostgreSQL",
        Risk.DESTRUCTIVE,
        ("db",),
        (
            Param(
                "state",
                "choice",
                "Session state to match.",
                default="idle in transaction",
                choices=("idle in transaction", "idle", "active"),
            ),
            Param("older-than", "duration", "Only sessions in that state for longer.", default="5m"),
            Param("application", "text", "Only this application_name."),
            Param("user", "text", "Only this user."),
            Param("limit", "int", "Refuse when more would be hit.", default="20"),
        ),
    ),
)

ACTIONS: tuple[Action, ...] = (*SCREEN_ACTIONS, *MITIGATIONS)
_BY_NAME = {action.name: action for action in ACTIONS}


def find(name: str) -> Action | None:
    """The action of that exact name, or None."""
    return _BY_NAME.get(name)


def available(*, watch: bool) -> tuple[Action, ...]:
    """All actions of a mode: in watch mode those that change nothing and write nothing."""
    return tuple(action for action in ACTIONS if not (watch and (action.mutating or action.live)))
