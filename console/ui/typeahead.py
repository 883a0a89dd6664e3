"""Keys one after the other: each goes to the screen that the one before it has opened or left.

Textual hands keys on as they come: of ``a`` and a text that arrive at once the text would go to the panes,
and of Escape and ``u`` the ``u`` to the dialog that is about to close.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from textual.app import App
from textual.events import Key
from textual.message_pump import MessagePump

PATIENCE = 0.5
"""Seconds after which the next key no longer waits, should its predecessor have ended on a closed screen."""


class TypeAhead:
    """Holds keys back while an earlier one is on its way through the widgets."""

    def __init__(self, app: App[int], give: Callable[[Key], Awaitable[None]]) -> None:
        """``give`` hands a key on to the widget that has the focus, as Textual does."""
        self._app = app
        self._give = give
        self._waiting: deque[Key] = deque()
        self._current: Key | None = None

    async def take(self, key: Key) -> None:
        """Hand ``key`` on, now or when the ones before it are done."""
        if self._current is not None:
            self._waiting.append(key)
            return
        self._current = key
        screen = self._app.screen
        start = self._app.focused or screen
        await self._give(key)
        asyncio.get_running_loop().call_later(PATIENCE, self._app.call_later, self._done, key)
        self._follow(start.ancestors_with_self, key, screen)

    def _follow(self, way: Sequence[MessagePump], key: Key, screen: MessagePump) -> None:
        """Go the way of the key behind it, from each node to the one it bubbles to."""
        if way:
            way[0].call_later(self._follow, way[1:], key, screen)
        elif self._app.screen is screen:
            self._app.call_later(self._done, key)
        else:  # opened or left: once it is shown it has its focus
            self._app.screen.call_after_refresh(self._app.call_later, self._done, key)

    async def _done(self, key: Key) -> None:
        if self._current is key:
            self._current = None
            if self._waiting:
                await self.take(self._waiting.popleft())
