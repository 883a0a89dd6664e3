import json
from pathlib import Path

import pytest

from console.drill.cluster import Match
from console.engine.ports import PlanError
from console.model.plan import Risk
from tests.mitigations.kubernetes.rig import NAMESPACE, rig, run, until

PATCH = Match(method="PATCH")


def test_a_restart_replaces_every_pod_and_saves_their_logs_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            before = {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in r.pods("shop")}
            for name in before.values():
                r.cluster.write_log(name, [b"boom password=hunter2hunter2"], NAMESPACE)

            plan = await r.plan("k8s.restart", "deployment/shop")
            assert sorted(before.values()) == list(plan.hits[0].names)
            assert plan.risk is Risk.DISRUPTIVE
            done = await r.runner.run(plan, "stuck")

            assert done.outcome is not None
            assert done.outcome.status == "done"
            assert not before.keys() & {pod["metadata"]["uid"] for pod in r.pods("shop")}
            logs = list((r.state / "evidence").rglob("*.log"))
            assert {path.name.partition(".")[0] for path in logs} == set(before.values())
            text = logs[0].read_text()
            assert "boom" in text
            assert "hunter2" not in text
            sums = next((r.state / "evidence").rglob("SHA256SUMS")).read_text()
            assert logs[0].name in sums
            writes = [q for q in r.server.requests if q.method == "PATCH" and q.status == 200]
            assert len(writes) == 2, "one dry run, one act"

    run(scenario())


