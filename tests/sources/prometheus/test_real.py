"""The source against a real Prometheus: every state of a cell is really brought about."""

import asyncio
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from console.config import PrometheusSettings
from console.model.clock import ManualClock, SystemClock
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.reading import State
from console.model.source import Health
from console.model.strict import convert
from console.sources.prometheus import PrometheusSource
from tests.monitoring import Monitoring
from tests.services import eventually
from tests.sources.publishing import Kept, run_until

pytestmark = pytest.mark.services


def source(monitoring: Monitoring, **settings: Any) -> PrometheusSource:
    wanted = {"url": monitoring.prometheus, "window": 5, "interval": 1, "history": 60} | settings
    return PrometheusSource(convert(wanted, PrometheusSettings), SystemClock(), random.Random(1))


def read(monitoring: Monitoring, **settings: Any) -> PrometheusSnapshot:
    async def once() -> PrometheusSnapshot:
        asked = source(monitoring, **settings)
        try:
            return await asked.read()
        finally:
            await asked.close()

    return asyncio.run(once())


def services(snapshot: PrometheusSnapshot) -> dict[str, ServiceMetrics]:
    return {item.name: item for item in snapshot.services}


def test_traffic_without_an_error_series_is_a_ratio_of_zero(monitoring: Monitoring) -> None:
    healthy = services(read(monitoring))["healthy"]
    assert (healthy.error_ratio.state, healthy.error_ratio.value) == (State.OK, 0)
    assert healthy.rate.value == pytest.approx(50, rel=0.2)
    # all requests are in the bucket of 0.1 to 0.5 s: 95 % of it
    assert healthy.p95.value == pytest.approx(0.48, rel=0.02)
    assert (healthy.up.state, healthy.up.value, healthy.sick) == (State.OK, 1, False)


def test_the_server_says_its_version(monitoring: Monitoring) -> None:
    assert re.fullmatch(r"[23]\.\d+\.\d+\S*", read(monitoring).version)


def test_errors_are_a_share_of_all_requests(monitoring: Monitoring) -> None:
    failing = services(read(monitoring))["failing"]
    assert failing.error_ratio.value == pytest.approx(0.1, rel=0.05)
    assert failing.sick


def test_no_traffic_is_told_from_no_data(monitoring: Monitoring) -> None:
    found = services(read(monitoring))
    for name in ("idle", "quiet"):
        cells = (found[name].error_ratio, found[name].rate, found[name].p95)
        assert [cell.state for cell in cells] == [State.NO_TRAFFIC] * 3, name
        assert "no requests in the last 5s" in found[name].error_ratio.reason
        assert found[name].up.value == 1
    renamed = services(read(monitoring, services=[{"name": "renamed"}, {"name": "nowhere"}]))
    for name, up in (("renamed", State.OK), ("nowhere", State.NO_DATA)):
        cells = (renamed[name].error_ratio, renamed[name].rate, renamed[name].p95)
        assert [cell.state for cell in cells] == [State.NO_DATA] * 3, name
        assert "http_requests_total" in renamed[name].error_ratio.reason
        assert renamed[name].up.state is up


def test_services_are_found_by_their_metric(monitoring: Monitoring) -> None:
    assert list(services(read(monitoring))) == ["doomed", "fading", "failing", "healthy", "idle", "quiet"]


def test_a_metric_that_goes_away_is_no_data_not_a_shorter_list(monitoring: Monitoring) -> None:
    async def twice() -> tuple[ServiceMetrics, ServiceMetrics]:
        asked = source(monitoring, history=60)
        try:
            before = services(await asked.read())["fading"]
            monitoring.exporters["fading"].ok = None
            await asyncio.to_thread(
                eventually,
                lambda: monitoring.value('sum(rate(http_requests_total{job="fading"}[5s]))') is None,
                "the metric is gone",
            )
            return before, services(await asked.read())["fading"]
        finally:
            await asked.close()

    before, after = asyncio.run(twice())
    assert (before.error_ratio.state, before.error_ratio.value) == (State.OK, 0)
    assert (after.error_ratio.state, after.rate.state, after.p95.state) == (State.NO_DATA,) * 3
    assert (after.up.value, after.sick) == (1, False)


