"""What keys do, and what they do not."""

from __future__ import annotations

import msgspec
import pytest
from textual import events

from console.config import Config
from console.model.actions import ACTIONS, PANES, available
from console.model.plan import Progress
from console.model.signals import SignalsSnapshot, Step, Suggestion
from console.model.strict import convert
from console.ui import lookups
from console.ui.commands import COMMANDS
from console.ui.keys import Keymap, key_text
from console.ui.screens.form import Form
from console.ui.screens.menu import Menu
from tests.ui.cluster import pod, snapshot, workload  # snapshot
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.mitigator import FakeMitigator, make_plan
from tests.ui.scene import everything


def pods_of(ui: Ui) -> str:
    return "\n".join(line[:74] for line in ui.grid()[2:17])


def test_every_action_of_the_registry_can_be_done() -> None:
    assert lookups.__doc__ is not None, "its import registers the commands"
    missing = [action.name for action in ACTIONS if not action.mutating and action.name not in COMMANDS]
    assert not missing


def test_no_two_defaults_collide() -> None:
    for pane in PANES:
        keymap = Keymap(available(watch=False), {})
        for action in keymap.actions:
            if action.pane not in ("", pane):
                continue
            for key in keymap.keys(action.name):
                found = keymap.find(key, pane)
                same = [other for other in found if not set(other.targets).isdisjoint(action.targets)]
                assert action in found and same in ([], [action]), (key, pane, found)


def test_own_keys_win_and_the_loser_is_named() -> None:
    keymap = Keymap(available(watch=False), {"k8s.restart": "z", "ui.zoom": "f5"})
    assert [action.name for action in keymap.find("z", "pods")] == ["k8s.restart"]
    assert not keymap.find("r", "pods")
    assert keymap.label("ui.zoom") == "f5" and not keymap.problems

    keymap = Keymap(available(watch=False), {"k8s.restart": "z"})
    assert keymap.keys("ui.zoom") == ()
    assert keymap.problems == ("z is now Restart; Zoom lost that key.",)

    keymap = Keymap(available(watch=False), {"k8s.restart": "down"})
    assert keymap.problems == ("down moves the cursor and cannot be given to k8s.restart.",)


def test_keys_of_another_pane_may_be_reused() -> None:
    keymap = Keymap(available(watch=False), {"pg.cancel": "r"})
    assert [action.name for action in keymap.find("r", "pods")] == ["k8s.restart"]
    assert [action.name for action in keymap.find("r", "database")] == ["pg.cancel"]
    assert not keymap.problems


@pytest.mark.parametrize(("key", "text"), [("question_mark", "?"), ("ctrl+p", "^p"), ("r", "r")])
def test_keys_are_written_as_people_read_them(key: str, text: str) -> None:
    assert key_text(key) == text


def test_own_keys_work_on_the_screen() -> None:
    engine = everything(FakeEngine(convert({"screen": {"keys": {"ui.zoom": "f5"}}}, Config)))

    async def script(ui: Ui) -> None:
        await ui.press("z")
        assert "PODS" in ui.text() and "TIMELINE" in ui.text()
        await ui.press("f5")
        await ui.settle()
        assert "TIMELINE" not in ui.text() and "f5 Zoom" in ui.text()

    drive(engine, script)


def test_panes_are_focused_by_number_letter_and_tab() -> None:
    async def script(ui: Ui) -> None:
        for number, name in enumerate(PANES, start=1):
            await ui.press(str(number))
            assert ui.main.current == name and ui.main.pane.has_focus_within
        await ui.press("tab")
        assert ui.main.current == "pods"
        await ui.press("shift+tab")
        assert ui.main.current == "timeline"
        await ui.press("j")
        shown = ui.text()
        assert "[d] DATABASE" in shown and "[t] TIMELINE" in shown
        await ui.press("d")
        assert ui.main.current == "database" and "[d]" not in ui.text()
        await ui.press("j", "escape")
        assert ui.main.current == "database" and not ui.main.jumping

    drive(everything(FakeEngine()), script)


