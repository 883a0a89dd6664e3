"""The alerts pane: what Alertmanager holds, and what the HTTP checks say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from console.model.http import HttpCheck, HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot, Silence
from console.model.plan import Target
from console.model.symptoms.words import plural
from console.ui.cells import Span, Spans
from console.ui.format import age, clock_text, seconds
from console.ui.panes.base import Pane, Selection, matches
from console.ui.screens.pages import PageScreen
from console.ui.widgets.page import labelled
from console.ui.widgets.table import Column

_LOUD = ("critical", "page", "error", "high")
_OBJECTS = (
    *("service", "workload", "deployment", "statefulset", "daemonset", "job_name", "queue", "target"),
    *("container", "job", "pod", "node", "instance", "namespace", "cluster"),
)
"""The labels that say what an alert is about, the most telling ones first."""
_POD = (11, 6)
"""Cells of a long pod's name that stay: its beginning and the end that no other pod has."""
_EXPIRY = 14 * 86400
"""Seconds before a certificate ends from which it is worth a word."""
_SOON = 900
"""Seconds before a silence ends from which it is worth a word: the alert will be loud again."""


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
        self._objects: dict[str, str] = {}
        self._silences: dict[str, tuple[Silence, ...]] = {}
        self._unread = ""
        super().__init__(engine)

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._glyph_cell),
            Column("ALERT OR CHECK", 26, self._name_cell, grow=1),
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
        self._silences, self._unread, self._objects = {}, "", {}
        for shot in self.engine.board.of_type(AlertsSnapshot).values():
            self._unread = self._unread or shot.silences_failed
            self._objects |= _objects(shot.alerts, self.table.glyphs.ellipsis)
            self._silences |= {
                alert.fingerprint: shot.silencing(alert) for alert in shot.alerts if alert.silenced_by
            }
            for alert in shot.alerts:
                rank = (0 if alert.state == "active" else 2, alert.severity not in _LOUD, -alert.starts_at)
                rows.append((rank, f"alert|{alert.fingerprint}", alert))
        for checks in self.engine.board.of_type(HttpSnapshot).values():
            for check in checks.checks:
                order = {"down": 0, "reachable": 1}.get(check.state, 3)
                rows.append(((order, False, 0.0), f"check|{check.name}", check))
        rows = [row for row in rows if not self.filter or matches(self._text(row[2]), self.filter)]
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
        """The object comes before the name of the alert: what is cut off is what several rows share."""
        loud = row.state in ("active", "down")
        name = (row.name, "strong" if loud else "text" if isinstance(row, HttpCheck) else "dim")
        about = self._objects.get(row.fingerprint, "") if isinstance(row, Alert) else ""
        return ((about, "text" if loud else "dim"), (" ", "text"), name) if about else (name,)

    def _state_cell(self, row: Alert | HttpCheck) -> Spans:
        if isinstance(row, HttpCheck):
            role = {"down": "bad", "reachable": "warn"}.get(row.state, "faint")
            return ((row.state, role),)
        if row.state == "active":
            return (("firing", "bad" if row.severity in _LOUD else "warn"),)
        if row.silenced_by:
            return (("silenced", "warn" if self._ends_soon(row) else "dim"),)
        return (("inhibited" if row.inhibited_by else row.state, "dim"),)

    def _severity_cell(self, row: Alert | HttpCheck) -> Spans:
        return ((row.severity if isinstance(row, Alert) else "http", "dim"),)

    def _since_cell(self, row: Alert | HttpCheck) -> Spans:
        since = row.starts_at if isinstance(row, Alert) else row.since
        past = None if since is None else self.now - since
        if isinstance(row, HttpCheck) and row.state == "healthy" and past is not None and past < 60:
            return (("<1m", "dim"),)  # seconds of what is well would paint its rows every second
        return ((age(past), "dim"),)

    def _what_cell(self, row: Alert | HttpCheck) -> Spans:
        if isinstance(row, Alert):
            return (*self._silence_spans(row), (row.summary, "dim"))
        parts: list[Span] = []
        if row.expires is not None and row.expires - self.now < _EXPIRY:
            left = row.expires - self.now
            parts.append((f"certificate {'ended' if left < 0 else f'ends in {age(left)}'}  ", "warn"))
        if row.latency is not None:
            parts.append((f"{seconds(row.latency)} ", "dim"))
        parts.append((row.reason, "text" if row.state != "healthy" else "faint"))
        return tuple(parts)

    # Silences

    def _ends_soon(self, alert: Alert) -> bool:
        silences = self._silences.get(alert.fingerprint, ())
        return bool(silences) and silences[0].ends_at - self.now < _SOON

    def _silence_spans(self, alert: Alert) -> Spans:
        """Until when an alert is silenced, by whom and why; nothing where nobody did."""
        if not alert.silenced_by:
            return ()
        silences = self._silences.get(alert.fingerprint, ())
        if not silences:
            return ((f"{self._unknown()}  ", "warn"),)
        first, *others = silences
        until = f"{_left(first.ends_at - self.now)} (until {_time(first.ends_at, self.now)})"
        more = f" and {plural(len(others), 'other silence')}" if others else ""
        return (
            (until, "warn" if self._ends_soon(alert) else "text"),
            (f" by {first.created_by or 'nobody named'}{more}: {first.comment or 'no comment'}  ", "text"),
        )

    def _unknown(self) -> str:
        return f"by whom cannot be read: {self._unread}" if self._unread else "by whom is not known"

    def lines(self, alert: Alert, width: int) -> list[Spans]:
        """An alert in full, for a page: what it says, its silences, its labels."""
        state = "firing" if alert.state == "active" else self._state_cell(alert)[0][0]
        lines = labelled("State", f"{state}  {alert.severity}", width, role="strong")
        lines += labelled(
            "Since", f"{_time(alert.starts_at, self.now)}, {age(self.now - alert.starts_at)}", width
        )
        lines += labelled("What", alert.summary or "no summary", width)
        silences = self._silences.get(alert.fingerprint, ())
        if alert.silenced_by and not silences:
            lines += [(), *labelled("Silenced", self._unknown(), width, role="warn")]
        for silence in silences:
            until = f"{_time(silence.ends_at, self.now)}, {_left(silence.ends_at - self.now)}"
            soon = self._ends_soon(alert) and silence is silences[0]
            lines += [(), *labelled("Silenced by", silence.created_by or "nobody named", width)]
            lines += labelled("Until", until, width, role="warn" if soon else "text")
            lines += labelled("From", _time(silence.starts_at, self.now), width)
            lines += labelled("Comment", silence.comment or "none", width)
        if alert.labels:
            lines.append(())
        for number, (name, value) in enumerate(alert.labels):
            lines += labelled("" if number else "Labels", f"{name}={value}", width, role="dim")
        return lines

    def check_lines(self, check: HttpCheck, width: int) -> list[Spans]:
        """A check in full, for a page: what is asked, what is expected, and what came."""
        settings = next((one for one in self.engine.config.http if one.name == check.name), None)
        lines = labelled("State", check.state, width, role="strong")
        if check.since is not None:
            lines += labelled(
                "Since", f"{_time(check.since, self.now)}, {age(self.now - check.since)}", width
            )
        lines += labelled("Answer", check.reason, width)
        lines += labelled("Latency", "no answer" if check.latency is None else seconds(check.latency), width)
        lines += labelled("Asked", f"{age(self.now - check.at)} ago", width)
        lines += [(), *labelled("Address", check.url, width)]
        if settings is not None:
            body = f" and a body that matches {settings.body!r}" if settings.body else ""
            statuses = " or ".join(map(str, settings.expect))
            lines += labelled(
                "Expected", f"{statuses} to {settings.method}{body} within {settings.timeout:g} s", width
            )
            lines += labelled("Every", f"{settings.interval:g} s", width)
        if check.expires is not None:
            left = check.expires - self.now
            soon = "warn" if left < _EXPIRY else "text"
            lines += labelled(
                "Certificate", f"{_time(check.expires, self.now)}, {_left(left)}", width, role=soon
            )
        return lines

    # What the screen asks

    def open(self) -> bool:
        """Open the page of the check under the cursor, which follows it."""
        check, key = self.table.record, self.table.cursor
        if not isinstance(check, HttpCheck) or key is None:
            return False

        def lines(width: int) -> list[Spans]:
            now = self.lookup(key)
            return self.check_lines(now if isinstance(now, HttpCheck) else check, width)

        self.app.push_screen(PageScreen(self.engine, f"CHECK  {check.name}", lines))
        return True

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
        if ending := [self._silences[a.fingerprint][0].ends_at for a in alerts if self._ends_soon(a)]:
            spans.append((f"a silence {_left(min(ending) - self.now)}  ", "warn"))
        return tuple(spans)

    def selections(self) -> tuple[Selection, ...]:
        """The alert under the cursor."""
        row = self.table.record
        if not isinstance(row, Alert):
            return ()
        target = Target("alert", row.name, "", row.fingerprint)
        return (Selection("alertmanager", target, f"alert/{row.name}"),)

    def detail(self) -> Spans:
        """The silence, the summary and the labels, or the check's address."""
        row = self.table.record
        if isinstance(row, Alert):
            labels = "  ".join(f"{name}={value}" for name, value in row.labels)
            said: Spans = ((f"{row.summary}  ", "text"), (labels, "dim"))
            if row.silenced_by:
                return ((f"{row.name}  silenced ", "text"), *self._silence_spans(row), *said)
            return ((f"{row.name}  ", "text"), *said)
        if isinstance(row, HttpCheck):
            return ((f"{row.name}  {row.url}  {row.reason}", "text"),)
        return ()

    def extra_notice(self) -> Sequence[Spans]:
        """Quiet, and known to be."""
        return [(("No alert is firing.", "dim"),)] if self.engine.board.of_type(AlertsSnapshot) else ()

    def _text(self, row: Alert | HttpCheck) -> str:
        if isinstance(row, HttpCheck):
            return f"{row.name} {row.state} {row.reason} {row.url}"
        labels = " ".join(f"{name}={value}" for name, value in row.labels)
        silences = " ".join(
            f"{one.created_by} {one.comment}" for one in self._silences.get(row.fingerprint, ())
        )
        return f"{row.name} {row.severity} {row.summary} {labels} {silences}"


