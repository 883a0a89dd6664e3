"""A service that answers slowly is scaled, and the verdict says that its p95 fell."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from tests.e2e.world import World

P95 = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="catalog"}[12s])))'


def p95(world: World) -> float:
    found = world.query(P95)
    return float(found[0]["value"][1]) if found else 0.0


@pytest.mark.timeout(300)
def test_scaling_against_latency_is_judged_by_p95(start_world: Callable[..., World]) -> None:
    world = start_world("latency", "--speed", "5")
    deadline = time.monotonic() + 90
    while p95(world) < 0.7:
        assert time.monotonic() < deadline, f"p95 is {p95(world)}"
        time.sleep(0.5)

    words = ("k8s.scale", "deployment/catalog", "replicas=8", "--json", "--yes", "--reason", "too slow")
    done = world.run("act", *words, timeout=240)

    assert done.returncode == 0, done.stdout + done.stderr
    verdict = json.loads(done.stdout)["verdict"]
    assert verdict["status"] == "helped", verdict
    rests = re.match(r"It rests on p95 of catalog ([\d.]+) (s|ms) before, (\d+) ms after", verdict["detail"])
    assert rests, verdict
    assert rests[2] == "s" or float(rests[1]) > 600
    assert int(rests[3]) <= 500
    assert any("error ratio of catalog" in text for text in verdict["evidence"])
    assert p95(world) < 0.5
    entry = next(one for one in world.entries() if one.kind == "action.verdict")
    assert entry.data["verdict"]["detail"] == verdict["detail"]
