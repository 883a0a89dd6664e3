"""The real console on a made-up world, on a real terminal, doing what it is told over a socket.

``python -m tests.e2e.puppet SOCKET SEED [plain] [doubtful]``. Two of them with one seed do the same things.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from textual.pilot import Pilot

from console.config import Config, ScreenSettings
from console.ui.app import WarroomApp
from console.ui.output import Output
from console.ui.painter import when_seen
from tests.ui.drive import Ui
from tests.ui.fake import FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import everything
from tests.ui.turmoil import CERTAIN, DOUBTFUL, Turmoil


class Counting(WarroomApp):
    """Counts how often it took the terminal over."""

    def __init__(self, engine: FakeEngine) -> None:
        super().__init__(engine)
        self.begun = 0
        began = self.painter.began

        def counted(output: Output | None) -> None:
            self.begun += 1
            began(output)

        self.painter.began = counted  # type: ignore[method-assign]


async def obey(pilot: Pilot[Any], address: str, turmoil: Turmoil) -> None:
    """Do what is asked until the other side hangs up: ``act N``, ``refresh``, ``paint``, ``settle``.

    The answer is the size of the screen and how often the terminal was taken over.
    """
    app = pilot.app
    assert isinstance(app, Counting)
    reader, writer = await asyncio.open_unix_connection(address)
    writer.write(f"{os.getpid()}\n".encode())
    while line := (await reader.readline()).decode().split():
        if line[0] == "act":
            for _ in range(int(line[1])):
                await turmoil.act()
        elif line[0] == "refresh":
            app.screen.refresh()
        elif line[0] == "paint":
            app.painter.repaint()
        await pilot.pause()
        seen = asyncio.Event()
        when_seen(app, seen.set)
        await seen.wait()
        writer.write(f"{app.size.width} {app.size.height} {app.begun}\n".encode())
    app.exit(0)


def main() -> None:
    """Run until told to stop."""
    address, seed, *words = sys.argv[1:]
    config = Config(screen=ScreenSettings(plain_output="plain" in words))
    engine = everything(FakeEngine(config, mitigator=FakeMitigator()))
    app = Counting(engine)

    async def play(pilot: Pilot[Any]) -> None:
        await pilot.pause()
        turmoil = Turmoil(Ui(pilot, engine), int(seed), DOUBTFUL if "doubtful" in words else CERTAIN)
        await obey(pilot, address, turmoil)

    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    asyncio.run(app.run_async(mouse=False, auto_pilot=play))


if __name__ == "__main__":
    main()
