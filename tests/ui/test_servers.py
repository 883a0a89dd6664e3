"""The pages of the databases and caches: what a person reads when replication or saving is in doubt."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from console.model.postgres import Replica, Slot, Standby
from console.model.redis import Follower, Master, Persistence
from console.model.source import Health
from tests.ui.cluster import MB
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import backend, everything, postgres, redis

Same = Callable[[str, list[str]], None]

PRIMARY = postgres(
    replicas=(
        Replica("standby1", "10.0.0.9", 2 * MB, 0, 0, 1.4, "streaming", "sync"),
        Replica("standby2", "10.0.0.10", 900 * MB, 900 * MB, 880 * MB, 411.0, "catchup", "async"),
    ),
    slots=(
        Slot("left_behind", False, 40_000 * MB, "extended", "logical"),
        Slot("standby1", True, 16 * MB, "reserved", "physical"),
        Slot("gone", False, None, "lost", "physical"),
    ),
    backends=(
        backend(4001, state="idle in transaction", xact_start=NOW - 723, application="reports"),
        backend(4004, state="active", xact_start=NOW - 99, query_start=NOW - 95, query="SELECT slow()"),
    ),
)
CUT_OFF = postgres(standby=Standby(False, 0, 900.0, True), replicas=(), oldest_query=None)
SAVED = Persistence(NOW - 3720, 18_211, False, True, False)


def both(databases: bool = True) -> FakeEngine:
    """Two servers of a kind; the standby has no session that the cursor could stand on."""
    engine = everything(FakeEngine())
    if databases:
        engine.board.publish("postgres:main", PRIMARY)
        engine.health("postgres:copy")
        engine.board.publish("postgres:copy", CUT_OFF)
        return engine
    followers = (Follower("10.0.0.9:6379", "online", 4 * MB, 1.0), Follower("10.0.0.8:6379", "sync", None, 3))
    engine.board.publish(
        "redis:main", redis(role="primary", followers=followers, persistence=SAVED, rdb_ok=False, oom_total=7)
    )
    engine.health("redis:copy")
    master = Master("10.0.0.7:6379", 0, None, 95.0, True)
    never = Persistence(None, 0, False, False, True)
    copy = redis(role="replica", state="readonly", link="down", master=master, persistence=never, slow=())
    engine.board.publish("redis:copy", copy)
    return engine


@pytest.mark.parametrize("size", [(120, 40), (80, 24)])
@pytest.mark.parametrize(("key", "name"), [("3", "database"), ("4", "cache")])
def test_the_page_of_the_servers(key: str, name: str, size: tuple[int, int], same_text: Same) -> None:
    async def script(ui: Ui) -> None:
        await ui.press(key, "enter")
        await ui.settle()
        same_text(f"{name}-page-{size[0]}x{size[1]}", ui.grid())
        await ui.press("end")
        await ui.settle()
        same_text(f"{name}-page-end-{size[0]}x{size[1]}", ui.grid())
        await ui.press("escape")
        assert ui.at_home

    drive(both(name == "database"), script, size)


def page(engine: FakeEngine, key: str) -> str:
    """All lines of a page, on a screen that has room for them."""
    seen: list[str] = []

    async def script(ui: Ui) -> None:
        await ui.press(key, "enter")
        await ui.settle()
        seen.append(ui.text())

    drive(engine, script, (120, 70))
    return seen[0]


def alone(name: str, shot: object) -> FakeEngine:
    engine = FakeEngine()
    engine.health(name)
    engine.board.publish(name, shot)
    return engine


def test_what_could_not_be_read_is_neither_nothing_nor_zero() -> None:
    shot = postgres(
        standby=Standby(None, None),
        replicas=(Replica("", "", None),),
        limited=True,
        oldest_transaction=None,
        oldest_query=None,
        notes=("replay: refused", "slots: refused"),
    )
    text = page(alone("postgres:main", shot), "3")
    for said in (
        r"receiver +unknown ",
        r"to replay +unknown ",
        r" replay +unknown ",
        r"oldest tx +none to be seen: limited view ",
        r"oldest query +none to be seen: limited view ",
        r"SLOTS .*\n.*│ +could not be read ",
        r"Hidden: the role lacks pg_monitor\.",
    ):
        assert re.search(said, text), text
    assert "there is none" not in text and "0B" not in text


def test_an_idle_slot_server_says_that_it_has_none() -> None:
    text = page(alone("postgres:main", postgres(replicas=())), "3")
    assert "no standby is connected" in text and "there is none" in text


def test_rates_of_a_cache_are_unknown_before_the_second_round_and_on_old_servers() -> None:
    first = redis(ops=None, evictions=None, expirations=None, rejected=None, oom_errors=None, oom_total=None)
    text = page(alone("redis:main", first), "4")
    assert "unknown before Redis 6.2" in text
    assert "-/s evicted" in text and "-/s expired" in text and "-/s rejected" in text


@pytest.mark.parametrize("key", ["3", "4"])
def test_a_server_that_does_not_answer_is_on_the_page_with_its_reason(key: str) -> None:
    engine = both(key == "3")
    name = "postgres:main" if key == "3" else "redis:main"
    engine.health(name, Health.FAILED, reason="connection refused", last_ok=NOW - 42)
    engine.health(name.replace("main", "new"), Health.FAILED, reason="no route to host", last_ok=None)
    text = page(engine, key)
    assert "failed, data 42s old: connection refused" in text
    assert "failed, no data yet: no route to host" in text


def test_the_pane_says_what_is_wrong_with_a_standby_before_all_else() -> None:
    async def script(ui: Ui) -> None:
        line = ui.line("no WAL receiver")
        assert "no WAL receiver  replay paused  tx" in line

    drive(alone("postgres:copy", CUT_OFF), script)


def test_hidden_lag_and_counts_of_a_limited_role_are_no_zeros() -> None:
    shot = postgres(limited=True, idle_in_transaction=0, waiting=0, replicas=(Replica("", "", None),))

    async def script(ui: Ui) -> None:
        await ui.press("3", "z")
        await ui.settle()
        assert "idle tx ≥0  wait ≥0  lag hidden" in ui.line("oldest tx")

    drive(alone("postgres:main", shot), script)
