"""``warroom act`` that is stopped, with Ctrl-C or a signal: it ends and says what the record has of it."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from console.drill.cluster import Match
from tests.mitigations.kubernetes.rig import Rig, rig, run


async def interrupted(
    r: Rig, when: Callable[[str], bool], by: int = signal.SIGINT, wrapper: tuple[str, ...] = ()
) -> tuple[int, str]:
    """Restart the workload; send the signal once ``when`` is true of what it has said."""
    process = await asyncio.create_subprocess_exec(
        *(*wrapper, sys.executable, "-m", "console.cli", "act", "k8s.restart", "deployment/shop"),
        *("--yes", "--reason", "stuck", "--namespace", "production", "--state-dir", str(r.state)),
        *("--kubeconfig", str(r.config.kubernetes[0].kubeconfig)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    said = b""
    async with asyncio.timeout(30):
        while not when(said.decode()):
            try:
                said += await asyncio.wait_for(process.stderr.read(4096), 0.05)
            except TimeoutError:
                continue
        process.send_signal(by)
        said += await process.stderr.read()
        return await process.wait(), said.decode()


def test_before_the_answer_its_outcome_is_unknown(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            fault = r.server.faults.hang(Match(path="/log$"))

            code, said = await interrupted(r, lambda _: fault.hits > 0)

            assert code == 130, said
            assert "Outcome unknown: stopped in the middle of" in said.splitlines()[-1]
            assert "Traceback" not in said
            kinds = [kind for kind in r.kinds() if kind != "evidence"]
            assert kinds == ["action.intent", "action.result"]
            assert r.entries()[-1].data["outcome"]["status"] == "unknown"

    run(scenario())


@pytest.mark.parametrize(
    ("by", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_after_the_answer_it_is_done_and_not_verified(tmp_path: Path, by: int, expected: int) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick", replicas=1)

            code, said = await interrupted(r, lambda text: "verifying: " in text, by)

            assert code == expected, said
            assert "It was stopped before it could be verified." in said.splitlines()[-1]
            kinds = [kind for kind in r.kinds() if kind != "evidence"]
            assert kinds == ["action.intent", "action.result", "action.verdict"]
            assert r.entries()[-2].data["outcome"]["status"] == "done"
            assert r.entries()[-1].data["verdict"]["status"] == "inconclusive"

    run(scenario())


def test_it_goes_on_when_it_was_told_to_ignore_the_end_of_the_terminal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            code, said = await interrupted(r, lambda text: "verifying: " in text, signal.SIGHUP, ("nohup",))
            assert code == 0, said
            assert r.kinds()[-1] == "action.verdict"

    run(scenario())


def test_it_is_recorded_as_well_when_its_terminal_goes_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick", replicas=1)
            words = ("act", "k8s.restart", "deployment/shop", "--yes", "--reason", "stuck")
            more = ("--namespace", "production", "--kubeconfig", str(r.config.kubernetes[0].kubeconfig))
            argv = [sys.executable, "-m", "console.cli", *words, *more, "--state-dir", str(r.state)]
            pid, terminal = pty.fork()
            if pid == 0:
                os.execv(sys.executable, argv)
            said = b""
            while b"verifying: " not in said:
                said += await asyncio.to_thread(os.read, terminal, 4096)
            os.close(terminal)
            _, status = await asyncio.to_thread(os.waitpid, pid, 0)

            assert os.waitstatus_to_exitcode(status) == 129, said
            assert r.entries()[-1].data["verdict"]["status"] == "inconclusive"

    run(scenario())
