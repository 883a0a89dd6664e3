"""Logs of many streams: ordered, resumed, clipped, and frank about what happened."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

from aiohttp import web

from console.drill.cluster import Behaviour, Cluster, Container, Match
from console.drill.cluster import LogLine as Written
from console.model.logs import LogLine, LogRequest
from console.sources.kubernetes.connection import Connection
from console.sources.kubernetes.loglines import TEXT_LIMIT, LineSplitter, Stamps
from console.sources.kubernetes.logs import read_logs
from tests.sources.kubernetes.fake import FakeApi, fake_api
from tests.sources.kubernetes.running import connected
from tests.sources.kubernetes.samples import container_status, pod
from tests.sources.kubernetes.simulated import make_cluster, served, talking, workload


def request(*pods: str, **more: object) -> LogRequest:
    return LogRequest("production", pods, **more)  # type: ignore[arg-type]


async def everything(connection: Connection, wanted: LogRequest) -> list[LogLine]:
    return [line async for batch in read_logs(connection, wanted) for line in batch]


class Reader:
    """Reads in the background; ``until`` waits for lines."""

    def __init__(self, connection: Connection, wanted: LogRequest) -> None:
        self.lines: list[LogLine] = []
        self._news = asyncio.Event()
        self._source = read_logs(connection, wanted)

    @property
    def texts(self) -> list[str]:
        return [line.text for line in self.lines if not line.notice]

    @property
    def notices(self) -> list[str]:
        return [line.text for line in self.lines if line.notice]

    async def run(self) -> None:
        async with aclosing(self._source):
            async for batch in self._source:
                self.lines.extend(batch)
                self._news.set()

    async def until(self, text: str, *, notice: bool = False) -> None:
        async with asyncio.timeout(15):
            while not any(text in line for line in (self.notices if notice else self.texts)):
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def reading(connection: Connection, wanted: LogRequest) -> AsyncIterator[Reader]:
    reader = Reader(connection, wanted)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def names(cluster: Cluster, name: str = "shop") -> list[str]:
    return [item["metadata"]["name"] for item in cluster.pods_of(name, "production")]


class Sidecar(Behaviour):
    """Each container says its name every second, from a start of its own."""

    def logs(self, container: Container, since: float, until: float) -> list[Written]:
        first, last = int(since) + 1 if since >= 0 else 0, int(until)
        return [Written(float(n), f"{container.name} {n}".encode()) for n in range(first, last + 1)]


def test_all_pods_and_containers_in_the_order_of_time(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        obj = workload(initContainers=[{"name": "migrate", "image": "registry.example/m:1"}])
        obj["spec"]["template"]["spec"]["containers"].append(
            {"name": "proxy", "image": "registry.example/p:1"}
        )
        cluster.create(obj, "production")
        cluster.settle()
        cluster.advance(20)
        async with served(cluster) as server, talking(server, tmp_path) as connection:
            lines = await everything(connection, request(*names(cluster), follow=False))
            assert {(line.pod, line.container) for line in lines} == {
                (name, container) for name in names(cluster) for container in ("migrate", "app", "proxy")
            }
            times = [line.at for line in lines if line.at is not None]
            assert len(times) == len(lines) and times == sorted(times)

            one = await everything(
                connection, request(names(cluster)[0], container="proxy", follow=False, tail=3)
            )
            assert [line.container for line in one] == ["proxy"] * 3
            recent = await everything(
                connection, request(names(cluster)[0], container="app", follow=False, since=5.0)
            )
            assert 4 <= len(recent) <= 6

    asyncio.run(main())


def test_following_goes_on_through_a_crash(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        cluster.create(workload(replicas=2), "production")
        cluster.settle()
        async with (
            served(cluster) as server,
            talking(server, tmp_path) as connection,
            reading(connection, request(*names(cluster), tail=10)) as reader,
        ):
            await reader.until("app")
            first = names(cluster)[0]
            cluster.write_log(first, [b"last words"], "production")
            await reader.until("last words")
            cluster.crash(first, "production")
            cluster.tick()
            await reader.until("waiting for its restart", notice=True)
            cluster.advance(30)
            cluster.write_log(first, [b"hello again"], "production")
            await reader.until("hello again")
            assert reader.texts.count("last words") == 1
            cluster.delete("pod", first, "production")
            cluster.advance(60)
            await reader.until("gone", notice=True)

    asyncio.run(main())


def test_previous_logs_and_pods_that_are_not_there(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        cluster.create(workload(replicas=1), "production")
        cluster.settle()
        (name,) = names(cluster)
        cluster.write_log(name, [b"the reason"], "production")
        cluster.crash(name, "production")
        cluster.advance(30)
        async with served(cluster) as server, talking(server, tmp_path) as connection:
            lines = await everything(connection, request(name, previous=True))
            assert "the reason" in [line.text for line in lines]
            none = await everything(connection, request(name, "no-such-pod", container="nope", follow=False))
            assert all(line.notice for line in none)
            text = " | ".join(line.text for line in none)
            assert 'pods "no-such-pod" not found' in text and "nope" in text

    asyncio.run(main())


def test_a_container_that_has_not_started_is_waited_for(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        cluster.create(workload(replicas=1), "production")
        cluster.tick()
        (name,) = names(cluster)
        async with (
            served(cluster) as server,
            talking(server, tmp_path) as connection,
            reading(connection, request(name)) as reader,
        ):
            await reader.until("waiting to start", notice=True)
            cluster.settle()
            await reader.until("app 1")
            assert len(reader.notices) == 1

    asyncio.run(main())


def test_a_busy_server_is_asked_again_when_it_wants_to_be(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        cluster.create(workload(replicas=1), "production")
        cluster.settle()
        (name,) = names(cluster)
        async with served(cluster) as server, talking(server, tmp_path) as connection:
            server.faults.fail(503, Match(path=f"/{name}$"), times=2, retry_after=0)
            busy = server.faults.fail(503, Match(path="/log$"), times=1, retry_after=1)
            async with reading(connection, request(name)) as reader:
                await reader.until("it asks to wait 1 s", notice=True)
                await reader.until("app 1")
            assert busy.hits == 1

    asyncio.run(main())


async def scripted(api: FakeApi, answers: list[bytes | None], asked: list[str]) -> None:
    """Log requests get these bytes and are then cut; None ends the pod."""

    async def script(http: web.Request) -> web.StreamResponse | None:
        if http.path.endswith("/pods/p"):
            over = container_status(state={"terminated": {"exitCode": 0}})
            done = pod("p", phase="Succeeded", containerStatuses=[over])
            return web.json_response(pod("p") if answers else done)
        if not http.path.endswith("/log"):
            return None
        asked.append(http.query_string)
        response = web.StreamResponse()
        await response.prepare(http)
        data = answers.pop(0)
        if data is not None:
            await response.write(data)
            if http.transport is not None and answers:
                await asyncio.sleep(0.05)  # so that the bytes leave before the reset
                http.transport.abort()
        return response

    api.script = script


def test_a_cut_stream_is_resumed_without_gap_or_repetition(tmp_path: Path) -> None:
    first = (
        b"2026-11-20T18:00:00.100000000Z a\n2026-11-20T18:00:00.500000000Z b\n"
        b"2026-11-20T18:00:00.500000000Z b\n2026-11-20T18:00:00.5000"
    )
    second = (
        b"2026-11-20T18:00:00.100000000Z a\n2026-11-20T18:00:00.500000000Z b\n"
        b"2026-11-20T18:00:00.500000000Z b\n2026-11-20T18:00:00.500000000Z c\n"
        b"2026-11-20T18:00:01.000000000Z d\n"
    )

    async def main() -> None:
        asked: list[str] = []
        async with fake_api() as api, connected(tmp_path, api) as connection:
            await scripted(api, [first, second], asked)
            lines = await everything(connection, LogRequest("shop", ("p",)))
            assert [line.text for line in lines if not line.notice] == ["a", "b", "b", "c", "d"]
            notices = [line.text for line in lines if line.notice]
            assert any("cut the connection; reading on from there" in text for text in notices)
            assert "tailLines=500" in asked[0] and "sinceTime=2026-11-20T18:00:00Z" in asked[1]

    asyncio.run(main())


def test_hostile_and_endless_lines(tmp_path: Path) -> None:
    async def main() -> None:
        asked: list[str] = []
        async with fake_api() as api, connected(tmp_path, api) as connection:
            long = b"2026-11-20T18:00:00.000000001Z " + b"x" * (10 * 2**20) + b"\n"
            evil = b"2026-11-20T18:00:01Z \xff\x1b[2J\x1b]0;t\x07[bold]ok\xc3\xa9\r\nno stamp at all\n\n"
            await scripted(api, [long + evil], asked)
            lines = await everything(connection, LogRequest("shop", ("p",), follow=False))
            texts = [line.text for line in lines if not line.notice]
            assert len(texts[0]) == TEXT_LIMIT and texts[0].startswith("xxx")
            assert texts[1:] == ["\ufffd[bold]ok\u00e9", "no stamp at all", ""]
            assert lines[1].at == 1795197601.0

    asyncio.run(main())


def test_the_splitter_keeps_only_the_start_of_a_line() -> None:
    splitter = LineSplitter()
    for _ in range(1000):
        assert splitter.feed(b"y" * 100_000) == []
    (line,) = splitter.feed(b"\n")
    assert len(line) < 20_000
    assert splitter.feed(b"a\nb\nc") == [b"a", b"b"]
    assert splitter.feed(b"d\n") == [b"cd"]
    assert splitter.feed(b"rest") == [] and splitter.rest() == [b"rest"] and splitter.rest() == []


def test_times_are_read_in_any_zone_and_precision() -> None:
    stamps = Stamps()
    assert stamps.resume() is None
    for raw in (
        b"2026-11-20T18:00:00Z x",
        b"2026-11-20T18:00:00.000Z x",
        b"2026-11-20T20:00:00.000000000+02:00 x",
    ):
        assert stamps.take(raw) == (1795197600.0, b"x", True)
    assert stamps.take(b"9999-99-99T99:99:99Z x")[1:] == (b"x", True)
    assert stamps.take(b"plain")[0] is None


def test_closing_the_reader_closes_the_streams(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Sidecar())
        cluster.create(workload(replicas=2), "production")
        cluster.settle()
        async with served(cluster) as server, talking(server, tmp_path) as connection:
            before = asyncio.all_tasks()
            async with reading(connection, request(*names(cluster))) as reader:
                await reader.until("app")
            assert {task for task in asyncio.all_tasks() - before if "_PodLogs" in repr(task)} == set()

    asyncio.run(main())
