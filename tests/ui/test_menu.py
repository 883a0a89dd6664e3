"""A list to choose from: what its rows cannot hold stands below in full, and nothing jumps meanwhile."""

from __future__ import annotations

import msgspec
import pytest

from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine, incident
from tests.ui.mitigator import FakeMitigator
from tests.ui.scene import everything

ROLES = {
    "incident commander": "Ana Maria Fernandez",
    "communications": "Benedikt Hohenstein",
    "operations": "Chandrasekhar Venkat",
    "scribe": "Dagny Thorvaldsdottir",
}
TITLE = "Checkout fails for everybody who pays by card, in all countries, since the release of this morning"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_every_word_of_the_incident_menu_can_be_read(size: tuple[int, int]) -> None:
    engine = everything(FakeEngine(mitigator=FakeMitigator()))
    engine.timeline.incident = msgspec.structs.replace(incident(title=TITLE), roles=ROLES)
    wanted = {
        "Status": "investigating. Set the status of the incident, or give an update: the next one is due"
        " later.",
        "Severity": "SEV1. Set the severity of the incident; how often updates are due follows it.",
        "Roles": ", ".join(f"{role} {who}" for role, who in ROLES.items())
        + ". Say who leads, who communicates, who operates, who keeps the record.",
        "Title": f"{TITLE}. Correct the title of the incident.",
        "Resolve": "End the incident, in one line; temporary measures that still stand are named.",
    }

    async def script(ui: Ui) -> None:
        await ui.press("i")
        await ui.settle()
        places = set()
        for title, text in wanted.items():
            box = ui.top.box.content_region
            grid = [line[box.x : box.right] for line in ui.grid()]
            row = next(number for number, line in enumerate(grid) if f"▌       {title}" in line)
            foot = next(number for number, line in enumerate(grid) if "enter Take" in line)
            below = " ".join(" ".join(grid[row + 1 : foot]).split())
            assert text in below, ui.text()
            places.add((row - list(wanted).index(title), foot))
            await ui.press("down")
            await ui.settle()
        assert len(places) == 1, "the rows and the line of keys stay where they are"

    drive(engine, script, size=size)


@pytest.mark.parametrize(("key", "title"), [("r", "Restart"), ("u", "Roll back"), ("c", "Scale")])
def test_the_key_beside_a_row_chooses_that_row(key: str, title: str) -> None:
    async def script(ui: Ui) -> None:
        ui.main.focus_pane("pods")
        await ui.press("m")
        await ui.settle()
        await ui.press(key)
        await ui.settle()
        chosen = next(line for line in ui.grid() if "▌" in line and f" {title} " in line)
        assert chosen.split("▌")[1].split()[0] == key, ui.text()

    drive(everything(FakeEngine(mitigator=FakeMitigator())), script, size=(80, 24))
