"""The source on the simulated cluster: rollouts, crashes, rights, metrics, outages, revisions."""

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from console.config import ClusterSettings
from console.drill.cluster import Behaviour, Cluster, Container, Match, State
from console.model.kube import differences
from console.model.logs import LogRequest
from console.model.revisions import preferred_revision
from console.model.source import Health
from console.sources.base import SourceError
from console.sources.kubernetes import KubernetesSource
from console.sources.kubernetes.disruption import Known
from console.sources.kubernetes.errors import KubeError
from tests.sources.kubernetes.running import Board
from tests.sources.kubernetes.simulated import make_cluster, served, talking, watching, workload


class Broken(Behaviour):
    """Version 2 crashes at once, version 3 eats memory."""

    def state(self, container: Container, age: float) -> State:
        if container.image.endswith(":v2"):
            return State(ready=False, exit_code=1, last_words=[b"FATAL cannot start"])
        if container.image.endswith(":v3") and age > 5:
            return State(memory=10 * 2**30)
        return super().state(container, age)


def shop(board: Board) -> str:
    """The row of the deployment, as far as it matters here."""
    rows = [row for row in board.last.workloads.values() if row.key == "Deployment/shop"]
    return f"{rows[0].revision} {rows[0].ready}/{rows[0].desired} {rows[0].why}" if rows else ""


def set_image(cluster: Cluster, image: str) -> None:
    containers = [{"name": "app", "image": image}]
    patch = {"spec": {"template": {"spec": {"containers": containers}}}}
    cluster.patch("deploy", "shop", patch, "production")


def test_a_bad_release_is_seen_and_its_way_back_found(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Broken())
        cluster.create(workload(), "production")
        cluster.settle()
        cluster.advance(3600)
        async with served(cluster) as server, watching(server, tmp_path) as (source, board):
            await board.until(lambda b: bool(b.snapshots) and shop(b) == "1 3/3 ")
            set_image(cluster, "registry.example/shop:v2")
            cluster.advance(60)
            await board.until(lambda b: "CrashLoopBackOff" in shop(b))
            row = next(r for r in board.last.workloads.values() if r.key == "Deployment/shop")
            assert row.revision == 2 and row.sick and row.severity >= 90
            assert row.revision_at == pytest.approx(cluster.clock.now().timestamp() - 60, abs=5)
            assert any("Back" in e.reason for e in board.last.events.values())

            revisions = await source.revisions(row)
            assert [(r.number, r.images) for r in revisions] == [
                (2, ("registry.example/shop:v2",)),
                (1, ("registry.example/shop:v1",)),
            ]
            assert {r.uid for r in revisions} == set(board.last.revisions)
            best = preferred_revision(revisions, revisions[0])
            assert best is not None and best.number == 1
            (change,) = differences(best, revisions[0])
            assert (change.path, change.after) == ("app: image", "registry.example/shop:v2")

            crashed = next(pod for pod in board.last.pods.values() if pod.restarts)
            found = await source.describe("Pod", "production", crashed.name)
            text = "\n".join(line for _, lines in found.sections for line in lines)
            assert "exitCode 1" in text and "GET /healthz on 8080" in text and "BackOff" in text
            assert "s3cr3t-value" not in text and "Env MODE=fast" in text

            wanted = LogRequest("production", (crashed.name,), previous=True)
            said = [line.text async for batch in source.read_logs(wanted) for line in batch]
            assert "FATAL cannot start" in said

    asyncio.run(main())


