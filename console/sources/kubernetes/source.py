"""The Kubernetes source: one pinned context, followed by watches; logs and details on demand."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing

from console.config import ClusterSettings
from console.model.clock import Clock
from console.model.kube import Revision, Workload
from console.model.logs import Description, LogLine, LogRequest
from console.sources.base import Publisher, Reporter, SourceError, backoff
from console.sources.kubernetes.connection import Connection, open_connection
from console.sources.kubernetes.disruption import Known
from console.sources.kubernetes.follow import Following
from console.sources.kubernetes.watch import Pace


class KubernetesSource:
    """Reads one context. Logs, descriptions and revisions are read on demand over the same connection."""

    def __init__(
        self,
        name: str,
        settings: ClusterSettings,
        clock: Clock,
        rng: random.Random,
        *,
        pace: Pace | None = None,
    ) -> None:
        self.name = name
        self._connection: Connection | None = None
        self._following: Following | None = None
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._pace = pace

    async def run(self, publisher: Publisher) -> None:
        """Open the context, find what may be read, then keep it current until cancelled."""
        reporter = Reporter(self.name, self._settings.context or "", publisher, self._clock)
        await self.close()
        self._connection = connection = await self._open(reporter)
        self._following = Following(
            self.name, connection, self._settings.namespaces, publisher, self._clock, self._rng, self._pace
        )
        await self._following.run()

    async def close(self) -> None:
        """Close the sockets."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def describe(self, kind: str, namespace: str, name: str) -> Description:
        """Everything known of an object, with its events. Raises SourceError."""
        from console.sources.kubernetes.describe import describe

        connection = self._connected()
        known = self._following.budgets() if self._following is not None else Known()
        return await describe(connection, kind, namespace, name, known)

    async def revisions(self, workload: Workload) -> tuple[Revision, ...]:
        """The revisions that the server keeps of a workload, newest first. Raises SourceError."""
        from console.sources.kubernetes.revisions import read_revisions

        return await read_revisions(self._connected(), workload)

    async def read_logs(self, request: LogRequest) -> AsyncGenerator[list[LogLine], None]:
        """The lines of ``request`` in batches, until all its streams have ended. Raises SourceError."""
        from console.sources.kubernetes.logs import read_logs

        async with aclosing(read_logs(self._connected(), request)) as batches:
            async for batch in batches:
                yield batch

    def _connected(self) -> Connection:
        if self._connection is None:
            raise SourceError(f"{self.name} is not connected yet", "see the state of the source")
        return self._connection

    async def _open(self, reporter: Reporter) -> Connection:
        failures = 0
        while True:
            try:
                return await open_connection(self._settings, clock=self._clock)
            except SourceError as error:
                failures += 1
                reporter.failed(error)
                await asyncio.sleep(backoff(failures, self._rng))
