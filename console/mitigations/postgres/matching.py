"""pg.terminate-matching: every client session that matches, listed first, ended one by one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from console.config import PostgresSettings
from console.engine.ports import PlanError
from console.mitigations.postgres import carry, describe, signals
from console.mitigations.postgres.sessions import Sessions, look, open_link
from console.mitigations.postgres.signals import Victim
from console.mitigations.postgres.single import still_there
from console.mitigations.world import World
from console.model import actions
from console.model.plan import Change, Hit, Option, Outcome, Plan, Target, Verdict
from console.model.postgres import Backend
from console.model.symptoms.words import plural, span

WAIT_MS = 2000
STATES = ("idle in transaction", "idle", "active")
"""The states that can be matched; the first also matches transactions that have failed."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Filter(msgspec.Struct, frozen=True):
    """Which sessions are meant; an empty text means any."""

    state: str
    older_than: float
    application: str
    user: str
    database: str
    limit: int

    def matches(self, backend: Backend, now: float) -> bool:
        """Whether the session is meant, whatever it is."""
        state = self.state == backend.state or (self.state == STATES[0] and backend.idle_in_transaction)
        age = backend.age(now)
        return (
            state
            and age is not None
            and age >= self.older_than
            and self.application in ("", backend.application)
            and self.user in ("", backend.user)
            and self.database in ("", backend.database)
        )


class TerminateMatching:
    """Ends the sessions that match, longest first, and names those that match and are left alone."""

    name = "pg.terminate-matching"

    async def options(self, world: World, target: Target, param: str) -> tuple[Option, ...]:
        """States, applications and users of the client sessions there are now, with how many."""
        field = {"state": "state", "application": "application", "user": "user"}.get(param)
        if field is None:
            return ()
        seen = await look(await open_link(world))
        database = _database(world, seen, target)
        clients = [it for it in seen.backends if it.client_session and database in ("", it.database)]
        if param == "state":
            counts = Counter(STATES[0] if it.idle_in_transaction else it.state or "" for it in clients)
            return tuple(
                Option(state, state, plural(counts[state], "session"), recommended=state == STATES[0])
                for state in STATES
            )
        counts = Counter(getattr(it, field) for it in clients)
        return tuple(
            Option(name, name, plural(count, "session")) for name, count in counts.most_common() if name
        )

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """List victims and exceptions. Raises PlanError."""
        if target.kind != "db":
            raise PlanError(f"{self.name} needs a database or server as db/NAME, not {target}")
        settings = carry.settings_of(world)
        given = _parameters(params)
        seen = await look(await open_link(world))
        wanted = _filter(given, _database(world, seen, target))
        meant = sorted(
            (it for it in seen.backends if wanted.matches(it, seen.now)),
            key=lambda it: -(it.age(seen.now) or 0.0),
        )
        reasons = {it.pid: _reason(it, seen, settings, wanted) for it in meant}
        chosen = [it for it in meant if not reasons[it.pid]]
        victims = [
            Victim(it.pid, it.backend_start_text, describe.who(it), "state_change", it.state_change)
            for it in chosen
        ]
        where = f"database {wanted.database}" if wanted.database else f"all databases of {seen.server}"
        sessions = f"{plural(len(chosen), 'session')} {wanted.state} for {span(wanted.older_than)}"
        title = f"Terminate {sessions} in {where}"
        plan = carry.draft(world, seen, self.name, title, target, given)
        return msgspec.structs.replace(
            plan,
            command="\n".join(
                signals.text(signals.terminate_statement(it, seen.version, WAIT_MS)) for it in victims
            ),
            changes=tuple(
                Change(f"pid/{it.pid}", f"{describe.doing(it, seen.now)}: {it.query[:160]}", "ended")
                for it in chosen
            ),
            hits=_hits(seen, chosen, [it for it in meant if reasons[it.pid]], reasons),
            undone_by=describe.reconnecting(seen, chosen),
            undo="Ended sessions do not come back; their transactions have to be repeated by the clients.",
            evidence=carry.EVIDENCE,
            warnings=tuple(_cautions(wanted, chosen)),
            refusal=_refusal(wanted, chosen, len(meant)),
            payload=carry.payload(seen, victims),
        )

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """End the listed sessions, each only if it has not moved since."""
        return await carry.carry_out(
            world, plan, lambda victim, version: signals.terminate_statement(victim, version, WAIT_MS)
        )

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """See that the sessions are gone and that those behind them go on."""
        skipped = {it.target for it in outcome.results if it.status in ("gone", "skipped")}

        def remains(seen: Sessions, victim: Victim) -> bool:
            return f"pid/{victim.pid}" not in skipped and still_there(seen, victim)

        return await carry.judge(world, plan, outcome, remains, "The sessions are gone.")


