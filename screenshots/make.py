"""Make the pictures of the README from a drill: ``python screenshots/make.py``.

The real console runs headless on a real drill; each picture is taken when the screen shows what it is about.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
SIZE = (150, 44)


def main() -> int:
    """Start a drill, walk through the bad release, save the pictures; exit code 0."""
    os.environ.update(TEXTUAL_ANIMATIONS="none", COLORTERM="truecolor", TERM="xterm-256color")
    os.environ.pop("NO_COLOR", None)
    from tests.e2e.world import World

    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), "bad-release")
        try:
            asyncio.run(_walk(world.config, world.state_dir))
        finally:
            world.close()
    return 0


async def _walk(config_file: Path, state_dir: Path) -> None:
    from console.config import load
    from console.engine.live import live_engine
    from console.model.clock import SystemClock
    from console.ui.app import WarroomApp

    engine = live_engine(load(config_file), SystemClock(), state_dir)
    engine.start()
    app = WarroomApp(engine)
    try:
        async with app.run_test(size=SIZE) as pilot:

            async def until(found: str, seconds: float) -> None:
                deadline = time.monotonic() + seconds
                while found not in _text(app):
                    if time.monotonic() > deadline:
                        raise SystemExit(f"never seen: {found!r}\n{_text(app)}")
                    await pilot.pause(0.2)

            await until("checkout", 30)
            await until("A release went bad", 120)
            await pilot.pause(8)
            await asyncio.wrap_future(engine.declare(2, "Checkout fails for one order in ten"))
            await pilot.pause(3)
            await pilot.press("1")
            await _select(app, pilot, "checkout")
            _save(app, "console")
            await pilot.press("u")
            await until("is what runs now", 15)
            _save(app, "rollback")
            await pilot.press("enter")
            await until("dry run", 30)
            await pilot.pause(1)
            _save(app, "confirm")
            await pilot.press("y")
            await pilot.pause(0.3)
            await pilot.press("g")
            await until("verdict", 240)
            _save(app, "verdict")
            await pilot.press("escape")
    finally:
        engine.stop()


async def _select(app: object, pilot: object, name: str) -> None:
    """Move the cursor down to the row of ``name``."""
    await pilot.press("home")  # type: ignore[attr-defined]
    for _ in range(20):
        if re.search(rf"▌\S? ?\S? ▸ {name}", _text(app)):
            return
        await pilot.press("down")  # type: ignore[attr-defined]
        await pilot.pause(0.05)  # type: ignore[attr-defined]
    raise SystemExit(f"no row {name}\n{_text(app)}")


def _text(app: object) -> str:
    lines = app.screen._compositor.render_strips()  # type: ignore[attr-defined]
    return "\n".join(strip.text for strip in lines)


def _save(app: object, name: str) -> None:
    """Write the picture, with the fonts of the reader's machine instead of downloaded ones."""
    svg = app.export_screenshot(title="warroom", simplify=True)  # type: ignore[attr-defined]
    svg = re.sub(r"@font-face\s*{.*?}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(HERE / f"{name}.svg")


if __name__ == "__main__":
    sys.exit(main())
