"""The error-rate pane: each service's history, ratio, rate and p95, sick first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from textual.events import Resize
from textual.widget import Widget

from console.model.kube import KubeSnapshot
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.symptoms.words import plural
from console.ui.cells import Spans
from console.ui.format import count, honest, moment, percent, seconds
from console.ui.panes.base import Pane, matches
from console.ui.widgets.sparkline import Chart, Mark, buckets, place, spark_line
from console.ui.widgets.table import Column

_SPARK = (11, 100)
"""The least and the most cells of a history in a row."""

_RECENT = 1000
"""Entries of the timeline, from its end, that are looked through for marks: far more than a history spans."""

_CHART_FROM = 20
"""Lines from which there is room for the chart of one service."""


class ErrorsPane(Pane):
    """See the module. Row keys are service names."""

    NAME: ClassVar[str] = "errors"
    SOURCES: ClassVar[tuple[str, ...]] = ("prometheus",)
    SORTS: ClassVar[tuple[str, ...]] = ("sick", "service", "errors", "rate", "p95")
    REORDER: ClassVar[float] = 0.5
    SETUP: ClassVar[tuple[str, ...]] = (
        "No Prometheus is configured.",
        "Start with --prometheus-url URL, or write in warroom.toml:",
        "  [prometheus]",
        '  url = "http://prometheus:9090"',
    )

    def __init__(self, engine: Any) -> None:
        self._services: dict[str, ServiceMetrics] = {}
        self._shot: PrometheusSnapshot | None = None
        self._marks: dict[str, tuple[Mark, ...]] = {}
        self._spark = 24
        self.chart = Chart(classes="chart")
        super().__init__(engine)

    def body(self) -> Iterable[Widget]:
        """The services, and the chart of the selected one where there is room."""
        yield self.table
        yield self.chart

    def columns(self) -> Sequence[Column]:
        """The columns."""
        return (
            Column("", 1, self._state_cell),
            Column("SERVICE", 14, self._name_cell, grow=2),
            Column(self._span_title(), self._spark, self._spark_cell, rank=3),
            Column("ERRORS", 10, self._ratio_cell, right=True),
            Column("LIMIT", 5, self._limit_cell, rank=4, right=True),
            Column("RATE/s", 10, self._rate_cell, rank=2, right=True),
            Column("P95", 10, self._p95_cell, rank=1, right=True),
        )

    def lookup(self, key: str) -> ServiceMetrics | None:
        """The service of that name."""
        return self._services.get(key)

    def read(self) -> None:
        """Take the services and what was deployed or done to them."""
        shots = self.engine.board.of_type(PrometheusSnapshot)
        self._shot = next(iter(shots.values()), None)
        services = self._shot.services if self._shot is not None else ()
        self._services = {service.name: service for service in services}
        self._marks = self._find_marks()
        found = [service for service in services if matches(service.name, self.filter)]
        found.sort(key=self._rank)
        self.table.set_keys([service.name for service in found])

    def signature(self) -> tuple[tuple[str, int], ...]:
        """The metrics and, for the marks, the timeline."""
        return (*super().signature(), ("timeline", self.engine.timeline.version))

    def _rank(self, service: ServiceMetrics) -> tuple[Any, ...]:
        match self.sort:
            case "service":
                return (service.name,)
            case "errors":
                return (-(service.error_ratio.value or 0), service.name)
            case "rate":
                return (-(service.rate.value or 0), service.name)
            case "p95":
                return (-(service.p95.value or 0), service.name)
            case _:
                excess = (
                    (service.error_ratio.value or 0) / service.threshold if service.error_ratio.ok else 0.0
                )
                return (not service.sick, -max(1.0, excess), service.error_ratio.ok, service.name)

    def _find_marks(self) -> dict[str, tuple[Mark, ...]]:
        """New revisions of a service's workload, and mitigations that name it."""
        settings = self.engine.config.prometheus
        workloads = {item.name: item.workload for item in settings.services} if settings else {}
        marks: dict[str, list[Mark]] = {name: [] for name in self._services}
        names = {(workloads.get(name) or f"deployment/{name}").lower(): name for name in self._services}
        for shot in self.engine.board.of_type(KubeSnapshot).values():
            for revision in shot.revisions.values():
                name = names.get(revision.workload.lower())
                if name is not None:
                    marks[name].append(Mark(revision.created, "change"))
        intents: dict[str, str] = {}
        for entry in self.engine.timeline.entries[-_RECENT:]:
            match entry.kind:
                case "change":
                    subject = str(entry.data.get("workload", ""))
                case "action.intent":
                    target = entry.data.get("target")
                    if isinstance(target, Mapping):
                        intents[entry.id] = f"{target.get('kind')}/{target.get('name')}"
                    continue
                case "action.result":
                    subject = intents.get(entry.ref or "", "")
                case _:
                    continue
            name = names.get(subject.lower())
            at = moment(entry.occurred_at)
            if name is not None and at is not None:
                marks[name].append(Mark(at, "change" if entry.kind == "change" else "action"))
        return {name: tuple(found) for name, found in marks.items()}

    def on_resize(self, _event: Resize) -> None:
        """Give the histories what width there is."""
        spark = max(_SPARK[0], min(_SPARK[1], self.size.width - 62))
        if spark != self._spark:
            self._spark = spark
            self.table.set_columns(self.columns())

    def _span_title(self) -> str:
        settings = self.engine.config.prometheus
        return f"LAST {settings.history / 60:.0f} MIN" if settings else "HISTORY"

    # The cells

    def _state_cell(self, service: ServiceMetrics) -> Spans:
        glyphs = self.table.glyphs
        if service.sick:
            return ((glyphs.bad, "bad"),)
        return ((glyphs.ok, "faint"),) if service.error_ratio.ok else ((glyphs.unknown, "warn"),)

    def _name_cell(self, service: ServiceMetrics) -> Spans:
        """The share of targets follows its word: cut off, a lone number would read as the share of errors."""
        name = (service.name, "strong" if service.sick else "text")
        if not service.up.ok or service.up.value is None or service.up.value >= 1:
            return (name,)
        return (name, (f" up {int(service.up.value * 100)}%" if service.up.value else " down", "bad"))

    def _spark_cell(self, service: ServiceMetrics) -> Spans:
        points = service.history
        if not points:
            return ((self.table.glyphs.gap * self._spark, "faint"),)
        start, end = points[0].at, points[-1].at
        marks = place(self._marks.get(service.name, ()), start, end, self._spark)
        return spark_line(
            buckets(points, start, end, self._spark), service.threshold, marks, self.table.glyphs
        )

    def _ratio_cell(self, service: ServiceMetrics) -> Spans:
        return (honest(service.error_ratio, percent, self.now, sick=lambda value: value > service.threshold),)

    def _limit_cell(self, service: ServiceMetrics) -> Spans:
        return ((percent(service.threshold), "faint"),)

    def _rate_cell(self, service: ServiceMetrics) -> Spans:
        text, role = honest(service.rate, count, self.now)
        return ((text, "dim" if role == "text" else role),)

    def _p95_cell(self, service: ServiceMetrics) -> Spans:
        limit = service.p95_threshold
        text, role = honest(
            service.p95, seconds, self.now, sick=lambda value: limit is not None and value > limit
        )
        return ((text, "dim" if role == "text" else role),)

    # What the screen asks

    def workload(self) -> str | None:
        """The key in the pods pane of the service under the cursor, the sickest where it is in several."""
        service = self.table.record
        if not isinstance(service, ServiceMetrics):
            return None
        wanted = (service.workload or f"deployment/{service.name}").lower()
        found = [
            (workload.sick, workload.severity, f"{source}|{workload.uid}")
            for source, shot in self.engine.board.of_type(KubeSnapshot).items()
            for workload in shot.workloads.values()
            if workload.key.lower() == wanted
        ]
        return max(found)[-1] if found else None

    def repaint(self) -> None:
        """Draw the selected service, or the sickest one."""
        wanted = self.size.height >= _CHART_FROM
        if self.chart.display != wanted:
            self.chart.display = wanted
            self.call_after_refresh(self.repaint)
        keys = self.table.keys
        if not wanted or not keys:
            return
        service = self.table.record or self._services.get(keys[0])
        if not isinstance(service, ServiceMetrics):
            return
        values = [point.value for point in service.history if point.value is not None]
        top = max([*values, service.threshold * 1.5])
        title: Spans = (
            (f" {service.name}", "strong"),
            ("  error ratio  ", "dim"),
            (f"{self.table.glyphs.change} deployed  {self.table.glyphs.action} mitigated", "accent"),
        )
        labels = (percent(top), percent(service.threshold), "0%")
        self.chart.draw(title, service.history, service.threshold, self._marks.get(service.name, ()), labels)

    def summary(self) -> Spans:
        """How many are above a limit, and how many nobody can see."""
        if self._shot is None:
            return ()
        sick = sum(service.sick for service in self._services.values())
        blind = sum(not service.error_ratio.ok for service in self._services.values())
        spans: list[tuple[str, str]] = [(f"{sick} sick  ", "bad")] if sick else []
        spans.append((plural(len(self._services), "service"), "dim"))
        if blind:
            spans.append((f"  {blind} without a ratio", "warn"))
        return tuple(spans)

    def detail(self) -> Spans:
        """The service's readings with their reasons."""
        service = self.table.record
        if not isinstance(service, ServiceMetrics):
            return (("; ".join(self._shot.warnings), "warn"),) if self._shot and self._shot.warnings else ()
        named = (("errors", service.error_ratio), ("rate", service.rate), ("p95", service.p95))
        reasons = [f"{name}: {reading.reason}" for name, reading in named if reading.reason]
        return ((f"{service.name}  " + "  ".join(dict.fromkeys(reasons)), "text"),)

    def extra_notice(self) -> Sequence[Spans]:
        """Prometheus answers but knows no service."""
        if self._shot is None:
            return ()
        return [(("Prometheus answers, but no service has the configured metric.", "warn"),)]
