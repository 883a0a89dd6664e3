"""What to look for on the screen: the marks of a start, and the cells that a key changes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyte

Look = Callable[[str], bool]

_TITLES = ("PODS", "ERRORS", "DATABASE", "CACHE", "ALERTS", "SUGGESTIONS", "TIMELINE")
_FILLED = (
    r"auth-service .* \d+\.\d{2}%|auth-service .* 0%",  # a service with its error ratio
    r"slots  primary",  # the database's connections and role
    r"hits \d",  # the cache
    r"healthy +http",  # an answered check
    r"No signal|\d signal",  # the suggestions
    r"Nothing is recorded|standby",  # the timeline
)


def titles(text: str) -> bool:
    """The first frame that shows the panes."""
    return all(title in text for title in _TITLES)


def rows(text: str) -> bool:
    """The first rows of the pods pane."""
    return re.search(r"load-\d{4}", text) is not None


def shop_rows(text: str) -> bool:
    """The rows of the shop, whose pods are never changed by the load."""
    return re.search(r"storefront .* \d+/\d+", text) is not None


def filled(pods: int) -> Look:
    """All panes have their data, and all pods are counted."""

    def look(text: str) -> bool:
        return all_pods(pods)(text) and all(re.search(pattern, text) for pattern in _FILLED)

    return look


def all_pods(pods: int) -> Look:
    """The pods pane counts at least as many."""

    def look(text: str) -> bool:
        found = re.search(r"(\d+) pods", text)
        return found is not None and int(found[1]) >= pods

    return look


def filter_line(screen: pyte.Screen) -> bool:
    """Whether the line that takes a filter is open; no data opens or closes it."""
    return any("filter pods /" in line for line in screen.display[-3:])


def filter_text(screen: pyte.Screen) -> str:
    """What the open filter line holds."""
    line = next((line for line in screen.display[-3:] if "filter pods /" in line), "")
    return line.partition("/")[2].strip()


def cursor_row(screen: pyte.Screen) -> int:
    """The line of the screen that the cursor of the pods pane is on; -1 when it is on none.

    Only meaningful while the rows are sorted by name: then no data moves a row.
    """
    for number in range(2, len(screen.display)):
        if screen.buffer[number][0].data == "▌":
            return number
    return -1
