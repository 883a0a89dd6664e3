"""Which revision to return to, and what a revision changes."""

from msgspec.structs import replace

from console.model.kube import ContainerSpec, Revision, differences
from console.model.plan import Change
from console.model.revisions import preferred_revision

HOUR = 3600.0
DAY = 86400.0


def revision(number: int, image: str, created: float, **more: object) -> Revision:
    spec = ContainerSpec("app", image)
    base = Revision(number, f"web-{number}", f"u{number}", "Deployment/web", "shop", created, (spec,))
    return replace(base, **more)


def test_a_revision_that_was_rolled_back_from_is_not_offered() -> None:
    # 42 was bad and rolled back: its ReplicaSet stays, and that of 41 now carries 43, older by creation.
    revisions = [
        revision(40, "shop:v0", DAY),
        revision(42, "shop:v2", 9 * DAY),
        revision(43, "shop:v1", 2 * DAY),
    ]
    chosen = preferred_revision(revisions, revisions[-1])
    assert chosen is not None and chosen.number == 40


def test_a_release_that_was_live_for_long_is_preferred_to_a_hasty_one() -> None:
    revisions = [
        revision(1, "shop:v1", DAY),
        revision(2, "shop:v2", 9 * DAY),
        revision(3, "shop:v3", 9 * DAY + 120),
    ]
    chosen = preferred_revision(revisions, revisions[-1])
    assert chosen is not None and chosen.number == 1
    hasty = preferred_revision(revisions[1:], revisions[-1])
    assert hasty is not None and hasty.number == 2, "a short life is better than nothing"


def test_what_came_after_the_trouble_is_no_cure() -> None:
    revisions = [revision(1, "shop:v1", 9 * DAY), revision(2, "shop:v2", 9 * DAY + HOUR)]
    assert preferred_revision(revisions, revisions[-1], 8 * DAY) is None


def test_differences_name_every_change() -> None:
    old = ContainerSpec(
        "app", "shop:v1", (("A", "1"), ("B", "2")), memory_limit=128 * 2**20, cpu_request=0.25
    )
    new = ContainerSpec("app", "shop:v2", (("A", "1"), ("C", "3")), memory_limit=2**30, cpu_request=0.25)
    before = revision(1, "", DAY, containers=(old,))
    sidecar = ContainerSpec("proxy", "proxy:1")
    after = revision(2, "", DAY, containers=(new, sidecar), restarted_at="2026-11-20T18:10:00Z")
    assert differences(before, after) == (
        Change("app: image", "shop:v1", "shop:v2"),
        Change("app: memory limit", "128Mi", "1Gi"),
        Change("app: env B", "2", ""),
        Change("app: env C", "", "3"),
        Change("proxy: container", "", "proxy:1"),
        Change("restarted at", "", "2026-11-20T18:10:00Z"),
    )
    assert differences(before, before) == ()
