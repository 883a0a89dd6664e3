"""The system under the benchmarks, in a process of its own: a healthy drill with many pods that change.

Run as ``python -m tests.perf.world PODS`` it builds the world, prints its addresses as one line of JSON and
then answers each order on standard input with one line of JSON (the orders are the methods of ``_Orders``).
It ends with standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from console.drill.cluster.resources import BY_TABLE
from console.drill.scenario import Scenario
from console.drill.shop import NAMESPACE
from console.drill.world import World

LOGGING = ("load-0", "load-0000")
"""Namespace and name of the workload whose pods write logs."""

REPLACED = "load-1"
"""The namespace whose pods are replaced by new ones."""


class Asked(NamedTuple):
    """Requests of one client: its user agent, the Kubernetes verb, the path, and how often."""

    agent: str
    verb: str
    path: str
    times: int


class LoadedSystem:
    """A world process. The attributes are configurations of the console for it, and its kubeconfig.

    ``everything`` has all sources, ``cluster`` all pods and no other source, ``quiet_cluster`` the shop's
    namespace alone, ``busy`` all sources, each polled as often as it can be.
    """

    def __init__(self, folder: Path, pods: int) -> None:
        self.pods = pods
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.perf.world", str(pods)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        info = self._answer()
        self.kubeconfig = Path(info["kubeconfig"])
        text = Path(info["config"]).read_text()
        lines = [line for line in text.splitlines() if not line.startswith("namespaces =")]
        cluster = ["drill = true", *lines[lines.index("[[kubernetes]]") : lines.index("[prometheus]")]]
        often = [line for line in lines if not line.startswith("interval =")]
        for at in [at for at, line in enumerate(often) if line.startswith(_POLLED)][::-1]:
            often.insert(at + 1, "interval = 1")
        self.everything = _write(folder / f"everything-{pods}.toml", lines)
        self.cluster = _write(folder / f"cluster-{pods}.toml", cluster)
        self.quiet_cluster = _write(
            folder / f"quiet-cluster-{pods}.toml", [*cluster, f'namespaces = ["{NAMESPACE}"]']
        )
        self.busy = _write(folder / f"busy-{pods}.toml", often)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(30)

    @contextlib.contextmanager
    def changing(self, rate: int) -> Iterator[None]:
        """``rate`` pods change every second, each change one watch event; begins two seconds ahead.

        Then all are well again: the next benchmark may be of a quiet system.
        """
        self.ask("churn", rate)
        time.sleep(2)
        yield
        self.ask("churn", 0)
        self.ask("recover")

    def requests(self) -> list[Asked]:
        """What the API was asked since the last call."""
        return [Asked(*one) for one in self.ask("requests")]

    def ask(self, order: str, *arguments: object) -> Any:
        """Give an order and return the answer."""
        assert self._process.stdin
        self._process.stdin.write(" ".join([order, *map(str, arguments)]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the world of the benchmark has ended; its message stands above.")
        return json.loads(line)


_POLLED = ("[prometheus]", "[alertmanager]", "[[postgres]]", "[[redis]]", "[[http]]")


def _write(file: Path, lines: list[str]) -> Path:
    file.write_text("\n".join(lines) + "\n")
    file.chmod(0o600)
    return file


class _Orders:
    """What the world can be told to do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._cluster = world.simulation.cluster
        self._tasks: set[asyncio.Task[None]] = set()

    def churn(self, rate: str) -> float:
        """Change so many pods a second from now on."""
        self._cluster.churn(float(rate))
        return float(rate)

    def recover(self) -> int:
        """Let all pods that were changed be ready."""
        self._cluster.recover()
        return self._cluster.store.rv

    def requests(self) -> list[Asked]:
        """The requests since the last time."""
        log = self._world.api.requests
        found = Counter((one.user_agent, one.verb, one.path) for one in log)
        log.clear()
        return [Asked(*key, count) for key, count in found.items()]

    def version(self) -> int:
        """The cluster's resource version: each write of an object raises it by one."""
        return self._cluster.store.rv

    def replace(self, count: str) -> int:
        """Delete so many pods of one namespace; their workloads make new ones.

        From then on those workloads have controllers at work and are no longer among those that ``churn``.
        """
        entries = list(self._cluster.store.entries("pods", REPLACED))
        for entry in self._cluster.rng.sample(entries, min(int(count), len(entries))):
            self._cluster.delete("Pod", entry.name, entry.namespace)
        return int(count)

    def warn(self, count: str) -> int:
        """Write so many warning events, each about another pod."""
        entries = list(self._cluster.store.entries("pods"))
        for number, entry in enumerate(self._cluster.rng.sample(entries, min(int(count), len(entries)))):
            text = f"Readiness probe failed: HTTP probe failed with statuscode: 503 (attempt {number})"
            self._cluster.event("Pod", entry.name, "Unhealthy", text, entry.namespace)
        return int(count)

    def log(self, rate: str, seconds: str) -> list[str]:
        """Let the pods of the logging workload write so many lines a second together, for some seconds."""
        task = asyncio.create_task(self._log(float(rate), float(seconds)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return [rate, seconds]

    def logged(self) -> tuple[int, bool]:
        """How many lines the pods of the logging workload have written, and whether all are out."""
        view = self._cluster.view
        total = sum(view.run(entry, "").written for entry in self._logging())
        return total, not self._tasks

    def _logging(self) -> list[Any]:
        namespace, name = LOGGING
        entries = self._cluster.store.entries(BY_TABLE["pods"].table, namespace)
        return [entry for entry in entries if self._cluster.view.workload(entry) == name]

    async def _log(self, rate: float, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        pods = [entry.name for entry in self._logging()]
        began, written, total = loop.time(), 0, int(rate * seconds)
        while written < total:
            await asyncio.sleep(0.02)
            due = min(total, int((loop.time() - began) * rate))
            batches: dict[str, list[bytes]] = {}
            for number in range(written, due):
                batches.setdefault(pods[number % len(pods)], []).append(_line(number))
            for pod, lines in batches.items():
                self._cluster.write_log(pod, lines, LOGGING[0])
            written = due


_LINES = (
    '10.1.2.7 - - "GET /v1/orders/{0}?expand=items HTTP/1.1" 200 {0}',
    'level=info service=checkout trace={0:016x} msg="order accepted" order={0} ms={1}',
    '{{"level":"warn","msg":"retrying","url":"https://payments.example/v1/charges/{0}","try":{1}}}',
    "INFO worker-{1} took job {0} from the queue, 31 left",
)


def _line(number: int) -> bytes:
    """A log line as services write them; of each kind one in four."""
    return _LINES[number % 4].format(number, number % 97).encode()


async def _serve(pods: int) -> None:
    async with World(Scenario, seed=1, pods=pods, own=True) as world:
        _tell(msgspec.to_builtins(world.info))
        ticking = asyncio.create_task(world.run())
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        orders = _Orders(world)
        while words := (await reader.readline()).decode().split():
            _tell(getattr(orders, words[0])(*words[1:]))
        ticking.cancel()


def _tell(answer: Any) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
