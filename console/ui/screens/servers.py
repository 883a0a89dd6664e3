"""Pages of the databases and the caches: replication, slots, saving, and what the panes have no room for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from console.model.postgres import Backend, PostgresSnapshot, Replica, Slot, Standby, replication_lag
from console.model.redis import Master, Persistence, RedisSnapshot
from console.model.source import Health, SourceStatus
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans, fit, width_of
from console.ui.format import age, clock_text, count, honest, percent, size
from console.ui.port import Engine
from console.ui.widgets.page import fact, labelled

_LAG = 64 << 20
"""Bytes of lag from which a standby is marked, as in the pane."""

_QUERY = 160
"""Characters of a query: the session's own row leads to the rest."""

_NAMES = 24
"""The widest that a column of names becomes, in cells."""


def database_lines(engine: Engine, first: str, width: int) -> list[Spans]:
    """Every PostgreSQL server, the one with the board name ``first`` on top."""
    lines: list[Spans] = []
    shots = engine.board.of_type(PostgresSnapshot)
    for name, status in _servers(engine, "postgres:", first):
        shot, now = shots.get(name), engine.clock.now().timestamp()
        if shot is None:
            lines += [*_heading(name, "", status, now, width), ()]
            continue
        major, minor = divmod(shot.version, 10_000)
        role = "standby" if shot.standby else "primary"
        lines += _heading(name, f"{role}  PostgreSQL {major}.{minor}", status, now, width)
        for note in shot.notes:
            lines += fact("not read", note, width, role="warn")
        lines += _sessions(shot, now, width)
        if shot.standby is not None:
            lines += _standby(shot, shot.standby, width)
        lines += _replicas(shot, width) + _slots(shot, width)
        lines.append(())
    return lines


def cache_lines(engine: Engine, first: str, width: int) -> list[Spans]:
    """Every Redis server, the one with the board name ``first`` on top."""
    lines: list[Spans] = []
    shots = engine.board.of_type(RedisSnapshot)
    for name, status in _servers(engine, "redis:", first):
        shot, now = shots.get(name), engine.clock.now().timestamp()
        if shot is None:
            lines += [*_heading(name, "", status, now, width), ()]
            continue
        lines += _heading(name, f"{shot.role}  Redis {shot.version}", status, now, width)
        for note in shot.notes:
            lines += fact("note", note, width, role="warn")
        lines += _figures(shot, now, width)
        lines.append(_section("REPLICATION"))
        if shot.master is not None:
            lines += _master(shot, shot.master, width)
        lines += _followers(shot, width)
        lines.append(_section("SAVING"))
        if shot.persistence is not None:
            lines += _saving(shot, shot.persistence, now, width)
        lines.append(())
    return lines


def _servers(engine: Engine, prefix: str, first: str) -> list[tuple[str, SourceStatus]]:
    found = [(name, status) for name, status in engine.board.statuses.items() if name.startswith(prefix)]
    return sorted(found, key=lambda item: (item[0] != first, item[0]))


def _heading(name: str, about: str, status: SourceStatus, now: float, width: int) -> list[Spans]:
    """The server, and why what stands below may be old."""
    spans: list[Span] = [(f" {name.partition(':')[2]}", "strong")]
    spans += [(f"  {part}", "dim") for part in (about, status.address) if part]
    return [tuple(spans), *doubt(status, now, width)]


def doubt(status: SourceStatus, now: float, width: int) -> list[Spans]:
    """How old what a server told is, and why, when it is not what is."""
    if status.health in (Health.OK, Health.DISABLED):
        return []
    role = "bad" if status.health in (Health.FAILED, Health.DENIED) else "warn"
    old = "no data yet" if status.last_ok is None else f"data {age(now - status.last_ok)} old"
    text = f"{status.health.value}, {old}" + (f": {status.reason}" if status.reason else "")
    return fact("server", text, width, role=role)


def _below(text: str, width: int, *, role: str) -> list[Spans]:
    """A sentence in place of rows."""
    return labelled("", text, width, role=role, indent=3)


def _section(title: str) -> Spans:
    return ((f"  {title}", "accent"),)


def _sessions(shot: PostgresSnapshot, now: float, width: int) -> list[Spans]:
    least = "≥" if shot.limited else ""
    states = ", ".join(f"{number} {state or 'hidden'}" for state, number in shot.by_state)
    slots = f"{least}{shot.clients} of {shot.usable} slots" + (f": {states}" if states else "")
    lines = fact("sessions", slots, width)
    clients = [backend for backend in shot.backends if backend.client_session]
    passed = max(0.0, now - shot.at)
    active = [backend for backend in clients if backend.state == "active"]
    for label, oldest, started in (
        ("oldest tx", shot.oldest_transaction, [(it.xact_start, it) for it in clients]),
        ("oldest query", shot.oldest_query, [(it.query_start, it) for it in active]),
    ):
        if oldest is None:
            lines += fact(label, "none to be seen: limited view" if shot.limited else "none", width)
        else:
            lines += fact(label, f"{age(oldest + passed)}{_whose(started)}", width)
    return lines


