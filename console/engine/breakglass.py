"""What is left of a mitigation that no timeline takes: a second place for it, and what to write down."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from console.engine.private import open_own
from console.mitigations.world import Evidence
from console.model.plan import Outcome, Plan, Verdict
from console.timeline.entry import Entry, encode


def second_path() -> Path:
    """Where the file is to be: one a user. ``write_second`` tells where it is."""
    return Path(tempfile.gettempdir()) / f"warroom-break-glass-{os.getuid()}.jsonl"


def spare_folder(run_id: str) -> Path:
    """Where evidence goes when its own folder takes none; nobody can guess the name of ``run_id``."""
    return Path(tempfile.gettempdir()) / f"warroom-evidence-{run_id}"


def by_hand(
    plan: Plan,
    intent: Entry,
    outcome: Outcome,
    verdict: Verdict | None,
    evidence: Iterable[Evidence],
) -> str:
    """The mitigation as lines for a person to write down: who, when, what, why, and how it ended."""
    lines = [
        f"when      {intent.ts}",
        f"who       {intent.user} on {intent.host}, as {plan.user or 'an unknown user'} of {plan.server}",
        f"what      {plan.title} in {plan.context or plan.source}",
        f"target    {plan.target} {plan.target.uid}".rstrip(),
        f"command   {plan.command}",
        f"why       {intent.data.get('reason') or 'no reason was given'}",
        f"outcome   {outcome.status}: {outcome.detail}",
        *(f"  {'ok' if one.ok else 'failed'}  {one.target}: {one.detail}" for one in outcome.results),
    ]
    if verdict is not None:
        lines.append(f"verdict   {verdict.status.replace('_', ' ')}: {verdict.detail}")
    if outcome.undo_action:
        words = " ".join(f"{key}={value}" for key, value in sorted((outcome.undo_params or {}).items()))
        lines.append(f"way back  {outcome.undo_action} {plan.target} {words}".rstrip())
    return "\n".join([*lines, *(f"evidence  {one.path}" for one in evidence)])


def write_second(path: Path, entry: Entry) -> Path:
    """Append the entry and fsync it; gives the file, another when ``path`` is not ours. Raises OSError."""
    descriptor, path = open_own(path)
    try:
        line = encode(entry) + b"\n"
        if os.write(descriptor, line) != len(line):
            raise OSError(28, "No space left on device", str(path))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return path
