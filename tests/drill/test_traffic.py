"""Requests follow from their causes, and a seed repeats them."""

from __future__ import annotations

from collections.abc import Callable

from console.drill.shop import BY_NAME, PodView
from console.drill.traffic import Fault, Links, Moment, Traffic

CHECKOUT = BY_NAME["checkout"]


def pods(name: str, count: int, *, version: str = "", ready: bool = True, **env: str) -> list[PodView]:
    service = BY_NAME[name]
    return [
        PodView(
            uid=f"{name}-{number}",
            name=f"{name}-{number}",
            workload=name,
            image=service.image(version),
            env={**dict(service.env), **env},
            ready=ready,
            running=True,
            started=0.0,
            restarts=0,
        )
        for number in range(count)
    ]


SHOP = [pod for name in ("storefront", "checkout", "auth-service", "catalog") for pod in pods(name, 4)]


def healthy(_: PodView) -> Fault:
    return Fault()


def serve(
    there: list[PodView],
    *,
    seed: int = 1,
    ticks: int = 60,
    fault: Callable[[PodView], Fault] = healthy,
    links: Links | None = None,
    payments: float = 0.0,
) -> Traffic:
    traffic = Traffic(seed)
    for _ in range(ticks):
        traffic.tick(1.0, there, fault, lambda _: links or Links(), {"payments": payments})
    return traffic


def counted(traffic: Traffic) -> dict[str, tuple[dict[str, int], list[int]]]:
    return {uid: (counters.statuses, counters.buckets) for uid, counters in traffic.counters.items()}


def test_a_seed_repeats_every_request() -> None:
    assert counted(serve(SHOP, seed=7)) == counted(serve(SHOP, seed=7))
    assert counted(serve(SHOP, seed=7)) != counted(serve(SHOP, seed=8))


def test_healthy_services_get_their_rate_and_hardly_fail() -> None:
    traffic = serve(SHOP)
    for name in ("storefront", "checkout", "auth-service", "catalog"):
        moment = traffic.recent(name, 60)
        assert abs(moment.requests / 60 - BY_NAME[name].rps) < BY_NAME[name].rps * 0.15
        assert moment.ratio < 0.01


def test_the_histogram_counts_every_request() -> None:
    for statuses, buckets in counted(serve(SHOP)).values():
        assert sum(statuses.values()) == sum(buckets)


def test_only_pods_with_the_bad_image_fail() -> None:
    bad = CHECKOUT.image("v42")
    there = [*pods("checkout", 3), *pods("checkout", 4, version="v42")[3:]]
    traffic = serve(there, fault=lambda pod: Fault(errors=0.5) if pod.image == bad else Fault())
    failed = {uid: statuses.get("500", 0) for uid, (statuses, _) in counted(traffic).items()}
    assert failed.pop("checkout-3") > 50
    assert max(failed.values()) < 5


def test_a_refusing_database_fails_those_who_need_it() -> None:
    traffic = serve(SHOP, links=Links(database_errors=1.0))
    assert traffic.recent("checkout", 60).ratio == 1.0
    assert 0.3 < traffic.recent("auth-service", 60).ratio < 0.5
    assert 0.05 < traffic.recent("storefront", 60).ratio < 0.6


def test_a_cold_cache_sends_every_read_to_the_database() -> None:
    warm = serve(SHOP, links=Links(database_seconds=0.2)).recent("catalog", 60)
    cold = serve(SHOP, links=Links(database_seconds=0.2, misses=1.0)).recent("catalog", 60)
    assert cold.seconds > warm.seconds * 2


def test_a_pod_that_defers_payments_does_not_need_the_provider() -> None:
    assert serve(pods("checkout", 4), payments=1.0).recent("checkout", 60).ratio > 0.8
    deferred = pods("checkout", 4, PAYMENTS_MODE="deferred")
    assert serve(deferred, payments=1.0).recent("checkout", 60).ratio < 0.01


def test_fewer_pods_are_slower_and_too_few_refuse() -> None:
    four, two, one = (serve(pods("catalog", count)).recent("catalog", 60) for count in (4, 2, 1))
    assert four.seconds < two.seconds < one.seconds
    assert two.ratio < 0.01
    assert one.ratio > 0.1


def test_without_a_ready_pod_nothing_is_counted_and_callers_fail() -> None:
    there = [*pods("storefront", 4), *pods("catalog", 4, ready=False)]
    traffic = serve(there)
    assert not any(uid.startswith("catalog") for uid in traffic.counters)
    assert traffic.recent("storefront", 60).ratio > 0.4


def test_a_restarted_container_counts_from_zero() -> None:
    traffic = serve(SHOP)
    before = sum(traffic.counters["checkout-0"].statuses.values())
    traffic.restart("checkout-0")
    traffic.tick(1.0, SHOP, healthy, lambda _: Links(), {"payments": 0.0})
    assert 0 < sum(traffic.counters["checkout-0"].statuses.values()) < before / 10


def test_moments_add_up() -> None:
    both = Moment(10, 1, 0.1) + Moment(30, 3, 0.3)
    assert (both.requests, both.failed) == (40, 4)
    assert abs(both.seconds - 0.25) < 1e-9
    assert Moment().ratio == 0.0
