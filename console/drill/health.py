"""Health endpoints: what each service says of itself, as slow as the service is."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from console.drill.shop import BY_NAME, of_workload
from console.drill.simulation import Simulation
from console.drill.traffic import TIMEOUT


def routes(world: Simulation) -> list[web.RouteDef]:
    """``/health/NAME`` for every service and for the payment provider."""

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name != "payments" and name not in BY_NAME:
            return web.Response(status=404, text=f"There is no service {name}.\n")
        status, body, seconds = _provider(world) if name == "payments" else _service(world, name)
        await asyncio.sleep(min(seconds, TIMEOUT))
        return web.Response(
            body=msgspec.json.encode(body), status=status, headers={"Content-Type": "application/json"}
        )

    return [web.get("/health/{name}", answer)]


def _provider(world: Simulation) -> tuple[int, dict[str, Any], float]:
    down = world.outside["payments"] >= 0.5
    return (503, {"status": "maintenance"}, 0.3) if down else (200, {"status": "ok"}, 0.05)


def _service(world: Simulation, name: str) -> tuple[int, dict[str, Any], float]:
    """Status, body and delay: down without a ready pod or when its database or cache fails it."""
    service = BY_NAME[name]
    pods = of_workload(world.pods, name)
    ready = [pod for pod in pods if pod.ready]
    body: dict[str, Any] = {"service": name, "pods": {"ready": len(ready), "wanted": len(pods)}}
    if not ready:
        return 503, {"status": "down", **body}, 0.0
    links = [world.links(pod) for pod in ready]
    checks: dict[str, str] = {}
    if service.pool[1]:
        checks["database"] = _word(sum(link.database_errors for link in links) / len(links))
    if service.cache:
        checks["cache"] = _word(sum(link.cache_errors for link in links) / len(links))
    failing = "failing" in checks.values()
    moment = world.traffic.last.get(name)
    # What fails comes first: a screen shows the beginning.
    body = {"status": "degraded" if failing else "ok", **checks, **body}
    if failing:
        body = {"failing": [one for one, word in checks.items() if word == "failing"], **body}
    return 503 if failing else 200, body, moment.seconds if moment else 0.0


def _word(failed: float) -> str:
    return "failing" if failed > 0.5 else "degraded" if failed > 0.05 else "ok"
