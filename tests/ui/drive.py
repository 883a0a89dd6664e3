"""Drives the real app without a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from textual._compositor import LayoutUpdate
from textual.pilot import Pilot

from console.ui.app import WarroomApp
from console.ui.screens.dialog import Dialog
from console.ui.screens.main import MainScreen
from tests.ui.fake import FakeEngine


class Ui:
    """The app under test, with what a person sees and does."""

    def __init__(self, pilot: Pilot[int], engine: FakeEngine) -> None:
        self.pilot = pilot
        self.engine = engine
        self.app = pilot.app

    @property
    def main(self) -> MainScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, MainScreen)
        return screen

    @property
    def top(self) -> Any:
        return self.app.screen

    @property
    def at_home(self) -> bool:
        return self.app.screen is self.main

    def on(self, kind: type[Any]) -> bool:
        return isinstance(self.app.screen, kind)

    async def settle(self) -> None:
        await self.pilot.pause()
        self.main.frame(tick=True)
        if isinstance(self.top, Dialog):
            self.top.renew()
        await self.pilot.pause()

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.pilot.pause()

    async def wait(self, seconds: float) -> None:
        self.engine.clock.advance(seconds)
        await self.settle()

    def grid(self) -> list[str]:
        update = self.app.screen._compositor.render_update(
            full=True, screen_stack=self.app._background_screens
        )
        assert isinstance(update, LayoutUpdate)
        return ["".join(strip.text for strip in line) for line in update.strips]

    def text(self) -> str:
        return "\n".join(self.grid())

    def line(self, part: str) -> str:
        found = [line for line in self.grid() if part in line]
        assert found, f"{part!r} is not on the screen:\n{self.text()}"
        return found[0]


def drive(
    engine: FakeEngine, script: Callable[[Ui], Awaitable[None]], size: tuple[int, int] = (120, 40)
) -> None:
    """Run the app on ``engine`` and let ``script`` use it."""

    async def go() -> None:
        app = WarroomApp(engine)
        async with app.run_test(size=size) as pilot:
            ui = Ui(pilot, engine)
            await ui.settle()
            await script(ui)

    asyncio.run(go())
