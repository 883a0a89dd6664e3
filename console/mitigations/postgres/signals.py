"""The statements that signal, and sending them one session at a time."""

from __future__ import annotations

from typing import Literal as OneOf

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Literal

from console.model.plan import Outcome, StepResult
from console.model.symptoms.words import plural
from console.sources.postgres.errors import wording
from console.sources.postgres.link import Link, NoAnswerError

ANSWER_SECONDS = 12.0


class Victim(msgspec.Struct, frozen=True):
    """A session as it was when the plan was made; ``moment`` is what must still hold besides its identity.

    For a query that is to be cancelled ``moment`` is query_start, for a session that matched a state it is
    state_change, as the column and its value in unix seconds.
    """

    pid: int
    backend_start: str
    label: str
    column: str = ""
    moment: float | None = None


def cancel_statement(victim: Victim) -> Composed:
    """pg_cancel_backend() for the victim's identity, and nothing else."""
    return _statement(SQL("pg_cancel_backend(pid)"), victim)


def terminate_statement(victim: Victim, version: int, wait_ms: int) -> Composed:
    """pg_terminate_backend() for the victim's identity; since 14 it waits until the session is gone."""
    call = SQL("pg_terminate_backend(pid, {})").format(Literal(wait_ms))
    return _statement(call if version >= 140000 else SQL("pg_terminate_backend(pid)"), victim)


def _statement(call: SQL | Composed, victim: Victim) -> Composed:
    """Match pid and backend_start in the statement that signals: a pid may have a new owner by then."""
    moment: SQL | Composed = SQL("")
    if victim.column and victim.moment is not None:
        column = SQL("query_start") if victim.column == "query_start" else SQL("state_change")
        moment = SQL(" AND extract(epoch FROM {})::float8 = {}").format(column, Literal(victim.moment))
    return SQL(
        "SELECT {} FROM pg_stat_activity WHERE pid = {} AND backend_start = {}"
        " AND backend_type = 'client backend'{}"
    ).format(call, Literal(victim.pid), Literal(victim.backend_start), moment)


def text(statement: Composed) -> str:
    """The statement as it is sent, fit to be pasted into psql."""
    return statement.as_string(None) + ";"


class LostAnswerError(Exception):
    """The answer to a signal was lost: it may or may not have been sent."""


async def send(link: Link, statement: Composed, victim: Victim) -> StepResult:
    """Signal one session. Raises LostAnswerError."""
    target = f"pid/{victim.pid}"
    try:
        answer = await link.fetch(statement, seconds=ANSWER_SECONDS)
    except NoAnswerError as error:
        await link.close()
        raise LostAnswerError(f"the server has been silent for {error.seconds:.0f} s") from None
    except psycopg.Error as error:
        if link.closed:
            raise LostAnswerError(wording(error)) from None
        if error.sqlstate == "42501":
            return StepResult(target, ok=False, detail=f"not permitted: {wording(error)}")
        return StepResult(target, ok=False, detail=f"the server refused: {wording(error)}")
    if not answer:
        moved = " or has moved on since the plan" if victim.column else ""
        return StepResult(target, True, f"already gone{moved}; nothing was signalled", "gone")
    if answer[0][0]:
        return StepResult(target, True, "signalled", "signalled")
    return StepResult(target, False, "signalled, but it has not ended yet", "going")


def outcome(results: list[StepResult], untried: list[Victim], lost: str) -> Outcome:
    """The sum of the results; ``lost`` says why an answer did not come, which ends the run."""
    failed = [result for result in results if not result.ok]
    signalled = sum(result.status == "signalled" for result in results)
    steps = [*results, *(StepResult(f"pid/{it.pid}", ok=False, detail="not tried") for it in untried)]
    if lost:
        return Outcome(
            "unknown",
            f"Outcome unknown: an answer was lost ({lost}). {signalled} signalled before, {len(untried)} not"
            " tried. Look whether the sessions are still there before you try again.",
            tuple(steps),
        )
    if results and all(result.status == "skipped" for result in results):
        return Outcome("refused", "; ".join(f"{it.target} {it.detail}" for it in results) + ".", tuple(steps))
    status: OneOf["done", "partial", "failed"] = "done"
    if failed:
        sent = any(result.status in ("signalled", "going") for result in results)
        status = "failed" if len(failed) == len(results) and not sent else "partial"
    if len(results) == 1:
        return Outcome(status, f"{results[0].target}: {results[0].detail}.", tuple(steps))
    gone = len(results) - signalled - len(failed)
    of_all = f"{signalled} of {plural(len(results), 'session')} signalled"
    detail = f"{of_all}, {gone} already gone, {len(failed)} failed."
    return Outcome(status, detail, tuple(steps))
