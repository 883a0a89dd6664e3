"""Polls one Prometheus and publishes all services with their four numbers and a short history."""

from __future__ import annotations

import math
import random
from collections.abc import Awaitable, Callable, Mapping

from console.config import PrometheusSettings, ServiceSettings
from console.model.clock import Clock
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.reading import State
from console.model.source import Health
from console.model.symptoms.words import plural
from console.model.text import clean
from console.sources.base import Publisher, Reporter, SourceError, poll
from console.sources.prometheus import queries
from console.sources.prometheus.cells import Column, by_label, history, outlived
from console.sources.prometheus.client import Answer, Client, QueryError, Series
from console.sources.prometheus.queries import Number

NAME = "prometheus"
ROUND_TIMEOUT = 15.0
COLUMNS = 120
"""Points of a history; a sparkline has no more columns."""

MAX_DISCOVERED = 100
MAX_WARNINGS = 10
WINDOW_CHECK = 300.0
"""Seconds between looks at whether the window is wide enough for the scrape interval."""


class PrometheusSource:
    """All services of one Prometheus-compatible server, in about five requests a round."""

    def __init__(self, settings: PrometheusSettings, clock: Clock, rng: random.Random) -> None:
        self.name = NAME
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._client = Client(settings)
        self._step = float(max(math.ceil(settings.history / COLUMNS), math.ceil(settings.interval)))
        self._seen: dict[str, None] = {}
        self._answered: dict[str, float] = {}
        self._separate: set[Number] = set()
        self._points: dict[str, tuple[tuple[float, float], ...]] = {}
        self._history_end = 0.0
        self._window_checked = -math.inf
        self._window_warnings: tuple[str, ...] = ()
        self._version: str | None = None

    async def run(self, publisher: Publisher) -> None:
        """Read until cancelled."""
        reporter = Reporter(self.name, self._client.address, publisher, self._clock)
        await poll(
            self.read,
            reporter,
            publisher,
            interval=self._settings.interval,
            timeout=ROUND_TIMEOUT,
            rng=self._rng,
            judge=_judge,
        )

    async def close(self) -> None:
        """Let the thread go; a hung server is not waited for."""
        self._client.close()

    async def read(self) -> PrometheusSnapshot:
        """One round. A number whose question fails is a failed cell; SourceError when all of them do."""
        warnings: dict[str, None] = {}
        server_now = self._clock.now().timestamp()
        columns: dict[Number, Column] = {}
        for number in Number:
            found, failures = await self._ask(number, self._client.instant, warnings)
            values = {name: series.points[-1][1] for name, series in found.items() if series.points}
            columns[number] = Column(values, failures)
            server_now = max((series.points[-1][0] for series in found.values()), default=server_now)
        if not any(column.values for column in columns.values()):
            for column in columns.values():
                for failure in column.failures.values():
                    raise failure
        await self._refresh_history(server_now, warnings)
        await self._check_window(warnings)
        services = tuple(self._service(item, columns) for item in self._services(columns, warnings))
        for column in columns.values():
            warnings.update((failure.reason, None) for failure in column.failures.values())
        if self._version is None:
            self._version = await self._client.version()
        return PrometheusSnapshot(
            at=self._clock.now().timestamp(),
            services=services,
            warnings=tuple(warnings)[:MAX_WARNINGS],
            version=self._version,
        )

    async def _ask(
        self, number: Number, ask: Callable[[str], Awaitable[Answer]], warnings: dict[str, None]
    ) -> tuple[dict[str, Series], dict[str, SourceError]]:
        """One number of all services: a question for those by label, one for those with an own expression.

        An own expression that the server refuses would take the others with it, so they are then asked
        one by one: the one to blame shows the reason.
        """
        found: dict[str, list[Series]] = {}
        failures: dict[str, SourceError] = {}

        async def put(key: str, expression: str, label: str) -> None:
            try:
                answer = await ask(expression)
            except QueryError as error:
                failures[key] = error
                return
            warnings.update((text, None) for text in answer.warnings)
            found.update(by_label(answer.series, label) if label else {key: list(answer.series)})

        own = {
            item.name: text
            for item in self._settings.services
            if (text := queries.own_expression(number, self._settings, item))
        }
        shared = [item.name for item in self._settings.services if item.name not in own]
        if shared or not self._settings.services:
            names = shared if self._settings.services else None
            await put("", queries.for_services(number, self._settings, names), self._settings.service_label)
        if own and number not in self._separate:
            await put("union", queries.union(own), queries.SERVICE)
            refused = failures.pop("union", None)
            if isinstance(refused, QueryError) and refused.status in (400, 422):
                self._separate.add(number)
            elif refused is not None:
                failures.update(dict.fromkeys(own, refused))
        if number in self._separate:
            for name, expression in own.items():
                await put(name, expression, "")
        return _single(found, own, failures), failures

    async def _refresh_history(self, server_now: float, warnings: dict[str, None]) -> None:
        """Ask for the history when a new multiple of the step has come: aligned ranges do not shimmer."""
        end = math.floor(server_now / self._step) * self._step
        if end == self._history_end:
            return
        start = end - math.floor(self._settings.history / self._step) * self._step
        found, _ = await self._ask(
            Number.ERROR_RATIO, lambda text: self._client.range(text, start, end, self._step), warnings
        )
        self._points = {name: series.points for name, series in found.items()}
        self._history_end = end

    async def _check_window(self, warnings: dict[str, None]) -> None:
        now = self._clock.monotonic()
        if now - self._window_checked >= WINDOW_CHECK:
            self._window_checked = now
            try:
                answer = await self._client.instant(queries.samples_per_window(self._settings))
            except QueryError:
                return
            self._window_warnings = tuple(
                self._thin(name, series[0].points[-1][1])
                for name, series in by_label(answer.series, self._settings.service_label).items()
                if series[0].points[-1][1] < 4
            )
        warnings.update((text, None) for text in self._window_warnings)

    def _thin(self, service: str, samples: float) -> str:
        window = self._settings.window
        held = plural(samples, "sample", show=".0f")
        return (
            f"a window of {queries.duration(window)} holds {held} of {service}: set window in"
            f" [prometheus] to at least {math.ceil(4 * window / max(samples, 1))} (4 scrape intervals)"
        )

    def _services(
        self, columns: dict[Number, Column], warnings: dict[str, None]
    ) -> tuple[ServiceSettings, ...]:
        """The configured services; else those that have or had the metric, sorted by name.

        A service that was seen once stays: a metric that goes away is news, not a shorter list.
        """
        if self._settings.services:
            return self._settings.services
        current = [*columns[Number.RATE].values, *self._points]
        for name in current:
            if name in self._seen or len(self._seen) < MAX_DISCOVERED:
                self._seen[name] = None
            else:
                warnings[f"more than {MAX_DISCOVERED} services: only the first are shown"] = None
        return tuple(ServiceSettings(name=name) for name in sorted(self._seen))

    def _service(self, item: ServiceSettings, columns: dict[Number, Column]) -> ServiceMetrics:
        at = self._clock.now().timestamp()
        cells = {number: columns[number].reading(number, item.name, self._settings, at) for number in Number}
        up = cells[Number.UP]
        if up.ok and up.value:
            self._answered[item.name] = at
        answered = self._answered.get(item.name)
        return ServiceMetrics(
            name=clean(item.name, 120),
            error_ratio=outlived(cells[Number.ERROR_RATIO], up, self._settings, answered),
            rate=outlived(cells[Number.RATE], up, self._settings, answered),
            p95=outlived(cells[Number.P95], up, self._settings, answered),
            up=up,
            threshold=item.threshold,
            history=history(
                self._points.get(item.name, ()), self._history_end, self._step, self._settings.history
            ),
            p95_threshold=item.p95_threshold,
            workload=item.workload,
        )


def _judge(snapshot: PrometheusSnapshot) -> tuple[Health, str, str]:
    """LIMITED, with the first reason, when some number could not be asked."""
    for service in snapshot.services:
        for cell in (service.up, service.rate, service.error_ratio, service.p95):
            if cell.state in (State.FAILED, State.DENIED):
                return Health.LIMITED, f"{service.name}: {cell.reason}", "check the services in [prometheus]"
    return Health.OK, "", ""


def _single(
    found: dict[str, list[Series]], own: Mapping[str, str], failures: dict[str, SourceError]
) -> dict[str, Series]:
    """One series a service. An own expression that gives several is not a number of the service."""
    single: dict[str, Series] = {}
    for name, series in found.items():
        if len(series) == 1:
            single[name] = series[0]
        elif series and name in own:
            failures[name] = SourceError(
                f"the expression of {name} gives {len(series)} series instead of one",
                "wrap it in sum(...) or max(...)",
            )
    return single
