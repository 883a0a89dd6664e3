"""Metrics to query: a real Prometheus where one is installed, else the drill's own store and endpoint."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import aiohttp
import msgspec

from console.drill import binaries
from console.drill.metrics import JOBS, Metrics
from console.drill.promql.api import QueryApi, Target
from console.drill.promql.exposition import Metric, number
from console.drill.promql.rules import Active, Rule, RuleState, as_file
from console.drill.promql.store import Labels, Store, labels_of
from console.drill.servers import Servers, accepts, free_port

History = list[tuple[float, list[tuple[Labels, float]]]]
"""Scrapes of the time before the drill: unix seconds and samples."""


def samples(job: str, families: Iterable[Metric]) -> list[tuple[Labels, float]]:
    """The samples of a scrape as Prometheus stores them."""
    target = {"job": job, "instance": job}
    found = [
        (labels_of(name, {**labels, **target}), value)
        for family in families
        for name, labels, value in family.samples
    ]
    found.append((labels_of("up", target), 1.0))
    return found


class Scraper:
    """The drill's own Prometheus: scrapes in the process, evaluates rules, answers queries."""

    def __init__(self, metrics: Metrics, rules: Sequence[Rule], now: Callable[[], float], base: str) -> None:
        self._metrics, self._now, self._base = metrics, now, base
        self.store = Store()
        self.rules = [RuleState(rule) for rule in rules]
        self._known: dict[str, set[Labels]] = {job: set() for job in JOBS}
        self._errors = dict.fromkeys(JOBS, "")
        self._at = 0.0
        self.api = QueryApi(self.store, now, self._targets, self.rules)

    def load(self, history: History) -> None:
        """Take in what was before the drill."""
        for at, found in history:
            self.store.append(at, found)

    def scrape(self) -> list[Active]:
        """Scrape every job once and evaluate the rules; returns the alerts that have just resolved."""
        at = self._at = self._now()
        for job in JOBS:
            families = self._metrics.scrape(job)
            self._errors[job] = "" if families is not None else "server returned HTTP status 503"
            if families is None:
                found = [(labels_of("up", {"job": job, "instance": job}), 0.0)]
            else:
                found = samples(job, families)
            self.store.append(at, found)
            present = {labels for labels, _ in found}
            for labels in self._known[job] - present:
                self.store.end(at, labels)
            self._known[job] = present
        return [alert for state in self.rules for alert in state.evaluate(at, self.store)]

    def firing(self) -> list[Active]:
        """The alerts that fire now."""
        return [alert for state in self.rules for alert in state.active.values() if alert.firing]

    def _targets(self) -> list[Target]:
        return [
            Target(job, f"{self._base}/metrics/{job}", self._errors[job], self._at, 0.001) for job in JOBS
        ]


def start(
    servers: Servers,
    program: Path,
    exporter: int,
    alertmanager: int,
    rules: tuple[Rule, ...],
    interval: float,
) -> int:
    """Start a real Prometheus on the history in its folder, if any; returns its port. Raises DrillError.

    ``exporter`` and ``alertmanager`` are ports on 127.0.0.1, ``interval`` the seconds between evaluations.
    """
    folder = servers.folder("prometheus")
    (folder / "rules.json").write_bytes(as_file(rules, interval))
    settings = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.json")],
        "alerting": {
            "alertmanagers": [
                {"api_version": "v2", "static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}
            ]
        },
        "scrape_configs": [
            {
                "job_name": job,
                "metrics_path": f"/metrics/{job}",
                "static_configs": [{"targets": [f"127.0.0.1:{exporter}"], "labels": {"instance": job}}],
            }
            for job in JOBS
        ],
    }
    (folder / "prometheus.json").write_bytes(msgspec.json.encode(settings))
    port = free_port()
    for path in (folder, *folder.rglob("*")):
        servers.give(path)
    servers.start(
        "prometheus",
        [
            str(program),
            f"--config.file={folder / 'prometheus.json'}",
            f"--storage.tsdb.path={folder / 'data'}",
            "--storage.tsdb.retention.time=7d",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ],
        cwd=folder,
    )
    servers.await_ready("prometheus", lambda: accepts(port))
    return port


def write_history(servers: Servers, history: History) -> None:
    """Put the history where a real Prometheus reads it at its start; without promtool there is none."""
    tool = binaries.promtool()
    if tool is None:
        return
    folder = servers.folder("prometheus")
    with (folder / "history").open("w") as file:
        for at, found in history:
            for labels, value in found:
                pairs = ",".join(f'{key}="{text}"' for key, text in labels if key != "__name__")
                file.write(f"{dict(labels)['__name__']}{{{pairs}}} {number(value)} {at:.3f}\n")
        file.write("# EOF\n")
    # Without its past a drill is still a drill; Prometheus then begins at the start of it.
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            [tool, "tsdb", "create-blocks-from", "openmetrics", folder / "history", folder / "data"],
            capture_output=True,
            check=True,
            timeout=60,
        )
    (folder / "history").unlink()


async def post_alerts(url: str, alerts: Sequence[Mapping[str, object]]) -> None:
    """Send alerts to a real Alertmanager; one that does not answer gets them with the next tick."""
    timeout = aiohttp.ClientTimeout(total=2)
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{url}/api/v2/alerts", json=alerts),
        ):
            pass
