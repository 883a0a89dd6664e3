"""The database pane: connection slots, and the sessions with the blockers on top."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

from textual.widget import Widget

from console.model.plan import Target
from console.model.postgres import Backend, PostgresSnapshot, blocker_tree
from console.ui.cells import Span, Spans
from console.ui.format import age, count, size
from console.ui.panes.base import Pane, Selection, matches
from console.ui.screens.pages import PageScreen
from console.ui.screens.servers import database_lines, doubt
from console.ui.screens.session import session_lines
from console.ui.widgets.gauge import gauge
from console.ui.widgets.line_widget import Block
from console.ui.widgets.table import Column

_STATES = {
    "active": "active",
    "idle": "idle",
    "idle in transaction": "idle in tx",
    "idle in transaction (aborted)": "aborted tx",
    "fastpath function call": "fastpath",
}
_OLD = 60.0
"""Seconds from which a transaction counts as old."""

_ROOMY = 60
"""Cells from which there is room for whole words in the line of ages."""

_STATEMENTS_FROM = 30
"""Lines from which there is room for the statements."""


class Session(NamedTuple):
    """A row: the backend, its depth in the blocker tree, how many wait for it, and where it is from."""

    backend: Backend
    depth: int
    waiting: int
    shot: PostgresSnapshot


class DatabasePane(Pane):
    """See the module. Row keys are ``source|pid|backend_start``."""

    NAME: ClassVar[str] = "database"
    SOURCES: ClassVar[tuple[str, ...]] = ("postgres:",)
    SORTS: ClassVar[tuple[str, ...]] = ("blockers", "age", "state", "application")
    SETUP: ClassVar[tuple[str, ...]] = (
        "No PostgreSQL is configured.",
        "Set WARROOM_POSTGRES_DSN, or write in warroom.toml:",
        "  [[postgres]]",
        '  dsn = "postgresql://warroom@db/shop"',
    )

    def __init__(self, engine: Any) -> None:
        self._shots: dict[str, PostgresSnapshot] = {}
        self._rows: dict[str, Session] = {}
        self.facts = Block(classes="facts")
        self.statements = Block(classes="statements")
        super().__init__(engine)

    def body(self) -> Iterable[Widget]:
        """The gauge, the sessions and, where there is room, the statements."""
        yield self.facts
        yield self.table
        yield self.statements

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._glyph_cell),
            Column("PID", 9, self._pid_cell),
            Column("TX AGE", 6, self._age_cell, right=True),
            Column("STATE", 10, self._state_cell),
            Column("WAIT", 12, self._wait_cell, rank=1),
            Column("APPLICATION", 12, self._application_cell, rank=2),
            Column("USER", 10, self._user_cell, rank=4),
            Column("CLIENT", 14, self._client_cell, rank=5),
            Column("QUERY", 12, self._query_cell, grow=1, rank=3),
        )

    # The rows

    def lookup(self, key: str) -> Session | None:
        """The session of a key."""
        return self._rows.get(key)

    def read(self) -> None:
        """Sort the sessions of all servers."""
        self._shots = self.engine.board.of_type(PostgresSnapshot)
        rows: dict[str, Session] = {}
        for source, shot in self._shots.items():
            clients = [backend for backend in shot.backends if backend.client_session]
            ordered = blockers_first(clients)
            if self.sort != "blockers":
                ordered = sorted(((one, 0, behind) for one, _, behind in ordered), key=self._rank)
            for backend, depth, waiting in ordered:
                if not self.filter or matches(_text(backend), self.filter):
                    rows[f"{source}|{backend.pid}|{backend.backend_start_text}"] = Session(
                        backend, depth, waiting, shot
                    )
        self._rows = rows
        self.table.set_keys(list(rows))

    def _rank(self, row: tuple[Backend, int, int]) -> tuple[Any, ...]:
        backend = row[0]
        match self.sort:
            case "state":
                return (backend.state or "~", backend.xact_start or 1e18)
            case "application":
                return (backend.application, backend.xact_start or 1e18)
            case _:
                return (backend.xact_start or 1e18, backend.pid)

    # The cells

    def _glyph_cell(self, row: Session) -> Spans:
        backend, depth, waiting, _ = row
        glyphs = self.table.glyphs
        if waiting and not backend.blocked_by:
            return ((glyphs.bad, "bad"),)
        if backend.blocked_by or backend.idle_in_transaction:
            return ((glyphs.warn, "warn"),)
        return ((glyphs.ok, "faint"),) if depth == 0 else ((" ", "text"),)

    def _pid_cell(self, row: Session) -> Spans:
        backend, depth, waiting, _ = row
        branch = " " * (min(depth, 3) - 1) + f"{self.table.glyphs.branch} " if depth else ""
        return ((branch, "faint"), (str(backend.pid), "strong" if waiting else "text"))

    def _age_cell(self, row: Session) -> Spans:
        started = row.backend.xact_start
        if started is None:
            return (("-", "faint"),)
        old = self._server_now(row.shot) - started
        return ((age(old), "bad" if old > 5 * _OLD else "warn" if old > _OLD else "dim"),)

    def _state_cell(self, row: Session) -> Spans:
        state = row.backend.state
        if state is None:
            return (("hidden", "warn"),)
        role = "warn" if row.backend.idle_in_transaction else "text" if state == "active" else "faint"
        return ((_STATES.get(state, state), role),)

    def _wait_cell(self, row: Session) -> Spans:
        backend, _, waiting, _ = row
        if backend.blocked_by:
            return ((f"by {','.join(map(str, backend.blocked_by))}", "warn"),)
        if waiting:
            return ((f"blocks {waiting}", "bad"),)
        waits = backend.state == "active" and backend.wait_event
        return ((backend.wait_event if waits else "", "dim"),)

    def _application_cell(self, row: Session) -> Spans:
        return ((row.backend.application or "-", "text" if row.backend.application else "faint"),)

    def _user_cell(self, row: Session) -> Spans:
        return ((row.backend.user, "dim"),)

    def _client_cell(self, row: Session) -> Spans:
        return ((row.backend.client or "local", "dim"),)

    def _query_cell(self, row: Session) -> Spans:
        return ((row.backend.query, "dim" if row.backend.state != "idle" else "faint"),)

    def _server_now(self, shot: PostgresSnapshot) -> float:
        """The server's clock now: its last answer plus what has passed here since."""
        return shot.now + max(0.0, self.now - shot.at)

    # What the screen asks

    def repaint(self) -> None:
        """Bring the gauge and the statements up to date."""
        lines: list[Spans] = []
        several = len(self._shots) > 1
        for source, shot in self._shots.items():
            lines.extend(self._server_lines(source, shot)[: 2 if several else 3])
        self.facts.fit(lines, at_most=6, greyed=self.is_old())
        self._repaint_statements()

    def _server_lines(self, source: str, shot: PostgresSnapshot) -> list[Spans]:
        glyphs = self.table.glyphs
        width = max(10, min(40, self.size.width - 40))
        used = f"{'≥' if shot.limited else ''}{shot.clients}/{shot.usable}"
        ratio = shot.clients / shot.usable if shot.usable else 1.0
        role = "bad" if ratio >= 0.9 else "warn" if ratio >= 0.75 else "text"
        name = source.partition(":")[2]
        head: Spans = (
            (f" {name} ", "text"),
            *gauge(shot.clients, shot.usable, width, glyphs),
            (f" {used} slots", role),
            (f"  {'standby' if shot.standby else 'primary'} pg{shot.version // 10000}", "faint"),
        )
        return [head, self._ages(shot), self._breakdown(shot)]

    def _ages(self, shot: PostgresSnapshot) -> Spans:
        passed = max(0.0, self.now - shot.at)
        oldest = None if shot.oldest_transaction is None else shot.oldest_transaction + passed
        query = None if shot.oldest_query is None else shot.oldest_query + passed
        least = "≥" if shot.limited else ""
        spans = self._replay_faults(shot)  # first, so that no narrow pane cuts them
        spans += [
            (" oldest tx " if self.size.width >= _ROOMY else " tx ", "faint"),
            (age(oldest), "bad" if (oldest or 0) > 5 * _OLD else "text"),
            (" query ", "faint"),
            (age(query), "bad" if (query or 0) > 5 * _OLD else "text"),
            ("  idle tx ", "faint"),
            (f"{least}{shot.idle_in_transaction}", "warn" if shot.idle_in_transaction else "text"),
            ("  wait ", "faint"),
            (f"{least}{shot.waiting}", "bad" if shot.waiting else "text"),
        ]
        lag = [replica.replay_lag for replica in shot.replicas if replica.replay_lag is not None]
        if lag:
            spans += [("  lag ", "faint"), (size(max(lag)), "warn" if max(lag) > 64 << 20 else "text")]
        elif shot.replicas:
            spans += [("  lag ", "faint"), ("hidden", "warn")]
        if shot.standby is not None:
            spans += [("  unreplayed ", "faint"), (size(shot.standby.unreplayed), "text")]
        retained = [slot.retained for slot in shot.slots if not slot.active and slot.retained is not None]
        if retained:
            spans += [("  unused slot keeps ", "faint"), (size(max(retained)), "warn")]
        return tuple(spans)

    @staticmethod
    def _replay_faults(shot: PostgresSnapshot) -> list[Span]:
        standby = shot.standby
        if standby is None:
            return []
        faults = (
            (standby.receiver is False, "no WAL receiver"),
            (standby.paused is True, "replay paused"),
        )
        return [(f" {text} ", "bad") for true, text in faults if true]

    def _breakdown(self, shot: PostgresSnapshot) -> Spans:
        spans: list[Span] = []
        for state, number in shot.by_state:
            spans += [(f" {_STATES.get(state, state or 'hidden')} ", "faint"), (str(number), "dim")]
        spans.append((f"  {self.table.glyphs.dot} ", "faint"))
        for application, number in shot.by_application[:6]:
            spans += [(f" {application or '(no name)'} ", "faint"), (str(number), "dim")]
        return tuple(spans)

    def _repaint_statements(self) -> None:
        known = [item for shot in self._shots.values() for item in shot.statements or ()]
        wanted = self.size.height >= _STATEMENTS_FROM and bool(known)
        if self.statements.display != wanted:
            self.statements.display = wanted
        if not wanted:
            return
        lines: list[Spans] = [(("     CALLS     TOTAL      MEAN  STATEMENT", "faint"),)]
        for item in sorted(known, key=lambda item: -item.total_ms)[:9]:
            figures = f"{count(item.calls):>10}{item.total_ms / 1000:>9.1f}s{item.mean_ms:>8.1f}ms  "
            lines.append(((figures, "dim"), (item.query, "text")))
        self.statements.put(lines, greyed=self.is_old())

    def summary(self) -> Spans:
        """Blockers and limits of sight."""
        roots = sum(1 for row in self._rows.values() if row.waiting and not row.depth)
        spans: list[Span] = []
        if roots:
            spans.append((f"{roots} blocking  ", "bad"))
        if any(shot.limited for shot in self._shots.values()):
            spans.append(("limited view: the role lacks pg_read_all_stats  ", "warn"))
        pending = [name for shot in self._shots.values() for name in shot.pending_restart]
        if pending:
            spans.append((f"restart pending: {', '.join(pending)}", "warn"))
        return tuple(spans)

    def selections(self) -> tuple[Selection, ...]:
        """The session under the cursor, and its server."""
        key = self.table.cursor or next(iter(self._rows), "")
        source = key.partition("|")[0] or next(iter(self._shots), "")
        if not source:
            return ()
        server = Selection(source, Target("db", source.partition(":")[2]), source)
        row = self.table.record
        if not isinstance(row, Session):
            return (server,)
        backend = row.backend
        target = Target("pid", str(backend.pid), "", backend.backend_start_text)
        return (Selection(source, target, f"pid/{backend.pid}"), server)

    def open(self) -> bool:
        """Open a page: the session under the cursor, then the servers, its own first."""
        if not self.source_names():
            return False
        engine, row = self.engine, self.table.record
        chosen = row.backend if isinstance(row, Session) else None
        first = (self.table.cursor or "").partition("|")[0]

        def lines(width: int) -> Sequence[Spans]:
            servers = database_lines(engine, first, width)
            shot, status = engine.board.snapshot(first), engine.board.status(first)
            if chosen is None or shot is None or status is None:
                return servers
            now = engine.clock.now().timestamp()
            there = shot.now + max(0.0, now - shot.at)
            session = session_lines(shot, chosen.pid, chosen.backend_start_text, there, width)
            return [*session, *doubt(status, now, width), (), *servers]

        self.app.push_screen(PageScreen(engine, "DATABASE", lines))
        return True

    def detail(self) -> Spans:
        """The session in full."""
        row = self.table.record
        if not isinstance(row, Session):
            gone = self.table.cursor is not None and bool(self._shots)
            return (("The selected session has ended.", "warn"),) if gone else self._notes()
        backend = row.backend
        parts = (f"pid {backend.pid}", f"{backend.user}@{backend.database}", backend.client, backend.query)
        return (("  ".join(part for part in parts if part), "text"),)

    def _notes(self) -> Spans:
        notes = [note for shot in self._shots.values() for note in shot.notes]
        return (("  ".join(notes), "dim"),) if notes else ()

    def extra_notice(self) -> Sequence[Spans]:
        """No session is open."""
        return [(("No client is connected.", "dim"),)] if self._shots else ()


def blockers_first(backends: Sequence[Backend]) -> list[tuple[Backend, int, int]]:
    """Sessions that block others first, each with those that wait for it below; then by transaction age.

    Gives the session, its depth, and how many wait for it, directly or behind others. One that waits for
    several stands below the first of them.
    """
    found: list[tuple[Backend, int, int]] = []
    seen: set[int] = set()
    for root in blocker_tree(backends):
        nodes = [(root, 0)]
        while nodes:
            node, depth = nodes.pop()
            if node.backend is not None and node.pid not in seen:
                seen.add(node.pid)
                found.append((node.backend, depth, node.behind))
            nodes += [(waiter, depth + 1) for waiter in reversed(node.waiters)]
    rest = [backend for backend in backends if backend.pid not in seen]
    rest.sort(key=lambda backend: (backend.xact_start or 1e18, backend.pid))
    return [*found, *((backend, 0, 0) for backend in rest)]


def _text(backend: Backend) -> str:
    return " ".join(
        (
            str(backend.pid),
            backend.user,
            backend.database,
            backend.application,
            backend.client,
            backend.state or "",
            backend.query,
        )
    )
