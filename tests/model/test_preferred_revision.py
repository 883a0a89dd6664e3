from console.model.kube import ContainerSpec, Revision
from console.model.revisions import came_before, preferred_revision

HOUR = 3600.0


def revision(number: int, image: str, created: float, ready: int = 0, **env: str) -> Revision:
    return Revision(
        number=number,
        name=f"shop-{number}",
        uid=f"uid-{number}",
        workload="Deployment/shop",
        namespace="production",
        created=created,
        containers=(ContainerSpec("app", image, tuple(env.items())),),
        ready=ready,
    )


def test_restarts_and_environment_changes_after_a_bad_release_are_skipped() -> None:
    found = [revision(41, "v1", 0), revision(42, "v2", 100), revision(43, "v2", 200), revision(44, "v2", 300)]

    best = preferred_revision(found, found[-1], None)

    assert best is not None
    assert best.number == 41


def test_the_order_in_which_they_come_does_not_matter() -> None:
    found = [revision(44, "v2", 300), revision(41, "v1", 0), revision(43, "v2", 200), revision(42, "v2", 100)]

    best = preferred_revision(found, found[0], None)

    assert best is not None
    assert best.number == 41


def test_a_failed_fix_forward_does_not_lead_back_to_the_release_that_broke_it() -> None:
    found = [revision(41, "v1", 0), revision(42, "v2", 10 * HOUR), revision(43, "v3", 11 * HOUR)]

    best = preferred_revision(found, found[-1], trouble_at=10 * HOUR + 180)

    assert best is not None
    assert best.number == 41


def test_an_old_release_that_was_in_force_when_the_trouble_began_is_not_suspected() -> None:
    found = [revision(40, "v0", 0), revision(41, "v1", 10 * HOUR), revision(42, "v2", 100 * HOUR)]

    best = preferred_revision(found, found[-1], trouble_at=99 * HOUR)

    assert best is not None
    assert best.number == 41


def test_in_a_stuck_rollout_the_revision_that_still_serves_is_preferred() -> None:
    found = [revision(41, "v1", 0, ready=3), revision(42, "v2", 100), revision(43, "v3", 200)]

    best = preferred_revision(found, found[-1], None)

    assert best is not None
    assert best.number == 41


def test_there_is_none_when_all_have_the_same_image() -> None:
    found = [revision(1, "v1", 0), revision(2, "v1", 100)]

    assert preferred_revision(found, found[-1], None) is None
    assert preferred_revision([], None, None) is None


def test_of_an_image_that_was_trusted_for_hours_the_changed_setting_is_taken_back() -> None:
    found = [
        revision(2, "v18", 0, TTL="3600"),
        revision(3, "v19", 20 * HOUR, TTL="3600"),
        revision(4, "v19", 25 * HOUR, TTL="1"),
        revision(5, "v19", 25 * HOUR + 200, TTL="1"),
    ]
    for current in (found[2], found[3]):
        best = preferred_revision(found, current, trouble_at=25 * HOUR + 16)
        assert best is not None
        assert best.number == 3

    restarted_first = [*found[:3], revision(5, "v19", 25 * HOUR + 10, TTL="1")]
    best = preferred_revision(restarted_first, restarted_first[-1], trouble_at=25 * HOUR + 16)
    assert best is not None
    assert best.number == 3


def test_a_setting_that_was_changed_soon_after_a_release_does_not_clear_its_image() -> None:
    found = [
        revision(1, "v1", 0),
        revision(2, "v2", 20 * HOUR, LEVEL="info"),
        revision(3, "v2", 20 * HOUR + 600, LEVEL="debug"),
    ]

    best = preferred_revision(found, found[-1], trouble_at=20 * HOUR + 700)

    assert best is not None
    assert best.number == 1


def test_nothing_is_returned_to_when_the_setting_is_back_already() -> None:
    found = [revision(2, "v18", 0), revision(4, "v19", 9 * HOUR, TTL="1"), revision(5, "v19", HOUR, TTL="9")]

    assert preferred_revision(found, found[-1], trouble_at=9 * HOUR + 16) is None


def test_what_came_before_a_revision_is_found_although_that_was_rolled_back_to_since() -> None:
    found = [revision(2, "v18", 0), revision(6, "v19", 100), revision(4, "v19", 200), revision(7, "v20", 400)]
    assert [getattr(came_before(it, found), "number", None) for it in found] == [None, 2, 6, 6]
