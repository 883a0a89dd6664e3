"""The base of what opens over the console: a titled box that owns every key while it is open.

The screen below gets no key, so nothing can be triggered behind a dialog.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from console.model.actions import find
from console.ui.cells import Spans, sides, spans_width
from console.ui.port import Engine
from console.ui.screens.latest_size import LatestSize
from console.ui.widgets.containers import Ground, Stack
from console.ui.widgets.line_widget import Bar
from console.ui.widgets.status_line import alarms

R = TypeVar("R")


class Dialog(LatestSize, ModalScreen[R | None], Ground, Generic[R], inherit_bindings=False):
    """A box with a title line, a body and a line that says which keys work. Esc closes it with None."""

    BINDINGS: ClassVar[list[BindingType]] = []
    AUTO_FOCUS = ""
    HINT: ClassVar[tuple[tuple[str, str], ...]] = (("esc", "Close"),)
    FULL: ClassVar[bool] = False
    QUITS: ClassVar[bool] = False
    """Whether the key that leaves the console works here: on what is only read, never on a question."""

    class Leave(Message):
        """A person wants to leave the console."""

    def __init__(self, engine: Engine, title: str) -> None:
        super().__init__(classes="full" if self.FULL else None)
        self.engine = engine
        self.heading = Bar(band=True, classes="heading")
        self.foot = Bar(band=True, classes="heading")
        self._title = title
        self._height = 0
        self.box = Stack(classes="box full" if self.FULL else "box")

    @property
    def quit_keys(self) -> tuple[str, ...]:
        """The keys that leave the console."""
        wanted = self.engine.config.screen.keys.get("ui.quit")
        quits = find("ui.quit")
        return tuple(key.strip() for key in (wanted or (quits.key if quits else "")).split(","))

    @property
    def now(self) -> float:
        """Unix seconds."""
        return self.engine.clock.now().timestamp()

    def body(self) -> Iterable[Widget]:
        """The widgets between title and hint."""
        return ()

    def first_focus(self) -> Widget | None:
        """What takes the keys first."""
        return None

    def badge(self) -> Spans:
        """What stands at the right of the title."""
        return ()

    def keys_hint(self) -> tuple[tuple[str, str], ...]:
        """Keys and what they do, for the line below."""
        return self.HINT

    def refresh_data(self) -> None:
        """Called once a second, and whenever the dialog asks for it."""

    def handle(self, event: events.Key) -> bool:  # noqa: ARG002
        """Do what a key means here; False lets the focused widget have it."""
        return False

    def opened(self) -> None:
        """Called once the dialog is there."""

    def compose(self) -> ComposeResult:
        """Title, body, hint."""
        with self.box:
            yield self.heading
            yield from self.body()
            yield self.foot

    def on_mount(self) -> None:
        """Draw, focus, and keep what ages up to date."""
        for field in self.query(Input):
            field.cursor_blink = False
        wanted = self.first_focus()
        if wanted is not None:
            wanted.focus()
        self.opened()
        self.call_after_refresh(self.renew)
        self.set_interval(1.0, self.renew)

    def on_resize(self, event: events.Resize) -> None:
        """Fit to the new size; a frame is drawn only where there is room for one."""
        tight = event.size.width < 100 or event.size.height < 30
        self.box.set_class(tight, "tight")
        self._height = 0
        if tight and not self.FULL:
            self.box.styles.height = event.size.height
        self.call_after_refresh(self.renew)

    def content_height(self) -> int:
        """The lines that the body would like to have."""
        return 1

    def _fit_height(self) -> None:
        """Grow with the content as far as the screen goes; never shrink, which would be restless."""
        if self.FULL or self.box.has_class("tight"):
            return
        wanted = min(max(self._height, self.content_height() + 4, 8), int(self.size.height * 0.85))
        if wanted != self._height:
            self._height = wanted
            self.box.styles.height = wanted
            self.call_after_refresh(self.renew)

    def renew(self) -> None:
        """Draw title, body and hint for now."""
        if not self.is_mounted or not self.heading.size.width:
            return
        loud = [part.spans[0] for part in alarms(self.engine) if part.rank == 0]
        self.heading.show(
            sides(((f" {self._title}", "title"),), (*self.badge(), *loud), self.heading.size.width)
        )
        self.refresh_data()
        self.show_hint()
        self._fit_height()

    def show_hint(self) -> None:
        """Write the line of keys; where not all fit, the way out stays and those before it go."""
        *others, last = [((key, "key"), (f" {text}  ", "dim")) for key, text in self.keys_hint()]
        room = self.foot.size.width - 1 - spans_width(last)
        while others and sum(map(spans_width, others)) > room:
            others.pop()
        self.foot.show(((" ", "text"), *(span for hint in (*others, last) for span in hint)))

    def on_key(self, event: events.Key) -> None:
        """Leaving the console from a page; else own keys first, then Esc, then the widget."""
        if self.QUITS and event.key in self.quit_keys:
            event.stop()
            self.close_dialog()
            self.app.post_message(self.Leave())
        elif self.handle(event):
            event.stop()
            event.prevent_default()
        elif event.key == "escape":
            event.stop()
            self.close_dialog()
        elif event.key in ("tab", "shift+tab"):
            event.stop()
            event.prevent_default()
            if event.key == "tab":
                self.focus_next()
            else:
                self.focus_previous()

    def close_dialog(self) -> None:
        """Leave without a result."""
        self.dismiss(None)
