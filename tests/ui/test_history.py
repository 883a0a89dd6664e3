"""What the history page says that a revision changed."""

import msgspec

from console.model.kube import ContainerSpec, Revision
from console.ui.screens.pages import revision_lines
from tests.ui.cluster import kubernetes, workload
from tests.ui.fake import NOW


def revision(number: int, *containers: ContainerSpec, restarted_at: str = "") -> Revision:
    made = next(iter(kubernetes().revisions.values()))
    return msgspec.structs.replace(made, number=number, containers=containers, restarted_at=restarted_at)


def told(*revisions: Revision) -> str:
    lines = revision_lines(workload("checkout"), revisions, NOW, 120)
    return "\n".join("".join(text for text, _ in line) for line in lines)


def test_limits_and_variables_are_told_in_units_and_what_was_absent_as_unset() -> None:
    before = ContainerSpec("app", "shop:v1")
    after = ContainerSpec("app", "shop:v1", (("MODE", "fast"),), memory_limit=512 * 2**20)
    text = told(revision(1, before), revision(2, after))
    assert "env       MODE: (unset) → fast" in text
    assert "resources app memory limit: - → 512Mi" in text


def test_containers_that_came_and_went_and_a_restart() -> None:
    app, proxy = ContainerSpec("app", "shop:v1"), ContainerSpec("proxy", "envoy:1")
    text = told(
        revision(1, app), revision(2, app, proxy), revision(3, app), revision(4, app, restarted_at="now")
    )
    assert "added     proxy: envoy:1" in text and "removed   proxy" in text
    assert "restarted, nothing else" in text
