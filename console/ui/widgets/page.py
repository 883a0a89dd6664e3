"""Text that is read from the top: what dialogs show. It keeps its place when it is replaced."""

from __future__ import annotations

from collections.abc import Sequence

from console.ui.cells import Span, Spans, wrap
from console.ui.widgets.lines import LineView


class Page(LineView):
    """Lines of spans that scroll."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002
        super().__init__(_same, id=id)
        self.following = False

    def put(self, lines: Sequence[Spans]) -> None:
        """Show ``lines``; the place stays as far as it exists."""
        new = [tuple(line) for line in lines]
        if new == list(self.shown()):
            return
        top = self._top
        self.following = False
        self.replace(new)
        self._top = top
        self._clamp()
        self.refresh()

    @property
    def more(self) -> int:
        """How many lines are below what is seen."""
        return self.total - self.span[1]


def _same(spans: Spans) -> Spans:
    return spans


def fact(label: str, text: str, width: int, *, role: str = "text") -> list[Spans]:
    """A fact of something with a heading, to the right of it."""
    return labelled(f"  {label}", text, width, role=role, indent=16)


def labelled(label: str, text: str, width: int, *, role: str = "text", indent: int = 13) -> list[Spans]:
    """``text`` wrapped beside a label in a column of ``indent`` cells."""
    lines: list[Spans] = []
    for number, line in enumerate(wrap(text, max(10, width - indent - 2))):
        head: Span = (f" {label if number == 0 else '':<{indent}}", "faint")
        lines.append((head, (line, role)))
    return lines
