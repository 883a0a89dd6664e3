"""Keys that arrive together do what they would do one by one."""

from __future__ import annotations

import asyncio

import pytest
from textual.events import Key
from textual.widgets import Input

from console.ui import typeahead
from console.ui.screens.form import Form
from console.ui.screens.main import MainScreen
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything


def send(ui: Ui, *keys: str) -> None:
    """Let the keys arrive in one go."""
    for key in keys:
        ui.app.post_message(Key(key, key if len(key) == 1 else None))


async def until_note(ui: Ui, count: int) -> list[str]:
    notes: list[str] = []
    while len(notes) < count:
        await ui.pilot.pause()
        notes = [call[1] for call in ui.engine.calls if call[0] == "note"]
    return notes


def test_text_goes_to_the_dialog_that_the_key_before_it_opens() -> None:
    async def script(ui: Ui) -> None:
        send(ui, "a", *"zuzu", "enter", "question_mark", "escape", "a", *"xyz", "enter")
        assert await until_note(ui, 2) == ["zuzu", "xyz"]
        assert isinstance(ui.top, MainScreen)

    drive(everything(FakeEngine()), script)


def test_keys_go_on_when_the_way_of_one_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typeahead, "PATIENCE", 0.01)

    async def script(ui: Ui) -> None:
        await ui.press("a")
        form = ui.top
        assert isinstance(form, Form)
        # It took the word of the key's way, but was closed before it came to it.
        monkeypatch.setattr(form, "call_later", lambda *_: True)
        send(ui, *"lost?")
        field = form.query_one(Input)
        while field.value != "lost?":  # noqa: ASYNC110
            await asyncio.sleep(0)
        monkeypatch.undo()

    drive(everything(FakeEngine()), script)
