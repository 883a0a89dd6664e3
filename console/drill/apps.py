"""The application clients: what the pods really do to PostgreSQL and Redis, and what they see of it.

Each ready pod that needs the database has its own pool under the application name ``workload/pod`` and
sends a real request about once a second; their outcomes of the last seconds decide the fate of the many
requests that are only simulated.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from console.drill import work
from console.drill.pool import Connection, Pool, PoolError
from console.drill.postgres import APP_ROLE, Postgres
from console.drill.redis import QUEUE, Redis
from console.drill.shop import BY_NAME, PodView, Service
from console.drill.traffic import Links
from console.model.symptoms.words import plural

WINDOW = 4.0
"""Seconds of outcomes that count."""


class Outcome(msgspec.Struct, frozen=True):
    """One real call of a pod: when it ended, whether it failed, seconds for one statement."""

    at: float
    failed: bool
    seconds: float = 0.0


class Client:
    """One pod's connections and what it saw."""

    def __init__(self, pod: PodView, service: Service, pool: Pool | None) -> None:
        self.pod, self.service, self.pool = pod, service, pool
        self.database: deque[Outcome] = deque(maxlen=64)
        self.cache: deque[Outcome] = deque(maxlen=64)
        self.reads: deque[tuple[float, int, int]] = deque(maxlen=64)
        """Cache reads: when, how many, how many of them missed."""

    def links(self, now: float) -> Links:
        """What the pod saw in the last seconds."""
        database = [one for one in self.database if one.at > now - WINDOW]
        cache = [one for one in self.cache if one.at > now - WINDOW]
        answered = [one.seconds for one in database if not one.failed]
        reads = [one for one in self.reads if one[0] > now - WINDOW]
        total = sum(count for _, count, _ in reads)
        return Links(
            database_errors=_failed(database),
            database_seconds=sum(answered) / len(answered) if answered else Links().database_seconds,
            cache_errors=_failed(cache),
            misses=sum(missed for _, _, missed in reads) / total if total else 0.0,
        )


def _failed(outcomes: Sequence[Outcome]) -> float:
    return sum(one.failed for one in outcomes) / len(outcomes) if outcomes else 0.0


