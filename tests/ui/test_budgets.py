"""A disruption budget that lets no pod go is told in the details of its workload."""

from console.model.budgets import Budget, LabelSelector
from tests.ui.cluster import snapshot, workload
from tests.ui.drive import Ui, drive
from tests.ui.fake import FakeEngine


def details(allowed: int, app: str = "cart", **changes: int) -> str:
    engine = FakeEngine()
    engine.health("kubernetes:prod")
    cart = workload("cart", labels=(("app", app),), **changes)
    budget = Budget("b1", "shop", "cart-pdb", LabelSelector((("app", "cart"),)), allowed, 3, 3 - allowed)
    engine.board.publish("kubernetes:prod", snapshot([cart], [], budgets={"b1": budget}))
    seen: list[str] = []

    async def script(ui: Ui) -> None:
        await ui.settle()
        seen.append(ui.grid()[-2])

    drive(engine, script, (160, 40))
    assert "deployment/cart" in seen[0]
    return seen[0]


def test_a_budget_that_allows_nothing_is_told() -> None:
    assert "no ready pod can be evicted: budget cart-pdb needs 3 healthy and has 3" in details(0)


def test_one_that_allows_something_or_covers_others_is_not() -> None:
    assert "evicted" not in details(1)
    assert "evicted" not in details(0, app="other")
    assert "evicted" not in details(0, pods=0)
