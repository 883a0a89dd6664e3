"""The safety rules of the confirmation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from console.engine.ledger import Measure
from console.model.actions import ACTIONS
from console.model.plan import Hit, Option, Outcome, Risk, StepResult, Target, Verdict
from console.ui import mitigate
from console.ui.screens.confirm import ARMED_AFTER, ConfirmScreen
from console.ui.screens.form import ParamForm
from console.ui.screens.running import RunningScreen
from tests.ui.cluster import kubernetes, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.mitigator import FakeMitigator, make_plan
from tests.ui.scene import everything


def engine_with(mitigator: FakeMitigator) -> FakeEngine:
    return everything(FakeEngine(mitigator=mitigator))


async def armed(ui: Ui, key: str) -> None:
    """Open the dialog by ``key`` and let it stand long enough."""
    await ui.press(key)
    await ui.settle()
    await ui.wait(ARMED_AFTER)


def test_disruptive_takes_two_different_keys() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "y")
        assert ui.on(ConfirmScreen) and not mitigator.named("run")
        await ui.press("g")
        await ui.settle()
        assert [call[1] for call in mitigator.named("run")] == ["k8s.restart"]
        assert ui.on(RunningScreen)
        assert "helped: errors 28 % before" in ui.text()

    drive(engine_with(mitigator), script)


def test_the_second_key_alone_and_a_broken_sequence_do_nothing() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("g", "y", "x", "g")
        assert ui.on(ConfirmScreen)
        assert not mitigator.named("run")

    drive(engine_with(mitigator), script)


def test_enter_is_cancel() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("enter", "enter")
        await ui.settle()
        assert ui.at_home
        assert not mitigator.named("run")
        assert len(mitigator.named("cancel")) == 1

    drive(engine_with(mitigator), script)


def test_keys_before_the_plan_has_been_seen_do_nothing() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("r", "y", "g", "enter")
        await ui.settle()
        assert ui.on(ConfirmScreen)
        await ui.wait(ARMED_AFTER - 0.05)
        await ui.press("y", "g", "enter")
        assert ui.on(ConfirmScreen)
        assert not mitigator.named("run")
        await ui.wait(0.05)
        await ui.press("y", "g")
        assert len(mitigator.named("run")) == 1

    drive(engine_with(mitigator), script)


def test_routine_takes_one_key_and_acts_once() -> None:
    mitigator = FakeMitigator()
    mitigator.plans["k8s.restart"] = {"risk": Risk.ROUTINE}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "y", "enter", "enter")
        assert len(mitigator.named("run")) == 1

    drive(engine_with(mitigator), script)


def test_destructive_takes_the_typed_name() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("enter", "down")
        await armed(ui, "x")
        assert "DESTRUCTIVE" in ui.text()
        name = "checkout-7d9f8-000"
        await ui.press("y", "g", "enter")
        assert not mitigator.named("run"), "y and g are letters of a wrong name here"
        await ui.press("backspace", "backspace")
        for character in name[:-1]:
            await ui.press(character if character != "-" else "minus")
        await ui.press("enter")
        assert not mitigator.named("run")
        await ui.press(name[-1], "enter", "enter")
        assert [call[2].name for call in mitigator.named("run")] == [name]

    drive(engine_with(mitigator), script)


def test_destructive_with_nothing_typed_is_cancelled_by_enter() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("enter", "down")
        await armed(ui, "x")
        await ui.press("enter")
        await ui.settle()
        assert ui.at_home and not mitigator.named("run")

    drive(engine_with(mitigator), script)


def test_a_refusal_cannot_be_confirmed() -> None:
    mitigator = FakeMitigator()
    mitigator.plans["k8s.restart"] = {"refusal": "the rollout before has not finished."}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        assert "Refused: the rollout before has not finished." in ui.text()
        await ui.press("y", "g", "tab", "y", "g")
        assert ui.on(ConfirmScreen)
        await ui.press("enter")
        assert ui.at_home and not mitigator.named("run")

    drive(engine_with(mitigator), script)


def test_a_plan_that_fails_is_a_sentence() -> None:
    mitigator = FakeMitigator()
    mitigator.refuse = "the API does not answer: connection refused."

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        assert "the API does not answer: connection refused." in ui.text()
        await ui.press("y", "g")
        assert not mitigator.named("run")

    drive(engine_with(mitigator), script)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_everything_can_be_read_while_the_question_stays(size: tuple[int, int]) -> None:
    mitigator = FakeMitigator()
    mitigator.plans["k8s.restart"] = {"warnings": tuple(f"warning number {n}" for n in range(60))}

    async def script(ui: Ui) -> None:
        await ui.press("r")
        await ui.settle()
        seen = ui.text()
        assert "more lines" in seen and "Cancel (enter)" in seen
        for _ in range(8):
            await ui.press("pagedown")
            assert "Cancel (enter)" in ui.text() and "Restart" in ui.line("y g")
            seen += ui.text()
        for part in (
            "deployment/checkout",
            "uid w-checkout",
            "context prod-eu",
            "namespace shop",
            "https://10.1.2.3:6443",
            "kubectl --context prod-eu",
            "restartedAt",
            "3 pods replaced",
            "Argo CD",
            "It cannot be reverted.",
            "logs of 3 pods",
            "accepted by the server",
            "warning number 59",
        ):
            assert part in seen

    drive(engine_with(mitigator), script, size)


LONG_NAME = "checkout-payment-authorization-worker-for-europe-west-blue-0001"
LONG_TITLE = (
    f"Roll back deployment/{LONG_NAME} to revision 41 (image registry.example.com/shop/checkout:1.4.1)"
)
LONG_CONTEXT = "arn:aws:eks:eu-west-1:123456789012:cluster/production-eu"


def words(ui: Ui) -> str:
    """The screen without its line breaks."""
    return "".join("".join(line.strip() for line in ui.grid()).split())


def test_a_long_question_is_asked_to_its_end_and_says_that_more_is_below() -> None:
    mitigator = FakeMitigator()
    warnings = tuple(f"warning number {n}" for n in range(60))
    mitigator.plans["k8s.restart"] = {"title": LONG_TITLE, "context": LONG_CONTEXT, "warnings": warnings}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        assert f"{LONG_TITLE} in {LONG_CONTEXT} / shop?".replace(" ", "") in words(ui)
        last = ui.line("Cancel (enter)")
        assert "y g Restart" in last and "more lines, ↓ pgdn" in last
        shown = sum(f"warning number {n}" in ui.text() for n in range(60))
        assert shown > 10
        await ui.press("end")
        assert "planned" in ui.text() and "more line" not in ui.text()
        assert f"{LONG_TITLE} in".replace(" ", "") in words(ui)

    drive(engine_with(mitigator), script, (80, 24))


def test_a_question_longer_than_its_room_ends_in_an_ellipsis_above_the_way_out() -> None:
    mitigator = FakeMitigator()
    mitigator.plans["k8s.restart"] = {"title": "Restart " + "deployment/checkout " * 40}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        grid = ui.grid()
        (cancel,) = [number for number, line in enumerate(grid) if "Cancel (enter)" in line]
        assert grid[cancel - 4].startswith(" Restart deployment/checkout")
        assert grid[cancel - 1].rstrip().endswith("…")

    drive(engine_with(mitigator), script, (80, 24))


def test_a_long_refusal_is_read_to_its_end() -> None:
    mitigator = FakeMitigator()
    why = "The session is idle in transaction: it runs no query, so cancelling changes nothing. " * 2
    mitigator.plans["k8s.restart"] = {"refusal": f"{why}Use pg.terminate."}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        last = "\n".join(ui.grid()[-8:])
        assert "Refused: The session" in last and "Use pg.terminate." in last

    drive(engine_with(mitigator), script, (80, 24))


def test_a_long_name_and_what_is_typed_of_it_are_seen() -> None:
    mitigator = FakeMitigator()
    mitigator.plans["k8s.restart"] = {"risk": Risk.DESTRUCTIVE}
    engine = engine_with(mitigator)
    shot, row = kubernetes(), workload(LONG_NAME, 2, sick=True, severity=99)
    engine.board.publish(
        "kubernetes:prod", msgspec.structs.replace(shot, workloads={row.uid: row, **shot.workloads})
    )

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        assert f"type {LONG_NAME}" in ui.text()
        height = ui.top.page.size.height
        for character in LONG_NAME:
            await ui.press(character if character != "-" else "minus")
        assert LONG_NAME[-40:] in ui.line("then enter: ")
        assert ui.top.page.size.height == height
        assert "Cancel (enter)" in ui.text() and not mitigator.named("run")
        await ui.press("enter")
        assert len(mitigator.named("run")) == 1

    drive(engine, script, (80, 24))


def test_the_reason_is_recorded_and_its_letters_confirm_nothing() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("tab", "y", "g", "enter")
        assert not mitigator.named("run")
        await ui.press("y", "g")
        assert mitigator.named("run")[0][3] == "yg"

    drive(engine_with(mitigator), script)


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


def test_no_key_reaches_the_console_behind_a_dialog() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        before = ui.main.current
        await ui.press("3", "z", "r", "x", "m", "ctrl+q")
        assert ui.on(ConfirmScreen) and len(ui.app.screen_stack) == 2
        assert ui.main.current == before and not ui.main.zoomed
        assert len(mitigator.named("plan")) == 1

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
        assert "replicas has to be a whole number." in ui.text()
        assert not mitigator.named("plan")

    drive(engine_with(mitigator), script)


def test_undo_is_another_confirmed_action() -> None:
    mitigator = FakeMitigator()
    mitigator.outcome = Outcome("done", "scaled", undo_action="k8s.scale", undo_params={"replicas": "3"})

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "g")
        await ui.settle()
        assert "u Undo" in ui.text()
        await ui.press("u")
        await ui.settle()
        assert ui.on(ConfirmScreen)
        assert mitigator.named("plan")[-1][1:4:2] == ("k8s.scale", {"replicas": "3"})
        assert len(mitigator.named("run")) == 1

    drive(engine_with(mitigator), script)


def test_an_unknown_outcome_and_each_targets_result_are_shown() -> None:
    mitigator = FakeMitigator()
    mitigator.outcome = Outcome(
        "unknown",
        "the answer was lost",
        (StepResult("pid/1", True, "ended"), StepResult("pid/2", False, "denied")),
    )

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "g")
        await ui.settle()
        text = ui.text()
        assert "OUTCOME UNKNOWN: the answer was lost" in text
        assert "ok     pid/1  ended" in text and "failed pid/2  denied" in text

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


def test_a_temporary_measure_is_taken_back_from_the_ledger() -> None:
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
        assert "taken back by hand" in ui.text() and not ui.on(ConfirmScreen)
        await ui.press("up", "enter")
        await ui.settle()
        assert ui.on(ConfirmScreen)
        (call,) = mitigator.named("plan")
        assert call[1] == "k8s.scale" and call[3] == {"replicas": "3", "expect": "9"}
        assert (call[2].uid, call[2].resource_version, call[4]) == ("w-checkout", "", "kubernetes:prod")

    drive(engine_with(mitigator), script)


def test_without_a_record_only_a_typed_name_breaks_the_glass() -> None:
    mitigator = FakeMitigator()
    mitigator.no_record = True

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "g")
        await ui.settle()
        assert ui.on(RunningScreen)
        assert "Break glass" in ui.text()
        assert "Intent recorded" not in ui.text() and "Verifying" not in ui.text()
        await ui.press("b")
        await ui.settle()
        await ui.wait(ARMED_AFTER)
        assert "BREAK GLASS: this will not be in the timeline." in ui.text()
        await ui.press("y", "g", "enter")
        assert ui.on(ConfirmScreen)
        await ui.press("backspace", "backspace", *"checkout", "enter")
        await ui.settle()
        assert ui.on(RunningScreen)
        assert "helped" in ui.text()
        assert "Intent recorded" not in ui.text()
        assert "Intent NOT recorded: BREAK GLASS" in ui.text()
        assert "BREAK GLASS: no timeline has this. Write it down by hand:" in ui.text()
        assert "what      Restart deployment/checkout" in ui.text()
        assert len(mitigator.named("run")) == 2

    drive(engine_with(mitigator), script)


def test_a_lost_outcome_is_an_alarm_until_somebody_acts_on_its_target() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        assert "UNKNOWN" not in ui.text()
        mitigator.outcome = Outcome("unknown", "The console ended in between.")
        await mitigator.run(make_plan())
        await ui.wait(1)
        assert "1 OUTCOME UNKNOWN" in ui.text()
        mitigator.outcome = Outcome("done", "Done.")
        await mitigator.run(make_plan())
        await ui.wait(1)
        assert "UNKNOWN" not in ui.text()

    drive(engine_with(mitigator), script)


def test_sessions_that_are_hit_stand_one_a_line() -> None:
    mitigator = FakeMitigator()
    names = ("pid 7 ana@shop, idle 5 s", "pid 8 bo@shop, active 9 s")
    mitigator.plans["k8s.restart"] = {"hits": (Hit("sessions ended", 2, names),)}

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        lines = [line.strip(" │") for line in ui.text().splitlines()]
        assert any(line.endswith("2 sessions ended:") for line in lines)
        assert any("- pid 7 ana@shop, idle 5 s" in line and "pid 8" not in line for line in lines)

    drive(engine_with(mitigator), script)


def test_what_the_verdict_quotes_is_not_said_again() -> None:
    mitigator = FakeMitigator()
    figure = "error ratio 9.9% before, 0.4% after"
    mitigator.verdict = Verdict("helped", f"It rests on {figure}.", (figure, "pods 4 of 4"))
    engine = engine_with(mitigator)

    async def script(ui: Ui) -> None:
        await armed(ui, "r")
        await ui.press("y", "g")
        await ui.settle()
        assert ui.on(RunningScreen)
        box = [line for line in ui.grid() if "│" in line]
        assert sum(figure in line for line in box) == sum("pods 4 of 4" in line for line in box) == 1
        assert "Finished." not in ui.text()

    drive(engine, script)
