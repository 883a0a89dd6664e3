"""Random but repeatable use of the console: keys, dialogs, themes, and data with text of every kind."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import msgspec

from console.model.logs import LogLine
from console.model.source import Health
from console.model.text import clean
from console.ui.app import WarroomApp
from console.ui.screens.logs import LogsScreen
from console.ui.themes import THEMES, Palette
from console.ui.widgets.line_widget import LineWidget
from tests.ui.cluster import kubernetes, pod, snapshot, workload
from tests.ui.drive import Ui
from tests.ui.fake import FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import alerts, everything, postgres, redis

CERTAIN = (
    "checkout",
    "order service",
    "漢字テスト",
    "決済サービスが応答しません",
    "결제 서비스",
    "Ünïcödé",
    "cafe\u0301 re\u0301sume\u0301",
    "┌─┬┐│└┴┘╔═╗ █▓▒░",
    "⚡ up ✅ ok",
    "🔥🚀 deploy",
    "Ελληνικά кириллица",
    "x",
    "",
    "a\u0300\u0301b",
    "│ 表 │",
    "mixed 日本 and latin",
)
"""What Rich and every terminal of the last years measure alike."""

DOUBTFUL = (
    *CERTAIN,
    "❤️ heart ⚠️ warn",
    "👨\u200d👩\u200d👧 family",
    "🇩🇪🇯🇵 flags",
    "👍🏽 thumbs 👩🏿\u200d🚒",
    "नमस्ते दुनिया",
    "ไทย ภาษา",
    "1️⃣ 2️⃣ keycaps",
    "\u1112\u1161\u11ab jamo",
    "🫠🫨 new",
    "☁️☁ cloud",
)
"""Among them what terminals measure differently, each other and Rich."""

_KEYS = (
    *("down", "up", "pagedown", "pageup", "home", "end") * 3,
    *("tab", "shift+tab", "z", "j", "enter", "escape", "escape", "escape", "o", "ctrl+l"),
    *("1", "2", "3", "4", "5", "6", "7"),
    *("question_mark", "l", "d", "h", "m", "a", "i", "slash", "colon", "space", "left", "right"),
)


class Turmoil:
    """Acts on an app. The same seed and texts do the same to another app."""

    def __init__(self, ui: Ui, seed: int, texts: tuple[str, ...] = CERTAIN) -> None:
        self._ui = ui
        self._rng = random.Random(seed)
        self._texts = [clean(text) for text in texts]  # as the sources do
        self._acts: tuple[tuple[int, Callable[[], Awaitable[None]]], ...] = (
            (10, self._key),
            (3, self._typing),
            (3, self._pods),
            (2, self._sessions),
            (2, self._notes),
            (2, self._logs),
            (2, self._time),
            (1, self._theme),
            (1, self._sick),
            (1, self._close),
        )

    async def act(self) -> None:
        """One thing, and wait until it is drawn."""
        weights = [weight for weight, _ in self._acts]
        [(_, what)] = self._rng.choices(self._acts, weights)
        await what()
        await self._ui.settle()

    def _text(self, most: int = 3) -> str:
        return " ".join(self._rng.choices(self._texts, k=self._rng.randint(1, most)))

    async def _key(self) -> None:
        await self._ui.press(self._rng.choice(_KEYS))

    async def _typing(self) -> None:
        await self._ui.press("slash", *self._rng.choices(["a", "e", "s", "1", "backspace"], k=3))
        await self._ui.press(self._rng.choice(["enter", "escape"]))

    async def _close(self) -> None:
        for _ in range(4):
            await self._ui.press("escape")

    async def _pods(self) -> None:
        rng, engine = self._rng, self._ui.engine
        made = []
        for number in range(rng.randint(1, 9)):
            sick = rng.random() < 0.5
            made.append(
                workload(
                    f"{number}{self._text(1)}",
                    rng.randint(1, 3),
                    uid=f"w{number}",
                    sick=sick,
                    severity=rng.randint(1, 3) if sick else 0,
                    why=self._text() if sick else "",
                    restarts=rng.randint(0, 200),
                )
            )
        pods = [pod(item, n, why=self._text(2)) for item in made for n in range(item.desired)]
        engine.board.publish("kubernetes:prod", snapshot(made, pods) if rng.random() < 0.8 else kubernetes())

    async def _sessions(self) -> None:
        shot = postgres()
        backends = tuple(
            msgspec.structs.replace(backend, query=self._text(4), application=self._text(1))
            for backend in shot.backends[: self._rng.randint(1, 16)]
        )
        clients = self._rng.randint(0, 97)
        self._ui.engine.board.publish("postgres:main", postgres(backends=backends, clients=clients))
        self._ui.engine.board.publish("redis:main", redis(ops=self._rng.random() * 10_000))

    async def _notes(self) -> None:
        engine = self._ui.engine
        engine.timeline.add("note", self._text(5), user=self._text(1), at=engine.clock.now().timestamp())
        shot = alerts()
        named = tuple(msgspec.structs.replace(alert, summary=self._text()) for alert in shot.alerts)
        engine.board.publish("alertmanager", msgspec.structs.replace(shot, alerts=named))

    async def _logs(self) -> None:
        if not self._ui.on(LogsScreen) and self._ui.at_home:
            await self._ui.press("1", "l")
        now = self._ui.engine.clock.now().timestamp()
        lines = [
            LogLine(now, "pod-1", "app", self._text(8), notice=self._rng.random() < 0.1)
            for _ in range(self._rng.randint(1, 60))
        ]
        for feed in self._ui.engine.feeds[-1:]:
            feed.put(lines)
            await self._ui.pilot.pause(0.15)  # the screen takes lines at most eight times a second

    async def _time(self) -> None:
        await self._ui.wait(self._rng.random() * 100)

    async def _theme(self) -> None:
        app = self._ui.app
        assert isinstance(app, WarroomApp)
        name = self._rng.choice(list(THEMES))
        app.theme = name
        few = app.console.color_system in ("standard", "windows") and not app.no_color
        app.palette = Palette(name, few_colours=few)
        for widget in self._ui.main.query(LineWidget):
            widget.forget()

    async def _sick(self) -> None:
        health = self._rng.choice([Health.OK, Health.FAILED])
        self._ui.engine.health("redis:main", health, reason=self._text(), advice=self._text())


def troubled_engine() -> FakeEngine:
    """The scene, with mitigations."""
    return everything(FakeEngine(mitigator=FakeMitigator()))
