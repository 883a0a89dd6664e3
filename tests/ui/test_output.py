"""The output to a terminal that takes bytes slowly, late or never; on real pseudo-terminals."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import threading
import time
import tty
from collections.abc import Awaitable, Callable, Iterator

import pytest

from console.ui.output import LAST_RESORT, PATIENCE, WINDOW, Output, reopen

LEAST, MOST = WINDOW
REQUEST = re.compile(rb"\x1b\[2;(\d)H\x1b\[6n")


class Drawer:
    """Notes what it is told; the output it listens to is ``output``."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.now = 100.0

    def ready(self) -> None:
        self.told.append("ready")

    def stalled(self, seconds: float) -> None:
        self.told.append(f"stalled {seconds:g}")

    def lost(self) -> None:
        self.told.append("lost")


class Far:
    """The terminal's end of a pty."""

    def __init__(self) -> None:
        self.far, self.near = pty.openpty()
        tty.setraw(self.near)
        self.drawer = Drawer()
        self.seen = b""

    def output(self, *, asks: bool = True) -> Output:
        loop = asyncio.get_running_loop()
        return Output(reopen(self.near), loop, self.drawer, asks=asks, clock=lambda: self.drawer.now)

    def read(self, wait: float = 0.02) -> bytes:
        """All that has come, until nothing more comes for ``wait`` seconds."""
        new = b""
        while select.select([self.far], [], [], wait)[0]:
            new += os.read(self.far, 65536)
        self.seen += new
        return new

    def columns(self) -> list[int]:
        """Which requests have come."""
        return [int(column) for column in REQUEST.findall(self.seen)]

    def close(self) -> None:
        for fd in (self.far, self.near):
            with contextlib.suppress(OSError):
                os.close(fd)


@pytest.fixture
def far() -> Iterator[Far]:
    made = Far()
    yield made
    made.close()


def ready(output: Output) -> bool:
    """A call, so that a type checker knows that it may change."""
    return output.ready


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(story(), 20))


async def until(done: Callable[[], bool]) -> None:
    while not done():  # noqa: ASYNC110 - what is waited for happens elsewhere
        await asyncio.sleep(0.005)


async def proven(far: Far) -> Output:
    """An output whose terminal has answered."""
    output = far.output()
    output.ask()
    far.read()
    output.answered(far.columns()[-1], 2)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    far.drawer.told.clear()
    return output


def test_bytes_arrive_in_order_and_nothing_is_asked_of_a_plain_terminal(far: Far) -> None:
    async def story() -> None:
        output = far.output(asks=False)
        output.write("a")
        output.frame("frame")
        output.write("\x07")
        assert far.read() == b"aframe\x07"
        output.close(1, b"")

    run(story)


def test_a_terminal_that_never_answered_is_trusted_with_what_the_kernel_takes(far: Far) -> None:
    async def story() -> None:
        output = far.output()
        output.ask()
        for _ in range(5):
            output.frame("x" * LEAST)
            assert ready(output)
            far.drawer.now += 2 * PATIENCE
            far.read()
        assert len(far.columns()) == 1, "it is asked once"
        output.close(1, b"")

    run(story)


def test_no_frame_while_an_answer_is_due_for_long(far: Far) -> None:
    async def story() -> None:
        output = await proven(far)
        output.frame("one")
        assert ready(output)
        far.drawer.now += PATIENCE / 2
        output.frame("two")
        far.drawer.now += PATIENCE
        assert not ready(output)
        far.drawer.now += 40
        far.read()
        output.answered(far.columns()[-1], 2)
        await until(lambda: bool(far.drawer.told))
        assert ready(output)
        assert far.drawer.told == ["stalled 41.5", "ready"]
        output.close(1, b"")

    run(story)


