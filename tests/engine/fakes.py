"""A mitigation of the tests that does what it is told, and a runner around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from console.config import ClusterSettings, Config
from console.engine.act import ActionRunner
from console.engine.board import Board
from console.mitigations.base import NoOptions
from console.mitigations.world import World
from console.model.clock import SystemClock
from console.model.plan import Outcome, Plan, Risk, Target, Verdict
from console.timeline.identity import Identity
from console.timeline.recorder import Recorder

SOURCE = "kubernetes:test"
TARGET = Target("deployment", "shop", "production", "uid-1", "7")


async def succeed(_world: World, _plan: Plan) -> Outcome:
    return Outcome("done", "It is done.")


class Fake(NoOptions):
    """Plans anything; executes with the function given and remembers what it was asked to do."""

    name = "k8s.scale"

    def __init__(self, act: Callable[[World, Plan], Awaitable[Outcome]] = succeed, **plan: object) -> None:
        self._act = act
        self._plan = plan
        self.executed: list[Plan] = []

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        base = {
            "action": self.name,
            "title": f"Scale {target}",
            "risk": Risk.ROUTINE,
            "target": target,
            "params": params,
            "context": "test",
            "server": "http://127.0.0.1",
            "command": "kubectl scale",
            "made_at": world.now,
        }
        return Plan(**{**base, **self._plan})  # type: ignore[arg-type]

    async def execute(self, world: World, plan: Plan) -> Outcome:
        self.executed.append(plan)
        return await self._act(world, plan)

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        return Verdict("helped", "It helped.")


class Desk:
    """One console: a board, a recorder and a runner with one fake mitigation."""

    def __init__(self, state: Path, fake: Fake, session: str = "s1", spool: Path | None = None) -> None:
        self.state = state
        self.fake = fake
        self.board = Board()
        self.recorder = Recorder(state, SystemClock(), Identity("kim", "desk", session), spool)
        config = Config(kubernetes=(ClusterSettings(name="test"),))
        self.runner = ActionRunner(
            self.board, config, SystemClock(), self.recorder, state, find_mitigation=lambda _: fake
        )

    async def plan(self, **params: str) -> Plan:
        return await self.runner.plan(self.fake.name, TARGET, params, source=SOURCE)

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.recorder.entries()]
