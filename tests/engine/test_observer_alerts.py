"""What the timeline says of an alert that stops: that it is over, or that it is only kept quiet."""

from typing import Any

import pytest

from console.model.clock import ManualClock
from console.model.metrics import Alert, AlertsSnapshot
from tests.engine.observing import Console
from tests.model.board import NOW


def alerts(clock: ManualClock, *found: Alert) -> AlertsSnapshot:
    return AlertsSnapshot(clock.now().timestamp(), found)


def alert(number: int, state: str = "active", **by: Any) -> Alert:
    return Alert(f"f{number}", "Errors", state, "critical", "checkout fails", NOW, **by)


@pytest.mark.parametrize(
    ("quiet", "said"),
    [
        ((), "ended after 61 s"),
        ((alert(1, "suppressed", silenced_by=("s1",)),), "silenced after 61 s; it still fires"),
        ((alert(1, "suppressed", inhibited_by=("f9",)),), "inhibited after 61 s; it still fires"),
        (
            (alert(1, "suppressed", inhibited_by=("f9",)), alert(2, "suppressed", silenced_by=("s1",))),
            "silenced after 61 s; it still fires",
        ),
    ],
)
def test_an_alert_that_is_kept_quiet_has_not_ended(
    quiet: tuple[Alert, ...], said: str, console: Console, clock: ManualClock
) -> None:
    console.round(alertmanager=alerts(clock, alert(1), alert(2)))
    for _ in range(2):
        console.round(passed=30, alertmanager=alerts(clock, *quiet))
    assert console.texts == [
        "signal: alert-firing(Errors) 2 alerts: checkout fails",
        f"signal: alert-firing(Errors) {said}",
    ]


def test_an_alert_whose_silence_is_over_begins_again(console: Console, clock: ManualClock) -> None:
    silenced = alert(1, "suppressed", silenced_by=("s1",))
    for state in (alert(1), silenced, silenced, alert(1)):
        console.round(passed=30, alertmanager=alerts(clock, state))
    assert [text.partition("(Errors) ")[2] for text in console.texts] == [
        "checkout fails",
        "silenced after 90 s; it still fires",
        "checkout fails",
    ]
