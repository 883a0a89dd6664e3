"""The alerts pane: what Alertmanager holds, and what the HTTP checks say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from console.model.http import HttpCheck, HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot
from console.model.plan import Target
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans
from console.ui.format import age, seconds
from console.ui.panes.base import Pane, Selection, matches
from console.ui.widgets.table import Column

_LOUD = ("critical", "page", "error", "high")
_EXPIRY = 14 * 86400
"""Seconds before a certificate ends from which it is worth a word."""


class AlertsPane(Pane):
    """See the module. Row keys are ``alert|fingerprint`` and ``check|name``."""

    NAME: ClassVar[str] = "alerts"
    SOURCES: ClassVar[tuple[str, ...]] = ("alertmanager", "http")
    SETUP: ClassVar[tuple[str, ...]] = (
        "No Alertmanager and no HTTP check is configured.",
        "Start with --alertmanager-url URL, or write in warroom.toml:",
        "  [alertmanager]",
        '  url = "http://alertmanager:9093"',
        "  [[http]]",
        '  name = "shop"',
        '  url = "https://shop.example/healthz"',
    )

    def __init__(self, engine: Any) -> None:
        self._rows: dict[str, Alert | HttpCheck] = {}
        super().__init__(engine)

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._glyph_cell),
            Column("ALERT OR CHECK", 18, self._name_cell, grow=1),
            Column("STATE", 9, self._state_cell),
            Column("SEVERITY", 8, self._severity_cell, rank=2),
            Column("SINCE", 6, self._since_cell, rank=1, right=True),
            Column("WHAT", 12, self._what_cell, grow=2, rank=3),
        )

    def lookup(self, key: str) -> Alert | HttpCheck | None:
        """The alert or check of a key."""
        return self._rows.get(key)

    def read(self) -> None:
        """Firing alerts and failing checks first, then what is silenced, then what is well."""
        rows: list[tuple[tuple[Any, ...], str, Alert | HttpCheck]] = []
        for shot in self.engine.board.of_type(AlertsSnapshot).values():
            for alert in shot.alerts:
                rank = (0 if alert.state == "active" else 2, alert.severity not in _LOUD, -alert.starts_at)
                rows.append((rank, f"alert|{alert.fingerprint}", alert))
        for checks in self.engine.board.of_type(HttpSnapshot).values():
            for check in checks.checks:
                order = {"down": 0, "reachable": 1}.get(check.state, 3)
                rows.append(((order, False, 0.0), f"check|{check.name}", check))
        rows = [row for row in rows if not self.filter or matches(_text(row[2]), self.filter)]
        rows.sort(key=lambda row: (row[0], row[1]))
        self._rows = {key: row for _, key, row in rows}
        self.table.set_keys(list(self._rows))

    # The cells

    def _glyph_cell(self, row: Alert | HttpCheck) -> Spans:
        glyphs = self.table.glyphs
        if isinstance(row, Alert):
            if row.state != "active":
                return ((glyphs.ok, "faint"),)
            return ((glyphs.bad, "bad"),) if row.severity in _LOUD else ((glyphs.warn, "warn"),)
        return (
            {"down": (glyphs.bad, "bad"), "reachable": (glyphs.warn, "warn")}.get(
                row.state, (glyphs.ok, "faint")
            ),
        )

    def _name_cell(self, row: Alert | HttpCheck) -> Spans:
        loud = row.state in ("active", "down")
        return ((row.name, "strong" if loud else "text" if isinstance(row, HttpCheck) else "dim"),)

    def _state_cell(self, row: Alert | HttpCheck) -> Spans:
        if isinstance(row, HttpCheck):
            role = {"down": "bad", "reachable": "warn"}.get(row.state, "faint")
            return ((row.state, role),)
        if row.state == "active":
            return (("firing", "bad" if row.severity in _LOUD else "warn"),)
        if row.silenced_by:
            return (("silenced", "dim"),)
        return (("inhibited" if row.inhibited_by else row.state, "dim"),)

    def _severity_cell(self, row: Alert | HttpCheck) -> Spans:
        return ((row.severity if isinstance(row, Alert) else "http", "dim"),)

    def _since_cell(self, row: Alert | HttpCheck) -> Spans:
        if isinstance(row, Alert):
            return ((age(self.now - row.starts_at), "dim"),)
        return ((seconds(row.latency), "dim"),)

    def _what_cell(self, row: Alert | HttpCheck) -> Spans:
        if isinstance(row, Alert):
            return ((row.summary, "dim"),)
        parts: list[Span] = []
        if row.status is not None:
            parts.append((f"{row.status} ", "dim"))
        parts.append((row.reason, "text" if row.state != "healthy" else "faint"))
        if row.expires is not None and row.expires - self.now < _EXPIRY:
            left = row.expires - self.now
            parts.append((f" certificate {'ended' if left < 0 else f'ends in {age(left)}'}", "warn"))
        return tuple(parts)

    # What the screen asks

    def summary(self) -> Spans:
        """How many fire, are silenced, are down."""
        alerts = [row for row in self._rows.values() if isinstance(row, Alert)]
        checks = [row for row in self._rows.values() if isinstance(row, HttpCheck)]
        spans: list[Span] = []
        if firing := sum(alert.state == "active" for alert in alerts):
            spans.append((f"{firing} firing  ", "bad"))
        if down := sum(check.state == "down" for check in checks):
            spans.append((f"{plural(down, 'check')} down  ", "bad"))
        if quiet := sum(alert.state != "active" for alert in alerts):
            spans.append((f"{quiet} silenced  ", "dim"))
        return tuple(spans)

    def selections(self) -> tuple[Selection, ...]:
        """The alert under the cursor."""
        row = self.table.record
        if not isinstance(row, Alert):
            return ()
        target = Target("alert", row.name, "", row.fingerprint)
        return (Selection("alertmanager", target, f"alert/{row.name}"),)

    def detail(self) -> Spans:
        """The summary and the labels, or the check's address."""
        row = self.table.record
        if isinstance(row, Alert):
            labels = "  ".join(f"{name}={value}" for name, value in row.labels)
            return ((f"{row.name}  {row.summary}  ", "text"), (labels, "dim"))
        if isinstance(row, HttpCheck):
            return ((f"{row.name}  {row.url}  {row.reason}", "text"),)
        return ()

    def extra_notice(self) -> Sequence[Spans]:
        """Quiet, and known to be."""
        return [(("No alert is firing.", "dim"),)] if self.engine.board.of_type(AlertsSnapshot) else ()


def _text(row: Alert | HttpCheck) -> str:
    if isinstance(row, HttpCheck):
        return f"{row.name} {row.state} {row.reason} {row.url}"
    labels = " ".join(f"{name}={value}" for name, value in row.labels)
    return f"{row.name} {row.severity} {row.summary} {labels}"