def _parameters(params: dict[str, str]) -> dict[str, str]:
    """The parameters with the defaults of the action's declaration. Raises PlanError for an unknown one."""
    declared = actions.find(TerminateMatching.name)
    assert declared is not None
    defaults = {param.name: param.default for param in declared.params}
    unknown = sorted(set(params) - set(defaults))
    if unknown:
        raise PlanError(f"{declared.name} has no parameter {unknown[0]}; it has {', '.join(defaults)}")
    return {**defaults, **{name: value.strip() for name, value in params.items() if value.strip()}}


def _filter(given: dict[str, str], database: str) -> Filter:
    if given["state"] not in STATES:
        raise PlanError(f"state must be one of {', '.join(STATES)}, not {given['state']!r}")
    if not given["limit"].isdecimal() or int(given["limit"]) < 1:
        raise PlanError(f"limit must be a number above 0, not {given['limit']!r}")
    older_than = duration(given["older-than"])
    return Filter(
        given["state"], older_than, given["application"], given["user"], database, int(given["limit"])
    )


def duration(text: str) -> float:
    """Seconds in ``90s``, ``5m``, ``1h30m`` or ``300``. Raises PlanError."""
    if text.isdecimal():
        return float(text)
    if not re.fullmatch(r"(?:\d+[smhd])+", text):
        raise PlanError(f"older-than must be a duration such as 90s, 5m or 1h30m, not {text!r}")
    return sum(int(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)([smhd])", text))


def _database(world: World, seen: Sessions, target: Target) -> str:
    """The database that ``target`` names; "" for the server, by its name in the configuration.

    A name that is both means the database, which is the smaller of the two.
    """
    if target.name in seen.databases:
        return target.name
    if target.name == carry.settings_of(world).name:
        return ""
    raise PlanError(f"There is no database {target.name}; there are {', '.join(seen.databases)}")


def _reason(backend: Backend, seen: Sessions, settings: PostgresSettings, wanted: Filter) -> str:
    why = carry.reason_to_refuse(backend, seen, settings)
    if not why and backend.superuser and wanted.user != backend.user:
        return f"{backend.user} is a superuser, perhaps at repair work; name it with user={backend.user}"
    return why


def _hits(
    seen: Sessions, chosen: list[Backend], left: list[Backend], reasons: dict[int, str]
) -> tuple[Hit, ...]:
    hits = [Hit("sessions ended", len(chosen), tuple(describe.line(it, seen.now) for it in chosen))]
    hits += describe.waiters_hit(seen, chosen)
    if left:
        names = tuple(f"pid {it.pid} {describe.who(it)}: {reasons[it.pid]}" for it in left)
        hits.append(Hit("matching sessions left alone", len(left), names))
    return tuple(hits)


def _cautions(wanted: Filter, chosen: Iterable[Backend]) -> list[str]:
    found = []
    if wanted.state == "active":
        found.append(
            "These sessions run queries: pg.cancel may do and keeps them. Cancel before you terminate."
        )
    if wanted.state == "idle":
        found.append(
            "Idle sessions hold no lock and block nobody. Pools reconnect at once and all together;"
            " idle_session_timeout (14 and later, no restart) ends them gently."
        )
    if any(it.xact_start is not None for it in chosen):
        found.append("Open transactions are rolled back.")
    return found


def _refusal(wanted: Filter, chosen: list[Backend], meant: int) -> str:
    if not chosen:
        left = f"; {plural(meant, 'matches and is', 'match and are')} left alone" if meant else ""
        return f"No session is to be ended: none {wanted.state} for {span(wanted.older_than)}{left}."
    if len(chosen) > wanted.limit:
        return (
            f"{plural(len(chosen), 'session matches', 'sessions match')} and the limit is {wanted.limit}."
            f" Narrow it by application, user or older-than, or allow it with limit={len(chosen)}."
        )
    return ""
