"""The application: themes, the wire, errors. What is seen is in ``screens`` and ``panes``."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.events import Event, Key, Resize
from textual.filter import LineFilter
from textual.screen import Screen

from console.engine.crash import keep_off_the_screen, save_crash
from console.ui import proven
from console.ui.commands import COMMANDS
from console.ui.guard import ControlGuard
from console.ui.painter import Painter
from console.ui.port import Engine
from console.ui.screens.main import MainScreen
from console.ui.styles import style_sheets
from console.ui.themes import DEFAULT_THEME, THEMES, Palette, glyphs_for, textual_theme
from console.ui.typeahead import TypeAhead


class WarroomApp(App[int], inherit_bindings=False):
    """The console on an engine. Returns the exit code."""

    TITLE = "warroom"
    CSS_PATH: ClassVar[Any] = style_sheets()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "redraw", show=False, priority=True, id="ui.redraw")  # in dialogs as well
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, engine: Engine) -> None:
        plain = engine.config.screen.plain_output
        doubt = proven.doubt()
        self._stock = bool(doubt)
        self._remark = "" if plain else doubt
        self.painter = Painter(self, self._say, compares=not plain and not doubt)
        super().__init__(driver_class=None if doubt else _terminal_driver())
        self.engine = engine
        self.crash = ""
        self._guard = ControlGuard()
        self._typeahead = TypeAhead(self, super().on_event)
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
        if self._remark:
            self._say(self._remark, "dim")
        self.screen.call_after_refresh(self.engine.start)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The usual filters and, before them, the guard against control characters."""
        return (self._guard, *super().get_line_filters())

    def on_mount(self) -> None:
        """Let the key that redraws be the one of the configuration, and no error be printed on the screen."""
        keep_off_the_screen(asyncio.get_running_loop(), self._say)
        wanted = self.engine.config.screen.keys.get("ui.redraw")
        if wanted:
            self.set_keymap({"ui.redraw": wanted})

    def action_redraw(self) -> None:
        """Forget what the terminal shows and paint everything anew."""
        self.painter.repaint()
        self.screen.refresh(layout=True)

    def on_main_screen_redraw(self) -> None:
        """The same, asked for by name."""
        self.action_redraw()

    def on_dialog_leave(self) -> None:
        """Leave, as from the panes: what still runs is named first."""
        panes = self.screen_stack[0]
        if isinstance(panes, MainScreen):
            COMMANDS["ui.quit"](panes)

    async def on_event(self, event: Event) -> None:
        """Keys go their way one after the other; all else as usual."""
        if isinstance(event, Key) and not event.is_forwarded:
            await self._typeahead.take(event)
        else:
            await super().on_event(event)

    def on_resize(self, _event: Resize) -> None:
        """The terminal was resized, or taken over by another: nothing is known of its content."""
        self.painter.repaint()

    def _display(self, *frame: Any, **options: Any) -> None:
        """Let the painter decide what of a frame is sent; see ``console.ui.painter``."""
        stock = partial(super()._display, *frame, **options)
        if self._stock or self.is_headless or self._batch_count or not self._running or frame[1] is None:
            stock()
        else:
            self.painter.show(frame[1], stock)
            self.post_display_hook()

    def _say(self, text: str, role: str = "warn") -> None:
        panes = self.screen_stack[0] if self.screen_stack else None
        if isinstance(panes, MainScreen):
            panes.say(text, role)

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


def _terminal_driver() -> type[Driver]:
    from console.ui.driver import TerminalDriver  # builds on what only a proven Textual is known to have

    return TerminalDriver