def test_one_pane_at_a_time_on_a_small_screen_and_all_after_it_grows() -> None:
    async def script(ui: Ui) -> None:
        assert "PODS" in ui.text() and "DATABASE" not in ui.text()
        await ui.press("3")
        await ui.settle()
        assert "DATABASE" in ui.text() and "PODS" not in ui.text()
        assert "SEV1" in ui.grid()[0] and "Cancel query" in ui.grid()[-1]
        await ui.pilot.resize_terminal(140, 45)
        await ui.settle()
        assert "DATABASE" in ui.text() and "PODS" in ui.text() and "TIMELINE" in ui.text()
        await ui.press("z")
        await ui.settle()
        assert "PODS" not in ui.text()
        await ui.press("escape")
        await ui.settle()
        assert "PODS" in ui.text()

    drive(everything(FakeEngine()), script, (80, 24))


def test_filter_while_typing_and_leave_it() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("slash", "a", "u", "t", "h")
        await ui.settle()
        assert "auth-service" in ui.line("3/4") and "mailer " not in pods_of(ui)
        assert "/auth" in ui.line("PODS")
        await ui.press("enter")
        assert ui.main.pane.has_focus_within
        await ui.press("escape")
        await ui.settle()
        assert "mailer " in pods_of(ui)
        await ui.press("slash", "n", "o", "p", "e")
        await ui.settle()
        assert "Nothing matches /nope." in ui.text()

    drive(everything(FakeEngine()), script)


def test_typing_a_filter_triggers_no_action() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("slash", "r", "u", "x", "3", "z")
        assert ui.at_home and ui.main.current == "pods" and not ui.main.zoomed
        assert not mitigator.calls
        assert ui.main.pane.filter == "rux3z"

    drive(everything(FakeEngine(mitigator=mitigator)), script)


def test_filter_finds_pods_of_closed_workloads() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("slash", *"restarting", "enter")
        await ui.settle()
        assert "└ 7d9f8-002" in ui.text() and "mailer " not in pods_of(ui)

    drive(everything(FakeEngine()), script)


def test_sort_goes_through_the_criteria() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("o")
        await ui.settle()
        assert "Sorted by name." in ui.text()
        assert "NAME▾" in ui.grid()[2] and "auth-service" in ui.grid()[3] and "cart" in ui.grid()[4]

    drive(everything(FakeEngine()), script)


def test_pause_freezes_the_panes_but_not_the_alarms() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("space")
        engine.board.publish("kubernetes:prod", snapshot([], []))
        engine.timeline.health = "failed"
        await ui.settle()
        assert "checkout" in ui.text() and "PAUSED" in ui.text() and "LOG FAILED" in ui.text()
        await ui.press("space")
        await ui.wait(1)
        assert "There are no workloads" in ui.text()

    drive(engine, script)


def test_note_with_one_key() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("a")
        assert ui.on(Form)
        await ui.press("enter")
        assert "text is needed." in ui.text()
        await ui.press(*"errors", "enter")
        await ui.settle()
        assert engine.calls == [("note", "errors")]
        assert ui.at_home and "The note is in the timeline." in ui.text()
        assert "errors" in ui.line("note         ana      errors")

    drive(engine, script)


def test_a_note_of_several_lines_is_one_line() -> None:
    engine = everything(FakeEngine())
    engine.timeline.add("note", "called the vendor:\n  no answer yet")

    async def script(ui: Ui) -> None:
        await ui.settle()
        assert "called the vendor: no answer yet" in ui.text()

    drive(engine, script)


def test_declare_takes_severity_and_title() -> None:
    engine = FakeEngine()

    async def script(ui: Ui) -> None:
        await ui.press("i", "backspace", "1", "tab", *"down", "enter")
        await ui.settle()
        assert engine.calls == [("declare", 1, "down")]
        assert "SEV1" in ui.grid()[0] and "no incident" not in ui.grid()[0]

    drive(engine, script)


def test_palette_finds_and_does() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("colon")
        assert ui.on(Menu)
        await ui.press(*"zoom", "enter")
        await ui.settle()
        assert ui.at_home and ui.main.zoomed

    drive(everything(FakeEngine()), script)


def test_palette_finds_what_another_pane_does() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("2", "colon", *"roll back", "enter")
        await ui.settle()
        assert ui.main.current == "pods" and mitigator.calls[0][:2] == ("options", "k8s.rollback")

    drive(everything(FakeEngine(mitigator=mitigator)), script)


def test_the_key_line_follows_the_first_row_from_a_pod_to_its_workload() -> None:
    engine = FakeEngine(mitigator=FakeMitigator())
    row = workload("checkout")
    engine.health("kubernetes:prod")
    alone = snapshot([workload("checkout-0", kind="Pod", uid="p")], [])
    engine.board.publish("kubernetes:prod", alone)

    async def script(ui: Ui) -> None:
        await ui.settle()
        assert "l Logs" in ui.grid()[-1] and "Restart" not in ui.grid()[-1]
        engine.board.publish("kubernetes:prod", snapshot([row], [pod(row, 0)]))
        await ui.wait(1)
        assert "r Restart" in ui.grid()[-1]

    drive(engine, script)


