"""A list to choose from, with a filter that is typed: the palette, the mitigations, the namespaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from console.ui.cells import Spans, paragraph
from console.ui.panes.base import matches
from console.ui.port import Engine
from console.ui.screens.dialog import Dialog
from console.ui.widgets.line_widget import Block
from console.ui.widgets.table import Column, Table


class Item(NamedTuple):
    """A choice: its value, its key as text, what it is and what it does. ``refusal`` says why not."""

    value: str
    key: str
    title: str
    text: str
    role: str = "dim"
    refusal: str = ""


class Menu(Dialog[str]):
    """Gives the value of the chosen item. ``notice`` stands where there is none."""

    HINT: ClassVar[tuple[tuple[str, str], ...]] = (("↑↓", "Choose"), ("enter", "Take"), ("esc", "Close"))

    def __init__(
        self,
        engine: Engine,
        title: str,
        items: Sequence[Item],
        *,
        notice: str = "Nothing matches.",
        current: str | None = None,
    ) -> None:
        super().__init__(engine, title)
        self._items = {item.value: item for item in items}
        self._current = current
        self.field = Input(classes="field", placeholder="type to search")
        self.table = Table(
            (
                Column("", 6, lambda item: ((item.key, "key"),)),
                Column("", 24, lambda item: ((item.title, "faint" if item.refusal else "text"),)),
                Column("", 20, lambda item: ((item.refusal or item.text, item.role),), grow=1),
            ),
            self._items.get,
            header=False,
        )
        self.table.always_marked = True
        self.table.set_notice([((notice, "dim"),)])
        self.note = Block(classes="field")
        self._texts: dict[str, list[Spans]] = {}
        self._texts_for = (0, 0)

    def body(self) -> Iterable[Widget]:
        """The search field, the list, and the chosen item's text in full."""
        yield self.field
        yield self.table
        yield self.note

    def content_height(self) -> int:
        """The search field, all items, and the longest text of one."""
        return len(self._items) + 2 + self._note_height()

    def first_focus(self) -> Widget:
        """Typing searches."""
        return self.field

    def opened(self) -> None:
        """Show all."""
        self._fill("")
        if self._current in self._items:
            self.table.select(self._current)

    def _fill(self, needle: str) -> None:
        found = [
            value
            for value, item in self._items.items()
            if not needle or needle == item.key or matches(f"{item.title} {item.text} {value}", needle)
        ]
        self.table.set_keys(found)
        pressed = next((value for value in found if needle and self._items[value].key == needle), None)
        if pressed is not None:  # who reads the key beside a row presses it, and enter must not take another
            self.table.select(pressed)
        elif self.table.record is None or self.table.cursor not in found:
            self.table.select(found[0] if found else None)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search while typing."""
        self._fill(event.value.strip())

    def on_table_moved(self, _event: Table.Moved) -> None:
        """Show the item's text in full."""
        self.refresh_data()

    def refresh_data(self) -> None:
        """The text in as many lines as the longest one needs, so that the list stays where it is."""
        width, most = self.table.size.width, max(1, self.size.height // 2)
        if not width:
            return
        if self._texts_for != (width, most):
            self._texts_for = (width, most)
            self._texts = {
                value: paragraph(item.refusal or item.text, "dim", width, most)
                for value, item in self._items.items()
            }
        item, height = self.table.record, self._note_height()
        lines = self._texts[item.value] if isinstance(item, Item) else []
        self.note.fit([*lines, *[()] * (height - len(lines))], at_most=height)

    def _note_height(self) -> int:
        return max((len(lines) for lines in self._texts.values()), default=1)

    def handle(self, event: events.Key) -> bool:
        """Move and take."""
        match event.key:
            case "up" | "down":
                self.table.action_move(-1 if event.key == "up" else 1)
            case "pageup" | "pagedown":
                self.table.action_page(-1 if event.key == "pageup" else 1)
            case "enter":
                item = self.table.record
                if isinstance(item, Item) and not item.refusal:
                    self.dismiss(item.value)
            case "tab" | "shift+tab":
                pass
            case _:
                return False
        return True
