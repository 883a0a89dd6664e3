"""pg.cancel and pg.terminate: one session, named by its pid and held to its backend_start."""

from __future__ import annotations

import msgspec

from console.engine.ports import PlanError
from console.mitigations.base import NoOptions, refuse_params
from console.mitigations.postgres import carry, describe, signals
from console.mitigations.postgres.sessions import Sessions, look, open_link
from console.mitigations.postgres.signals import Victim
from console.mitigations.world import World
from console.model.plan import Change, Hit, Outcome, Plan, Target, Verdict
from console.model.postgres import Backend
from console.model.symptoms.words import span

WAIT_MS = 5000
LONG_TRANSACTION = 60.0


class CancelQuery(NoOptions):
    """Cancels the query that runs now; the session and its connection stay."""

    name = "pg.cancel"

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look at the session. Raises PlanError."""
        refuse_params(self.name, params)
        seen, backend, plan = await _subject(world, target, self.name, "Cancel the query of")
        if backend is None or plan.refusal:
            return plan
        if backend.state != "active":
            return msgspec.structs.replace(plan, refusal=_nothing_to_cancel(backend))
        victim = Victim(
            backend.pid,
            backend.backend_start_text,
            describe.who(backend),
            "query_start",
            backend.query_start,
        )
        return msgspec.structs.replace(
            plan,
            command=signals.text(signals.cancel_statement(victim)),
            changes=(
                Change("query", backend.query, "cancelled with an error to its client"),
                Change("session", describe.doing(backend, seen.now), "stays connected"),
            ),
            hits=(Hit("queries cancelled", 1, (describe.line(backend, seen.now),)), *plan.hits),
            undone_by=("the client may send the same query again",),
            undo="A cancelled query is not resumed; its transaction has to be repeated by the client.",
            payload=carry.payload(seen, (victim,)),
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Cancel that very query, if it still runs."""
        return await carry.carry_out(world, plan, lambda victim, _version: signals.cancel_statement(victim))

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """See that the query has ended and that those behind it go on."""
        return await carry.judge(world, plan, outcome, _still_running, "The query has ended.")


class TerminateSession(NoOptions):
    """Ends one session and rolls its transaction back."""

    name = "pg.terminate"

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look at the session. Raises PlanError."""
        refuse_params(self.name, params)
        seen, backend, plan = await _subject(world, target, self.name, "Terminate")
        if backend is None or plan.refusal:
            return plan
        victim = Victim(backend.pid, backend.backend_start_text, describe.who(backend))
        changes = [Change("session", describe.doing(backend, seen.now), "ended")]
        if backend.xact_start is not None:
            age = span(max(0.0, seen.now - backend.xact_start))
            changes.append(Change("transaction", f"open for {age}", "rolled back"))
        last = "query" if backend.state == "active" else "last query"
        changes.append(Change(last, backend.query, "its client gets an error"))
        return msgspec.structs.replace(
            plan,
            command=signals.text(signals.terminate_statement(victim, seen.version, WAIT_MS)),
            changes=tuple(changes),
            hits=(Hit("sessions ended", 1, (describe.line(backend, seen.now),)), *plan.hits),
            undone_by=describe.reconnecting(seen, (backend,)),
            undo="An ended session does not come back; its transaction has to be repeated by the client.",
            warnings=tuple(_cautions(backend, seen)),
            payload=carry.payload(seen, (victim,)),
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """End that very session, if it is still there."""
        return await carry.carry_out(
            world, plan, lambda victim, version: signals.terminate_statement(victim, version, WAIT_MS)
        )

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """See that the session is gone and that those behind it go on."""
        return await carry.judge(world, plan, outcome, still_there, "The session is gone.")


async def _subject(
    world: World, target: Target, action: str, verb: str
) -> tuple[Sessions, Backend | None, Plan]:
    """The session named by ``target``, and a plan that holds its identity or says why there is none."""
    if target.kind != "pid" or not target.name.isdecimal():
        raise PlanError(f"{action} needs a session as pid/NUMBER, not {target}")
    settings = carry.settings_of(world)
    seen = await look(await open_link(world))
    backend = seen.find(int(target.name), target.uid)
    if backend is None:
        plan = carry.draft(world, seen, action, f"{verb} pid {target.name}", target, {})
        return seen, None, msgspec.structs.replace(plan, refusal=_gone(seen, target))
    held = Target("pid", target.name, "", backend.backend_start_text)
    plan = carry.draft(world, seen, action, f"{verb} pid {backend.pid} ({describe.who(backend)})", held, {})
    why = carry.reason_to_refuse(backend, seen, settings)
    return (
        seen,
        backend,
        msgspec.structs.replace(
            plan,
            hits=describe.waiters_hit(seen, (backend,)),
            evidence=carry.EVIDENCE,
            refusal=f"pid {backend.pid} is not touched: {why}." if why else "",
        ),
    )


def _gone(seen: Sessions, target: Target) -> str:
    other = seen.find(int(target.name))
    if other is None:
        return f"There is no session with pid {target.name} any more: it has ended."
    return (
        f"The session has ended; its pid {target.name} now belongs to {describe.who(other)}. Select it anew."
    )


def _nothing_to_cancel(backend: Backend) -> str:
    if backend.idle_in_transaction:
        return (
            f"pid {backend.pid} is {backend.state}: it runs no query, so cancelling changes nothing. Its"
            " transaction ends only with the session: use pg.terminate."
        )
    return (
        f"pid {backend.pid} is {backend.state or 'hidden'}: it runs no query, so there is nothing to cancel."
    )


def _cautions(backend: Backend, seen: Sessions) -> list[str]:
    found = []
    if backend.state == "active":
        found.append("The session runs a query: pg.cancel may do and keeps the session. Try it first.")
    if backend.state == "idle":
        found.append("The session is idle: it holds no lock and blocks nobody; ending it frees one slot.")
    if backend.xact_start is not None and seen.now - backend.xact_start > LONG_TRANSACTION:
        found.append(f"All that it did in {span(seen.now - backend.xact_start)} is rolled back.")
    if backend.superuser:
        found.append(f"{backend.user} is a superuser: make sure that nobody is repairing something.")
    return found


def _still_running(seen: Sessions, victim: Victim) -> bool:
    backend = seen.find(victim.pid, victim.backend_start)
    return backend is not None and backend.state == "active" and backend.query_start == victim.moment


def still_there(seen: Sessions, victim: Victim) -> bool:
    """Whether the session has not ended."""
    return seen.find(victim.pid, victim.backend_start) is not None
