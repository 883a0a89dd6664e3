"""The main job, with keys on a real terminal: a release goes bad and is rolled back to the right revision."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.world import World
from tests.terminal import Terminal

RATIO = (
    'sum(rate(http_requests_total{job="checkout",status=~"5.."}[30s]))'
    ' / sum(rate(http_requests_total{job="checkout"}[30s]))'
)


def ratio(world: World) -> float:
    found = world.query(RATIO)
    return float(found[0]["value"][1]) if found else 0.0


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.5)


def template(world: World) -> str:
    """The debug level of checkout's pods, which the scenario changes last."""
    wanted = "jsonpath={.spec.template.spec.containers[0].env[?(@.value=='debug')].name}"
    return world.kubectl("get", "deployment", "checkout", "-o", wanted)


def preselected(text: str) -> str:
    """The line of the revision that is offered first."""
    return next((line for line in text.splitlines() if "* " in line and "checkout:v" in line), "")


@pytest.mark.timeout(420)
def test_the_right_revision_is_found_and_restored(start_world: Callable[..., World]) -> None:
    world = start_world("bad-release")
    with Terminal(world.command("run"), columns=120, rows=40, env=world.environment) as terminal:
        terminal.wait_for(lambda text: "checkout" in text and "storefront" in text, 30)
        terminal.wait_for(lambda text: "checkout error-r" in text or "error-ratio-high" in text, 120)
        assert ratio(world) > 0.03

        terminal.send("1/checkout\r")
        terminal.wait_for(lambda text: "/checkout" in text and "▸ storefront" not in text)
        wait_until(
            lambda: "LOG_LEVEL" in template(world), 60, "the last of the changes that hide the bad one"
        )
        terminal.send("h")
        terminal.wait_for(lambda text: "HISTORY  deployment/checkout" in text and "v41 → " in text)
        terminal.send("\x1b")
        terminal.wait_for(lambda text: "ERRORS" in text and "HISTORY" not in text)

        terminal.send("u")
        text = terminal.wait_for(lambda text: preselected(text) != "")
        assert "checkout:v41" in preselected(text)
        terminal.send("\r")
        text = terminal.wait_for(lambda text: "Cancel (enter)" in text and "saved first" in text, 30)
        assert "deployment/checkout to revision 3" in text
        before = world.kubectl("get", "deployment", "checkout", "-o", "jsonpath={..image}")
        assert before.endswith("checkout:v42"), "nothing may have happened before the confirmation"

        deadline = time.monotonic() + 20
        while "Intent recorded" not in terminal.text():
            assert time.monotonic() < deadline, terminal.text()
            terminal.send("y")
            terminal.wait_quiet(0.2)
            terminal.send("g")
            terminal.wait_quiet(0.2)
        terminal.wait_for("verdict", 200)
        assert "helped" in terminal.text()

    after = world.kubectl("get", "deployment", "checkout", "-o", "jsonpath={..image}")
    assert after.endswith("checkout:v41")
    wait_until(lambda: ratio(world) < 0.02, 90, "the error ratio falls")

    entries = world.entries()
    intent = next(entry for entry in entries if entry.kind == "action.intent")
    result = next(entry for entry in entries if entry.kind == "action.result")
    verdict = next(entry for entry in entries if entry.kind == "action.verdict")
    assert intent.id < result.id < verdict.id
    assert result.ref == verdict.ref == intent.id
    assert intent.data["action"] == "k8s.rollback"
    assert "--to-revision" in intent.data["command"]
    assert verdict.data["verdict"]["status"] == "helped"
    assert any(entry.kind == "change" and "v42" in entry.text for entry in entries)
    assert any(entry.kind == "signal" and "error-ratio-high" in entry.text for entry in entries)
    verified = world.run("timeline", "verify")
    assert verified.returncode == 0, verified.stderr
