"""The errors pane cannot be misread where it is narrow."""

import msgspec
import pytest

from console.model.metrics import PrometheusSnapshot
from console.model.reading import Reading, State
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import everything, metrics, ok


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
@pytest.mark.parametrize(
    ("name", "up", "said"),
    [
        ("storefront", 0.0, "storefront down "),
        ("auth-service", 0.75, "auth-service up 75% "),
        ("a-service-with-a-long-name", 0.5, "a-service-with-a-"),
    ],
)
def test_targets_that_are_down_do_not_read_as_errors(
    name: str, up: float, said: str, size: tuple[int, int]
) -> None:
    past = Reading(State.STALE, 0.2, NOW - 42)
    service = msgspec.structs.replace(
        metrics().services[0], name=name, up=ok(up), error_ratio=past, rate=past, p95=past
    )
    engine = FakeEngine()
    engine.health("prometheus")
    engine.board.publish("prometheus", PrometheusSnapshot(NOW, (service,)))

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("errors")
        await ui.settle()
        line = ui.line(f"✗ {name[:10]}")
        assert said in line and "%…" not in line
        assert line.count("stale 42s") == 3

    drive(engine, script, size)


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
@pytest.mark.parametrize(("name", "workload"), [("cart", ""), ("basket", "deployment/cart")])
def test_enter_goes_to_the_workload_of_the_service(name: str, workload: str, size: tuple[int, int]) -> None:
    engine = everything(FakeEngine())
    service = msgspec.structs.replace(metrics().services[0], name=name, workload=workload)
    engine.board.publish("prometheus", PrometheusSnapshot(NOW, (service,)))

    async def script(ui: Ui) -> None:
        ui.main.panes["pods"].set_filter("auth")
        ui.main.focus_pane("errors")
        await ui.settle()
        await ui.press("enter")
        await ui.settle()
        assert ui.main.current == "pods"
        assert [one.label for one in ui.main.pane.selections()] == ["deployment/cart"]
        assert "cart" in ui.line("▌·")

    drive(engine, script, size)


def test_a_service_without_a_workload_opens_nothing() -> None:
    engine = FakeEngine()
    engine.health("prometheus")
    engine.board.publish("prometheus", metrics())

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("errors")
        await ui.press("enter")
        assert ui.main.current == "errors" and "There is nothing to open here." in ui.text()

    drive(engine, script)