def test_no_frame_while_much_is_unanswered(far: Far) -> None:
    async def story() -> None:
        output = await proven(far)
        output.frame("x" * (LEAST + 1))
        assert not ready(output)
        far.read()
        far.drawer.now += PATIENCE / 2
        output.answered(far.columns()[-1], 2)
        await until(lambda: ready(output))
        assert far.drawer.told == ["ready"], "a short wait is not worth a word"
        for _ in range(9):
            output.frame("y" * (LEAST // 8))
        assert not ready(output)
        output.close(1, b"")

    run(story)


@pytest.mark.parametrize(
    ("far_away", "rate", "least", "most"),
    [
        (0.0, 30_000, LEAST, LEAST),
        (0.3, 30_000, LEAST, LEAST),
        (0.0, 200_000, 18_000, 20_000),
        (0.3, 200_000, 18_000, 20_000),
        (0.3, 50_000_000, MOST, MOST),
    ],
)
def test_what_may_be_on_its_way_fits_the_line(
    far: Far, far_away: float, rate: int, least: int, most: int
) -> None:
    """A tenth of a second of bytes, however far the terminal is away."""

    async def story() -> None:
        output = far.output()

        async def answer(size: int) -> None:
            far.drawer.now += far_away + size / rate
            far.read()
            output.answered(far.columns()[-1], 2)
            await asyncio.sleep(0.01)

        output.ask()
        await answer(0)
        output.frame("x" * 8000)
        await answer(8000)
        sent = 0
        while ready(output):
            output.frame("y" * 500)
            far.read(0)
            sent += 500
        assert least <= sent <= most + 500
        output.close(1, b"")

    run(story)


def test_an_answer_of_another_question_does_not_count(far: Far) -> None:
    async def story() -> None:
        output = await proven(far)
        output.frame("x" * (LEAST + 1))
        far.read()
        column = far.columns()[-1]
        output.answered(column % 4 + 1, 2)
        output.answered(column, 1)  # shift+F3 is sent like this
        await asyncio.sleep(0.02)
        assert not ready(output)
        output.answered(column, 2)
        await until(lambda: ready(output))
        output.close(1, b"")

    run(story)


def test_a_lost_answer_is_asked_for_again_and_at_last_a_frame_is_sent(
    far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.ui.output.ASK_AGAIN", 0.02)

    async def story() -> None:
        output = await proven(far)
        output.frame("one")
        asked = far.columns()
        far.drawer.now += PATIENCE + 1
        await asyncio.sleep(0.1)
        far.read()
        again = far.columns()[len(asked) :]
        assert len(again) > 1 and set(again) == {again[0]}, "the same question"
        assert not ready(output) and far.drawer.told == []
        far.drawer.now += LAST_RESORT
        await until(lambda: "ready" in far.drawer.told)
        assert ready(output)
        output.frame("two")
        assert not ready(output), "one frame, no more"
        output.answered(again[0], 2)
        await until(lambda: ready(output))
        output.close(1, b"")

    run(story)


def test_a_full_pty_holds_up_frames_and_loses_no_control_sequence(far: Far) -> None:
    async def story() -> None:
        output = far.output(asks=False)
        output.frame("f" * 200_000)
        assert not ready(output)
        for number in range(100):
            output.write(f"<{number}>")
        far.drawer.now += 31
        while not ready(output):
            far.read()
            await asyncio.sleep(0)
        rest = b"".join(b"<%d>" % number for number in range(100))
        far.read()
        assert far.seen == b"f" * 200_000 + rest
        assert far.drawer.told[0] == "stalled 31" and far.drawer.told[-1] == "ready"
        output.close(1, b"")

    run(story)


def test_what_was_drawn_is_seen_only_when_it_has_arrived(far: Far) -> None:
    async def story() -> None:
        output = await proven(far)
        seen: list[str] = []
        output.frame("one")
        output.frame("two")  # no question of its own
        output.when_arrived(lambda: seen.append("two"))
        far.read()
        output.answered(far.columns()[-1], 2)
        await until(lambda: bool(far.read()))
        assert seen == [], "only the first is answered yet"
        output.answered(far.columns()[-1], 2)
        await until(lambda: seen == ["two"])
        output.close(1, b"")

    run(story)


def test_a_write_that_fails_is_told_and_tried_again(far: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.ui.output._RETRY", 0.02)

    async def story() -> None:
        output = await proven(far)
        seen: list[str] = []
        output.when_arrived(lambda: seen.append("before"))
        assert seen == ["before"]
        os.close(far.far)
        output.frame("into the void")
        output.when_arrived(lambda: seen.append("never"))
        assert far.drawer.told == ["lost"] and not ready(output)
        await until(lambda: ready(output))
        assert far.drawer.told == ["lost", "ready"]
        assert seen == ["before"]
        output.close(0.1, b"")

    run(story)


@pytest.mark.parametrize("asks", [False, True])
def test_leaving_a_stalled_terminal_ends_soon_and_leaves_the_farewell(far: Far, asks: bool) -> None:
    async def story() -> None:
        output = far.output(asks=asks)
        output.frame("f" * 200_000)
        output.write("\x1b[?1049l")
        begin = time.monotonic()
        output.close(0.2, b"FAREWELL")
        assert time.monotonic() - begin < 2
        rest = far.read()
        assert rest.endswith(b"FAREWELL") and len(rest) < 100_000

    run(story)


def test_leaving_a_slow_terminal_waits_for_it(far: Far) -> None:
    async def story() -> None:
        output = far.output(asks=False)
        output.frame("f" * 60_000)
        output.write("\x1b[?1049l")
        reading = threading.Thread(target=far.read)
        reading.start()
        output.close(5, b"FAREWELL")
        reading.join()
        far.read()
        assert far.seen == b"f" * 60_000 + b"\x1b[?1049l"

    run(story)


def test_the_shells_own_descriptor_stays_as_it_was(far: Far) -> None:
    descriptor = reopen(far.near)
    assert not os.get_blocking(descriptor)
    assert os.get_blocking(far.near)
    os.close(descriptor)


def test_what_the_encoding_lacks_is_a_question_mark(far: Far) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        output = Output(reopen(far.near), loop, far.drawer, asks=False, encoding="ascii")
        output.frame("caf\u00e9 \u6f22")
        assert far.read() == b"caf? ?"
        output.close(1, b"")

    run(story)