def test_memory_kills_are_seen_after_the_restart(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(Broken())
        cluster.create(workload(image="registry.example/shop:v3", replicas=1), "production")
        cluster.advance(15)
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.until(lambda b: bool(b.snapshots) and "OOMKilled" in shop(b))
            assert next(iter(board.last.pods.values())).restarts >= 1

    asyncio.run(main())


def test_a_viewer_sees_all_but_nodes(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path, "viewer") as (_, board):
            status = await board.health(Health.LIMITED, "denied: ")
            assert "nodes" in status.reason
            await board.until(lambda b: bool(b.snapshots) and shop(b) == "1 3/3 ")
            assert "nodes" in board.last.denied and not board.last.nodes

    asyncio.run(main())


def test_metrics_come_with_the_pods(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        cluster.advance(60)
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.until(lambda b: bool(b.snapshots) and b.last.metrics)
            await board.synced()
            await board.until(lambda b: all(pod.memory for pod in b.last.pods.values()))
            row = next(iter(board.last.workloads.values()))
            assert row.memory is not None and 0 < row.memory < (row.memory_limit or 0)
            assert row.cpu == pytest.approx(sum(pod.cpu or 0.0 for pod in board.last.pods.values()))

    asyncio.run(main())


def test_no_metrics_api_is_no_data_and_no_failure(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster(metrics=False)
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.synced()
            await board.health(Health.OK)
            assert not board.last.metrics
            assert all(pod.memory is None for pod in board.last.pods.values())

    asyncio.run(main())


def test_an_outage_and_an_expired_history(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path) as (_, board):
            await board.synced()
            pods = set(board.last.pods)
            await server.stop()
            await board.health(Health.FAILED, "API unreachable since")
            victim = cluster.pods_of("shop", "production")[0]["metadata"]
            cluster.delete("pod", victim["name"], "production")
            cluster.advance(60)
            cluster.expire_history()
            assert set(board.last.pods) == pods
            seen = len(board.snapshots)
            await server.start()
            await board.until(lambda b: victim["uid"] not in b.last.pods and len(b.last.pods) == 3)
            await board.health(Health.OK)
            assert all(len(s.pods) >= 3 for s in board.snapshots[seen:]), "never blank in between"

    asyncio.run(main())


def test_failures_of_one_kind(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), "production")
        cluster.settle()
        async with served(cluster) as server:
            path = "/deployments$"
            server.faults.fail(503, Match(path=path, verb="list"), times=1)
            server.faults.malformed(Match(path=path, verb="list"), times=1)
            server.faults.reset(Match(path=path, verb="list"), times=1)
            server.faults.cut_watch(Match(path="/pods$"), after_events=1)
            async with watching(server, tmp_path) as (_, board):
                await board.until(lambda b: bool(b.snapshots) and shop(b) == "1 3/3 ")
                cluster.scale("deploy", "shop", 5, "production")
                cluster.advance(30)
                await board.until(lambda b: shop(b) == "1 5/5 " and len(b.last.pods) == 5)
                await board.health(Health.OK)

    asyncio.run(main())


def test_several_contexts_are_several_sources(tmp_path: Path) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            boards = []
            for number in (1, 2):
                cluster = make_cluster()
                cluster.create(workload(replicas=number), "production")
                cluster.settle()
                server = await stack.enter_async_context(served(cluster))
                folder = tmp_path / str(number)
                folder.mkdir()
                _, board = await stack.enter_async_context(watching(server, folder))
                boards.append(board)
            for number, board in enumerate(boards, start=1):
                await board.synced()
                assert len(board.last.pods) == number
            assert boards[0].last.server != boards[1].last.server

    asyncio.run(main())


def test_revisions_of_a_statefulset(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        obj = workload("db", "registry.example/db:15", 2)
        obj["kind"] = "StatefulSet"
        obj["spec"]["serviceName"] = "db"
        cluster.create(obj, "production")
        cluster.settle()
        containers = [{"name": "app", "image": "registry.example/db:16"}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        cluster.patch("sts", "db", patch, "production")
        cluster.settle()
        async with served(cluster) as server, watching(server, tmp_path) as (source, board):
            await board.synced()
            row = next(r for r in board.last.workloads.values() if r.key == "StatefulSet/db")
            revisions = await source.revisions(row)
            assert [(r.number, r.images) for r in revisions] == [
                (2, ("registry.example/db:16",)),
                (1, ("registry.example/db:15",)),
            ]
            assert await source.revisions(replace(row, kind="Job")) == ()
            found = await source.describe("statefulset", "production", "db")
            assert any(title == "Container app" for title, _ in found.sections)

    asyncio.run(main())


def test_before_it_is_connected_there_is_nothing_to_ask() -> None:
    clock = make_cluster().clock
    source = KubernetesSource("kubernetes:sim", ClusterSettings(), clock, random.Random(1))
    with pytest.raises(SourceError, match="not connected yet"):
        asyncio.run(source.describe("Pod", "production", "x"))


def test_what_cannot_be_described_is_a_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(make_cluster()) as server, talking(server, tmp_path) as connection:
            from console.sources.kubernetes.describe import describe

            with pytest.raises(KubeError, match="cannot be described"):
                await describe(connection, "Secret", "production", "x", Known())
            with pytest.raises(KubeError, match="not found") as caught:
                await describe(connection, "Pod", "production", "../../secrets/x", Known())
            assert caught.value.status == 404
            assert (
                server.requests[-1].path.endswith("/pods/../../secrets/x")
                or "%2F" in server.requests[-1].path
            )

    asyncio.run(main())
