"""The cache pane: memory, evictions, hit ratio and clients, and the queues and slow commands below."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from console.model.plan import Target
from console.model.redis import Queue, RedisSnapshot, SlowCommand
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans
from console.ui.format import age, count, honest, percent, size
from console.ui.panes.base import Pane, Selection, matches
from console.ui.screens.pages import PageScreen
from console.ui.screens.servers import cache_lines
from console.ui.widgets.gauge import gauge
from console.ui.widgets.line_widget import Block
from console.ui.widgets.table import Column


class CachePane(Pane):
    """See the module. Row keys are ``source|queue|name`` and ``source|slow|id``."""

    NAME: ClassVar[str] = "cache"
    SOURCES: ClassVar[tuple[str, ...]] = ("redis:",)
    SETUP: ClassVar[tuple[str, ...]] = (
        "No Redis is configured.",
        "Start with --redis-url URL, or write in warroom.toml:",
        "  [[redis]]",
        '  url = "redis://cache:6379/0"',
        '  queues = ["jobs"]',
    )

    def __init__(self, engine: Any) -> None:
        self._shots: dict[str, RedisSnapshot] = {}
        self._rows: dict[str, Queue | SlowCommand] = {}
        self.facts = Block(classes="facts")
        super().__init__(engine)

    def body(self) -> Iterable[Widget]:
        """The figures, and the table."""
        yield self.facts
        yield self.table

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._glyph_cell),
            Column("QUEUE OR SLOW COMMAND", 22, self._name_cell, grow=1),
            Column("DEPTH", 8, self._depth_cell, right=True),
            Column("TOOK", 7, self._took_cell, right=True, rank=1),
            Column("", 12, self._detail_cell, rank=2),
        )

    def lookup(self, key: str) -> Queue | SlowCommand | None:
        """The queue or command of a key."""
        return self._rows.get(key)

    def read(self) -> None:
        """Queues in their configured order, then slow commands, latest first."""
        self._shots = self.engine.board.of_type(RedisSnapshot)
        rows: dict[str, Queue | SlowCommand] = {}
        for source, shot in self._shots.items():
            for queue in shot.queues:
                rows[f"{source}|queue|{queue.name}"] = queue
        for source, shot in self._shots.items():
            for slow in sorted(shot.slow, key=lambda item: -item.at):
                rows[f"{source}|slow|{slow.id}"] = slow
        if self.filter:
            rows = {key: row for key, row in rows.items() if matches(_name(row), self.filter)}
        self._rows = rows
        self.table.set_keys(list(rows))

    # The cells

    def _glyph_cell(self, row: Queue | SlowCommand) -> Spans:
        glyphs = self.table.glyphs
        if isinstance(row, SlowCommand):
            return (("s", "faint"),)
        return ((glyphs.ok, "faint"),) if row.depth.ok else ((glyphs.unknown, "warn"),)

    def _name_cell(self, row: Queue | SlowCommand) -> Spans:
        return ((_name(row), "text" if isinstance(row, Queue) else "dim"),)

    def _depth_cell(self, row: Queue | SlowCommand) -> Spans:
        if isinstance(row, SlowCommand):
            return (("", "text"),)
        if row.type == "none":  # the server answers, and there is no such key: not the same as empty
            return (("absent", "warn"),)
        return (honest(row.depth, count, self.now),)

    def _took_cell(self, row: Queue | SlowCommand) -> Spans:
        return ((f"{row.ms:.0f}ms", "warn") if isinstance(row, SlowCommand) else ("", "text"),)

    def _detail_cell(self, row: Queue | SlowCommand) -> Spans:
        if isinstance(row, SlowCommand):
            return ((f"{age(self.now - row.at)} ago", "faint"),)
        pending = f" {row.pending} pending" if row.pending is not None else ""
        return ((f"{row.type}{pending} {row.detail}".strip(), "faint"),)

    # What the screen asks

    def repaint(self) -> None:
        """Bring the figures up to date."""
        lines: list[Spans] = []
        several = len(self._shots) > 1
        for source, shot in self._shots.items():
            memory, flow, rest = self._server_lines(source, shot)
            second = rest if self._faults(shot) else flow  # there is no room for both of every server
            lines += [memory, second] if several else [memory, flow, rest]
        self.facts.fit(lines, at_most=6, greyed=self.is_old())

    def _server_lines(self, source: str, shot: RedisSnapshot) -> list[Spans]:
        glyphs = self.table.glyphs
        limit = shot.limit or shot.system_memory
        width = max(10, min(30, self.size.width - 42))
        ratio = shot.used / limit if limit else 0.0
        role = "bad" if ratio >= 0.95 else "warn" if ratio >= 0.8 else "text"
        memory: list[Span] = [
            (f" {source.partition(':')[2]} ", "text"),
            *gauge(shot.used, limit, width, glyphs, warn=0.8, bad=0.95),
            (f" {size(shot.used)}/{size(limit)}", role),
            (f" {shot.policy}" if shot.limit else " of the machine, no maxmemory", "faint"),
        ]
        if shot.state != "ready":
            memory.append((f"  {shot.state.upper()}", "bad"))
        full = shot.clients >= 0.9 * shot.max_clients
        hits = honest(shot.hit_ratio, percent, self.now, sick=lambda value: value < 0.5)
        flow: list[Span] = [
            (" hits ", "faint"),
            hits,
            ("  ops/s ", "faint"),
            (count(shot.ops), "text"),
            ("  evict/s ", "faint"),
            (count(shot.evictions), "warn" if shot.evictions else "text"),
            ("  clients ", "faint"),
            (
                f"{shot.clients}/{shot.max_clients}",
                "bad" if full else "text",
            ),
        ]
        if shot.blocked:
            flow += [("  blocked ", "faint"), (str(shot.blocked), "text")]
        rest: list[Span] = self._faults(shot)  # first, so that no narrow pane cuts them
        rest += [(f"{' ' if rest else ''} keys ", "faint"), (count(shot.keys), "dim")]
        rest.append((f"  {shot.role}", "faint"))
        if shot.replicas:
            rest.append((f" with {plural(shot.replicas, 'replica')}", "faint"))
        if shot.fragmentation is not None:
            role = "warn" if shot.fragmentation > 1.5 else "dim"
            rest += [("  frag ", "faint"), (f"{shot.fragmentation:.1f}", role)]
        return [tuple(memory), tuple(flow), tuple(rest)]

    def _faults(self, shot: RedisSnapshot) -> list[Span]:
        faults = (
            (not shot.rdb_ok, "last RDB save failed"),
            (shot.aof_enabled and not shot.aof_ok, "last AOF write failed"),
            (shot.role in ("slave", "replica") and shot.link != "up", "replication link down"),
            (bool(shot.rejected), f"rejected clients {count(shot.rejected)}/s"),
            (bool(shot.oom_errors), f"{count(shot.oom_errors)} OOM errors/s"),
        )
        return [(f" {text} ", "bad") for true, text in faults if true]

    def summary(self) -> Spans:
        """How many servers are out of order."""
        sick = [shot for shot in self._shots.values() if shot.state != "ready" or self._faults(shot)]
        return ((f"{len(sick)} sick", "bad"),) if sick else ()

    def selections(self) -> tuple[Selection, ...]:
        """The queue under the cursor, and its server."""
        key = self.table.cursor or ""
        source = key.partition("|")[0] or next(iter(self._shots), "")
        if not source:
            return ()
        server = Selection(source, Target("db", "0"), f"{source} db 0")
        row = self.table.record
        if isinstance(row, Queue):
            return (Selection(source, Target("key", row.name), f"key/{row.name}"), server)
        return (server,)

    def open(self) -> bool:
        """Open the page of the servers, that of the row under the cursor first."""
        if not self.source_names():
            return False
        first = (self.table.cursor or "").partition("|")[0]
        engine = self.engine
        self.app.push_screen(PageScreen(engine, "CACHE", lambda width: cache_lines(engine, first, width)))
        return True

    def detail(self) -> Spans:
        """The row in full, or the notes of the servers."""
        row = self.table.record
        if isinstance(row, SlowCommand):
            return ((row.command, "text"),)
        if isinstance(row, Queue):
            return ((f"{row.name}  {row.type}  {row.detail}  {row.depth.reason}", "text"),)
        notes = [note for shot in self._shots.values() for note in shot.notes]
        return (("  ".join(notes), "dim"),) if notes else ()

    def extra_notice(self) -> Sequence[Spans]:
        """Nothing slow and no queue is watched."""
        return [(("No queue is watched and no command was slow.", "faint"),)] if self._shots else ()


def _name(row: Queue | SlowCommand) -> str:
    return row.name if isinstance(row, Queue) else row.command
