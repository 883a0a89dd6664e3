"""The order of the sessions in the database pane."""

from console.ui.panes.database import blockers_first
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine
from tests.ui.scene import backend, everything, postgres


def test_a_queue_as_long_as_a_server_is_wide_stands_below_the_one_that_holds_the_lock() -> None:
    # As pg_blocking_pids() tells it: the holder, and all that are queued in front.
    waiting = [
        backend(pid, state="active", query_start=float(pid), blocked_by=tuple(range(1, pid)))
        for pid in range(2, 1200)
    ]
    rows = blockers_first([*reversed(waiting), backend(1, state="idle in transaction")])
    assert [row[0].pid for row in rows] == list(range(1, 1200))
    assert rows[0][1:] == (0, 1198)


def test_a_circle_is_entered_at_its_oldest_member_and_everybody_stands_once() -> None:
    rows = blockers_first(
        [
            backend(1, xact_start=5.0, blocked_by=(2,)),
            backend(2, xact_start=4.0, blocked_by=(1,)),
            backend(3, xact_start=1.0),
        ]
    )
    assert [(row[0].pid, row[1]) for row in rows] == [(2, 0), (1, 1), (3, 0)]


def test_sessions_that_the_role_may_not_look_into_are_there_all_the_same() -> None:
    engine = everything(FakeEngine())
    hidden = [backend(4200 + number, backend_type="", state=None, query="") for number in range(3)]
    engine.board.publish("postgres:main", postgres(backends=tuple(hidden), limited=True))

    async def script(ui: Ui) -> None:
        await ui.press("3", "z")
        await ui.settle()
        rows = [line for line in ui.text().splitlines() if "hidden" in line and "420" in line]
        assert len(rows) == 3
        assert "No client is connected." not in ui.text()

    drive(engine, script)