def _objects(alerts: Iterable[Alert], ellipsis: str) -> dict[str, str]:
    """What each alert is about, by fingerprint: the label that best tells those of one name apart."""
    named: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for alert in alerts:
        named[alert.name].append((alert.fingerprint, dict(alert.labels)))
    found: dict[str, str] = {}
    for group in named.values():
        others = {label for _, labels in group for label in labels} - {"alertname", "severity"}
        known = _OBJECTS if len(group) == 1 else (*_OBJECTS, *sorted(others.difference(_OBJECTS)))
        best = max(known, key=lambda label: len({labels.get(label) for _, labels in group} - {None}))
        for fingerprint, labels in group:
            value = labels.get(best, "")
            if best == "pod" and len(value) > sum(_POD) + 1:
                value = f"{value[: _POD[0]]}{ellipsis}{value[-_POD[1] :]}"
            found[fingerprint] = value
    return found


def _time(at: float, now: float) -> str:
    """Unix seconds as the time in UTC, with the date where it is a day or more away."""
    if abs(at - now) < 86400:
        return f"{clock_text(at)[:5]}Z"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")


def _left(seconds: float) -> str:
    """How long a silence still lasts."""
    if seconds <= 0:
        return "ended"
    return f"ends in {age(seconds)}" if seconds < _SOON else f"{age(seconds)} left"
