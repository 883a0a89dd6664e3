"""The system under the benchmarks, in a process of its own: a healthy drill with many pods that change.

Run as ``python -m tests.perf.world PODS`` it builds the world, prints its addresses as one line of JSON and
then answers each order on standard input with one line: ``churn N`` changes N pods a second from now on,
``requests`` returns the log of API requests since the last time. It ends with standard input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from console.drill.scenario import Scenario
from console.drill.shop import NAMESPACE
from console.drill.world import World


class LoadedSystem:
    """A world process. ``everything`` and ``quiet_cluster`` are configurations of the console for it."""

    def __init__(self, folder: Path, pods: int) -> None:
        self.pods = pods
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.world", str(pods)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        info = self._answer()
        text = Path(info["config"]).read_text()
        lines = [line for line in text.splitlines() if not line.startswith("namespaces =")]
        self.everything = _write(folder / f"everything-{pods}.toml", lines)
        cluster = lines[lines.index("[[kubernetes]]") : lines.index("[prometheus]")]
        self.quiet_cluster = _write(
            folder / f"cluster-{pods}.toml", ["drill = true", *cluster, f'namespaces = ["{NAMESPACE}"]']
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    def churn(self, rate: int) -> None:
        """Change ``rate`` pods a second from now on; each change is one watch event."""
        self._ask(f"churn {rate}")

    def requests(self) -> Counter[str]:
        """What the API was asked since the last call, as ``verb path`` and how often."""
        return Counter(self._ask("requests"))

    def _ask(self, order: str) -> Any:
        assert self._process.stdin
        self._process.stdin.write(order + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the world of the benchmark has ended; its message stands above.")
        return json.loads(line)


def _write(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    return file


async def _serve(pods: int) -> None:
    async with World(Scenario, seed=1, pods=pods, own=True) as world:
        _tell(msgspec.to_builtins(world.info))
        ticking = asyncio.create_task(world.run())
        orders = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        while line := (await orders.readline()).decode().split():
            if line[0] == "churn":
                world.simulation.cluster.churn(float(line[1]))
                _tell(line)
            else:
                log = world.api.requests
                _tell(Counter(f"{one.verb} {one.path}" for one in log))
                log.clear()
        ticking.cancel()


def _tell(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
