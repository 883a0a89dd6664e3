from typing import Any

import pytest

from console.mitigations.kubernetes import facts
from console.mitigations.kubernetes.surroundings import Share


def deployment(replicas: int, strategy: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    pod.setdefault("containers", [{"name": "app", "image": "shop:v1", "readinessProbe": {}}])
    spec: dict[str, Any] = {"replicas": replicas, "template": {"spec": pod}}
    if strategy is not None:
        spec["strategy"] = strategy
    return {"kind": "Deployment", "metadata": {"name": "shop"}, "spec": spec}


def rolling(surge: Any, unavailable: Any) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}


@pytest.mark.parametrize(
    ("replicas", "strategy", "surge", "unavailable", "outage"),
    [
        (1, None, 1, 0, False),
        (3, None, 1, 0, False),
        (4, None, 1, 1, False),
        (10, None, 3, 2, False),
        (1, rolling(0, 1), 0, 1, True),
        (1, rolling(1, 0), 1, 0, False),
        (1, rolling("25%", "100%"), 1, 1, True),
        (3, rolling(0, "10%"), 0, 1, False),
        (3, {"type": "Recreate"}, 0, 3, True),
        (0, {"type": "Recreate"}, 0, 0, False),
    ],
)
def test_rollout_arithmetic(
    replicas: int, strategy: dict[str, Any] | None, surge: int, unavailable: int, outage: bool
) -> None:
    found = facts.shape("deployment", deployment(replicas, strategy))

    assert (found.surge, found.unavailable, found.outage) == (surge, unavailable, outage)


def test_one_replica_with_the_default_strategy_is_no_outage_but_is_told() -> None:
    (warning,) = facts.rollout_warnings("deployment", deployment(1), {})

    assert "One replica" in warning
    assert "Outage" not in warning


def test_recreate_is_an_outage() -> None:
    (warning,) = facts.rollout_warnings("deployment", deployment(3, {"type": "Recreate"}), {})

    assert warning.startswith("Outage:")


def test_a_volume_for_one_node_with_a_rolling_update_is_told() -> None:
    live = deployment(2, volumes=[{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}])

    (warning,) = facts.rollout_warnings("deployment", live, {"data": ["ReadWriteOnce"]})

    assert "data" in warning
    assert facts.rollout_warnings("deployment", live, {"data": ["ReadWriteMany"]}) == ()


def test_a_missing_readiness_probe_is_told() -> None:
    live = deployment(3, containers=[{"name": "app", "image": "shop:v1"}])

    (warning,) = facts.rollout_warnings("deployment", live, {})

    assert "readiness probe on app" in warning


@pytest.mark.parametrize(
    ("image", "known"),
    [
        ("postgres:15", True),
        ("registry.example:5000/team/redis@sha256:0", True),
        ("shop/postgres-exporter:1", False),
        ("backend", False),
    ],
)
def test_data_stores_are_known_by_their_image(image: str, known: bool) -> None:
    assert bool(facts.database(deployment(1, containers=[{"name": "a", "image": image}]))) is known


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:p/shop"}},
            "Argo CD app shop",
        ),
        ({"labels": {"argocd.argoproj.io/instance": "shop"}}, "Argo CD app shop"),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, "Flux Kustomization apps"),
        ({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}, "Flux HelmRelease shop"),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, "Helm release shop"),
        ({"ownerReferences": [{"kind": "Shop", "name": "eu", "controller": True}]}, "Shop eu"),
    ],
)
def test_owners_that_put_things_back(metadata: dict[str, Any], expected: str) -> None:
    (found,) = facts.owners(metadata)

    assert found.startswith(expected)


def test_nobody_owns_a_plain_object() -> None:
    assert facts.owners({"labels": {"app": "shop"}}) == ()


def test_selectors_become_list_parameters() -> None:
    selector = {
        "matchLabels": {"b": "2", "a": "1"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "y"]},
            {"key": "old", "operator": "DoesNotExist"},
        ],
    }

    assert facts.selector_text(selector) == "a=1,b=2,tier in (x,y),!old"


def test_a_share_is_whole_when_no_other_pod_is_ready() -> None:
    assert Share("shop", 2, ("a", "b")).whole
    assert not Share("shop", 2, ("a",)).whole
    assert not Share("shop", 0, ()).whole
    assert Share("shop", 1, ("a",)).hit.counted == "1 of the 1 ready pod behind service shop"