def _whose(started: Iterable[tuple[float | None, Backend]]) -> str:
    known = [(start, backend) for start, backend in started if start is not None]
    if not known:
        return ""
    backend = min(known, key=lambda item: item[0])[1]
    query = backend.query if len(backend.query) <= _QUERY else f"{backend.query[: _QUERY - 1]}…"
    return f"  pid {backend.pid} of {backend.application or backend.user or '?'}: {query}"


def _standby(shot: PostgresSnapshot, standby: Standby, width: int) -> list[Spans]:
    lines = [_section("REPLAY HERE")]
    if standby.receiver:
        lines += fact("receiver", "runs", width, role="ok")
    elif standby.receiver is None:
        lines += fact("receiver", "unknown", width, role="warn")
    else:
        lines += fact("receiver", "none: cut off from its primary", width, role="bad")
    text = "unknown" if standby.unreplayed is None else f"{size(standby.unreplayed)} received, not replayed"
    if standby.receiver is False:
        text += "; what it has not received is unknown"
    behind = (standby.unreplayed or 0) > _LAG
    lines += fact("to replay", text, width, role="warn" if behind else "text")
    lag = replication_lag(shot)
    said, role = honest(lag, age, shot.at)
    if standby.receiver:
        lines += fact("lag", said if lag.ok else f"unknown: {lag.reason}", width, role=role)
    if standby.replay_age is not None:
        text = f"made {age(standby.replay_age)} ago; this rises on an idle primary too"
        lines += fact("last commit", text, width)
    paused = {True: ("PAUSED", "bad"), False: ("goes on", "text"), None: ("unknown", "warn")}
    text, role = paused[standby.paused]
    return lines + fact("replay", text, width, role=role)


def _replicas(shot: PostgresSnapshot, width: int) -> list[Spans]:
    lines = [_section("STANDBYS")]
    if not shot.replicas:
        return lines + _nothing(shot, "standbys", "no standby is connected", width)
    names = _column((f"{it.application} {it.client}" for it in shot.replicas), width - 53)
    head = f"{'STATE':<10}{'SYNC':<10}{'SENT':>6}{'FLUSH':>7}{'REPLAY':>7}{'TIME':>8}"
    lines.append(((f"    {fit('NAME', names)} {head}", "faint"),))
    lines += [_replica(it, names) for it in shot.replicas]
    if any(it.replay_lag is None for it in shot.replicas):
        lines += _below("Hidden: the role lacks pg_monitor.", width, role="warn")
    return lines


def _replica(it: Replica, names: int) -> Spans:
    hidden = it.replay_lag is None and not it.state
    state = (fit(it.state or "hidden", 10), "text" if it.state == "streaming" else "warn")
    late = (it.replay_lag or 0) > _LAG
    figures = f"{size(it.sent_lag):>6}{size(it.flush_lag):>7}"
    return (
        (f"    {fit(f'{it.application} {it.client}', names)} ", "text"),
        state,
        (fit(it.sync_state or ("hidden" if hidden else "-"), 10), "dim"),
        (figures, "dim"),
        (f"{size(it.replay_lag):>7}", "warn" if late else "text"),
        (f"{'-' if it.replay_seconds is None else f'{it.replay_seconds:.1f}s':>8}", "dim"),
    )


def _slots(shot: PostgresSnapshot, width: int) -> list[Spans]:
    lines = [_section("SLOTS")]
    if not shot.slots:
        return lines + _nothing(shot, "slots", "there is none", width)
    names = _column((it.name for it in shot.slots), width - 41)
    lines.append(((f"    {fit('NAME', names)} {'TYPE':<10}{'READER':<8}{'KEEPS':>6}  WAL STATUS", "faint"),))
    return lines + [_slot(it, names) for it in shot.slots]


def _slot(it: Slot, names: int) -> Spans:
    lost = it.wal_status in ("unreserved", "lost")
    return (
        (f"    {fit(it.name, names)} ", "text"),
        (fit(it.kind, 10), "dim"),
        (fit("active" if it.active else "none", 8), "text" if it.active else "warn"),
        (f"{size(it.retained):>6}", "text" if it.active else "warn"),
        (f"  {it.wal_status}", "bad" if lost else "dim"),
    )


