"""What a plan shows, in which order: the way back is not pushed out of sight by a long list."""

from __future__ import annotations

from console.model.plan import Change, Hit, Plan, Risk, Target
from console.ui.screens.plan_page import plan_lines


def page(plan: Plan) -> list[str]:
    return ["".join(text for text, _ in line).strip() for line in plan_lines(plan, 100, plan.made_at)]


def plan_with(*hits: Hit) -> Plan:
    return Plan(
        action="pg.terminate",
        title="Terminate pid 7",
        risk=Risk.DESTRUCTIVE,
        target=Target("pid", "7", "", "2026-03-01"),
        params={},
        context="",
        server="db",
        command="select",
        made_at=0.0,
        changes=(Change("session", "idle in transaction", "ended"),),
        hits=hits,
        undone_by=("the pool of shop opens a new connection",),
        undo="An ended session does not come back.",
    )


def test_of_many_sessions_that_wait_five_are_listed_below_the_way_back() -> None:
    waiting = tuple(f"pid {number} app@shop, active" for number in range(25))

    lines = page(plan_with(Hit("sessions waiting behind", 25, waiting)))

    heads = [line.split("  ")[0] for line in lines]
    order = [heads.index(head) for head in ("changes", "way back", "undone by", "dry run", "hits")]
    assert order == sorted(order)
    first = lines.index(f"- {waiting[0]}")
    assert lines[first : first + 6] == [*(f"- {text}" for text in waiting[:5]), "- and 20 more"]


def test_names_of_pods_stand_beside_each_other() -> None:
    pods = tuple(f"shop-{number:02}" for number in range(14))

    text = " ".join(page(plan_with(Hit("pods replaced", 14, pods))))

    assert "shop-11 and 2 more" in text
