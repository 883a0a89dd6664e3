"""What the timeline is told of a mitigation, from the intent to the verdict and the ledger.

All of it waits for the disk, so the loop leaves it to a thread: see ``to_the_end``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from console.engine.breakglass import second_path, write_second
from console.engine.ledger import Measure, ledger_entries, opening, taken_back_by
from console.mitigations.world import World
from console.model.plan import Outcome, Plan, Verdict
from console.timeline.entry import Entry, Kind, Source, TimelineError
from console.timeline.recorder import Recorder

T = TypeVar("T")


class ActRecord:
    """Writes the entries of mitigations. Every method blocks for the disk."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def intent(self, plan: Plan, reason: str, audit_id: str, *, break_glass: bool) -> tuple[Entry, str]:
        """Record what is going to be done, with the whole plan.

        Raises TimelineError when no sink takes it. With ``break_glass`` it is kept in a second place and in
        memory instead, and the second value says so; else that is "".
        """
        text = f"{plan.title} in {plan.context}" + (f": {reason}" if reason else "")
        data = {
            "action": plan.action,
            "target": plan.target,
            "command": plan.command,
            "context": plan.context,
            "digest": plan.digest,
            "audit_id": audit_id,
            "reason": reason,
            "plan": plan,
        }
        try:
            return self._record("action.intent", text, data, source="operator"), ""
        except TimelineError as error:
            if not break_glass:
                raise
            entry = self._recorder.record_break_glass("action.intent", text, data=data)
            return entry, _second_place(entry, error)

    def cancelled(self, plan: Plan, reason: str) -> None:
        """Record that a person looked at the plan and said no. Raises TimelineError."""
        text = f"Not done: {plan.title}" + (f" ({reason})" if reason else "")
        self._record(
            "action.cancelled", text, {"action": plan.action, "digest": plan.digest, "reason": reason}
        )

    def withdrawn(self, plan: Plan, intent: Entry) -> None:
        """Record that nothing was done after the intent."""
        data = {"action": plan.action, "digest": plan.digest, "reason": "stopped"}
        self._late("action.cancelled", f"Not done: {plan.title} (stopped before)", data, intent.id)

    def refused(self, plan: Plan, why: str) -> None:
        """Record that the plan was not carried out."""
        text = f"Refused: {plan.title}. {why}"
        data = {"action": plan.action, "target": plan.target, "digest": plan.digest, "why": why}
        try:
            self._record("action.refused", text, data)
        except TimelineError:
            self._recorder.record_break_glass("action.refused", text, source="console")

    def outcome(self, plan: Plan, outcome: Outcome, intent: Entry, world: World) -> None:
        """Record the evidence that was saved, what was done, and what that means for the ledger."""
        if world.saved or world.missing:
            text = f"Evidence before {plan.title}: {len(world.saved)} saved, {len(world.missing)} missing"
            data = {"files": world.saved, "missing": world.missing}
            self._late("evidence", text, data, intent.id)
        kind: Kind = "action.refused" if outcome.status == "refused" else "action.result"
        self._late(kind, f"{plan.title}: {outcome.detail}", {"outcome": outcome}, intent.id)
        if outcome.status in ("done", "partial", "unknown"):
            self._keep_ledger(plan, outcome, intent)

    def recovered(self, intent: Entry, plan: Plan, outcome: Outcome, *, record: bool) -> bool:
        """Record the outcome of a mitigation whose console ended in between; False when it has one by now.

        Without ``record`` it only looks. To be called while nobody else can act on its target. Raises
        TimelineError.
        """
        if all(entry.id != intent.id for entry in self._recorder.open_intents()):
            return False
        if not record:
            return True
        self._record("action.result", outcome.detail, {"outcome": outcome}, ref=intent.id, source="system")
        self._keep_ledger(plan, outcome, intent)
        return True

    def verdict(self, plan: Plan, verdict: Verdict, intent: Entry) -> None:
        """Record whether it helped."""
        text = f"{plan.title}: {verdict.status.replace('_', ' ')}. {verdict.detail}"
        self._late("action.verdict", text, {"verdict": verdict}, intent.id)

    def accepted(self, measure: Measure, owner: str, why: str) -> None:
        """Record that a measure stays for good. Raises TimelineError."""
        reason = f" ({why})" if why else ""
        text = f"Kept for good, {owner} owns it{reason}: {measure.text}"
        self._record("ledger.closed", text, {"owner": owner, "why": why}, ref=measure.id)

    def ledger(self) -> list[Entry]:
        """The entries of the ledger. Raises TimelineError."""
        return ledger_entries(self._recorder.state_dir, self._recorder.spool)

    def _keep_ledger(self, plan: Plan, outcome: Outcome, intent: Entry) -> None:
        """Close what this took back; open what it leaves behind."""
        closed: tuple[Measure, ...] = ()
        if outcome.status == "done":
            with contextlib.suppress(TimelineError):
                closed = taken_back_by(plan, self.ledger())
        for measure in closed:
            text = f"Taken back by {plan.title}"
            self._late("ledger.closed", text, {"intent": intent.id}, measure.id)
        if plan.temporary and not closed:
            self._late("ledger.opened", *opening(plan, outcome), intent.id)

    def _late(self, kind: Kind, text: str, data: Mapping[str, Any], ref: str) -> None:
        """Record what has happened already: no sink can stop it any more, so it waits for one if need be."""
        try:
            self._record(kind, text, data, ref=ref)
        except TimelineError:
            held = self._recorder.record_break_glass(
                kind, text, source="console", data=msgspec.to_builtins(data), ref=ref
            )
            with contextlib.suppress(OSError):
                write_second(second_path(), held)

    def _record(
        self,
        kind: Kind,
        text: str,
        data: Mapping[str, Any],
        *,
        ref: str | None = None,
        source: Source = "console",
    ) -> Entry:
        return self._recorder.record(kind, text, source=source, data=msgspec.to_builtins(data), ref=ref)


def _second_place(entry: Entry, error: TimelineError) -> str:
    try:
        path = write_second(second_path(), entry)
    except OSError as problem:
        return f" NOT RECORDED ANYWHERE ({problem.strerror}); write down what you do. ({error})"
    return f" BREAK GLASS: recorded only in {path}. ({error})"


def in_thread(work: Callable[..., T], *given: Any) -> asyncio.Future[T]:
    """Begin what waits for the disk in a thread; nobody who stops waiting for it stops it."""
    return asyncio.get_running_loop().run_in_executor(None, work, *given)


async def to_the_end(running: asyncio.Future[T]) -> T:
    """Wait for what runs ``in_thread``, also when this task is cancelled meanwhile: only then it stops."""
    stopped: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            stopped = error
    if stopped is not None:
        running.exception()  # else asyncio prints on the screen that nobody asked for it
        raise stopped
    return running.result()
