"""Whether an API server is still there: a watch of a quiet cluster and one of a dead server look alike."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from console.sources.kubernetes.connection import Connection
from console.sources.kubernetes.errors import KubeError


class Pulse:
    """Asks for the version when nothing at all was heard for ``quiet`` seconds. Any answer is a sign of life.

    ``error`` is why nobody is there, None while somebody is. ``back`` is called when the server answers
    again: what was open before may hang on a connection that the network has forgotten.
    """

    def __init__(
        self,
        connection: Connection,
        quiet: float,
        changed: Callable[[], None],
        back: Callable[[], None],
    ) -> None:
        self.error: KubeError | None = None
        self._connection = connection
        self._quiet = quiet
        self._changed = changed
        self._back = back

    async def run(self) -> None:
        """Look for ever; no error ends it."""
        while True:
            silent = self._connection.silent
            if self.error is None and silent < self._quiet:
                await asyncio.sleep(self._quiet - silent)
                continue
            error = await self._ask()
            was, self.error = self.error, error
            if (was is None) is not (error is None):
                self._changed()
            if was is not None and error is None:
                self._back()
            if error is not None:
                await asyncio.sleep(self._quiet / 2)

    async def _ask(self) -> KubeError | None:
        try:
            await self._connection.get("/version", timeout=self._quiet / 2)
        except KubeError as error:
            return None if error.status else error
        return None