class Apps:
    """The clients of all pods. ``report`` takes (pod, level, message) for the pod's log.

    ``now`` gives the drill's time in seconds; ``pace`` is the real seconds that one of them takes.
    """

    def __init__(
        self,
        postgres: Postgres,
        cache: Redis,
        *,
        seed: int,
        now: Callable[[], float],
        pace: float,
        report: Callable[[PodView, str, str], None],
    ) -> None:
        self._postgres, self._now, self._pace = postgres, now, pace
        self._rng = random.Random(seed)
        self._report = report
        self._clients: dict[tuple[str, int], Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._redis = redis.asyncio.Redis.from_url(
            cache.url, socket_timeout=1.5, socket_connect_timeout=1.5, max_connections=12
        )
        self.jobs_done = 0
        self.jobs_failed = 0
        self.queries: Mapping[str, work.Query] = dict(work.QUERIES)
        """The statement of a service; a scenario may exchange one."""
        self.consume: Callable[[PodView, bytes], bool] = lambda _pod, _job: True
        """Whether a worker can do a job; a scenario may say otherwise."""

    def links(self, pod: PodView) -> Links:
        """What a pod measured; the defaults before it did."""
        client = self._clients.get((pod.uid, pod.restarts))
        return client.links(self._now()) if client else Links()

    def pools(self) -> Mapping[str, tuple[int, int, int]]:
        """Open, busy and greatest number of connections, by pod uid."""
        return {
            client.pod.uid: (client.pool.size, client.pool.busy, client.pool.largest)
            for client in self._clients.values()
            if client.pool
        }

    def tick(self, pods: Sequence[PodView], succeeded: Mapping[str, int]) -> None:
        """Follow the pods that run, and start a second's worth of real calls of those that are ready."""
        self._follow(pods)
        for client in list(self._clients.values()):
            if not client.pod.ready:
                continue
            if client.pool:
                self._spawn(self._ask_database(client, client.pool))
            if client.service.cache:
                self._spawn(self._ask_cache(client))
            if client.service.jobs:
                self._spawn(self._take_jobs(client))
            orders = succeeded.get(client.pod.uid, 0) if client.service.name == "checkout" else 0
            if orders:
                self._spawn(self._queue_jobs(client, orders))

    async def settle(self) -> None:
        """Wait until every call that was started has ended or failed; for tests and for the end."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """End every client."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for client in self._clients.values():
            if client.pool:
                await client.pool.close()
        self._clients.clear()
        await self._redis.aclose()

    def _follow(self, pods: Sequence[PodView]) -> None:
        running = {(pod.uid, pod.restarts): pod for pod in pods if pod.running and pod.workload in BY_NAME}
        for key in [key for key in self._clients if key not in running]:
            client = self._clients.pop(key)
            if client.pool:
                self._spawn(client.pool.close())
        for key, pod in running.items():
            if key in self._clients:
                self._clients[key].pod = pod
                continue
            service = BY_NAME[pod.workload]
            pool = None
            if service.pool[1]:
                dsn = self._postgres.dsn(APP_ROLE, f"{pod.workload}/{pod.name}"[:63])
                pool = Pool(dsn, *service.pool, self._pace)
            self._clients[key] = Client(pod, service, pool)

    def _spawn(self, call: work.Call) -> None:
        task = asyncio.create_task(call)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_database(self, client: Client, pool: Pool) -> None:
        # Spread over the second: pods do not move in step.
        await asyncio.sleep(self._rng.random() * 0.8 * self._pace)
        query = self.queries[client.service.name]
        number = self._rng.randrange(1, 500)
        seconds = 0.0

        async def ask(connection: Connection) -> None:
            nonlocal seconds
            start = time.perf_counter()
            await query(connection, number)
            seconds = time.perf_counter() - start

        try:
            await pool.maintain()
            await pool.run(ask)
        except PoolError as error:
            self._report(client.pod, "error", f"database: {error}")
            client.database.append(Outcome(self._now(), True))
        else:
            client.database.append(Outcome(self._now(), False, seconds / client.service.queries))

    async def _ask_cache(self, client: Client) -> None:
        await asyncio.sleep(self._rng.random() * 0.8 * self._pace)
        try:
            count, missed = await work.READERS[client.service.name](self._redis, client.pod, self._rng)
        except RedisError as error:
            self._report(client.pod, "error", f"cache: {error}")
            client.cache.append(Outcome(self._now(), True))
        else:
            now = self._now()
            client.cache.append(Outcome(now, False))
            client.reads.append((now, count, missed))

    async def _queue_jobs(self, client: Client, count: int) -> None:
        try:
            await self._redis.lpush(QUEUE, *(f"order-confirmation:{n}" for n in range(count)))
        except RedisError as error:
            self._report(client.pod, "error", f"queue: {error}")

    async def _take_jobs(self, client: Client) -> None:
        await asyncio.sleep(self._rng.random() * 0.8 * self._pace)
        pool = client.pool
        assert pool
        try:
            jobs = cast(list[bytes], await self._redis.rpop(QUEUE, client.service.jobs) or [])
            left = await self._redis.llen(QUEUE) if jobs else 0
        except RedisError as error:
            self._report(client.pod, "error", f"queue: {error}")
            return
        if not jobs:
            return
        self._report(client.pod, "info", f"took {plural(len(jobs), 'job')} of {QUEUE}, {left} left")
        good = [job for job in jobs if self.consume(client.pod, job)]
        back = [job for job in jobs if job not in good]
        try:
            if good:
                await pool.run(lambda connection: work.record_jobs(connection, len(good)))
                self.jobs_done += len(good)
        except PoolError as error:
            self._report(client.pod, "error", f"job failed: {error}; back to the queue")
            back = jobs
        if back:
            self.jobs_failed += len(back)
            await self._return_jobs(client, back)

    async def _return_jobs(self, client: Client, jobs: Sequence[bytes]) -> None:
        try:
            await self._redis.rpush(QUEUE, *reversed(jobs))
        except RedisError as error:
            self._report(
                client.pod, "error", f"queue: {error}; {plural(len(jobs), 'job is', 'jobs are')} lost"
            )
