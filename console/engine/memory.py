"""Garbage collection of a console: none while it starts, and never over what it keeps for good.

Modules, style sheets and the first lists are hundreds of thousands of objects that stay. Walking them again
and again takes half a second of a start, and later each full collection would hold up a key for as long.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc

from console.engine.board import Board
from console.model.kube import KubeSnapshot
from console.model.source import Health

START_SECONDS = 15.0
"""How long a start may take; after that garbage is collected whatever is still missing."""


def hold() -> None:
    """Collect no garbage from now on, until ``release``."""
    gc.disable()


async def release(board: Board) -> None:
    """Once all sources have delivered or failed, set aside what there is; collect what comes later."""
    complete = asyncio.Event()

    def look(_name: str) -> None:
        if _complete(board):
            complete.set()

    stop_listening = board.listen(look)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            await complete.wait()
    stop_listening()
    gc.freeze()
    gc.enable()


def _complete(board: Board) -> bool:
    statuses = board.statuses.values()
    return (
        bool(statuses)
        and all(status.health is not Health.CONNECTING for status in statuses)
        and all("pods" in one.synced or "pods" in one.denied for one in board.of_type(KubeSnapshot).values())
    )
