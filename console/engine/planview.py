"""A plan and its end as plain text, for the command line."""

from __future__ import annotations

from collections.abc import Iterable

from console.model.plan import Hit, Plan, Progress


def plan_text(plan: Plan) -> str:
    """Everything a person must see before saying yes."""
    where = f"{plan.context or plan.server}" + (
        f" / {plan.target.namespace}" if plan.target.namespace else ""
    )
    lines = [
        f"{plan.title}",
        f"  where       {where} ({plan.server})" + (f" as {plan.user}" if plan.user else ""),
        f"  target      {plan.target}" + (f", uid {plan.target.uid}" if plan.target.uid else ""),
        f"  command     {plan.command}",
        f"  risk        {plan.risk.value}" + (", temporary: goes onto the ledger" if plan.temporary else ""),
        f"  dry run     {plan.dry_run or 'not made'}",
    ]
    lines += _block("changes", (f"{c.path}: {c.before} → {c.after}" for c in plan.changes))
    lines += _block("hits", (line for hit in plan.hits for line in _hit(hit)))
    lines += _block("undone by", plan.undone_by)
    lines += _block("warnings", plan.warnings)
    lines += _block("notes", plan.notes)
    lines += _block("evidence", plan.evidence)
    lines.append(f"  way back    {plan.undo or 'none'}")
    if plan.refusal:
        lines.append(f"  REFUSED     {plan.refusal}")
    return "\n".join(lines)


def _hit(hit: Hit) -> list[str]:
    if hit.listed:
        return [f"{hit.counted}:", *(f"  {name}" for name in hit.names)]
    return [hit.counted + (f": {', '.join(hit.names)}" if hit.names else "")]


def _block(label: str, items: Iterable[str]) -> list[str]:
    return [f"  {label if number == 0 else '':<11} {item}" for number, item in enumerate(items)]


def outcome_text(progress: Progress) -> str:
    """How a mitigation ended."""
    lines = []
    if progress.outcome is not None:
        lines.append(f"{progress.outcome.status}: {progress.outcome.detail}")
        lines += [
            f"  {'ok' if result.ok else 'failed'}  {result.target}: {result.detail}"
            for result in progress.outcome.results
        ]
    if progress.verdict is not None:
        lines.append(f"{progress.verdict.status.replace('_', ' ')}: {progress.verdict.detail}")
    if progress.outcome is not None and progress.outcome.undo_action:
        shown = {k: v for k, v in (progress.outcome.undo_params or {}).items() if k != "expect"}
        words = "".join(f" {key}={value}" for key, value in sorted(shown.items()))
        lines.append(f"way back: warroom act {progress.outcome.undo_action} {progress.plan.target}{words}")
    return "\n".join(lines) or progress.text
