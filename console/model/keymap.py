"""The names of keys, and what is wrong with a keymap that a person wrote."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping

from console.model.actions import ACTIONS
from console.model.explain import nearest

_RENAMED = {
    "solidus": "slash",
    "reverse_solidus": "backslash",
    "commercial_at": "at",
    "hyphen_minus": "minus",
    "plus_sign": "plus",
    "low_line": "underscore",
}
"""Where Textual's name of a key is not that of the character in Unicode (``textual.keys``)."""


def _name_of(character: str) -> str:
    name = re.sub(r"[ -]", "_", unicodedata.name(character).lower())
    return _RENAMED.get(name, name)


_NAMES = {character: _name_of(character) for character in string.punctuation}
_WORDS = frozenset(
    (
        *_NAMES.values(),
        *("enter", "escape", "tab", "space", "backspace", "insert", "delete", "home", "end"),
        *("pageup", "pagedown", "up", "down", "left", "right"),
        *(f"f{number}" for number in range(1, 25)),
    )
)
_KEY = re.compile(r"(?P<held>(?:(?:ctrl|shift|super|meta|hyper)\+)*)(?P<name>[a-zA-Z0-9]|[a-z0-9_]{2,})")
"""Alt is not among what may be held: to a terminal it is the key Escape and then the other."""


def key_name(text: str) -> str | None:
    """The name of the key that a person means (``?`` is ``question_mark``), or None where there is none."""
    wanted = _NAMES.get(text, text)
    match = _KEY.fullmatch(wanted)
    if match is None or (len(match["name"]) > 1 and match["name"] not in _WORDS):
        return None
    return wanted


def checked_keymap(wanted: Mapping[str, str]) -> dict[str, str]:
    """The keymap with the names of its keys.

    Raises ValueError with everything that is wrong: an unknown action, no key, or a key that another action
    has. Actions of different panes may share a key; an action of every pane shares with none.
    """
    by_name = {action.name: action for action in ACTIONS}
    problems: list[str] = []
    keys = {name: [key_name(key.strip()) for key in text.split(",")] for name, text in wanted.items()}
    for name, found in keys.items():
        if name not in by_name:
            problems.append(f"unknown action {name!r}{nearest(name, by_name)}")
        elif None in found:
            problems.append(
                f"{name!r} has {wanted[name]!r}, which is no key (nor is one held with Alt, which "
                "terminals send as Escape); write e.g. 'r', 'ctrl+r', 'f5' or 'comma'"
            )
    mapped = {name: ",".join(filter(None, found)) for name, found in keys.items() if name in by_name}
    for at, name in enumerate(mapped):
        mine, pane = _split(mapped[name]), by_name[name].pane
        for other in ACTIONS:
            if other.name == name or other.name in list(mapped)[:at]:  # the pair has been compared
                continue
            shared = mine & _split(mapped.get(other.name, other.key))
            if shared and (not pane or not other.pane or pane == other.pane):
                problems.append(f"{min(shared)!r} is given to both {name!r} and {other.name!r}")
    if problems:
        raise ValueError("; ".join(problems))
    return mapped


def _split(keys: str) -> set[str]:
    return {key for key in keys.split(",") if key}