def test_a_dead_target_beats_the_rate_that_outlives_it(monitoring: Monitoring) -> None:
    monitoring.exporters["doomed"].stop()
    eventually(lambda: monitoring.value('up{job="doomed"}') == 0, "the scrape fails")
    assert monitoring.value('sum(rate(http_requests_total{job="doomed"}[30s]))'), "the trap is set"
    doomed = services(read(monitoring, window=30))["doomed"]
    assert (doomed.up.state, doomed.up.value, doomed.sick) == (State.OK, 0, True)
    assert doomed.rate.state is State.STALE
    assert doomed.rate.value is not None and doomed.rate.value > 1
    assert doomed.error_ratio.state is State.STALE
    assert doomed.error_ratio.at is None, "nobody knows how old it is"
    assert doomed.rate.reason == "targets are down; this is left over from the last 30s"

    eventually(lambda: monitoring.value('sum(rate(http_requests_total{job="doomed"}[5s]))') is None, "gone")
    gone = services(read(monitoring))["doomed"]  # known from the history alone
    assert (gone.error_ratio.state, gone.up.value, gone.sick) == (State.NO_DATA, 0, True)


def test_the_history_is_aligned_and_has_gaps(monitoring: Monitoring) -> None:
    snapshot = read(monitoring, history=240)
    failing = services(snapshot)["failing"]
    times = [point.at for point in failing.history]
    assert all(at % 2 == 0 for at in times)
    assert times == [times[0] + 2 * index for index in range(121)]
    values = [point.value for point in failing.history if point.value is not None]
    assert values[-1] == pytest.approx(0.1, rel=0.1)
    assert failing.history[0].value is None, "before the server was started"
    idle = services(snapshot)["idle"]
    assert {point.value for point in idle.history} == {None}, "NaN is a gap"


def test_a_skewed_clock_here_does_not_move_the_history(monitoring: Monitoring) -> None:
    async def once() -> PrometheusSnapshot:
        settings = PrometheusSettings(url=monitoring.prometheus, window=5, interval=1, history=60)
        clock = ManualClock(datetime(2020, 1, 1, tzinfo=UTC))
        asked = PrometheusSource(settings, clock, random.Random(1))
        try:
            return await asked.read()
        finally:
            await asked.close()

    failing = services(asyncio.run(once()))["failing"]
    assert any(point.value is not None for point in failing.history[-5:])


def test_a_bad_expression_spoils_its_own_cell_only(monitoring: Monitoring) -> None:
    snapshot = read(
        monitoring,
        services=[
            {"name": "healthy"},
            {"name": "failing", "selector": 'job="failing"'},
            {"name": "typo", "selector": 'job="failing"', "error_ratio": "sum(rate("},
            {"name": "many", "rate": "up", "error_ratio": "vector(0) / 0"},
            {"name": "fixed", "error_ratio": "0.25", "up": "scalar(vector(1))"},
        ],
    )
    found = services(snapshot)
    assert found["healthy"].error_ratio.value == 0
    assert found["failing"].error_ratio.value == pytest.approx(0.1, rel=0.05)
    assert found["typo"].error_ratio.state is State.FAILED
    assert "parse error" in found["typo"].error_ratio.reason
    assert found["typo"].rate.ok
    assert found["many"].rate.state is State.FAILED
    assert "series instead of one" in found["many"].rate.reason
    assert found["many"].error_ratio.state is State.NO_TRAFFIC
    assert (found["fixed"].error_ratio.value, found["fixed"].up.value) == (0.25, 1)
    assert any("parse error" in text for text in snapshot.warnings)


def test_a_window_of_too_few_samples_is_named(monitoring: Monitoring) -> None:
    eventually(lambda: monitoring.value('up{job="healthy"} offset 8s') == 1, "targets older than the window")
    assert not [text for text in read(monitoring, window=8).warnings if "window" in text]

    def thin() -> bool:
        # Prometheus 2 counts both ends of a window: at a scrape of 1 s one of 4 s holds four or five.
        return any("a window of 2s holds" in text for text in warned(monitoring, 2))

    eventually(thin, "the warning")


def warned(monitoring: Monitoring, window: float) -> tuple[str, ...]:
    # Below what the settings allow: stands for a scrape interval of 15 s with a window of 30 s.
    settings = PrometheusSettings(url=monitoring.prometheus, window=window)

    async def once() -> tuple[str, ...]:
        asked = PrometheusSource(settings, SystemClock(), random.Random(1))
        try:
            return (await asked.read()).warnings
        finally:
            await asked.close()

    return asyncio.run(once())


def test_it_polls_with_few_requests_and_reports_its_address(monitoring: Monitoring) -> None:
    kept = Kept()
    done: Callable[[Kept], bool] = lambda kept: len(kept.snapshots) >= 2  # noqa: E731
    asyncio.run(run_until(source(monitoring), kept, done))
    assert kept.statuses[-1].health is Health.OK
    assert kept.statuses[-1].address == monitoring.prometheus
