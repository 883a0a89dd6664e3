"""``warroom act`` that is interrupted with Ctrl-C: it ends, and says what the record has of the act."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from console.drill.cluster import Match
from tests.mitigations.kubernetes.rig import Rig, rig, run


async def interrupted(r: Rig, when: Callable[[str], bool]) -> tuple[int, str]:
    """Restart the workload; press Ctrl-C once ``when`` is true of what it has said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "console.cli", "act", "k8s.restart", "deployment/shop"),
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
        process.send_signal(signal.SIGINT)
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


def test_after_the_answer_it_is_done_and_not_verified(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:sick", replicas=1)

            code, said = await interrupted(r, lambda text: "verifying: " in text)

            assert code == 130, said
            assert "It was stopped before it could be verified." in said.splitlines()[-1]
            kinds = [kind for kind in r.kinds() if kind != "evidence"]
            assert kinds == ["action.intent", "action.result", "action.verdict"]
            assert r.entries()[-2].data["outcome"]["status"] == "done"
            assert r.entries()[-1].data["verdict"]["status"] == "inconclusive"

    run(scenario())
