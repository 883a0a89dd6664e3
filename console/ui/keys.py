"""Which key does what: the registry's defaults with the user's own keys on top.

A key means an action of the focused pane first, then one that works everywhere. Own validation, because
Textual's keymap accepts unknown names and drops bindings in silence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from console.model.actions import Action

RESERVED = ("up", "down", "left", "right", "pageup", "pagedown", "home", "end", "ctrl+c")
"""Keys that move the cursor; they cannot be given away."""

_SHOWN = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "escape": "esc",
    "pageup": "pgup",
    "pagedown": "pgdn",
    "full_stop": ".",
    "comma": ",",
    "plus": "+",
    "minus": "-",
}


def key_text(key: str) -> str:
    """A key as people read it: ``?``, ``^p``, ``esc``."""
    return f"^{key[5:]}" if key.startswith("ctrl+") else _SHOWN.get(key, key)


class Keymap:
    """Keys of a set of actions. ``problems`` are sentences about side effects of the user's wishes."""

    def __init__(self, actions: Iterable[Action], wanted: Mapping[str, str]) -> None:
        self.actions = tuple(actions)
        self.problems: tuple[str, ...] = ()
        self._keys: dict[str, tuple[str, ...]] = {}
        self._by_key: dict[str, list[Action]] = {}
        problems: list[str] = []
        for action in sorted(self.actions, key=lambda action: action.name not in wanted):
            own = action.name in wanted
            keys = []
            for key in _split(wanted.get(action.name, action.key)):
                if key in RESERVED:
                    problems.append(f"{key} moves the cursor and cannot be given to {action.name}.")
                    continue
                rival = self._rival(key, action, wanted) if not own else None
                if rival is not None:
                    problems.append(f"{key_text(key)} is now {rival.title}; {action.title} lost that key.")
                    continue
                keys.append(key)
                self._by_key.setdefault(key, []).append(action)
            self._keys[action.name] = tuple(keys)
        self.problems = tuple(problems)

    def _rival(self, key: str, action: Action, wanted: Mapping[str, str]) -> Action | None:
        """An action to which the user gave ``key`` where ``action`` would use it by default."""
        for other in self._by_key.get(key, ()):
            if other.name in wanted and (not other.pane or not action.pane or other.pane == action.pane):
                return other
        return None

    def keys(self, name: str) -> tuple[str, ...]:
        """The keys of an action."""
        return self._keys.get(name, ())

    def label(self, name: str) -> str:
        """The first key of an action as people read it, or empty."""
        keys = self.keys(name)
        return key_text(keys[0]) if keys else ""

    def find(self, key: str, pane: str) -> tuple[Action, ...]:
        """What ``key`` may mean in a pane: the pane's own actions, or else those of everywhere."""
        found = self._by_key.get(key, [])
        own = tuple(action for action in found if action.pane == pane)
        return own or tuple(action for action in found if not action.pane)

    def shown(self, pane: str, kinds: frozenset[str]) -> tuple[Action, ...]:
        """The actions of the key line: of the pane and of everywhere, fit for one of the target ``kinds``."""
        return tuple(
            action
            for action in sorted(self.actions, key=lambda action: not action.pane)
            if action.shown and action.pane in ("", pane) and self.keys(action.name) and fits(action, kinds)
        )


def fits(action: Action, kinds: frozenset[str]) -> bool:
    """Whether an action can work on one of the target kinds."""
    return not action.targets or bool(kinds.intersection(action.targets))


def _split(keys: str) -> list[str]:
    return [key.strip() for key in keys.split(",") if key.strip()]
