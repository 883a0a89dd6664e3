import argparse
import asyncio
import json
import sys
from pathlib import Path

import msgspec
import pytest

from console.cli import build_parser
from console.config import ClusterSettings, Config, PostgresSettings
from console.engine import act_command
from console.engine.act_command import exit_code, find_action, parse_params, parse_target
from console.engine.act_target import (
    UsageError,
    find_namespace,
    find_source,
    find_sources,
    namespaces_of,
)
from console.mitigations.postgres.matching import STATES
from console.model.actions import find
from console.model.plan import Outcome, Plan, Progress, Risk, Target, Verdict
from console.model.secret import Secret
from tests.mitigations.kubernetes.rig import Rig, rig, run
from tests.model.board import cluster, workload


def arguments(*words: str) -> argparse.Namespace:
    return build_parser().parse_args(["act", *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("k8s.rolback", "deployment/shop"), "did you mean 'k8s.rollback'?"),
        (("ui.quit", "deployment/shop"), "no action is called 'ui.quit'"),
        (("k8s.scale", "deployment/shop", "replica=3"), "did you mean 'replicas'?"),
        (("k8s.scale", "deployment/shop", "replicas"), "no parameter; write NAME=VALUE"),
        (("k8s.scale", "deployment/shop", "replicas=x"), "replicas has to be a whole number, such as 3"),
        (("pg.terminate-matching", "db/shop", "older-than=10x"), "older-than has to be a duration"),
        (
            ("pg.terminate-matching", "db/shop", "state=foo"),
            "state has to be one of: idle in transaction, idle, active",
        ),
        (("k8s.scale", "deployment/shop", "replicas=3", "replicas=4"), "given twice"),
        (("k8s.scale", "deployment/shop"), "k8s.scale needs replicas="),
        (("k8s.scale", "deploymnt/shop", "replicas=3"), "did you mean deployment/shop?"),
        (("k8s.scale", "shop", "replicas=3"), "write deployment/NAME or statefulset/NAME"),
        (("k8s.restart", "deployment/shop", "now=1"), "k8s.restart has none"),
        (("k8s.restart", "deployment/shop", "--yes"), "--yes needs --reason"),
        (
            ("k8s.restart", "deployment/shop", "--yes", "--reason", "x", "--break-glass", "shp"),
            "--break-glass 'shp' is not the target's exact name, 'shop'",
        ),
        (("k8s.restart", "deployment/shop", "--break-glass", "shop"), "--break-glass needs --reason"),
        (("k8s.restart", "deployment/shop"), "no terminal to confirm on"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_nearest_that_could(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert act_command.run(arguments(*words)) == 2

    said = capsys.readouterr()
    assert message in said.err
    assert said.err.startswith("warroom: usage: ")
    assert said.out == ""
    assert "Traceback" not in said.err

    assert act_command.run(arguments(*words, "--json")) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "usage"
    assert message in told["error"]


def test_a_plan_that_fails_and_a_configuration_that_is_wrong_are_told_in_json_as_well(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("pg.cancel", "pid/7", "--plan", "--json", "--state-dir", str(tmp_path))
    dsn = ("--postgres-dsn", "host=127.0.0.1 port=1 user=kim dbname=shop")
    assert act_command.run(arguments(*words, *dsn)) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "plan" and "Cannot connect to postgres:main" in told["error"]

    (tmp_path / "warroom.toml").write_text("kubernets = 1\n")
    assert act_command.run(arguments(*words, "--config", str(tmp_path / "warroom.toml"))) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "configuration" and "kubernets" in told["error"]


def test_the_states_that_can_be_matched_are_those_of_the_mitigation() -> None:
    state = next(param for param in find_action("pg.terminate-matching").params if param.name == "state")
    assert state.choices == STATES


def test_defaults_are_filled_in() -> None:
    assert parse_params(find_action("pg.terminate-matching"), ["limit=3"])["state"] == "idle in transaction"
    assert parse_target(find_action("pg.cancel"), "pid/4711") == ("pid", "4711")


def test_a_namespace_is_never_guessed() -> None:
    config = Config(kubernetes=(ClusterSettings(name="prod"),))
    (source,) = find_sources(config, find_action("k8s.restart"))

    assert source == "kubernetes:prod"
    assert find_source({source: None}, "deployment", "api", ()) == source
    assert find_namespace(["shop"], "deployment", "api", None) == "shop"
    with pytest.raises(UsageError, match="--namespace"):
        find_namespace([], "deployment", "api", None)
    with pytest.raises(UsageError, match="needs a postgres"):
        find_sources(config, find_action("pg.cancel"))


def test_a_cluster_is_never_guessed() -> None:
    api, web = workload("api"), workload("web")
    eu, us = cluster(api, web), cluster(workload("api", namespace="edge"))
    both = {"kubernetes:eu": eu, "kubernetes:us": us}
    assert find_source(both, "deployment", "web", ()) == "kubernetes:eu"
    assert find_source(both, "deployment", "api", ("edge",)) == "kubernetes:us"
    for known, name, words in (
        (both, "api", "it exists in eu, us; name it with --context"),
        (both, "gone", "none of eu, us has it"),
        ({**both, "kubernetes:us": None}, "web", "it exists in eu, and us could not be looked at"),
        ({**both, "kubernetes:us": cluster(synced=frozenset())}, "web", "us could not be looked at"),
    ):
        with pytest.raises(UsageError, match=words):
            find_source(known, "deployment", name, ())
    settings = (ClusterSettings(name="eu", namespaces=("a", "b")), ClusterSettings(context="us"))
    config = Config(kubernetes=settings)
    assert find_sources(config, find_action("k8s.restart")) == ["kubernetes:eu", "kubernetes:us"]
    assert namespaces_of(config, "kubernetes:eu") == ("a", "b")
    assert namespaces_of(config, "kubernetes:us") == ()


PLAN = Plan("k8s.scale", "t", Risk.ROUTINE, Target("deployment", "shop"), {}, "c", "s", "x", 0.0)


@pytest.mark.parametrize(
    ("outcome", "verdict", "code"),
    [
        ("done", "helped", 0),
        ("done", "no_change", 0),
        ("done", "worse", 1),
        ("done", "inconclusive", 0),
        ("partial", None, 1),
        ("failed", None, 1),
        ("refused", None, 1),
        ("unknown", "helped", 2),
    ],
)
def test_exit_codes(outcome: str, verdict: str | None, code: int) -> None:
    judged = Verdict(verdict, "") if verdict else None  # type: ignore[arg-type]
    assert exit_code(Progress(PLAN, "finished", "", 0.0, Outcome(outcome, ""), judged)) == code  # type: ignore[arg-type]


def test_done_without_a_record_has_an_exit_code_of_its_own() -> None:
    verdict = Verdict("helped", "")
    done = Progress(PLAN, "finished", "", 0.0, Outcome("done", ""), verdict, by_hand="when ...")
    assert exit_code(done) == 3
    failed = Progress(PLAN, "finished", "", 0.0, Outcome("failed", ""), by_hand="when ...")
    assert exit_code(failed) == 1


async def warroom(r: Rig, *words: str) -> tuple[int, str, str]:
    """The real command in a process of its own, without a terminal."""
    config = r.folder / "warroom.toml"
    settings = r.config.kubernetes[0]
    namespaces = json.dumps(settings.namespaces)
    config.write_text(
        f'[[kubernetes]]\nname = "drill"\nkubeconfig = "{settings.kubeconfig}"\nnamespaces = {namespaces}\n'
    )
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-m",
            "console.cli",
            "act",
            *words,
            "--config",
            str(config),
            "--state-dir",
            str(r.state),
        ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def test_a_plan_is_printed_and_changes_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            before = r.get("deploy", "shop")

            code, out, err = await warroom(
                r, "k8s.scale", "deployment/shop", "replicas=5", "--plan", "--json"
            )

            assert (code, err) == (0, "")
            plan = json.loads(out)
            assert plan["changes"] == [{"path": "spec.replicas", "before": "3", "after": "5"}]
            assert plan["digest"]
            assert r.get("deploy", "shop") == before
            assert r.kinds() == []

            code, out, _ = await warroom(r, "k8s.scale", "deployment/shop", "replicas=5", "--plan")
            assert code == 0
            assert "spec.replicas: 3 → 5" in out
            assert "--context drill -n production scale deployment/shop" in out

    run(scenario())


def test_with_yes_and_a_reason_it_acts_and_records(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            code, out, err = await warroom(
                r, "k8s.scale", "deployment/shop", "replicas=4", "--yes", "--reason", "queue"
            )

            assert code == 0, err
            assert r.get("deploy", "shop")["spec"]["replicas"] == 4
            assert out.startswith("done: The server accepted to scale deployment/shop to 4.")
            assert "way back: warroom act k8s.scale deployment/shop replicas=3" in out
            assert "verifying: " in err
            intent = next(e for e in r.entries() if e.kind == "action.intent")
            assert intent.data["reason"] == "queue"
            assert r.kinds()[-1] == "action.verdict"

    run(scenario())


def test_without_a_record_it_acts_only_when_the_glass_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "in-the-way").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "in-the-way"))
    monkeypatch.setenv("TMPDIR", str(elsewhere))

    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.state = tmp_path / "in-the-way"
            words = ("k8s.scale", "deployment/shop", "replicas=2", "--yes", "--reason", "queue")

            code, out, err = await warroom(r, *words)
            assert code == 1, err
            assert "nothing was done" in out
            assert "to act all the same, unrecorded, add --break-glass shop --reason TEXT" in err
            assert r.get("deploy", "shop")["spec"]["replicas"] == 3

            code, out, err = await warroom(r, *words, "--break-glass", "shop")
            assert code == 3, err
            assert r.get("deploy", "shop")["spec"]["replicas"] == 2
            assert "BREAK GLASS: if no timeline takes this, it is done all the same" in err
            by_hand = err.partition("no timeline has this. Write it down by hand:\n")[2]
            assert "scale deployment/shop" in by_hand
            assert "why       queue" in by_hand
            assert "outcome   done: The server accepted" in by_hand
            assert "way back  k8s.scale deployment/shop" in by_hand and "replicas=3" in by_hand
            (second,) = elsewhere.glob("warroom-break-glass-*.jsonl")
            assert json.loads(second.read_text().splitlines()[0])["kind"] == "action.intent"
            assert list(elsewhere.rglob("*.log"))

    run(scenario())


def test_what_the_server_refuses_exits_1(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path, user="viewer") as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            code, out, _ = await warroom(
                r, "k8s.restart", "deployment/shop", "--yes", "--reason", "x", "--json"
            )

            assert code == 1
            assert json.loads(out)["outcome"]["status"] == "refused"

    run(scenario())


def test_a_target_that_is_not_there_gets_the_nearest(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            code, _, err = await warroom(r, "k8s.restart", "deployment/shpo", "--plan")

            assert code == 1
            assert "did you mean 'shop'?" in err

    run(scenario())


def test_every_mitigation_is_an_action_that_act_knows() -> None:
    assert find("k8s.rollback") is find_action("k8s.rollback")


def test_the_namespace_is_found_where_the_target_exists_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            everywhere = msgspec.structs.replace(r.config.kubernetes[0], namespaces=())
            r.config = msgspec.structs.replace(r.config, kubernetes=(everywhere,))

            code, out, err = await warroom(r, "k8s.restart", "deployment/shop", "--plan", "--json")
            assert code == 0, err
            assert json.loads(out)["target"]["namespace"] == "production"

            code, _, err = await warroom(r, "k8s.restart", "deployment/nope", "--plan")
            assert "not clear" in err
            assert code == 2

    run(scenario())


def test_a_workload_is_planned_in_view_of_the_databases_that_its_pods_share() -> None:
    pooled = PostgresSettings(name="main", dsn=Secret("postgresql:///main"), pool_size=6)
    config = Config(
        kubernetes=(ClusterSettings(),),
        postgres=(pooled, PostgresSettings(name="b", dsn=Secret("postgresql:///b"))),
    )
    names = ("k8s.scale", "k8s.rollback", "k8s.evict-pod", "pg.terminate")
    read = {name: act_command.needed(config, find_action(name)) for name in names}
    assert read["k8s.scale"].postgres == read["k8s.rollback"].postgres == (pooled,)
    assert read["k8s.evict-pod"].postgres == read["pg.terminate"].postgres == ()
    assert read["k8s.evict-pod"].kubernetes == config.kubernetes
