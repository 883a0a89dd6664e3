"""The page of a database session: all that is known of it, and that it may end meanwhile."""

import re

import msgspec

from console.model.source import Health
from tests.ui.drive import Ui, drive
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import backend, everything, postgres

LONG = " ".join(["SELECT *", *(f"FROM table_{number}" for number in range(60)), "WHERE the_end = 1"])


def text_of(*keys: str, **changes: object) -> str:
    """The page that enter opens after ``keys`` in the zoomed database pane."""
    engine = everything(FakeEngine())
    engine.board.publish("postgres:main", postgres(**changes))
    seen: list[str] = []

    async def script(ui: Ui) -> None:
        await ui.press("3", "z", *keys, "enter")
        await ui.settle()
        seen.append(ui.text())

    drive(engine, script, (120, 70))
    return seen[0]


def test_who_holds_the_lock_is_told_with_those_that_wait_for_it() -> None:
    text = text_of("home")
    for said in (
        r"pid 4001 ",
        r"who +shop@shop ",
        r"application +reports ",
        r"from +10\.0\.0\.7 ",
        r"session +open for 1h06m ",
        r"state +idle in transaction for 30s ",
        r"transaction +open for 12m ",
        r"blocks +2 sessions: pid 4002 \(checkout\), pid 4003 \(checkout\) ",
        r"last query +SELECT \* FROM stock FOR UPDATE ",
    ):
        assert re.search(said, text), text
    assert text.index("pid 4001") < text.index("STANDBYS"), "the servers stand below"


def test_who_waits_is_told_with_what_for() -> None:
    text = text_of("home", "down")
    assert re.search(r"waits for +pid 4001 \(reports\) ", text), text
    assert re.search(r"blocks +1 session: pid 4003 \(checkout\) ", text)
    assert re.search(r"state +active for 30s ", text)
    text = text_of("home", backends=(backend(1, state="active", blocked_by=(7, 8), xmin_age=1),))
    assert re.search(r"waits for +pid 7, pid 8 ", text), text
    assert re.search(r"snapshot +1 transaction old", text)
    text = text_of("home", backends=(backend(1, state="active", blocked_by=(0,)),))
    assert re.search(r"waits for +a prepared transaction ", text), text
    text = text_of("home", backends=(backend(1, state="active", wait_type="IO", wait_event="WALSync"),))
    assert re.search(r"waits for +IO: WALSync ", text)


def test_a_long_query_is_there_to_its_end_and_many_waiters_are_counted() -> None:
    waiting = (backend(10 + number, state="active", blocked_by=(1,)) for number in range(11))
    text = text_of("home", backends=(backend(1, state="active", query=LONG), *waiting))
    assert "the_end = 1" in text
    assert re.search(r"pid 17 \(checkout\) and 3 others", " ".join(text.split())), text


def test_what_the_role_may_not_see_is_called_hidden() -> None:
    hidden = {"backend_start": 0.0, "backend_start_text": "", "backend_type": "", "client": ""}
    text = text_of("home", backends=(backend(1, state=None, query="", **hidden),))
    assert re.search(r"state +hidden: the role lacks pg_monitor ", text), text
    assert re.search(r"last query +none to be seen ", text)
    assert "open for" not in text and "machine" not in text
    text = text_of("home", backends=(backend(1, client="local"),))
    assert re.search(r"from +the server's own machine ", text), text


def test_a_session_that_ends_and_a_server_that_fails_say_so_on_its_page() -> None:
    engine = everything(FakeEngine())

    async def script(ui: Ui) -> None:
        await ui.press("3", "z", "home", "enter")
        await ui.settle()
        shot = postgres()
        later = msgspec.structs.replace(shot, at=NOW + 5, backends=shot.backends[1:])
        engine.board.publish("postgres:main", later)
        await ui.wait(5)
        assert "pid 4001" in ui.text() and "This session has ended." in ui.text()
        assert "STANDBYS" in ui.text()
        engine.health("postgres:main", Health.FAILED, reason="connection refused", last_ok=NOW + 5)
        await ui.wait(60)
        session, _, servers = ui.text().partition("PostgreSQL 18.1")
        assert "failed, data 1m old: connection refused" in session and "connection refused" in servers

    drive(engine, script, (120, 40))
