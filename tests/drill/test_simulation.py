"""The simulated part alone: a past that is healthy, a story that a seed repeats, logs and health."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import web

from console.drill import health
from console.drill.prometheus import History
from console.drill.scenarios import SCENARIOS
from console.drill.shop import BY_NAME, NAMESPACE, SERVICES
from console.drill.simulation import HISTORY, Simulation
from console.drill.traffic import Moment

NOW = datetime(2026, 3, 1, 12, 0, 0, 123_456, tzinfo=UTC)


def simulation(
    scenario: str = "bad-release", seed: int = 1, speed: float = 5.0
) -> tuple[Simulation, History]:
    world = Simulation(SCENARIOS[scenario], now=NOW, seed=seed, speed=speed)
    return world, world.live_through_the_past(16)


def story(seed: int) -> tuple[History, list[tuple[dict[str, Moment], list[str]]]]:
    """The past, then traffic and pods second by second, from the quiet into the broken release."""
    world, history = simulation(seed=seed)
    course = []

    async def run() -> None:
        for second in range(40):
            if second == 5:
                await world.break_it()
            world.cluster.advance(1.0)
            await world.tick(1.0)
            course.append((world.traffic.last, sorted(pod.name for pod in world.pods)))

    asyncio.run(run())
    return history, course


def test_a_seed_repeats_the_past_and_the_story() -> None:
    first, again, other = story(5), story(5), story(6)
    assert first == again
    assert first[0] != other[0]
    assert first[1] != other[1]


@pytest.mark.parametrize(
    ("image", "built"),
    [
        ("registry.shop.test/checkout:v40", True),
        ("registry.shop.test/checkout:v99", False),
        ("nosuch.example/checkout:v41", False),
    ],
)
def test_a_service_runs_images_of_its_own_that_were_built_and_no_others(image: str, built: bool) -> None:
    world, _ = simulation()

    async def run() -> None:
        world.cluster.patch("Deployment", "checkout", release("checkout", image), NAMESPACE)
        for _ in range(30):
            world.cluster.advance(1.0)
            await world.tick(1.0)

    asyncio.run(run())
    pods = [pod for pod in world.pods if pod.image == image]
    assert pods and all(pod.ready is built for pod in pods)


def release(name: str, image: str) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"name": name, "image": image}]}}}}


def test_the_past_ends_now_and_is_healthy() -> None:
    world, history = simulation()
    assert abs(world.seconds() - NOW.timestamp()) < 1
    assert history[-1][0] - history[0][0] >= HISTORY - 10
    failed: dict[str, float] = {}
    total: dict[str, float] = {}
    for labels, value in history[-1][1]:
        found = dict(labels)
        if found["__name__"] == "http_requests_total":
            total[found["job"]] = total.get(found["job"], 0) + value
            failed[found["job"]] = failed.get(found["job"], 0) + value * found["status"].startswith("5")
    assert set(total) == {service.name for service in SERVICES if service.rps}
    assert all(failed[job] / total[job] < 0.01 for job in total)
    assert all(pod.ready for pod in world.pods if pod.workload in BY_NAME)


def test_every_workload_has_older_revisions_and_the_cluster_more_than_deployments() -> None:
    world, _ = simulation()
    for service in SERVICES:
        owned = world.cluster.list("ReplicaSet", NAMESPACE, f"app={service.name}")
        images = {one["spec"]["template"]["spec"]["containers"][0]["image"] for one in owned}
        newest = int(service.version[1:])
        assert images == {service.image(f"v{newest - back}") for back in range(3)}
    (job,) = world.cluster.list("Job", NAMESPACE)
    assert job["status"]["succeeded"] == 1
    assert {one["metadata"]["name"] for one in world.cluster.list("StatefulSet", NAMESPACE)} == {
        "postgres",
        "redis",
    }
    assert len(world.cluster.list("PodDisruptionBudget", NAMESPACE)) == 2
    (autoscaler,) = world.cluster.list("HorizontalPodAutoscaler", NAMESPACE)
    assert autoscaler["status"]["currentReplicas"] == 4
    assert len(world.cluster.list("Node")) == 3


def test_the_bad_image_complains_in_its_log_and_the_good_one_does_not() -> None:
    world, _ = simulation()

    def logs() -> bytes:
        found = b""
        for pod in world.pods:
            if pod.workload == "checkout":
                run = world.cluster.view.run(world.cluster.entry("pods", pod.name, NAMESPACE), "checkout")
                found += b"\n".join(line for _, line in run.lines)
        return found

    async def run() -> None:
        assert b"status=200" in logs()
        assert b"TaxTable" not in logs()
        await world.break_it()
        for _ in range(20):
            world.cluster.advance(1.0)
            await world.tick(1.0)
        assert b"status=500" in logs()
        assert b"TaxTable" in logs()

    asyncio.run(run())


def test_health_follows_the_pods() -> None:
    world, _ = simulation("outage")

    async def run() -> None:
        app = web.Application()
        app.add_routes(health.routes(world))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}/health"
        async with httpx.AsyncClient(base_url=base, trust_env=False) as client:
            well = await client.get("/storefront")
            assert (well.status_code, well.json()["status"]) == (200, "ok")
            assert (await client.get("/nobody")).status_code == 404
            await world.break_it()
            for _ in range(5):
                world.cluster.advance(1.0)
                await world.tick(1.0)
            down = await client.get("/storefront")
            assert (down.status_code, down.json()["status"]) == (503, "down")
            assert (await client.get("/payments")).status_code == 200
            world.outside["payments"] = 0.9
            assert (await client.get("/payments")).status_code == 503
        await runner.cleanup()

    asyncio.run(run())


def test_an_outage_is_a_crash_loop() -> None:
    world, _ = simulation("outage")

    async def run() -> None:
        await world.break_it()
        for _ in range(15):
            world.cluster.advance(1.0)
            await world.tick(1.0)

    asyncio.run(run())
    pods = world.cluster.list("pods", NAMESPACE, "app=storefront")
    states = [status for pod in pods for status in pod["status"]["containerStatuses"]]
    assert len(states) == 4
    assert all(status["restartCount"] >= 1 for status in states)
    assert "CrashLoopBackOff" in {(status["state"].get("waiting") or {}).get("reason") for status in states}
    words = world.cluster.view.run(
        world.cluster.entry("pods", pods[0]["metadata"]["name"], NAMESPACE), "storefront"
    )
    assert any(b"permission denied" in line for _, line in words.lines)
