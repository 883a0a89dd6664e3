"""The suggestions pane names whole what a row is about."""

import msgspec
import pytest

from console.model.plan import Target
from console.model.signals import Signal, SignalsSnapshot, Suggestion
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import signals

KUBE = "kubernetes:prod"


def signal(name: str, subject: str, source: str) -> Signal:
    return Signal(name, subject, f"{name}({subject})", "critical", NOW - 60, source, "all 4 targets are down")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
def test_what_it_is_about_is_whole(size: tuple[int, int]) -> None:
    engine = FakeEngine(mitigator=FakeMitigator())
    found = (
        signal("error-ratio-high", "checkout", "prometheus"),
        signal("targets-down", "storefront", "prometheus"),
        signal("new-revision", "deployment/recommendations", KUBE),
        signal("crash-loop", "shop/deployment/storefront", KUBE),
        signal("replication-lag", "main/replica-1", "postgres:main"),
    )
    (rollback,) = signals().suggestions
    first: Suggestion = msgspec.structs.replace(
        rollback, target=Target("deployment", "recommendations", "shop")
    )
    engine.board.publish("signals", SignalsSnapshot(NOW, found, (first,)))

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("suggestions")
        await ui.settle()
        text = ui.text()
        await ui.press("end")
        text += ui.text()
        for said in (
            *("✗ checkout error-", "✗ storefront targets-d", "✗ recommendations new-", "✗ shop/storefront "),
            *("✗ main/replica-1 ", "recommendations: R", "SCENARIO OR SIGNAL", " STEP OR EVIDENCE"),
        ):
            assert said in text

    drive(engine, script, size)
