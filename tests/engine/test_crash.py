"""Errors that nobody foresaw: a sentence, a private file, and nothing on the terminal."""

from __future__ import annotations

import asyncio
import gc
import re
import tempfile
from pathlib import Path

import pytest

from console.engine.crash import keep_off_the_screen


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def broken() -> None:
    raise KeyError("token=s3cr3tS3cr3t99")


def test_a_callback_that_fails_is_told_and_kept_and_not_printed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        keep_off_the_screen(loop, told.append)
        loop.call_soon(broken)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert len(told) == 1 and re.match(r"an unexpected error: KeyError: .*please report it", told[0])
    (file,) = tmp_path.glob("warroom-crash-*")
    trace = file.read_text()
    assert "in broken" in trace and "s3cr3tS3cr3t99" not in trace + told[0]
    assert capfd.readouterr() == ("", "")


def test_what_was_told_where_it_happened_is_not_told_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []

    async def fail() -> None:
        raise ConnectionResetError

    async def main() -> None:
        keep_off_the_screen(asyncio.get_running_loop(), told.append, OSError)
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(main())
    assert told == [] and list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
