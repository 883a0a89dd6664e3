"""The safety rules of the confirmation."""

from __future__ import annotations

import msgspec
import pytest

from console.model.plan import Hit, Risk
from console.ui.screens.confirm import ARMED_AFTER, ConfirmScreen
from console.ui.screens.running import RunningScreen
from tests.ui.cluster import kubernetes, workload
from tests.ui.drive import Ui, drive
from tests.ui.mitigator import FakeMitigator, armed, engine_with


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
        await ui.press("backspace", "ctrl+u")
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
