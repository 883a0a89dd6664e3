"""What a screen makes of the sizes that the terminal tells."""

import asyncio

import pytest
from textual.events import Resize
from textual.geometry import Size
from textual.screen import Screen

from console.ui.screens.dialog import Dialog
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.scene import everything


@pytest.mark.parametrize("keys", ["", "?"])
def test_two_sizes_on_their_way_do_not_call_forth_each_other(
    monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    followed: list[Size] = []

    async def script(ui: Ui) -> None:
        if keys:
            await ui.press(keys)
            assert isinstance(ui.app.screen, Dialog)
        screen, now = ui.app.screen, ui.app.size
        resized = type(screen)._screen_resized

        def follow(self: Screen[object], size: Size) -> None:
            followed.append(size)
            resized(self, size)

        monkeypatch.setattr(type(screen), "_screen_resized", follow)
        for size in (Size(80, 25), now):
            screen.post_message(Resize(size, size))
            screen.call_later(lambda: None)  # one after the other in the queue, they would become one
        await asyncio.wait_for(ui.settle(), 10)
        assert screen.size == now
        assert followed.count(Size(80, 25)) == 0
        assert len(followed) <= 2

    drive(everything(FakeEngine()), script)
