"""The alerts pane tells its rows apart, and says of a check since when and how fast."""

from collections.abc import Sequence

import msgspec
import pytest

from console.config import Config
from console.model.http import HttpSnapshot
from console.model.metrics import Alert, AlertsSnapshot
from console.model.strict import convert
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import checks, everything

SIZES = [(120, 40), (80, 24)]
POD = "storefront-5d8f7c6b9-x2k4"


def firing(*alerts: tuple[str, dict[str, str]]) -> FakeEngine:
    engine = FakeEngine()
    engine.health("alertmanager")
    found = tuple(
        Alert(f"f{number}", name, "active", "critical", "", NOW - 23, tuple(sorted(labels.items())))
        for number, (name, labels) in enumerate(alerts)
    )
    engine.board.publish("alertmanager", AlertsSnapshot(NOW, found))
    return engine


def rows(ui: Ui) -> list[str]:
    """What the rows say before the state."""
    left = ui.line("ALERT OR CHECK").index("ALERT OR CHECK")
    lines = (line[left:] for line in ui.grid() if "ALERTS" not in line)
    return [line.split(" firing")[0].rstrip() for line in lines if " firing  " in line]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("name", "labels", "said"),
    [
        (
            "ServiceDown",
            [{"job": "storefront", "instance": "10.0.0.1:80"}, {"job": "cart", "instance": "10.0.0.2:80"}],
            ["storefront ServiceDown", "cart ServiceDown"],
        ),
        (
            "ContainerRestarts",
            [{"job": "kube-state-metrics", "pod": f"{POD}{end}"} for end in "ab"],
            ["storefront-…-x2k4a Contai", "storefront-…-x2k4b Contai"],
        ),
        (
            "ReplicaLag",
            [{"job": "postgres", "replica": "one", "team": "shop"}, {"job": "postgres", "replica": "two"}],
            ["one ReplicaLag", "two ReplicaLag"],
        ),
        ("QueueBackup", [{"job": "exporter", "queue": "orders"}], ["orders QueueBackup"]),
        ("ConnectionsHigh", [{"team": "shop"}], ["ConnectionsHigh"]),
    ],
)
def test_alerts_of_one_name_are_told_apart(
    name: str, labels: Sequence[dict[str, str]], said: list[str], size: tuple[int, int]
) -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("alerts")
        await ui.settle()
        assert [row.startswith(part) for row, part in zip(rows(ui), said, strict=True)] == [True] * len(said)

    labelled = [(name, {"alertname": name, "severity": "critical", **one}) for one in labels]
    drive(firing(*labelled), script, size)


@pytest.mark.parametrize("size", SIZES)
def test_a_check_says_since_when_and_how_fast(size: tuple[int, int]) -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("alerts")
        await ui.press("z")
        await ui.wait(5)
        assert ui.line("✗ checkout  ").split()[2:5] == ["down", "http", "7m"]
        assert ui.line("! login").split()[2:6] == ["reachable", "http", "36s", "1.2s"]
        assert ui.line("! login").count("404") == 1
        assert ui.line("· shop").split()[2:5] == ["healthy", "http", "2h00m"]
        assert "certificate ends" in ui.line("· shop")

    drive(everything(FakeEngine()), script, size)


def test_a_check_that_has_just_become_well_counts_no_seconds() -> None:
    engine = everything(FakeEngine())
    shot = checks()
    fresh = [msgspec.structs.replace(one, since=NOW) for one in shot.checks]
    engine.board.publish("http", HttpSnapshot(NOW, tuple(fresh)))

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("alerts")
        await ui.press("z")
        for since, others in (("<1m", "40s"), ("1m", "1m")):
            await ui.wait(40)
            assert ui.line("· shop").split()[2:5] == ["healthy", "http", since]
            assert ui.line("✗ checkout  ").split()[2:5] == ["down", "http", others]

    drive(engine, script)


def test_enter_opens_the_check_which_follows_it() -> None:
    http = [{"name": "checkout", "url": "https://shop.example/checkout", "expect": [200, 204], "body": "ok"}]
    engine = everything(FakeEngine(convert({"http": http}, Config)))

    async def script(ui: Ui) -> None:
        ui.main.focus_pane("alerts")
        await ui.press("home", "down", "enter")
        await ui.settle()
        assert ui.line("CHECK  checkout")
        assert "down" in ui.line("State") and "connection refused" in ui.line("Answer")
        assert "14:23Z, 6m" in ui.line("Since  ") and "no answer" in ui.line("Latency")
        assert "https://shop.example/checkout" in ui.line("Address")
        assert "200 or 204 to GET and a body that matches 'ok' within 3 s" in ui.line("Expected")
        shot = checks()
        well = msgspec.structs.replace(
            shot.checks[1], state="healthy", reason="status 200", latency=0.05, since=NOW
        )
        engine.board.publish("http", HttpSnapshot(NOW, (shot.checks[0], well, shot.checks[2])))
        await ui.wait(60)
        assert "healthy" in ui.line("State") and "50ms" in ui.line("Latency")
        assert "14:30Z, 1m" in ui.line("Since  ")

    drive(engine, script)
