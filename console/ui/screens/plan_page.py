"""A plan as lines: identity, place, command, changes, how to go back, what fights it, and blast radius."""

from __future__ import annotations

from console.model.plan import Plan
from console.ui.cells import Spans
from console.ui.format import age
from console.ui.widgets.page import labelled

_NAMES = 12
"""Names of a blast radius that are written out."""
_LINES = 5
"""Names that are descriptions and take a line each. The record has all."""


def plan_lines(plan: Plan, width: int, now: float) -> list[Spans]:
    """Everything of ``plan`` that a person must see before saying yes."""
    lines: list[Spans] = []
    if plan.refusal:
        lines += labelled("REFUSED", plan.refusal, width, role="bad")
    for warning in plan.warnings:
        lines += labelled("warning", warning, width, role="warn")
    lines += _identity(plan, width)
    lines += labelled("command", plan.command, width, role="strong")
    for number, (name, value) in enumerate(plan.params.items()):
        lines += labelled("with" if number == 0 else "", f"{name} = {value}", width)
    lines += _changes(plan, width)
    if plan.reversible:
        lines += labelled("way back", plan.undo or "It can be reverted.", width, role="ok")
    else:
        lines += labelled("way back", plan.undo or "None. It cannot be reverted.", width, role="bad")
    for number, text in enumerate(plan.undone_by):
        lines += labelled("undone by" if number == 0 else "", text, width, role="warn")
    lines += labelled("dry run", plan.dry_run or "The system offers none for this.", width, role="dim")
    lines += _hits(plan, width)
    if plan.temporary:
        lines += labelled("ledger", "Temporary: it stays on the ledger until reverted or accepted.", width)
    for number, text in enumerate(plan.evidence or ("Nothing is saved first.",)):
        role = "text" if plan.evidence else "dim"
        lines += labelled("saved first" if number == 0 else "", text, width, role=role)
    for number, note in enumerate(plan.notes):
        lines += labelled("checked" if number == 0 else "", note, width, role="dim")
    lines += labelled("planned", f"{age(now - plan.made_at)} ago", width, role="dim")
    return lines


def _identity(plan: Plan, width: int) -> list[Spans]:
    target = plan.target
    lines = labelled("target", str(target), width, role="strong")
    identity = [f"uid {target.uid}" if target.uid else "", target.resource_version]
    if target.resource_version:
        identity[1] = f"version {target.resource_version}"
    if any(identity):
        lines += labelled("", "  ".join(part for part in identity if part), width, role="dim")
    place = [f"context {plan.context}" if plan.context else ""]
    place += [f"namespace {target.namespace}" if target.namespace else ""]
    if any(place):
        lines += labelled("where", "  ".join(part for part in place if part), width, role="accent")
    return lines + labelled("server", plan.server, width, role="accent")


def _changes(plan: Plan, width: int) -> list[Spans]:
    lines: list[Spans] = []
    for number, change in enumerate(plan.changes):
        lines += labelled("changes" if number == 0 else "", change.path, width)
        lines += labelled("", f"- {change.before or '(unset)'}", width, role="bad")
        lines += labelled("", f"+ {change.after or '(removed)'}", width, role="ok")
    return lines


def _hits(plan: Plan, width: int) -> list[Spans]:
    lines: list[Spans] = []
    for number, hit in enumerate(plan.hits):
        label, most = "hits" if number == 0 else "", _LINES if hit.listed else _NAMES
        rest = len(hit.names) - most
        more = f"and {rest} more" if rest > 0 else ""
        if hit.listed:
            lines += labelled(label, f"{hit.counted}:", width)
            for text in (*hit.names[:most], *([more] if more else ())):
                lines += labelled("", f"- {text}", width)
            continue
        names = ", ".join(hit.names[:most])
        text = f"{hit.counted}{f': {names}' if names else ''}{f' {more}' if more else ''}"
        lines += labelled(label, text, width)
    return lines or labelled("hits", "Nothing else, as far as can be seen.", width, role="dim")
