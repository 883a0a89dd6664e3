from console.model.kube import ContainerSpec, Revision, preferred_revision

HOUR = 3600.0


def revision(number: int, image: str, created: float, ready: int = 0) -> Revision:
    return Revision(
        number=number,
        name=f"shop-{number}",
        uid=f"uid-{number}",
        workload="Deployment/shop",
        namespace="production",
        created=created,
        containers=(ContainerSpec("app", image),),
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
