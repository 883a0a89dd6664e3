"""A mitigator that does nothing and remembers everything, and the way to its confirmation."""

from __future__ import annotations

from typing import Any

from console.engine.ledger import Measure
from console.engine.ports import PlanError
from console.model.actions import find
from console.model.plan import Change, Hit, Option, Outcome, Plan, Progress, Target, Verdict
from console.ui.screens.confirm import ARMED_AFTER
from tests.ui.drive import Ui
from tests.ui.fake import NOW, FakeEngine
from tests.ui.scene import everything


def make_plan(action: str = "k8s.restart", target: Target | None = None, **changes: Any) -> Plan:
    known = find(action)
    assert known is not None
    on = target or Target("deployment", "checkout", "shop", "w-checkout", "7")
    defaults: dict[str, Any] = {
        "action": action,
        "title": f"{known.title} {on}",
        "risk": known.risk,
        "target": on,
        "params": {},
        "context": "prod-eu",
        "server": "https://10.1.2.3:6443",
        "command": f"kubectl --context prod-eu -n shop rollout restart {on}",
        "made_at": NOW,
        "changes": (
            Change(
                "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt",
                "",
                "2026-03-01T14:30:00Z",
            ),
        ),
        "hits": (
            Hit("pods replaced", 3, ("checkout-7d9f8-000", "checkout-7d9f8-001", "checkout-7d9f8-002")),
        ),
        "undone_by": ("Argo CD app shop will not fight this: it ignores the annotation.",),
        "reversible": False,
        "undo": "",
        "evidence": ("logs of 3 pods, previous containers too", "describe of the deployment"),
        "warnings": ("Revision 42 is 7 minutes old: a restart does not cure a bad release.",),
        "dry_run": "accepted by the server",
    }
    return Plan(**{**defaults, **changes})


class FakeMitigator:
    """``plans`` changes what ``plan`` answers, by action; ``refuse`` makes it fail with that sentence."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.plans: dict[str, dict[str, Any]] = {}
        self.refuse = ""
        self.choices: dict[str, tuple[Option, ...]] = {}
        self.outcome = Outcome("done", "rollout finished in 12 s")
        self.verdict = Verdict("helped", "errors 28 % before, 0.4 % after", ("error-ratio(checkout) 0.4 %",))
        self.no_record = False
        self.measures: tuple[Measure, ...] = ()
        self._progress: list[Progress] = []

    async def options(self, action: str, target: Target, param: str, *, source: str) -> tuple[Option, ...]:
        self.calls.append(("options", action, str(target), param, source))
        return self.choices.get(param, ())

    async def plan(self, action: str, target: Target, params: dict[str, str], *, source: str) -> Plan:
        self.calls.append(("plan", action, target, params, source))
        if self.refuse:
            raise PlanError(self.refuse)
        return make_plan(action, target, params=params, **self.plans.get(action, {}))

    async def run(self, plan: Plan, reason: str = "", *, break_glass: bool = False) -> Progress:
        self.calls.append(("run", plan.action, plan.target, reason))
        if self.no_record and not break_glass:
            refused = Outcome("refused", "The intent cannot be recorded.", unrecorded=True)
            done = Progress(plan, "finished", "Refused.", NOW, refused)
        else:
            hand = f"what      {plan.title}" if self.no_record else ""
            done = Progress(
                plan, "finished", "Finished.", NOW, self.outcome, self.verdict, self.no_record, hand
            )
        self._progress.insert(0, done)
        return done

    async def ledger(self) -> tuple[Measure, ...]:
        return self.measures

    async def accept(self, measure: Measure, owner: str, why: str) -> None:
        self.calls.append(("accept", measure.id, owner, why))

    async def cancel(self, plan: Plan, reason: str) -> None:
        self.calls.append(("cancel", plan.action, reason))

    @property
    def progress(self) -> tuple[Progress, ...]:
        return tuple(self._progress)

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call for call in self.calls if call[0] == name]


def engine_with(mitigator: FakeMitigator) -> FakeEngine:
    """The whole scene, acted on through ``mitigator``."""
    return everything(FakeEngine(mitigator=mitigator))


async def armed(ui: Ui, key: str) -> None:
    """Open the dialog by ``key`` and let it stand long enough."""
    await ui.press(key)
    await ui.settle()
    await ui.wait(ARMED_AFTER)