def test_the_previous_log_of_a_crashed_container_is_saved(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            name = r.pods("shop")[0]["metadata"]["name"]
            r.cluster.write_log(name, [b"last words"], NAMESPACE)
            r.cluster.crash(name, NAMESPACE)
            await until(
                lambda: r.pods("shop")[0]["status"]["containerStatuses"][0]["restartCount"] == 1, "crash"
            )

            await r.runner.run(await r.plan("k8s.restart", "deployment/shop"))

            events = json.loads(next((r.state / "evidence").rglob("events.json")).read_text())
            assert {event["involvedObject"]["name"] for event in events} == {"shop", name}
            (previous,) = (r.state / "evidence").rglob("*.previous.log")
            assert "last words" in previous.read_text()

    run(scenario())


@pytest.mark.parametrize("lines", [[b"x" * 10_000_000], [b"y" * 2000] * 4999])
def test_of_a_log_that_is_too_long_the_end_is_saved(tmp_path: Path, lines: list[bytes]) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            name = r.pods("shop")[0]["metadata"]["name"]
            last = lines[-1] + b" panic: the last words"
            r.cluster.write_log(name, [*lines[:-1], last], NAMESPACE)

            await r.runner.run(await r.plan("k8s.restart", "deployment/shop"))

            (log,) = (r.state / "evidence").rglob("*.log")
            head, _, kept = log.read_text().partition("\n")
            assert kept.rstrip("\n").endswith("panic: the last words")
            assert 900_000 < len(kept) <= 1_000_000
            cut = int(head.removeprefix("[cut by warroom: at least ").split()[0])
            assert cut >= 3_000_000
            entry = next(e for e in r.entries() if e.kind == "evidence")
            assert entry.data["missing"] == []

    run(scenario())


def test_a_log_whose_end_is_out_of_reach_is_said_to_miss_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.mitigations.kubernetes.evidence.FAR_BYTES", 5_000_000)

    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1", replicas=1)
            await r.rolled_out("shop")
            name = r.pods("shop")[0]["metadata"]["name"]
            r.cluster.write_log(name, [b"x" * 10_000_000], NAMESPACE)

            await r.runner.run(await r.plan("k8s.restart", "deployment/shop"))

            entry = next(e for e in r.entries() if e.kind == "evidence")
            assert entry.data["missing"] == [f"log of {name}/app: its end could not be reached"]
            (log,) = (r.state / "evidence").rglob("*.log")
            assert log.read_text().startswith("[cut by warroom: at least ")

    run(scenario())


def test_a_restart_of_a_data_store_has_to_be_typed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("postgres", "postgres:15", replicas=1, strategy={"type": "Recreate"})
            await r.rolled_out("postgres")

            plan = await r.plan("k8s.restart", "deployment/postgres")

            assert plan.risk is Risk.DESTRUCTIVE
            assert any("data store" in text for text in plan.warnings)
            assert any(text.startswith("Outage:") for text in plan.warnings)

    run(scenario())


def test_a_lost_answer_is_unknown_and_is_not_sent_twice(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            sent = sum(q.method == "PATCH" for q in r.server.requests)
            fault = r.server.faults.reset(PATCH)

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "unknown"
            assert fault.hits == 1
            assert sum(q.method == "PATCH" for q in r.server.requests) == sent + 1
            assert done.verdict is not None
            assert done.verdict.status == "inconclusive"
            assert "not to have happened" in done.verdict.detail
            intent = next(e for e in r.entries() if e.kind == "action.intent")
            assert str(intent.data["audit_id"]) in done.outcome.detail

    run(scenario())


def test_an_unreachable_server_means_that_nothing_was_sent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            await r.server.stop()

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert "Nothing was changed" in done.outcome.detail
            await r.server.start()

    run(scenario())


def test_a_viewer_is_told_before_and_refused_by_the_server(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, user="viewer") as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            plan = await r.plan("k8s.restart", "deployment/shop")

            assert plan.user == "viewer"
            assert "forbidden" in plan.refusal
            assert any("viewer may not do this" in text for text in plan.warnings)
            done = await r.runner.run(plan)
            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert r.kinds() == ["action.refused"]

    run(scenario())


def test_what_does_not_exist_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            with pytest.raises(PlanError, match="deployment/nope does not exist in namespace production"):
                await r.plan("k8s.restart", "deployment/nope")

    run(scenario())


def test_what_is_missing_of_the_evidence_is_recorded(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            r.server.faults.fail(500, Match(path="/log$"))

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "done", "a mitigation does not wait for logs that cannot be had"
            entry = next(e for e in r.entries() if e.kind == "evidence")
            assert len(entry.data["missing"]) == 3
            assert "log of shop-" in entry.data["missing"][0]

    run(scenario())


def test_evidence_that_cannot_be_written_stops_the_act(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            r.state.mkdir(exist_ok=True)
            (r.state / "evidence").write_text("in the way")

            done = await r.runner.run(plan)

            assert done.outcome is not None
            assert done.outcome.status == "refused"
            assert "evidence cannot be saved" in done.outcome.detail
            assert r.get("deploy", "shop")["metadata"]["generation"] == 1

    run(scenario())


def test_an_object_that_moves_while_the_plan_is_made_is_read_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.server.faults.fail(409, PATCH, times=2)
            plan = await r.plan("k8s.scale", "deployment/shop", replicas="5")
            assert plan.refusal == ""
            assert [(c.path, c.after) for c in plan.changes] == [("spec.replicas", "5")]

            fault = r.server.faults.fail(409, PATCH)
            with pytest.raises(PlanError, match="changed again and again"):
                await r.plan("k8s.restart", "deployment/shop")

            r.server.faults.remove(fault)
            r.server.faults.fail(409, PATCH, times=2)
            done = await r.runner.run(plan)
            assert done.outcome is not None
            assert done.outcome.status == "done", "the server said that it had not acted"

    run(scenario())


def test_an_answer_that_breaks_off_is_a_lost_one(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            plan = await r.plan("k8s.restart", "deployment/shop")
            r.server.faults.malformed(PATCH)
            done = await r.runner.run(plan)
            assert done.outcome is not None
            assert done.outcome.status == "unknown"

            r.server.faults.malformed(Match(method="GET"))
            with pytest.raises(PlanError, match="cannot be read"):
                await r.plan("k8s.restart", "deployment/shop")

    run(scenario())
