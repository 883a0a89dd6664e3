"""The key line: what works here and now, from the registry."""

from __future__ import annotations

from console.ui.cells import Span, spans_width
from console.ui.keys import Keymap
from console.ui.widgets.line_widget import Bar


class KeyLine(Bar):
    """One line, always there."""

    def bring_up(self, keymap: Keymap, pane: str, kinds: frozenset[str]) -> None:
        """Show the keys that work in ``pane`` on a row of one of ``kinds``, as many as fit."""
        spans: list[Span] = [(" ", "text")]
        room = self.size.width
        for action in keymap.shown(pane, kinds):
            part: list[Span] = [
                (keymap.label(action.name), "key"),
                (f" {action.title}", "text" if action.mutating else "dim"),
                ("  ", "text"),
            ]
            if spans_width(spans) + spans_width(part) - 2 > room:
                continue
            spans.extend(part)
        self.show(spans)
