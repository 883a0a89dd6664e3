"""The evaluator against values worked out by hand, and against a real Prometheus where there is one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from console.drill import binaries
from console.drill.promql.ast import PromQLError
from console.drill.promql.evaluate import Value, evaluate
from console.drill.promql.exposition import number
from console.drill.promql.parse import parse
from console.drill.promql.store import Store, labels_of
from console.drill.servers import free_port
from tests.drill.promql import samples

ERRORS = 'sum by (job) (rate(http_requests_total{status=~"5.."}[1m]))'
TOTAL = "sum by (job) (rate(http_requests_total[1m]))"

EXPRESSIONS = [
    "http_requests_total",
    'http_requests_total{job="web",status=~"5.."}',
    'http_requests_total{status!~"5..",pod!="web-1"}',
    '{__name__=~"http_request.*",job="api",le=""}',
    "rate(http_requests_total[1m])",
    "rate(http_requests_total[30s] offset 1m)",
    "sum(rate(http_requests_total[1m]))",
    "sum by (job) (rate(http_requests_total[1m]))",
    "sum without (pod, status) (increase(http_requests_total[2m]))",
    f"{ERRORS} / {TOTAL}",
    f"({ERRORS} or 0 * {TOTAL}) / {TOTAL}",
    "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[1m])))",
    "histogram_quantile(0.5, rate(http_request_duration_seconds_bucket[1m]))",
    "histogram_quantile(2, rate(http_request_duration_seconds_bucket[1m]))",
    'avg(up{job="web"})',
    "avg_over_time(up[2m])",
    "min_over_time(queue_depth[1m])",
    "max_over_time(queue_depth[1m])",
    "count_over_time(queue_depth[1m])",
    "sum_over_time(queue_depth[1m])",
    "stddev_over_time(queue_depth[1m])",
    "last_over_time(queue_depth[1m])",
    "deriv(queue_depth[2m])",
    "delta(queue_depth[2m])",
    "irate(http_requests_total[1m])",
    "changes(up[5m])",
    "resets(http_requests_total[5m])",
    "absent(nothing)",
    'absent(nothing{job="x"})',
    "absent(up)",
    "vector(3) + 4 * 2 ^ 3 ^ 0.5",
    "-queue_depth % 7",
    "2 > bool 1",
    "up == 1",
    "up == bool 0",
    "10 < queue_depth",
    "clamp_max(queue_depth, 50)",
    "round(queue_depth, 5)",
    "topk(2, rate(http_requests_total[1m]))",
    "bottomk(1, rate(http_requests_total[1m]))",
    "quantile(0.9, rate(http_requests_total[1m]))",
    "count by (job) (http_requests_total)",
    "max(http_requests_total) by (job)",
    "stddev(rate(http_requests_total[1m]))",
    'http_requests_total and on (job) up{job="api"}',
    "up unless on (job) http_requests_total{status='503'}",
    "up or queue_depth",
    'http_requests_total{status="200"} / ignoring (status) http_request_duration_seconds_count',
    "rate(http_requests_total[1m]) / on (job) group_left () sum by (job) (rate(http_requests_total[1m]))",
    "http_requests_total * on (job) group_left () up",
    'label_replace(up, "service", "$1-svc", "job", "(.*)")',
    "scalar(queue_depth) * 2",
    "time() - timestamp(up)",
    "batch_last_success",
    "sort_desc(up + on (job) batch_last_success or up)",
    "(up > 0) / 0",
    "0 / 0",
    "1e3 + 0x10 + .5",
]

REFUSED = [
    "sum(",
    "rate(http_requests_total)",
    "up{",
    "up{job=}",
    '{job=~".*"}',
    "1 > 2",
    "up + on (job) http_requests_total{job='web'}",
    'up{job=~"("}',
    "nosuchfunction(up)",
    "up[5m]offset",
    "$",
    "topk(up)",
]


def value_of(expression: str, at: float, store: Store) -> Value:
    return evaluate(parse(expression), at, store)


def vector(expression: str, at: float, store: Store) -> dict[tuple[tuple[str, str], ...], float]:
    value = value_of(expression, at, store)
    assert isinstance(value, list)
    return dict(value)


def counter(*points: tuple[float, float]) -> Store:
    store = Store()
    for at, value in points:
        store.append(at, [(labels_of("c", {"job": "a"}), value)])
    return store


def test_a_rate_is_the_increase_over_the_window() -> None:
    store = counter(*((second, 2.0 * second) for second in range(101)))
    assert vector("rate(c[10s])", 100, store) == {(("job", "a"),): pytest.approx(2)}


def test_a_counter_that_restarts_does_not_make_a_negative_rate() -> None:
    store = counter(*((second, float(second % 50)) for second in range(101)))
    ((_, rate),) = vector("rate(c[60s])", 100, store).items()
    # 57 of 60 seconds count up by one, the two restarts lose the step to zero.
    assert rate == pytest.approx((60 - 2) / 60, abs=0.01)


def test_one_sample_has_no_rate_and_an_old_sample_is_gone_after_the_lookback() -> None:
    store = counter((100, 5))
    assert vector("rate(c[1m])", 110, store) == {}
    assert vector("c", 399, store) != {}
    assert vector("c", 401, store) == {}


def test_a_stale_mark_ends_a_series_at_once() -> None:
    store = counter((100, 5), (101, 6))
    store.end(102, labels_of("c", {"job": "a"}))
    assert vector("c", 101.5, store) != {}
    assert vector("c", 102, store) == {}
    store.append(103, [(labels_of("c", {"job": "a"}), 1)])
    assert next(iter(vector("increase(c[10s])", 103, store).values())) > 1


def test_no_5xx_series_reads_zero_only_with_traffic() -> None:
    store = Store()
    for second in range(60):
        store.append(
            second, [(labels_of("http_requests_total", {"job": "a", "status": "200"}), 3.0 * second)]
        )
    errors = 'sum(rate(http_requests_total{status=~"5.."}[1m]))'
    total = "sum(rate(http_requests_total[1m]))"
    assert vector(f"{errors} / {total}", 60, store) == {}
    assert vector(f"({errors} or 0 * {total}) / {total}", 60, store) == {(): 0.0}
    assert vector(f"({errors} or 0 * {total}) / {total}", 600, store) == {}


def test_idle_series_give_nan() -> None:
    store = counter(*((second, 4.0) for second in range(60)))
    (value,) = vector("sum(rate(c[30s])) / sum(rate(c[30s]))", 60, store).values()
    assert math.isnan(value)


def test_old_samples_are_pruned() -> None:
    store = Store(retention=100)
    for second in range(1000):
        store.append(second, [(labels_of("c", {}), float(second))])
    (series,) = store.select(())
    assert len(series.times) < 130


@pytest.mark.parametrize("expression", REFUSED)
def test_what_is_wrong_is_refused(expression: str) -> None:
    with pytest.raises(PromQLError):
        value_of(expression, samples.END, samples.filled())


@pytest.mark.parametrize("expression", ["max_over_time(rate(up[1m])[5m:1m])", "up @ 5"])
def test_what_is_left_out_says_so(expression: str) -> None:
    with pytest.raises(PromQLError, match=r"needs? a real Prometheus"):
        value_of(expression, samples.END, samples.filled())


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server, tool = binaries.prometheus(), binaries.promtool()
    if server is None or tool is None:
        if os.environ.get("WARROOM_REQUIRE_SERVICES") == "1":
            pytest.fail("prometheus and promtool are not installed")
        pytest.skip("prometheus and promtool are not installed")
    folder = tmp_path_factory.mktemp("prometheus")
    _import_samples(tool, folder)
    (folder / "prometheus.yml").write_text("{}")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            server,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=100y",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not _ready(address):
            assert time.monotonic() < deadline, "Prometheus did not start"
            time.sleep(0.05)
        yield address
    finally:
        process.kill()
        process.wait()


def _import_samples(tool: Path, folder: Path) -> None:
    lines: dict[str, list[str]] = {}
    for at, found in samples.rows():
        for labels, value in found:
            pairs = ",".join(f'{key}="{text}"' for key, text in labels if key != "__name__")
            name = dict(labels)["__name__"]
            lines.setdefault(name, []).append(f"{name}{{{pairs}}} {number(value)} {at}")
    text = "".join("\n".join(family) + "\n" for family in lines.values()) + "# EOF\n"
    (folder / "samples").write_text(text)
    subprocess.run(
        [tool, "tsdb", "create-blocks-from", "openmetrics", folder / "samples", folder / "data"],
        check=True,
        capture_output=True,
    )


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def ask(address: str, expression: str, at: float) -> Any:
    query = urllib.parse.urlencode({"query": expression, "time": at})
    try:
        with urllib.request.urlopen(f"{address}/api/v1/query?{query}", timeout=5) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.services
@pytest.mark.parametrize("at", [samples.START + 90, samples.START + 145.5, samples.END])
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_answers_are_those_of_a_real_prometheus(expression: str, at: float, prometheus: str) -> None:
    theirs = ask(prometheus, expression, at)
    ours = value_of(expression, at, samples.filled())
    if isinstance(ours, list):
        assert theirs["resultType"] == "vector"
        wanted = {tuple(sorted(one["metric"].items())): float(one["value"][1]) for one in theirs["result"]}
        assert dict(ours) == pytest.approx(wanted, rel=1e-9, nan_ok=True)
    else:
        assert theirs["resultType"] == "scalar"
        assert ours == pytest.approx(float(theirs["result"][1]), rel=1e-9, nan_ok=True)


@pytest.mark.services
@pytest.mark.parametrize("expression", REFUSED)
def test_what_is_refused_is_refused_by_a_real_prometheus(expression: str, prometheus: str) -> None:
    assert ask(prometheus, expression, samples.END) in (400, 422)
