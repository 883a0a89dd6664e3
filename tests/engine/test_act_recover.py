"""What a console that starts says of the acts of others that have no result."""

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from console.cli import build_parser
from console.engine import act_command
from console.engine.planview import plan_text
from console.mitigations.world import World
from console.model.clock import SystemClock
from console.model.plan import Outcome, Plan
from console.timeline.entry import Entry, format_time
from console.timeline.file import TimelineFile
from console.timeline.folder import standby_path
from tests.engine.fakes import Desk, Fake


async def left_open(desk: Desk) -> Plan:
    """Record an intent as a console does that is killed right after it."""
    plan = await desk.plan()
    desk.recorder.record("action.intent", "stopped", data={"plan": plan})
    return plan


def test_an_act_that_ends_while_it_is_looked_at_is_not_called_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        running, go_on, over = asyncio.Event(), asyncio.Event(), threading.Event()

        async def act(_world: World, _plan: Plan) -> Outcome:
            running.set()
            await go_on.wait()
            return Outcome("done", "It is done.")

        one, two = Desk(tmp_path, Fake(act)), Desk(tmp_path, Fake(), "s2")
        loop, look = asyncio.get_running_loop(), two.recorder.open_intents

        def look_and_wait() -> list[Entry]:
            found = look()
            loop.call_soon_threadsafe(go_on.set)
            assert over.wait(10)
            return found

        two.recorder.open_intents = look_and_wait  # type: ignore[method-assign]
        acting = asyncio.create_task(one.runner.run(await one.plan()))
        acting.add_done_callback(lambda _: over.set())
        await running.wait()

        await two.runner.recover()

        await acting
        assert one.kinds() == ["action.intent", "action.result", "action.verdict"]
        assert two.runner.progress == ()

    asyncio.run(scenario())


def test_its_own_are_none_of_them(tmp_path: Path) -> None:
    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        await left_open(desk)
        await desk.runner.recover()
        assert desk.kinds() == ["action.intent"]
        assert desk.runner.progress == ()

    asyncio.run(scenario())


def test_of_two_that_start_at_once_one_records_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two, three = (Desk(tmp_path, Fake(), name) for name in ("s1", "s2", "s3"))
        await left_open(one)
        await asyncio.gather(two.runner.recover(), three.runner.recover())
        assert one.kinds() == ["action.intent", "action.result"]

    asyncio.run(scenario())


def test_what_other_hands_wrote_reaches_no_terminal_as_it_is(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eshop"

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake())
        plan = msgspec.structs.replace(await desk.plan(), title=evil, context=evil, refusal=evil)
        now = format_time(SystemClock().now())
        written = Entry(
            seq=0,
            id="",
            ts=now,
            occurred_at=now,
            incident=None,
            user=evil,
            host=evil,
            session=evil,
            kind="action.intent",
            source="operator",
            text=evil,
            data={"plan": msgspec.to_builtins(plan)},
            prev="",
            hash="",
        )
        TimelineFile(standby_path(tmp_path)).append(written)

        await desk.runner.recover()

        (progress,) = desk.runner.progress
        assert "the console of \N{REPLACEMENT CHARACTER}shop on" in progress.text
        assert progress.outcome is not None
        for text in (progress.text, progress.outcome.detail, plan_text(progress.plan)):
            assert not set(text) & {"\x1b", "\x07", "\x9b", "\u202e"}

    asyncio.run(scenario())


def test_who_asks_while_it_is_under_way_knows_of_it_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        one, two = Desk(tmp_path, Fake()), Desk(tmp_path, Fake(), "s2")
        await left_open(one)

        async def ask() -> int:
            await two.runner.recover()
            return len(two.runner.progress)

        first, second = await asyncio.gather(ask(), ask())
        assert (first, second) == (1, 1)
        assert one.kinds() == ["action.intent", "action.result"]

    asyncio.run(scenario())


@pytest.mark.parametrize("how", [("--plan",), ("--yes", "--reason", "slow")])
def test_the_command_tells_of_it_before_it_plans(
    tmp_path: Path, how: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing answers at the address: the plan fails, and the earlier act is told all the same.

    One who only looks at a plan leaves the record as it is.
    """
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    desk = Desk(tmp_path / "state", Fake())
    asyncio.run(left_open(desk))
    words = ("pg.cancel", "pid/7", *how, "--state-dir", str(desk.state))
    dsn = ("--postgres-dsn", "host=127.0.0.1 port=1 user=kim dbname=shop")

    assert act_command.run(build_parser().parse_args(["act", *words, *dsn])) == 1

    said = capsys.readouterr().err
    assert "Outcome unknown: the console of kim on desk ended" in said.splitlines()[0]
    recorded = [] if how == ("--plan",) else ["action.result"]
    assert desk.kinds() == ["action.intent", *recorded]
