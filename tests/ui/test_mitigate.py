"""The way to a confirmation: its row, its parameters, the ledger, and none where one only watches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec
import pytest

from console.engine.ledger import Measure
from console.mitigations.postgres.matching import duration
from console.model.actions import ACTIONS, Param
from console.model.plan import Option, Plan, Target
from console.timeline.entry import TimelineError
from console.ui import mitigate
from console.ui.screens.confirm import ConfirmScreen
from console.ui.screens.form import ParamForm
from tests.ui.cluster import kubernetes, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.mitigator import FakeMitigator, armed, engine_with
from tests.ui.scene import everything, signals


def test_the_target_is_frozen_when_the_key_is_pressed() -> None:
    mitigator = FakeMitigator()
    engine = engine_with(mitigator)

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        engine.board.publish("kubernetes:prod", msgspec.structs.replace(kubernetes(), workloads={}))
        await ui.settle()
        await ui.press("y", "g")
        assert mitigator.named("run")[0][2] == Target("deployment", "checkout", "shop", "w-checkout", "7")

    drive(engine, script)


async def wait_two_seconds(ui: Ui) -> None:
    await ui.wait(2)


async def move_to_it(ui: Ui) -> None:
    await ui.press("down", "up")


async def filter_for_it(ui: Ui) -> None:
    await ui.press("slash", *"aaa", "enter")


@pytest.mark.parametrize("choose", [wait_two_seconds, move_to_it, filter_for_it])
def test_a_row_that_has_just_come_under_the_cursor_is_not_acted_on(
    choose: Callable[[Ui], Awaitable[None]],
) -> None:
    mitigator = FakeMitigator()
    engine = engine_with(mitigator)

    async def script(ui: Ui) -> None:
        worse = workload("aaa", 2, sick=True, severity=9)
        shot = kubernetes()
        engine.clock.advance(1)
        engine.board.publish(
            "kubernetes:prod", msgspec.structs.replace(shot, workloads={worse.uid: worse, **shot.workloads})
        )
        await ui.settle()
        await ui.press("r")
        assert ui.at_home and not mitigator.calls
        assert "The first row has just become deployment/aaa. Press the key again." in ui.text()
        await choose(ui)
        await ui.press("r")
        await ui.settle()
        assert ui.on(ConfirmScreen) and mitigator.named("plan")[0][2].name == "aaa"

    drive(engine, script)


def test_a_suggestion_that_has_just_come_first_is_not_acted_on() -> None:
    mitigator = FakeMitigator()
    engine = engine_with(mitigator)

    async def script(ui: Ui) -> None:
        await ui.press("6")
        shot = signals()
        (known,) = shot.suggestions
        other = msgspec.structs.replace(known, scenario="outage", title="A service is down", score=0.99)
        engine.clock.advance(1)
        engine.board.publish("signals", msgspec.structs.replace(shot, suggestions=(other, known)))
        await ui.settle()
        await ui.press("u")
        assert ui.at_home and not mitigator.calls
        assert "The first row has just become deployment/checkout. Press the key again." in ui.text()
        await ui.wait(2)
        await ui.press("u")
        await ui.settle()
        assert ui.on(ParamForm)

    drive(engine, script)


@pytest.mark.parametrize(
    ("type_", "value", "right"),
    [
        ("duration", "1h30m", True),
        ("duration", "300", True),
        ("duration", "500ms", False),
        ("duration", "soon", False),
        ("int", "0", True),
        ("int", "-1", False),
        ("bool", "no", True),
        ("bool", "maybe", False),
    ],
)
def test_a_form_takes_what_the_plan_takes(
    type_: Literal["int", "duration", "bool"], value: str, right: bool
) -> None:
    assert (Param("p", type_, "").mistake(value) == "") is right


@pytest.mark.parametrize("value", ["1h30m", "300", "90s"])
def test_every_duration_of_a_form_is_one_of_the_plan(value: str) -> None:
    assert duration(value) > 0


def test_a_no_that_cannot_be_recorded_is_told() -> None:
    mitigator = FakeMitigator()

    async def fails(plan: Plan, reason: str) -> None:
        raise TimelineError(f"the record takes nothing ({plan.action}, {reason!r})")

    mitigator.cancel = fails  # type: ignore[method-assign]

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("enter")
        await ui.settle()
        assert ui.at_home and "the record takes nothing (k8s.restart, '')" in ui.text()

    drive(engine_with(mitigator), script)


def test_parameters_are_asked_for_with_the_systems_own_choices() -> None:
    mitigator = FakeMitigator()
    mitigator.choices["revision"] = (
        Option("43", "43", "restarted only", disabled="it is the current one"),
        Option("41", "41", "image 1.4.2", recommended=True),
        Option("40", "40", "image 1.4.1"),
    )

    async def script(ui: Ui) -> None:
        await ui.press("u")
        await ui.settle()
        assert ui.on(ParamForm)
        assert ui.top.inputs["revision"].value == "41"
        await ui.press("up", "enter")
        assert "revision cannot be 43: it is the current one" in ui.text()
        await ui.press("down", "down", "enter")
        await ui.settle()
        assert ui.on(ConfirmScreen)
        assert mitigator.named("plan")[0][3] == {"revision": "40"}

    drive(engine_with(mitigator), script)


def test_a_missing_or_wrong_parameter_is_said() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("c", "enter")
        assert "replicas is needed." in ui.text()
        await ui.press("x", "enter")
        assert "replicas has to be a whole number, such as 3." in ui.text()
        assert not mitigator.named("plan")

    drive(engine_with(mitigator), script)


def test_an_action_without_a_row_says_what_it_needs() -> None:
    mitigator = FakeMitigator()
    engine = FakeEngine(mitigator=mitigator)

    async def script(ui: Ui) -> None:
        await ui.press("r")
        assert ui.at_home
        assert "Restart needs a deployment or statefulset or daemonset" in ui.text()

    drive(engine, script)


def test_watch_mode_has_no_mutating_action_anywhere() -> None:
    engine = everything(FakeEngine(mode="watch"))

    async def script(ui: Ui) -> None:
        assert not [action for action in ui.main.keymap.actions if action.mutating]
        assert "Restart" not in ui.text() and "WATCH" in ui.text()
        for key in ("r", "u", "c", "x", "v"):
            await ui.press(key)
            assert ui.at_home
        await ui.press("colon")
        await ui.settle()
        assert "Restart" not in ui.text() and "Roll back" not in ui.text()
        await ui.press("escape", "a", "m")
        assert ui.at_home and not engine.calls

    drive(engine, script)


@pytest.mark.parametrize("way", ["begin", "choose", "take_back"])
def test_whatever_leads_to_a_mitigation_says_that_a_console_without_one_only_watches(way: str) -> None:
    engine = everything(FakeEngine(mode="watch"))

    async def script(ui: Ui) -> None:
        if way == "begin":
            mitigate.begin(ui.main, next(action for action in ACTIONS if action.name == "k8s.restart"))
        else:
            getattr(mitigate, way)(ui.main)
        await ui.settle()
        assert ui.at_home and "This console only watches." in ui.text()
        assert not engine.calls

    drive(engine, script)


def test_a_temporary_measure_is_taken_back_or_kept_from_the_ledger() -> None:
    mitigator = FakeMitigator()
    on = Target("deployment", "checkout", "shop", "w-checkout", "7")
    common: dict[str, Any] = {"source": "kubernetes:prod", "opened_at": "2026-03-01T14:00:00.000Z"}
    mitigator.measures = (
        Measure(
            id="1", text="Temporary: Scale from 3 to 9", target=on, user="bo", undo_action="k8s.scale",
            undo_params={"replicas": "3", "expect": "9"}, **common,
        ),
        Measure(id="2", text="Temporary: by hand", target=Target("deployment", "web"), user="bo", **common),
    )  # fmt: skip

    async def script(ui: Ui) -> None:
        await ui.press("b")
        await ui.settle()
        assert "Scale from 3 to 9, by bo at 2026-03-01T14:00Z" in ui.text()
        await ui.press("down", "enter")
        await ui.settle()
        await ui.press("enter")
        assert "taken back by hand" in ui.text() and not ui.on(ConfirmScreen)
        await ui.press("down", "enter")
        await ui.settle()
        await ui.press(*"ana", "enter")
        await ui.settle()
        assert mitigator.named("accept") == [("accept", "2", "ana", "")]
        assert "deployment/web stays as it is; ana owns it." in ui.text()
        await ui.press("b")
        await ui.settle()
        await ui.press("enter", "enter")
        await ui.settle()
        assert ui.on(ConfirmScreen)
        (call,) = mitigator.named("plan")
        assert call[1] == "k8s.scale" and call[3] == {"replicas": "3", "expect": "9"}
        assert (call[2].uid, call[2].resource_version, call[4]) == ("w-checkout", "", "kubernetes:prod")

    drive(engine_with(mitigator), script)
