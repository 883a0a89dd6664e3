"""A console that is killed in the middle of a mitigation, seen by the next one."""

import asyncio
import sys
from pathlib import Path

from console.drill.cluster import Match
from tests.mitigations.kubernetes.rig import NAMESPACE, SOURCE, rig, run, until

CHILD = """
import asyncio, sys
from pathlib import Path
from console.config import ClusterSettings, Config
from console.engine.act import ActionRunner
from console.engine.board import Board
from console.model.clock import SystemClock
from console.model.plan import Target
from console.timeline.recorder import Recorder

async def main(kubeconfig, state):
    config = Config(kubernetes=(ClusterSettings(name="drill", kubeconfig=Path(kubeconfig)),))
    runner = ActionRunner(Board(), config, SystemClock(), Recorder(Path(state), SystemClock()), Path(state))
    target = Target("deployment", "shop", "production")
    plan = await runner.plan("k8s.restart", target, {}, source="kubernetes:drill")
    print("planned", flush=True)
    sys.stdin.readline()
    await runner.run(plan, "stuck")

asyncio.run(main(*sys.argv[1:]))
"""


def test_a_console_killed_in_the_middle_reads_outcome_unknown_in_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            kubeconfig = str(r.config.kubernetes[0].kubeconfig)
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                CHILD,
                kubeconfig,
                str(r.state),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert child.stdin is not None
            assert child.stdout is not None
            try:
                assert await child.stdout.readline() == b"planned\n"
                fault = r.server.faults.hang(Match(method="PATCH"))
                child.stdin.write(b"\n")
                await until(lambda: fault.hits == 1, "the act under way")

                await r.runner.recover()
                left_alone = not r.runner.progress
                assert left_alone, "a running mitigation of another console is none of ours"
            finally:
                child.kill()
                await child.wait()
            r.server.faults.clear()

            await r.runner.recover()

            (progress,) = r.runner.progress
            assert progress.outcome is not None
            assert progress.outcome.status == "unknown"
            assert "Outcome unknown" in progress.text
            assert str(progress.plan.target) == "deployment/shop"
            assert [kind for kind in r.kinds() if kind != "evidence"] == ["action.intent", "action.result"]
            assert r.entries()[-1].data["outcome"]["status"] == "unknown"

            again = await r.plan("k8s.restart", "deployment/shop")
            assert (await r.runner.run(again)).stage == "finished", "the lock died with its holder"
            assert (again.source, again.target.namespace) == (SOURCE, NAMESPACE)

    run(scenario())
