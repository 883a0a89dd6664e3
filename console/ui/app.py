"""The application: themes, the wire, errors. What is seen is in ``screens`` and ``panes``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from rich.color import ColorSystem
from textual.app import App
from textual.binding import BindingType
from textual.events import Resize
from textual.filter import LineFilter
from textual.geometry import Size
from textual.screen import Screen

from console.engine.crash import save_crash
from console.ui.commands import COMMANDS
from console.ui.guard import ControlGuard
from console.ui.port import Engine
from console.ui.screens.main import MainScreen
from console.ui.styles import style_sheets
from console.ui.themes import DEFAULT_THEME, THEMES, Palette, glyphs_for, textual_theme
from console.ui.wire import Wire


class WarroomApp(App[int], inherit_bindings=False):
    """The console on an engine. Returns the exit code."""

    TITLE = "warroom"
    CSS_PATH: ClassVar[Any] = style_sheets()
    BINDINGS: ClassVar[list[BindingType]] = []
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.crash = ""
        self._guard = ControlGuard()
        self._wire: Wire | None = None
        name = engine.config.screen.theme
        for known in THEMES:
            self.register_theme(textual_theme(known))
        self.theme = name if name in THEMES else DEFAULT_THEME
        few = self.console.color_system in ("standard", "windows") and not self.no_color
        self.palette = Palette(self.theme, few_colours=few)
        encoding = getattr(sys.__stderr__, "encoding", None) or "utf-8"
        self.glyphs = glyphs_for(encoding, os.environ.get("TERM", ""))

    def get_default_screen(self) -> Screen[Any]:
        """The screen with the panes."""
        return MainScreen(self.engine)

    def on_ready(self) -> None:
        """Start the engine once the panes are painted: loading its clients would hold up the first frame."""
        self.set_interval(1.0, self.check_size)
        self.screen.call_after_refresh(self.engine.start)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The usual filters and, before them, the guard against control characters."""
        return (self._guard, *super().get_line_filters())

    def on_main_screen_redraw(self) -> None:
        """Forget what the terminal shows and paint everything anew."""
        self._wire = None
        self.screen.refresh(layout=True)

    def check_size(self) -> None:
        """Lay out anew when the terminal has another size than we think: a signal of it can get lost."""
        if self.is_headless:
            return
        try:
            size = Size(*os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1))
        except (OSError, ValueError):
            return
        if size != self.size and size.width and size.height:
            self.post_message(Resize(size, size))

    def on_dialog_leave(self) -> None:
        """Leave, as from the panes: what still runs is named first."""
        panes = self.screen_stack[0]
        if isinstance(panes, MainScreen):
            COMMANDS["ui.quit"](panes)

    def on_resize(self, _event: Resize) -> None:
        """The terminal was resized: nothing is known of its content."""
        self._wire = None

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        """Write a frame as the cells that changed; see ``console.ui.wire``."""
        driver = self._driver
        if renderable is None or self._batch_count or self.is_headless or driver is None or not self._running:
            super()._display(screen, renderable)
            return
        if self._wire is None:
            system = self.console.color_system
            colours = ColorSystem[{"256": "EIGHT_BIT"}.get(system or "", (system or "standard").upper())]
            self._wire = Wire(*self.size, None if system is None else colours)
        try:
            data = self._wire.encode(renderable)
        except Exception:  # a frame that cannot be compared is still painted
            data = None
        if data is None:
            self._wire = None
            super()._display(screen, renderable)
            return
        if data:
            self._begin_update()
            driver.write(data)
            self._end_update()
            driver.flush()
        self.post_display_hook()

    def _handle_exception(self, error: Exception) -> None:
        """Keep the redacted details in a file and leave."""
        self.crash = self.crash or save_crash(error)
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        """Leave without a traceback; ``run`` says the sentence."""
        self._close_messages_no_wait()

    def _print_error_renderables(self) -> None:
        """Nothing of Textual's own goes to the terminal; ``run`` says what there is to say."""
        self._exit_renderables.clear()
