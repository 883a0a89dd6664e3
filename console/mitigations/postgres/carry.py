"""What the three mitigations share: the frame of a plan, carrying it out, and the judgement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import msgspec
from psycopg.sql import Composed

from console.config import PostgresSettings
from console.engine.ports import PlanError
from console.mitigations.postgres import describe, signals
from console.mitigations.postgres.protection import forbidden, protection
from console.mitigations.postgres.sessions import Sessions, look, open_link
from console.mitigations.postgres.signals import LostAnswerError, Victim
from console.mitigations.world import World
from console.model import actions
from console.model.plan import Outcome, Plan, StepResult, Target, Verdict
from console.model.postgres import Backend, sessions_behind

NO_REHEARSAL = (
    "PostgreSQL cannot rehearse a signal. The sessions were read from pg_stat_activity; pid and"
    " backend_start are matched again in the statement that signals."
)
EVIDENCE = ("every session and who waits for whom, as JSON",)
VERIFY_SECONDS = 15.0


class Before(msgspec.Struct, frozen=True):
    """The numbers at planning time, and the sessions that waited behind the victims."""

    clients: int
    waiting: int
    idle_in_transaction: int
    walsenders: int
    waiters: tuple[tuple[int, str], ...]


class Payload(msgspec.Struct, frozen=True):
    """What ``execute`` and ``verify`` need of a plan."""

    victims: tuple[Victim, ...]
    before: Before


def settings_of(world: World) -> PostgresSettings:
    """The configuration of the server acted on. Raises PlanError."""
    if not isinstance(world.settings, PostgresSettings):
        raise PlanError(f"{world.source} is no PostgreSQL server of the configuration")
    return world.settings


def draft(
    world: World, seen: Sessions, action: str, title: str, target: Target, params: dict[str, str]
) -> Plan:
    """A plan with what is the same for all: who, where, when and that nothing can be taken back."""
    declared = actions.find(action)
    assert declared is not None
    return Plan(
        action=action,
        title=title,
        risk=declared.risk,
        target=target,
        params=params,
        context=world.source,
        server=seen.server,
        command="",
        made_at=world.now,
        dry_run=NO_REHEARSAL,
        user=seen.user,
        source=world.source,
    )


def payload(seen: Sessions, victims: Iterable[Victim]) -> dict[str, object]:
    """The private part of a plan."""
    chosen = tuple(victims)
    behind = {
        (it.pid, it.backend_start_text)
        for victim in chosen
        for it in sessions_behind(seen.backends, victim.pid)
    }
    before = Before(
        seen.clients, seen.waiting, seen.idle_in_transaction, seen.walsenders, tuple(sorted(behind))
    )
    built: dict[str, object] = msgspec.to_builtins(Payload(chosen, before))
    return built


def reason_to_refuse(backend: Backend, seen: Sessions, settings: PostgresSettings) -> str:
    """Why a session may or could not be signalled; "" when it may and could."""
    return protection(backend, seen, settings) or forbidden(backend, seen)


async def carry_out(world: World, plan: Plan, statement: Callable[[Victim, int], Composed]) -> Outcome:
    """Save the evidence, look again, and signal the victims one by one, each with its own result."""
    if plan.refusal:
        return Outcome("refused", plan.refusal)
    victims = msgspec.convert(plan.payload, Payload).victims
    settings = settings_of(world)
    try:
        link = await open_link(world)
        seen = await look(link)
        await asyncio.to_thread(world.save_evidence, "postgres-sessions.json", describe.evidence(seen))
    except PlanError as error:
        return Outcome("refused", f"{error} Nothing was signalled.")
    except OSError as error:
        return Outcome(
            "refused", f"The evidence cannot be saved ({error.strerror or error}); nothing was signalled."
        )
    results: list[StepResult] = []
    for number, victim in enumerate(victims):
        world.tell(f"Signalling {number + 1} of {len(victims)}: pid {victim.pid}.")
        backend = seen.find(victim.pid, victim.backend_start)
        why = protection(backend, seen, settings) if backend is not None else ""
        if why:
            results.append(StepResult(f"pid/{victim.pid}", False, f"skipped: {why}", "skipped"))
            continue
        try:
            results.append(await signals.send(link, statement(victim, link.version), victim))
        except LostAnswerError as error:
            results.append(StepResult(f"pid/{victim.pid}", ok=False, detail="outcome unknown"))
            return signals.outcome(results, list(victims[number + 1 :]), str(error))
    return signals.outcome(results, [], "")


async def judge(
    world: World, plan: Plan, outcome: Outcome, remains: Callable[[Sessions, Victim], bool], done: str
) -> Verdict:
    """Look until the victims are dealt with and their waiters go on, or VERIFY_SECONDS have passed.

    ``remains`` tells whether a victim still is as it was; ``done`` is the sentence when none is. What got
    worse has to stay so for all that time: locks are waited for, and standbys reconnect, at any moment.
    """
    if outcome.status == "refused":
        return Verdict("no_change", "Nothing was signalled.")
    if outcome.status == "done" and not any(it.status == "signalled" for it in outcome.results):
        return Verdict("no_change", "Nothing was signalled: what was to be ended had ended or moved on.")
    given = msgspec.convert(plan.payload, Payload)
    for attempt in range(max(1, round(VERIFY_SECONDS / world.timing.poll))):
        if attempt:
            await asyncio.sleep(world.timing.poll)
        try:
            seen = await look(await open_link(world))
        except PlanError as error:
            return Verdict("inconclusive", f"It could not be verified: {error}")
        left = [victim for victim in given.victims if remains(seen, victim)]
        stuck = [
            it for pid, start in given.before.waiters if (it := seen.find(pid, start)) and it.waits_for_lock
        ]
        if not left and not stuck and not _worse(given.before, seen):
            break
    return _verdict(given, seen, left, stuck, done)


def _worse(before: Before, seen: Sessions) -> bool:
    return seen.walsenders < before.walsenders or seen.waiting > before.waiting


def _verdict(given: Payload, seen: Sessions, left: list[Victim], stuck: list[Backend], done: str) -> Verdict:
    before = given.before
    still = "still waits" if len(stuck) == 1 else "still wait"
    evidence = (
        f"waiting behind: {len(before.waiters)} before, {len(stuck)} of them {still}",
        f"waiting for a lock: {before.waiting} before, {seen.waiting} now",
        f"idle in transaction: {before.idle_in_transaction} before, {seen.idle_in_transaction} now",
        f"client sessions: {before.clients} before, {seen.clients} now, of {seen.max_connections}",
        f"replication connections: {before.walsenders} before, {seen.walsenders} now",
    )
    if seen.walsenders < before.walsenders:
        return Verdict("worse", f"{done} A replication connection is gone: look at the standbys.", evidence)
    if left:
        names = ", ".join(str(victim.pid) for victim in left)
        return Verdict("no_change", f"Still as before: pid {names}.", evidence)
    if stuck:
        holders = sorted({pid for it in stuck for pid in it.blocked_by})
        names = ", ".join(map(str, holders)) or "others"
        return Verdict(
            "inconclusive", f"{done} {len(stuck)} of its waiters {still}, now for pid {names}.", evidence
        )
    if seen.waiting > before.waiting:
        return Verdict("worse", f"{done} More sessions wait for locks than before.", evidence)
    match len(before.waiters):
        case 0:
            waiters = ""
        case 1:
            waiters = " The one that waited behind goes on."
        case number:
            waiters = f" All {number} that waited behind go on."
    return Verdict("helped", f"{done}{waiters}", evidence)
