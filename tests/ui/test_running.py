"""The page of a running mitigation: its outcome, its verdict, the way back, and a broken glass."""

from __future__ import annotations

from console.model.plan import Outcome, StepResult, Verdict
from console.ui.screens.confirm import ARMED_AFTER, ConfirmScreen
from console.ui.screens.running import RunningScreen
from tests.ui.drive import Ui, drive
from tests.ui.mitigator import FakeMitigator, armed, engine_with, make_plan


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
