"""Carries mitigations through their life: plan, intent on disk, evidence, act, result, verdict, ledger.

Everything runs on the engine's loop; what waits for the disk runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from console.config import ClusterSettings, Config, PostgresSettings, cluster_name
from console.engine.act_record import ActRecord, in_thread, to_the_end
from console.engine.board import Board
from console.engine.breakglass import by_hand, spare_folder
from console.engine.crash import save_crash
from console.engine.ledger import Measure, standing
from console.engine.ports import PlanError
from console.engine.target_lock import TargetBusyError, TargetLock
from console.mitigations.world import Timing, World
from console.model.clock import Clock
from console.model.plan import Option, Outcome, Plan, Progress, Target, Verdict
from console.model.text import clean
from console.timeline.entry import Entry, TimelineError
from console.timeline.folder import incident_folder
from console.timeline.recorder import Recorder
from console.timeline.tidy import tidy_data

if TYPE_CHECKING:
    from console.mitigations.base import Mitigation
    from console.mitigations.postgres.kept import ActingSessions

KEPT = 20
"""How many finished mitigations the screen can still look at."""
MAX_AGE = 900.0
"""Seconds after which a plan is too old to be carried out."""
BOARD_NAME = "mitigations"


def _to_be_verified(outcome: Outcome) -> bool:
    return outcome.status not in ("refused", "failed")


def _registered(name: str) -> Mitigation | None:
    """The implementation of an action. Loading all of them costs more than the first frame may."""
    from console.mitigations.registry import find

    return find(name)


class ActionRunner:
    """The Mitigator of the engine. ``find_mitigation`` looks an implementation up by action name."""

    def __init__(
        self,
        board: Board,
        config: Config,
        clock: Clock,
        recorder: Recorder,
        state_dir: Path,
        *,
        timing: Timing | None = None,
        find_mitigation: Callable[[str], Mitigation | None] = _registered,
        sessions: ActingSessions | None = None,
    ) -> None:
        self._board = board
        self._config = config
        self._clock = clock
        self._recorder = recorder
        self._written = ActRecord(recorder)
        self._state_dir = state_dir
        self._timing = timing
        self._find = find_mitigation
        self._sessions = sessions
        self._progress: dict[str, Progress] = {}
        self._recovering = asyncio.Lock()

    @property
    def progress(self) -> tuple[Progress, ...]:
        """Running and recent mitigations, newest first."""
        return tuple(reversed(self._progress.values()))

    async def options(self, action: str, target: Target, param: str, *, source: str) -> tuple[Option, ...]:
        """The choices for one parameter. Raises PlanError."""
        world = self._world(source, target, "look")
        try:
            return await self._implementation(action).options(world, target, param)
        finally:
            await world.close()

    async def plan(self, action: str, target: Target, params: dict[str, str], *, source: str) -> Plan:
        """Look, dry-run and describe; changes nothing. Raises PlanError."""
        world = self._world(source, target, "look")
        try:
            plan = await self._implementation(action).plan(world, target, params)
        finally:
            await world.close()
        return msgspec.structs.replace(plan, source=source)

    async def ledger(self) -> tuple[Measure, ...]:
        """The temporary measures that nobody has taken back, oldest first. Raises TimelineError."""
        return standing(await asyncio.to_thread(self._written.ledger))

    async def accept(self, measure: Measure, owner: str, why: str) -> None:
        """Record that a temporary measure stays for good, and whose it is now. Raises TimelineError."""
        await asyncio.to_thread(self._written.accepted, measure, owner, why)

    async def cancel(self, plan: Plan, reason: str) -> None:
        """Record that a person looked at the plan and said no. Raises TimelineError."""
        await asyncio.to_thread(self._written.cancelled, plan, reason)

    async def run(self, plan: Plan, reason: str = "", *, break_glass: bool = False) -> Progress:
        """Carry the plan out; returns when the verdict is known.

        Refused, with nothing done, when the plan refuses itself, is too old, its target is being acted on,
        or the intent cannot be recorded. ``break_glass`` acts all the same in that last case, says so,
        writes to a second place and gives what is to be written down by hand; evidence does not hold it up.
        """
        run_id = str(uuid.uuid4())
        self._tell(run_id, Progress(plan, "evidence", "Recording the intent.", self._now))
        if problem := self._objection(plan):
            return await self._refuse(run_id, plan, problem)
        try:
            return await self._run_alone(run_id, plan, reason, break_glass=break_glass)
        except BaseException:
            if self._progress[run_id].stage != "finished":
                self._finish(run_id, Outcome("refused", "Stopped before anything was done."))
            raise

    async def recover(self, *, record: bool = True) -> None:
        """Report, and ``record``, mitigations whose consoles ended before a result: their outcome is unknown.

        One whose target lock is still held is under way in another console and is left alone, and so are
        our own. Other hands may have written what is in the record: it is cleaned again. A second call waits
        for the first, so that what is to be told is known when it returns.
        """
        async with self._recovering:
            try:
                intents = await asyncio.to_thread(self._recorder.open_intents)
            except TimelineError:
                return
            for entry in intents:
                if entry.session == self._recorder.identity.session:
                    continue
                with contextlib.suppress(msgspec.ValidationError, TargetBusyError, OSError):
                    plan = msgspec.convert(tidy_data(entry.data).get("plan"), Plan)
                    async with self._locked(plan, "recovery"):
                        await self._recover_one(entry, plan, record)

    async def _recover_one(self, entry: Entry, plan: Plan, record: bool) -> None:
        detail = clean(
            f"Outcome unknown: the console of {entry.user} on {entry.host} ended between intent and result of"
            f" '{plan.title}' at {entry.ts}. Look at {plan.target} before you do anything else."
        )
        outcome = Outcome("unknown", detail)
        try:
            work = functools.partial(self._written.recovered, record=record)
            if not await to_the_end(in_thread(work, entry, plan, outcome)):
                return
        except TimelineError:
            detail += " This could not be recorded."
        self._tell(entry.id, Progress(plan, "finished", detail, plan.made_at, outcome))

    async def _run_alone(self, run_id: str, plan: Plan, reason: str, *, break_glass: bool) -> Progress:
        identity = self._recorder.identity
        async with contextlib.AsyncExitStack() as held:
            try:
                holder = f"{identity.user}@{identity.host} ({plan.title})"
                with contextlib.suppress(OSError):  # what takes no lock may still take the intent
                    await held.enter_async_context(self._locked(plan, holder))
            except TargetBusyError as error:
                return await self._refuse(run_id, plan, str(error))
            try:
                entry, notes = await self._intend(run_id, plan, reason, break_glass=break_glass)
            except TimelineError as error:
                text = f"The intent cannot be recorded, so nothing was done: {error}"
                return await self._refuse(run_id, plan, text, unrecorded=True)
            spare = spare_folder(run_id) if break_glass else self._second_evidence(run_id)
            return await self._carry_out(run_id, plan, entry, notes, spare)

    def _second_evidence(self, run_id: str) -> Path | None:
        """Where evidence may go once only the second place took the intent: it does not hold that up."""
        spool = self._recorder.spool
        return spool / "evidence" / run_id if spool and self._recorder.health.state == "degraded" else None

    async def _intend(self, run_id: str, plan: Plan, reason: str, *, break_glass: bool) -> tuple[Entry, str]:
        """Record the intent, and when cancelled meanwhile also that it came to nothing."""
        work = functools.partial(self._written.intent, break_glass=break_glass)
        writing = in_thread(work, plan, reason, run_id)
        try:
            entry, notes = await to_the_end(writing)
        except asyncio.CancelledError:
            if writing.exception() is None:
                self._written.withdrawn(plan, writing.result()[0])
            raise
        if notes:
            self._tell(run_id, msgspec.structs.replace(self._progress[run_id], unrecorded=True))
        return entry, notes

    async def _carry_out(
        self, run_id: str, plan: Plan, intent: Entry, notes: str, spare: Path | None
    ) -> Progress:
        world = self._world(
            plan.source, plan.target, plan.action, run_id, lambda at: self._stage(run_id, at + notes), spare
        )
        try:
            outcome = await self._execute(world, run_id, plan, intent)
            verdict = await self._verify(world, run_id, plan, outcome, intent)
        except BaseException:
            outcome, verdict = self._stopped(world, run_id, plan, intent)
            raise
        finally:
            unwritten = by_hand(plan, intent, outcome, verdict, world.saved) if notes else ""
            done = self._finish(run_id, outcome, verdict, notes, unwritten)
            await world.close()
        return done

    async def _execute(self, world: World, run_id: str, plan: Plan, intent: Entry) -> Outcome:
        """Execute, and record all that came of it, also when this task is cancelled meanwhile."""
        self._stage(run_id, "Saving evidence.")
        try:
            outcome = await self._implementation(plan.action).execute(world, plan)
        except PlanError as error:
            outcome = Outcome("refused", f"{error} Nothing was changed.")
        except Exception as error:
            crash = await asyncio.to_thread(save_crash, error)
            outcome = Outcome("unknown", f"Outcome unknown: the console failed in between. {crash}")
        self._tell(run_id, msgspec.structs.replace(self._progress[run_id], outcome=outcome))
        await to_the_end(in_thread(self._written.outcome, plan, outcome, intent, world))
        return outcome

    def _stopped(
        self, world: World, run_id: str, plan: Plan, intent: Entry
    ) -> tuple[Outcome, Verdict | None]:
        """Record how far it came: an outcome that is not known, or a verdict that was not reached.

        The loop may be going down: no thread and no await can be relied upon any more.
        """
        outcome, verdict = self._progress[run_id].outcome, self._progress[run_id].verdict
        if outcome is None:
            detail = (
                f"Outcome unknown: stopped in the middle of {plan.title}."
                f" Look at {plan.target} before you do anything else."
            )
            outcome = Outcome("unknown", detail)
            self._written.outcome(plan, outcome, intent, world)
        elif _to_be_verified(outcome) and verdict is None:
            verdict = Verdict("inconclusive", "It was stopped before it could be verified.")
            self._written.verdict(plan, verdict, intent)
        return outcome, verdict

    async def _verify(
        self, world: World, run_id: str, plan: Plan, outcome: Outcome, intent: Entry
    ) -> Verdict | None:
        if not _to_be_verified(outcome):
            return None
        self._tell(
            run_id, msgspec.structs.replace(self._progress[run_id], stage="verifying", text="Verifying.")
        )
        try:
            verdict = await self._implementation(plan.action).verify(world, plan, outcome)
        except PlanError as error:
            verdict = Verdict("inconclusive", f"It could not be verified: {error}")
        except Exception as error:
            crash = await asyncio.to_thread(save_crash, error)
            verdict = Verdict("inconclusive", f"It could not be verified. {crash}")
        self._tell(run_id, msgspec.structs.replace(self._progress[run_id], verdict=verdict))
        await to_the_end(in_thread(self._written.verdict, plan, verdict, intent))
        return verdict

    async def _refuse(self, run_id: str, plan: Plan, why: str, *, unrecorded: bool = False) -> Progress:
        outcome = Outcome("refused", why, unrecorded=unrecorded)
        await asyncio.to_thread(self._written.refused, plan, why)
        return self._finish(run_id, outcome)

    @contextlib.asynccontextmanager
    async def _locked(self, plan: Plan, holder: str) -> AsyncIterator[None]:
        """Keep others off the target. Raises TargetBusyError, or OSError when no place takes a lock."""
        spare = self._recorder.spool
        taking = in_thread(TargetLock, self._state_dir, plan.source, plan.target, holder, spare)
        try:
            await to_the_end(taking)
            yield
        finally:
            if taking.exception() is None:
                await to_the_end(in_thread(taking.result().release))

    def _objection(self, plan: Plan) -> str:
        if plan.refusal:
            return plan.refusal
        if self._now - plan.made_at > MAX_AGE:
            return f"The plan is older than {MAX_AGE / 60:.0f} minutes; plan again."
        return ""

    def _implementation(self, action: str) -> Mitigation:
        found = self._find(action)
        if found is None:
            raise PlanError(f"no mitigation is called {action!r}")
        return found

    def _world(
        self,
        source: str,
        target: Target,
        purpose: str,
        audit_id: str = "",
        tell: Callable[[str], None] = lambda _text: None,
        spare: Path | None = None,
    ) -> World:
        incident = self._recorder.incident
        root = incident_folder(self._state_dir, incident) if incident else self._state_dir
        stamp = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        return World(
            clock=self._clock,
            config=self._config,
            board=self._board,
            source=source,
            settings=self._settings(source),
            evidence_dir=root / "evidence" / f"{stamp}-{purpose}-{target.name}".replace("/", "_")[:120],
            audit_id=audit_id,
            timing=self._timing,
            tell=tell,
            sessions=self._sessions,
            spare_dir=spare,
        )

    def _settings(self, source: str) -> ClusterSettings | PostgresSettings:
        for index, cluster in enumerate(self._config.kubernetes):
            if source == f"kubernetes:{cluster_name(cluster, index)}":
                return cluster
        for server in self._config.postgres:
            if source == f"postgres:{server.name}":
                return server
        raise PlanError(f"{source or 'nothing'} is no system of the configuration that can be changed")

    def _stage(self, run_id: str, text: str) -> None:
        now = self._progress[run_id]
        stage = "executing" if now.stage == "evidence" else now.stage
        self._tell(run_id, msgspec.structs.replace(now, stage=stage, text=text))

    def _finish(
        self,
        run_id: str,
        outcome: Outcome,
        verdict: Verdict | None = None,
        notes: str = "",
        unwritten: str = "",
    ) -> Progress:
        said = f"{outcome.detail} {verdict.detail}" if verdict else outcome.detail
        done = msgspec.structs.replace(
            self._progress[run_id],
            stage="finished",
            text=said + notes,
            outcome=outcome,
            verdict=verdict,
            by_hand=unwritten,
        )
        self._tell(run_id, done)
        return done

    def _tell(self, run_id: str, progress: Progress) -> None:
        self._progress[run_id] = progress
        finished = [key for key, item in self._progress.items() if item.stage == "finished"]
        for key in finished[: max(0, len(finished) - KEPT)]:
            del self._progress[key]
        self._board.publish(BOARD_NAME, self.progress)

    @property
    def _now(self) -> float:
        return self._clock.now().timestamp()
