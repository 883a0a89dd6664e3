"""A real Prometheus and Alertmanager on loopback, scraping exporters of the test once a second.

Every xdist worker starts its own pair. Without the
programs the tests are skipped, unless WARROOM_REQUIRE_SERVICES=1 makes that a failure.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from console.drill.servers import free_port
from tests.services import eventually, require


class Exporter:
    """A scrape target whose counters grow with the time at set rates (requests a second).

    ``ok`` and ``errors`` None leave the series out; a request takes ``latency`` seconds (a bucket bound).
    """

    def __init__(
        self,
        ok: float | None = None,
        errors: float | None = None,
        latency: float = 0.1,
        *,
        histogram: bool = True,
    ) -> None:
        self.ok, self.errors, self.latency, self.histogram = ok, errors, latency, histogram
        self._start = time.monotonic()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.metrics().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def metrics(self) -> str:
        passed = time.monotonic() - self._start
        lines = ["# TYPE http_requests_total counter", "build_info 1"]
        counts = [
            (status, rate) for status, rate in (("200", self.ok), ("503", self.errors)) if rate is not None
        ]
        for status, rate in counts:
            lines.append(f'http_requests_total{{status="{status}"}} {rate * passed}')
        if counts and self.histogram:
            total = sum(rate for _, rate in counts) * passed
            for bound in (0.1, 0.5, 2.5):
                below = total if self.latency <= bound else 0
                lines.append(f'http_request_duration_seconds_bucket{{le="{bound}"}} {below}')
            lines.append(f'http_request_duration_seconds_bucket{{le="+Inf"}} {total}')
        return "\n".join(lines) + "\n"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Monitoring:
    """The running pair: addresses, and the exporters by their job."""

    def __init__(self, prometheus: str, alertmanager: str, exporters: dict[str, Exporter]) -> None:
        self.prometheus = prometheus
        self.alertmanager = alertmanager
        self.exporters = exporters

    def value(self, expression: str) -> float | None:
        """The first value of an expression, asked for without the code under test."""
        query = urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(f"{self.prometheus}/api/v1/query?{query}", timeout=5) as answer:
            result = json.load(answer)["data"]["result"]
        return float(result[0]["value"][1]) if result else None

    def settled(self) -> bool:
        """Whether the rates over 5 s have come near what the exporters do."""
        return all(
            (self.value(f'sum(rate(http_requests_total{{job="{job}"}}[5s]))') or 0) > 45
            for job in ("healthy", "failing", "doomed", "fading")
        )

    def post(self, path: str, body: Any) -> Any:
        """POST JSON to Alertmanager, as an operator's other tool would."""
        request = urllib.request.Request(
            self.alertmanager + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            content = answer.read()
        return json.loads(content) if content else None


JOBS: dict[str, Callable[[], Exporter]] = {
    "healthy": lambda: Exporter(ok=50, latency=0.5),
    "failing": lambda: Exporter(ok=45, errors=5, latency=2.5),
    "idle": lambda: Exporter(ok=0, errors=0),
    "quiet": lambda: Exporter(ok=0),
    "renamed": Exporter,
    "doomed": lambda: Exporter(ok=50),
    "fading": lambda: Exporter(ok=50),
}
"""Job -> exporter. ``quiet`` never had a 5xx series; ``doomed`` is there for one test to stop, ``fading``
for one to take its metrics away."""


@pytest.fixture(scope="session")
def monitoring() -> Iterator[Monitoring]:
    """A Prometheus whose rates have settled, and an empty Alertmanager."""
    prometheus_program = require(_program("prometheus"), "Prometheus")
    alertmanager_program = require(_program("prometheus-alertmanager", "alertmanager"), "Alertmanager")
    exporters = {job: make() for job, make in JOBS.items()}
    with tempfile.TemporaryDirectory(prefix="warroom-monitoring-") as folder, contextlib.ExitStack() as stack:
        for exporter in exporters.values():
            stack.callback(_stop_quietly, exporter)
        home = Path(folder)
        alertmanager = stack.enter_context(_alertmanager(alertmanager_program, home))
        prometheus = stack.enter_context(_prometheus(prometheus_program, home, exporters))
        found = Monitoring(prometheus, alertmanager, exporters)
        eventually(found.settled, "the rates of the exporters")
        yield found


def _program(*names: str) -> Path | None:
    return next((Path(path) for name in names if (path := shutil.which(name))), None)


def _stop_quietly(exporter: Exporter) -> None:
    with contextlib.suppress(OSError):
        exporter.stop()


def _prometheus(
    program: Path, home: Path, exporters: dict[str, Exporter]
) -> contextlib.AbstractContextManager[str]:
    scrapes = [
        {"job_name": job, "static_configs": [{"targets": [exporter.address]}]}
        for job, exporter in exporters.items()
    ]
    config = {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": scrapes}
    (home / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    return _serve(
        lambda port: [
            str(program),
            f"--config.file={home / 'prometheus.yml'}",
            f"--storage.tsdb.path={home / f'prometheus-{port}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.route-prefix=/metrics-server",
            "--log.level=error",
        ],
        "/metrics-server",
    )


def _alertmanager(program: Path, home: Path) -> contextlib.AbstractContextManager[str]:
    config = {
        "route": {"receiver": "none", "group_wait": "1s"},
        "receivers": [{"name": "none"}],
        "inhibit_rules": [{"source_matchers": ['inhibits="yes"'], "target_matchers": ['inhibited="yes"']}],
    }
    (home / "alertmanager.yml").write_text(json.dumps(config))
    return _serve(
        lambda port: [
            str(program),
            f"--config.file={home / 'alertmanager.yml'}",
            f"--storage.path={home / f'alertmanager-{port}'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            "--log.level=error",
        ],
        "",
    )


@contextlib.contextmanager
def _serve(command: Callable[[int], list[str]], prefix: str) -> Iterator[str]:
    """Run a server on a free port until it is ready; another port when someone was faster."""
    for _ in range(3):
        port = free_port()
        process = subprocess.Popen(command(port), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        url = f"http://127.0.0.1:{port}{prefix}"
        try:
            while process.poll() is None and not _ready(url):
                time.sleep(0.05)
            if process.returncode is None:
                yield url
                return
        finally:
            process.terminate()
            _, said = process.communicate(timeout=10)
    raise AssertionError(f"{command(0)[0]} does not start: {said.decode(errors='replace')[-500:]}")


def _ready(url: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"{url}/-/ready", timeout=2) as answer:
        return bool(answer.status == 200)
    return False
