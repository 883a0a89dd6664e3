"""Disruption budgets: watched once, and told of what they cover as the server would decide."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from console.drill.cluster import Behaviour, Cluster, Container, State
from console.drill.cluster.api import Call
from console.drill.cluster.errors import ApiError
from console.drill.cluster.podapi import evict
from console.model.logs import Description
from console.model.source import Health
from console.sources.kubernetes import KubernetesSource
from tests.sources.kubernetes.fake import fake_api, status
from tests.sources.kubernetes.running import running
from tests.sources.kubernetes.samples import deployment, pod
from tests.sources.kubernetes.simulated import make_cluster, served, watching, workload
from tests.sources.kubernetes.test_store import Cluster as Fed
from tests.sources.kubernetes.test_store import recorded

PLACE = "production"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"


class HalfBroken(Behaviour):
    """Version 2 runs and never becomes ready."""

    def state(self, container: Container, age: float) -> State:
        return State(ready=False) if container.image.endswith(":v2") else super().state(container, age)


def budget(cluster: Cluster, name: str = "shop", selector: Any = None, **spec: Any) -> None:
    chosen = {"matchLabels": {"app": "shop"}} if selector is None else selector
    metadata = {"name": name}
    body = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata}
    cluster.create({**body, "spec": {"selector": chosen, **spec}}, PLACE)
    cluster.settle()


def told(found: Description) -> tuple[str, ...]:
    return dict(found.sections)["Disruption budget"]


async def lines(source: KubernetesSource, kind: str, name: str) -> str:
    return "\n".join(told(await source.describe(kind, PLACE, name)))


def refused(cluster: Cluster, name: str) -> bool:
    """What the eviction subresource answers to a dry run."""
    try:
        evict(cluster, cluster.entry("pods", name, PLACE), {}, Call(dry_run=True))
    except ApiError:
        return True
    return False


def test_what_a_real_server_answered() -> None:
    fed = Fed()
    fed.put("poddisruptionbudgets", json.loads(recorded("pdb")))
    (found,) = fed.snapshot().budgets.values()
    assert (found.namespace, found.name, found.allowed, found.healthy, found.needed) == (
        PLACE,
        "api-server",
        0,
        4,
        4,
    )
    assert found.selector is not None and found.selector.labels == (("app", "api-server"),)
    assert found.current and not found.unready_may_go and found.trouble == ""
    fed.store.remove("poddisruptionbudgets", found.uid)
    assert not fed.snapshot().budgets


def test_policy_trouble_and_requirements_are_read() -> None:
    fed = Fed()
    condition = {
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "SyncFailed",
        "message": "no \x1b[1mone",
    }
    spec = {
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]},
    }
    metadata = {"name": "x", "namespace": "shop", "generation": 2}
    fed.put(
        "poddisruptionbudgets", {"metadata": metadata, "spec": spec, "status": {"conditions": [condition]}}
    )
    fed.put("poddisruptionbudgets", {"metadata": {**metadata, "name": "y", "uid": "y"}, "spec": {}})
    by_name = {one.name: one for one in fed.snapshot().budgets.values()}
    found = by_name["x"]
    assert found.selector is not None and found.selector.requirements == (("app", "In", ("a", "b")),)
    assert (found.unready_may_go, found.current, found.trouble) == (True, False, "no one")
    assert by_name["y"].selector is None


def test_a_workload_knows_the_labels_of_its_pods() -> None:
    fed = Fed()
    fed.put("deployments", deployment())
    (row,) = fed.snapshot().workloads.values()
    assert row.labels == (("app", "web"),)


def test_pod_and_workload_say_what_their_budget_allows_and_nothing_is_listed_again(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(), PLACE)
        cluster.create(workload("lone"), PLACE)
        cluster.settle()
        budget(cluster, minAvailable=3)
        name = cluster.pods_of("shop", PLACE)[0]["metadata"]["name"]
        async with served(cluster) as server, watching(server, tmp_path) as (source, board):
            await board.synced()
            await board.until(lambda b: all(one.healthy == 3 for one in b.last.budgets.values()))
            for kind, thing, evictee in (("Pod", name, "this pod"), ("Deployment", "shop", "a ready pod")):
                assert (await lines(source, kind, thing)).splitlines()[:4] == [
                    "Budget: shop",
                    "Allowed now: 0 disruptions",
                    "Healthy: 3 pods, and 3 are needed",
                    f"Evict {evictee}: refused now: budget shop needs 3 healthy and has 3",
                ]
            assert (
                await lines(source, "Deployment", "lone") == "none covers it, so none holds an eviction back"
            )

            cluster.scale("deploy", "shop", 4, PLACE)
            cluster.settle()
            await board.until(lambda b: [one.allowed for one in b.last.budgets.values()] == [1])
            found = await lines(source, "Pod", name)
            assert "Allowed now: 1 disruption\n" in found and found.endswith("Evict this pod: allowed now")
            asked = [one.verb for one in server.requests if one.path == BUDGETS]
            assert asked == ["list", "watch"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("spec", "image"),
    [
        ([{"minAvailable": 2}], "v1"),
        ([{"minAvailable": 3}], "v1"),
        ([{"maxUnavailable": 0, "selector": {}}], "v1"),
        ([{"minAvailable": 1}, {"minAvailable": 1, "selector": {}}], "v1"),
        ([{"minAvailable": 3}], "v2"),
        ([{"minAvailable": 3, "unhealthyPodEvictionPolicy": "AlwaysAllow"}], "v2"),
        ([{"minAvailable": 0}], "v2"),
        (
            [
                {
                    "minAvailable": 3,
                    "selector": {
                        "matchExpressions": [
                            {"key": "app", "operator": "In", "values": ["shop"]},
                            {"key": "tier", "operator": "DoesNotExist"},
                        ]
                    },
                }
            ],
            "v1",
        ),
        ([{"minAvailable": 3, "selector": {"matchLabels": {"app": "else"}}}], "v1"),
    ],
)
def test_what_is_told_is_what_the_server_would_decide(
    tmp_path: Path, spec: list[dict[str, Any]], image: str
) -> None:
    async def main() -> None:
        cluster = make_cluster(HalfBroken())
        cluster.create(workload(image=f"registry.example/shop:{image}"), PLACE)
        cluster.advance(30)
        for number, one in enumerate(spec):
            budget(cluster, f"b{number}", **one)
        name = cluster.pods_of("shop", PLACE)[0]["metadata"]["name"]
        async with served(cluster) as server, watching(server, tmp_path) as (source, board):
            await board.synced()
            found = await lines(source, "Pod", name)
            assert ("refused now" in found) is refused(cluster, name), found

    asyncio.run(main())


def test_a_pod_that_does_not_run_is_not_held_back(tmp_path: Path) -> None:
    async def main() -> None:
        cluster = make_cluster()
        cluster.create(workload(nodeSelector={"disk": "none"}), PLACE)
        cluster.settle()
        budget(cluster, minAvailable=3)
        name = cluster.pods_of("shop", PLACE)[0]["metadata"]["name"]
        async with served(cluster) as server, watching(server, tmp_path) as (source, board):
            await board.synced()
            assert "Evict this pod: allowed now, for no budget counts" in await lines(source, "Pod", name)
            assert not refused(cluster, name)

    asyncio.run(main())


def test_budgets_that_may_not_be_read_leave_the_rest_and_say_so(tmp_path: Path) -> None:
    async def forbid(request: web.Request) -> web.Response | None:
        if request.path == BUDGETS:
            return status(
                403, "Forbidden", 'poddisruptionbudgets.policy is forbidden: User "viewer" cannot list'
            )
        if request.path.endswith("/pods/web"):
            return web.json_response(pod("web"))
        return None

    async def main() -> None:
        async with fake_api() as api:
            api.put("/api/v1/pods", pod("web"))
            api.script = forbid
            async with running(tmp_path, api) as (source, board):
                await board.health(Health.LIMITED, "denied: poddisruptionbudgets")
                assert set(board.last.pods) == {"shop.web"}
                (said,) = told(await source.describe("Pod", "shop", "web"))
                assert said.startswith("cannot be read: ") and 'User "viewer" cannot list' in said

    asyncio.run(main())


def test_labels_that_look_secret_are_matched_all_the_same(tmp_path: Path) -> None:
    labels = {"app": "web", "token": "ghp_abcdefghijklmnopqrstuvwxyz0123456789"}
    covering = {
        "metadata": {"name": "b", "namespace": "shop", "generation": 1},
        "spec": {"selector": {"matchLabels": labels}},
        "status": {
            "observedGeneration": 1,
            "disruptionsAllowed": 2,
            "currentHealthy": 2,
            "desiredHealthy": 0,
        },
    }

    async def answer(request: web.Request) -> web.Response | None:
        return web.json_response(pod("web", labels=labels)) if request.path.endswith("/pods/web") else None

    async def main() -> None:
        async with fake_api() as api:
            api.put(BUDGETS, covering)
            api.script = answer
            async with running(tmp_path, api) as (source, board):
                await board.synced()
                found = await source.describe("Pod", "shop", "web")
                assert "Allowed now: 2 disruptions" in told(found)
                assert "ghp_" not in repr(found)

    asyncio.run(main())
