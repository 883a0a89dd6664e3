"""The screen with the panes: layout, focus, keys, frames. What a key does is in ``console.ui.commands``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import Screen

from console.model.actions import PANES, Action, available
from console.model.text import clean
from console.ui.cells import Spans
from console.ui.commands import perform
from console.ui.feed import Feed
from console.ui.keys import Keymap, fits
from console.ui.lookups import begin_offer
from console.ui.panes import LEFT, RIGHT
from console.ui.panes.base import Pane
from console.ui.port import Engine
from console.ui.screens.latest_size import LatestSize
from console.ui.screens.running import RunningScreen
from console.ui.themes import THEMES
from console.ui.widgets.containers import Beside, Ground, Stack
from console.ui.widgets.key_line import KeyLine
from console.ui.widgets.line_widget import Bar
from console.ui.widgets.status_line import StatusLine
from console.ui.widgets.table import Table

WIDE = (118, 34)
"""From this size on all panes are shown; below it one at a time."""

_MESSAGE_SECONDS = 8.0
_STALL = 10.0
"""Seconds between two ticks from which the terminal must have been stuck."""
_AFTER_ROUND = 0.08
"""Seconds from a whole second of the monotonic clock to the tick, which paints what the sources then read."""

_FILTER_LENGTH = 80


class MainScreen(LatestSize, Screen[None], Ground, inherit_bindings=False):
    """See the module."""

    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS = ""

    class Redraw(Message):
        """A person asks for the whole screen to be painted anew."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.keymap = Keymap(available(watch=engine.mode == "watch"), engine.config.screen.keys)
        columns = [[make(engine) for make in column] for column in (LEFT, RIGHT)]
        self._columns = columns
        made = {pane.NAME: pane for column in columns for pane in column}
        self.panes: dict[str, Pane] = {name: made[name] for name in PANES if name in made}
        self.current = next(iter(self.panes))
        self.zoomed = False
        self.paused = False
        self.jumping = False
        self.preparing = False
        self._opening: object | None = None
        self._leaving_until = float("-inf")
        self._message: tuple[Spans, float] | None = None
        self._ticked = time.monotonic()
        self._feed: Feed | None = None
        self._returning: asyncio.TimerHandle | None = None
        self._unlisten: Any = None
        self.status_line = StatusLine(band=True, id="status")
        self.tabs = Bar(id="tabs")
        self.message_line = Bar(id="message")
        self.filtering = False
        self.key_line = KeyLine(band=True, id="keys")
        self._keyed: frozenset[str] = frozenset()

    def compose(self) -> ComposeResult:
        """Status line, panes in two columns, message line, key line."""
        yield self.status_line
        yield self.tabs
        with Beside(id="grid"):
            for name, column in zip(("left", "right"), self._columns, strict=True):
                with Stack(id=name):
                    yield from column
        yield self.message_line
        yield self.key_line

    def on_mount(self) -> None:
        """Follow the board and the clock."""
        self._feed = Feed(asyncio.get_running_loop(), self.frame, gather=1.5 * _AFTER_ROUND)
        self._unlisten = self.engine.board.listen(self._feed.poke)
        self.set_timer(_AFTER_ROUND + 1 - time.monotonic() % 1, self._start_ticking)
        self.lay_out()
        self.focus_pane(self.current)
        problems = list(self.keymap.problems)
        theme = self.engine.config.screen.theme
        if theme not in THEMES:
            problems.append(f"There is no theme {theme}; there are {', '.join(THEMES)}.")
        if problems:
            self.say(" ".join(problems), "warn")

    def on_unmount(self) -> None:
        """Let the board go."""
        if self._unlisten is not None:
            self._unlisten()
        if self._returning is not None:
            self._returning.cancel()
        if self._feed is not None:
            self._feed.close()

    # Frames

    def frame(self, *, tick: bool = False) -> None:
        """Bring what is seen up to date; panes that nobody sees wait until they are shown."""
        if not self.is_attached or not self.size.width:  # not there yet, or on its way out
            return
        self.status_line.bring_up(self.engine, paused=self.paused)
        if tick or self.app.screen is self:
            self.sync_panes(tick=tick)
        if isinstance(self.app.screen, RunningScreen):
            self.app.screen.renew()

    def sync_panes(self, *, tick: bool) -> None:
        """Let the visible panes read what is new."""
        if self.paused:
            return
        now = self.engine.clock.now().timestamp()
        monotonic = self.engine.clock.monotonic()
        seen = [pane for pane in self.panes.values() if pane.display and pane.is_on_screen]
        for pane in seen:
            pane.sync(now, tick=tick, monotonic=monotonic)
        self._come_back([wait for pane in seen if (wait := pane.due_in(monotonic)) is not None])
        self._show_message()
        self._show_tabs()
        if self._keyed != self._kinds():  # the first rows have come, or what the cursor is on has gone
            self.refresh_keys()

    def _come_back(self, waits: Sequence[float]) -> None:
        """Have another frame when what a pane holds back is due, should nothing else bring one."""
        if waits and self._feed is not None and self._returning is None:
            self._returning = asyncio.get_running_loop().call_later(min(waits), self._return)

    def _return(self) -> None:
        self._returning = None
        if self._feed is not None:
            self._feed.poke()

    def on_pane_shown(self) -> None:
        """Fill a pane that has come into sight alone; all together are filled when they are laid out."""
        if self.single:
            self.frame(tick=True)
            self.refresh_keys()

    def _start_ticking(self) -> None:
        self.set_interval(1.0, self._tick)
        self._tick()

    def _tick(self) -> None:
        gap = time.monotonic() - self._ticked
        self._ticked += gap
        if gap > _STALL:
            self.say(f"The screen stood still for {gap:.0f} s.", "warn")
        if self._message is not None and self.engine.clock.monotonic() >= self._message[1]:
            self._message = None
        if self._feed is not None:
            self._feed.painted()
        self.frame(tick=True)

    def redraw(self) -> None:
        """Forget what the terminal shows and paint everything anew."""
        self.app.post_message(self.Redraw())

    # Layout

    def on_resize(self, _event: events.Resize) -> None:
        """Fit the layout to the size."""
        self.lay_out()

    @property
    def single(self) -> bool:
        """Whether one pane has the whole screen."""
        return self.zoomed or self.size.width < WIDE[0] or self.size.height < WIDE[1]

    def lay_out(self) -> None:
        """Show all panes, or the current one."""
        single = self.single
        for column, name in zip(self._columns, ("left", "right"), strict=True):
            for pane in column:
                pane.display = not single or self.current == pane.NAME
            self.query_one(f"#{name}").display = any(pane.display for pane in column)
        self.tabs.display = single
        self.set_class(single, "single")
        self.call_after_refresh(self.frame, tick=True)
        self.call_after_refresh(self.refresh_keys)

    def focus_pane(self, name: str) -> None:
        """Make a pane the current one and give it the keys."""
        if name not in self.panes:
            return
        changed = name != self.current
        self.current = name
        if changed and self.single:
            self.lay_out()
        self.panes[name].focus_target().focus()
        for pane in self.panes.values():
            pane.retitle()
        self.refresh_keys()

    def step_pane(self, step: int) -> None:
        """Focus the next or the previous pane."""
        names = list(self.panes)
        self.focus_pane(names[(names.index(self.current) + step) % len(names)])

    @property
    def pane(self) -> Pane:
        """The current pane."""
        return self.panes[self.current]

    def set_badges(self, shown: bool) -> None:
        """Show a letter over each pane, or take it away."""
        self.jumping = shown
        for name, pane in self.panes.items():
            pane.badge = name[0] if shown else ""
            pane.retitle()
        self._show_tabs()

    # Lines

    def say(self, text: str, role: str = "text") -> None:
        """Show a sentence on the message line for some seconds."""
        self._message = (((text, role),), self.engine.clock.monotonic() + _MESSAGE_SECONDS)
        self._show_message()

    def warn_of_leaving(self, why: str) -> None:
        """Say why not to leave now; while that stands, the same key leaves all the same."""
        self.say(f"{why} Press {self.keymap.label('ui.quit')} again to leave.", "warn")
        self._leaving_until = self.engine.clock.monotonic() + _MESSAGE_SECONDS

    @property
    def warned_of_leaving(self) -> bool:
        """Whether the warning still stands."""
        return self.engine.clock.monotonic() < self._leaving_until

    def _show_message(self) -> None:
        spans = self._message[0] if self._message is not None else self.pane.detail()
        if self.filtering:
            spans = ((f"filter {self.current} /", "key"), (self.pane.filter, "text"), ("_", "accent"))
        self.message_line.show(((" ", "text"), *spans))

    def _show_tabs(self) -> None:
        if not self.single:
            return
        spans: list[tuple[str, str]] = [(" ", "text")]
        glyphs = self.tabs.glyphs
        marks = {"bad": glyphs.bad, "warn": glyphs.warn, "": " "}
        for number, name in enumerate(self.panes, start=1):
            label = f"[{name[0]}]" if self.jumping else str(number)
            spans.append((f"{label} ", "key"))
            spans.append((name, "title" if name == self.current else "dim"))
            alarm = self.panes[name].alarm()
            spans.append((f"{marks[alarm]} ", alarm or "text"))
        self.tabs.show(spans)

    def _kinds(self) -> frozenset[str]:
        """What the row under the cursor is, for the actions that work on it."""
        return frozenset(selection.target.kind for selection in self.pane.selections())

    def refresh_keys(self) -> None:
        """Write the key line for the pane and the row."""
        self._keyed = self._kinds()
        self.key_line.bring_up(self.keymap, self.current, self._keyed)

    def on_table_moved(self, _event: Table.Moved) -> None:
        """Another row: other keys, other details."""
        self.pane.repaint()
        self.refresh_keys()
        self._show_message()

    # Keys

    def on_key(self, event: events.Key) -> None:
        """Do what the registry says for this key."""
        self.pane.table.settle()
        self._message = None
        if self.filtering or self._opening is not None:
            event.stop()
            event.prevent_default()
            if self.filtering:
                self._edit_filter(event)
            return
        if self.jumping:
            event.stop()
            self.set_badges(False)
            for name in self.panes:
                if event.key in (name[0], str(PANES.index(name) + 1)):
                    self.focus_pane(name)
            return
        actions = self.keymap.find(event.key, self.current)
        if begin_offer(self, event.key):
            event.stop()
            event.prevent_default()
        elif actions:
            event.stop()
            event.prevent_default()
            perform(self, self.choose(actions))
            self._show_message()
        elif event.key == "ctrl+c":
            event.stop()
            self.say(f"Press {self.keymap.label('ui.quit')} to leave.")

    def choose(self, actions: Iterable[Action]) -> Action:
        """Of several actions on one key, the first that fits the row."""
        candidates, kinds = list(actions), self._kinds()
        return next((action for action in candidates if fits(action, kinds)), candidates[0])

    def open_with(self, work: Coroutine[Any, Any, None]) -> None:
        """Run what opens a dialog. Until that is up the keys are nobody's: what is typed ahead never acts.

        Every error ends as a sentence on the message line.
        """
        token = self._opening = object()

        async def guarded() -> None:
            try:
                await work
            except Exception as error:
                self.say(str(error) or type(error).__name__, "bad")
            finally:
                if self._opening is token:
                    self._opening = None

        self.run_worker(guarded(), exit_on_error=False)

    def on_screen_suspend(self) -> None:
        """Something is above: it has the keys now."""
        self._opening = None

    # The filter

    def begin_filter(self) -> None:
        """Take the keys from the very next one on as the filter of the current pane.

        There is no field that has to be shown and focused first: what is typed fast, or arrives late over a
        slow link, may never be taken for an action.
        """
        self.filtering = True
        self._show_message()

    def end_filter(self, *, keep: bool) -> None:
        """Give the keys back to the pane, with the filter or without."""
        self.filtering = False
        if not keep:
            self.pane.set_filter("")
        self._show_message()

    def _edit_filter(self, event: events.Key) -> None:
        text = self.pane.filter
        if event.key in ("enter", "escape", "tab"):
            self.end_filter(keep=event.key != "escape")
        elif event.key in ("backspace", "ctrl+h"):
            self.pane.set_filter(text[:-1])
        elif event.key in ("ctrl+u", "ctrl+w"):
            self.pane.set_filter("")
        elif event.is_printable and event.character:
            self.pane.set_filter(clean(text + event.character, _FILTER_LENGTH))
        self._show_message()

    def on_paste(self, event: events.Paste) -> None:
        """Text that is pasted is a filter or nothing; it never acts."""
        if self.filtering:
            self.pane.set_filter(clean(self.pane.filter + event.text, _FILTER_LENGTH))
            self._show_message()