def test_namespace_menu() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("n", "down", "enter")
        await ui.settle()
        assert "10 workloads, 26 pods in shop" in ui.text()

    drive(everything(FakeEngine()), script)


def test_what_the_console_has_no_action_for_is_said_to_be_done_by_hand() -> None:
    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    signals = next(iter(engine.board.of_type(SignalsSnapshot).values()))
    by_hand = Suggestion(
        "dependency-down", "Something outside is down", 0.8, (), "", None, "kubernetes:prod", "Outside.",
        steps=(Step("", "Switch to the fallback."), Step("k8s.scale", "Add pods.")),
        by_hand="Switch to the fallback.", commands=("kubectl set env deployment/checkout MODE=...",),
    )  # fmt: skip
    engine.board.publish("signals", msgspec.structs.replace(signals, suggestions=(by_hand,)))

    async def script(ui: Ui) -> None:
        await ui.press("6", "z")
        await ui.settle()
        assert "By hand: Switch to the fallback." in ui.line("Something outside is down")
        await ui.press("enter")
        await ui.settle()
        assert "by hand      Switch to the fallback." in ui.text()
        assert "The console has no action for this yet." in ui.text()
        assert "kubectl set env deployment/checkout MODE=..." in ui.text()
        assert "1. Switch to the fallback. (by hand)" in ui.text()
        assert "2. Add pods." in ui.text() and "Add pods. (by hand)" not in ui.text()

    drive(engine, script)


def test_a_key_of_redis_is_offered_no_mitigation_of_postgresql() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("4", "m")
        await ui.settle()
        assert ui.on(Menu)
        assert "Terminate" not in ui.text()
        assert "The console has no mitigation for this row." in ui.text()
        for key in ("escape", "3", "m"):
            await ui.press(key)
            await ui.settle()
        assert "Terminate matching" in ui.text()

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script)


def test_a_suggestion_starts_its_mitigation_on_its_target() -> None:
    mitigator = FakeMitigator()

    async def script(ui: Ui) -> None:
        await ui.press("6", "u", "enter")
        await ui.settle()
        call = mitigator.named("plan")[0]
        assert (call[1], str(call[2]), call[3], call[4]) == (
            "k8s.rollback",
            "deployment/checkout",
            {"revision": "41"},
            "kubernetes:prod",
        )
        await ui.press("escape")
        await ui.settle()
        await ui.press("enter")
        await ui.settle()
        assert "Tell the release owner" in ui.text() and "enter Plan: Roll back" in ui.text()
        await ui.press("enter", "enter")
        await ui.settle()
        assert len(mitigator.named("plan")) == 2

    drive(everything(FakeEngine(mitigator=mitigator)), script)


def test_quit_names_what_still_runs() -> None:
    mitigator = FakeMitigator()
    mitigator._progress.append(Progress(make_plan(), "executing", "Waiting.", NOW))

    async def script(ui: Ui) -> None:
        await ui.press("ctrl+q")
        assert "Still running: deployment/checkout. Press ^q again to leave." in ui.text()
        await ui.wait(60)
        await ui.press("ctrl+q")
        assert ui.app.return_value is None, "the warning had long gone"
        assert "Still running: deployment/checkout. Press ^q again to leave." in ui.text()
        await ui.press("ctrl+q")
        assert ui.app.return_value == 0

    drive(everything(FakeEngine(mitigator=mitigator)), script)


def test_the_console_can_be_left_from_a_page() -> None:
    async def script(ui: Ui) -> None:
        await ui.press("question_mark")
        await ui.settle()
        await ui.press("ctrl+q")
        await ui.settle()
        assert ui.app.return_value == 0

    drive(everything(FakeEngine()), script)


def test_what_is_typed_ahead_of_a_dialog_never_acts() -> None:
    engine = everything(FakeEngine(mitigator=FakeMitigator()))

    async def script(ui: Ui) -> None:
        for key in ("a", "l", "h", "s"):
            ui.app.post_message(events.Key(key, key))
        await ui.settle()
        assert len(ui.app.screen_stack) == 2
        assert isinstance(ui.app.screen, Form)

    drive(engine, script)