def _nothing(shot: PostgresSnapshot, part: str, text: str, width: int) -> list[Spans]:
    """``text``, unless the part could not be read, which is not the same as nothing."""
    if any(note.startswith(f"{part}: ") for note in shot.notes):
        return _below("could not be read", width, role="warn")
    return _below(text, width, role="faint")


def _column(names: Iterable[str], room: int) -> int:
    """As wide as the longest name, as far as there is room."""
    return max(4, min(_NAMES, room, max(map(width_of, names))))


def _figures(shot: RedisSnapshot, now: float, width: int) -> list[Spans]:
    limit = shot.limit or shot.system_memory
    share = f" ({percent(shot.used / limit)})" if limit else ""
    policy = shot.policy if shot.limit else "of the machine, no maxmemory"
    frag = "" if shot.fragmentation is None else f", fragmentation {shot.fragmentation:.1f}"
    hits = honest(shot.hit_ratio, percent, now)[0]
    refused = "unknown before Redis 6.2" if shot.oom_total is None else f"{shot.oom_total} in all"
    gone = f"{_rate(shot.evictions)} evicted, {_rate(shot.expirations)} expired"
    blocked = f"{shot.blocked} blocked, {_rate(shot.rejected)} rejected"
    rows: Sequence[tuple[str, str, str]] = (
        ("state", shot.state, "bad" if shot.state not in ("ready", "readonly") else "text"),
        ("memory", f"{size(shot.used)} of {size(limit)}{share} {policy}{frag}", "text"),
        (
            "OOM errors",
            refused if shot.oom_total is None else f"{_rate(shot.oom_errors)}, {refused}",
            "bad" if shot.oom_errors else "warn" if shot.oom_total else "text",
        ),
        ("keys", f"{count(shot.keys)}, {gone}", "text"),
        ("clients", f"{shot.clients} of {shot.max_clients}, {blocked}", "bad" if shot.rejected else "text"),
        ("commands", f"{_rate(shot.ops)}, hits {hits}", "text"),
    )
    return [line for label, text, role in rows for line in fact(label, text, width, role=role)]


def _rate(number: float | None) -> str:
    """A rate, which is not known before the second round."""
    return "-/s" if number is None else f"{count(number)}/s"


def _master(shot: RedisSnapshot, master: Master, width: int) -> list[Spans]:
    up = shot.link == "up"
    lines = fact("master", master.address, width)
    down = "" if master.down is None else f" for {age(master.down)}"
    link = "up" if up else f"{shot.link or 'unknown'}{down}"
    lines += fact("link", link, width, role="ok" if up else "bad")
    if master.syncing:
        lines += fact("", "a full copy is under way", width, role="warn")
    if master.heard is not None:
        lines += fact("last heard", f"{age(master.heard)} ago", width)
    gap = (
        "unknown: older servers do not tell"
        if master.gap is None
        else f"{size(master.gap)} received, not processed"
    )
    return lines + fact("gap", gap if up else "unknown while the link is not up", width)


def _followers(shot: RedisSnapshot, width: int) -> list[Spans]:
    if not shot.followers:
        return _below("no replica is connected", width, role="faint")
    names = _column((it.address for it in shot.followers), width - 30)
    lines: list[Spans] = [((f"    {fit('REPLICA', names)} {'STATE':<14}{'GAP':>6}{'HEARD':>8}", "faint"),)]
    for it in shot.followers:
        late = (it.gap or 0) > _LAG
        lines.append(
            (
                (f"    {fit(it.address, names)} ", "text"),
                (fit(it.state or "unknown", 14), "text" if it.state == "online" else "warn"),
                (f"{size(it.gap):>6}", "warn" if late else "text"),
                (f"{'-' if it.heard is None else age(it.heard):>8}", "dim"),
            )
        )
    return lines


def _saving(shot: RedisSnapshot, saving: Persistence, now: float, width: int) -> list[Spans]:
    if saving.saved_at is None:
        last = "none since the server started"
    else:
        last = f"{age(now - saving.saved_at)} ago, at {clock_text(saving.saved_at)}"
    if saving.changes is not None:
        last += f", {plural(saving.changes, 'change')} since"
    lines = fact("last save", last, width)
    if not shot.rdb_ok:
        lines += fact("", "THE LAST SAVE FAILED", width, role="bad")
    if saving.saving:
        lines += fact("", "a save is under way", width)
    lines += fact("AOF", "on" if shot.aof_enabled else "off", width)
    faults = (
        (shot.aof_enabled and not shot.aof_ok, "THE LAST WRITE FAILED", "bad"),
        (shot.aof_enabled and not saving.rewrite_ok, "THE LAST REWRITE FAILED", "bad"),
        (saving.rewriting, "a rewrite is under way", "text"),
    )
    return lines + [line for true, text, role in faults if true for line in fact("", text, width, role=role)]
