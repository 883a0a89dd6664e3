"""What every mitigation is: choices, a plan that only looks, the act itself, and the judgement of it."""

from __future__ import annotations

from typing import Protocol

from console.engine.ports import PlanError
from console.mitigations.world import World
from console.model.plan import Option, Outcome, Plan, Target, Verdict


class Mitigation(Protocol):
    """One action on the world. Implementations keep no state: all that matters stands in the plan.

    ``name`` is the name of the Action it implements.
    """

    name: str

    async def options(self, world: World, target: Target, param: str) -> tuple[Option, ...]:
        """The choices for one parameter; empty when any value may be typed."""
        ...

    async def plan(self, world: World, target: Target, params: dict[str, str]) -> Plan:
        """Look, dry-run on the server and describe. Changes nothing. Raises PlanError with a sentence."""
        ...

    async def execute(self, world: World, plan: Plan) -> Outcome:
        """Save the evidence and do exactly what the plan says, once.

        A target that is no longer the one of the plan is refused. An answer that was lost gives an
        outcome of ``unknown``; nothing is sent twice unless the server said that it did not act.
        """
        ...

    async def verify(self, world: World, plan: Plan, outcome: Outcome) -> Verdict:
        """Watch until the effect can be judged or a deadline passes. Changes nothing."""
        ...


class NoOptions:
    """A mitigation whose parameters have no listed choices."""

    async def options(self, world: World, target: Target, param: str) -> tuple[Option, ...]:  # noqa: ARG002
        """There is nothing to choose."""
        return ()


def refuse_params(action: str, params: dict[str, str]) -> None:
    """Refuse parameters for an action that has none. Raises PlanError."""
    if params:
        raise PlanError(f"{action} takes no parameters, but was given {', '.join(sorted(params))}")
