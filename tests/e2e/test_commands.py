"""The commands without a screen, each by its effect on a simulated cluster and a record of its own."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.small import Desk, SmallCluster, eventually, press
from tests.terminal import Terminal


@pytest.fixture(scope="module")
def cluster() -> Iterator[SmallCluster]:
    made = SmallCluster()
    made.deploy("checkout", "shop/checkout:v1")
    made.set_image("checkout", "shop/checkout:v2")
    yield made
    made.close()


@pytest.fixture
def desk(tmp_path: Path, cluster: SmallCluster) -> Desk:
    made = Desk(tmp_path)
    made.configure(made.kubernetes(cluster))
    return made


def test_status_of_what_is_well(desk: Desk) -> None:
    done = desk.run("status")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("HEALTHY at ")
    report = json.loads(desk.run("status", "--json").stdout)
    assert report["state"] == "healthy"
    assert [source["health"] for source in report["sources"] if "kubernetes" in source["name"]] == ["ok"]


def test_status_of_what_is_sick(desk: Desk, cluster: SmallCluster) -> None:
    cluster.deploy("broken", "shop/broken:missing", replicas=1)
    try:
        eventually(lambda: desk.run("status").returncode == 1, "the missing image to be noticed")
        done = desk.run("status")
        assert done.stdout.startswith("SICK at ") and "broken" in done.stdout
        report = json.loads(desk.run("status", "--json").stdout)
        assert report["state"] == "sick"
        assert any("broken" in signal["subject"] for signal in report["signals"])
    finally:
        cluster.on_loop(lambda: cluster.cluster.delete("deploy", "broken", "shop"))


def test_status_that_cannot_tell(desk: Desk, tmp_path: Path) -> None:
    desk.configure('[alertmanager]\nurl = "http://127.0.0.1:1"\n')
    done = desk.run("status", "--timeout", "5")
    assert done.returncode == 2
    assert done.stdout.startswith("UNKNOWN at ") and "refused" in done.stdout
    desk.configure("")
    nothing = desk.run("status")
    assert nothing.returncode == 2
    assert "nothing is configured" in nothing.stderr


def test_check(desk: Desk, cluster: SmallCluster) -> None:
    done = desk.run("check")
    assert done.returncode == 0, done.stdout
    assert "Kubernetes v" in done.stdout and "k8s.rollback" in done.stdout
    assert not desk.state_dir.exists() or not list(desk.state_dir.glob("incidents/*"))
    desk.configure(desk.kubernetes(cluster, "viewer"))
    rows = json.loads(desk.run("check", "--json").stdout)
    states = {row["check"].split()[0]: row["state"] for row in rows}
    assert states["k8s.rollback"] == states["k8s.delete-pod"] == "denied"
    assert any("may not patch deployments" in row["detail"] for row in rows)
    desk.configure(desk.kubernetes(cluster), '[alertmanager]\nurl = "http://127.0.0.1:1"\n')
    failed = desk.run("check", "--timeout", "5")
    assert failed.returncode == 1
    assert any(line.startswith("failed") and "alertmanager" in line for line in failed.stdout.splitlines())


def test_act_plans_without_doing(desk: Desk, cluster: SmallCluster) -> None:
    before = cluster.image("checkout")
    done = desk.run("act", "k8s.rollback", "deployment/checkout", "--plan")
    assert done.returncode == 0, done.stderr
    assert "rollout undo deployment/checkout --to-revision" in " ".join(done.stdout.split())
    assert "shop/checkout:v1" in done.stdout
    plan = json.loads(desk.run("act", "k8s.rollback", "deployment/checkout", "--plan", "--json").stdout)
    assert plan["action"] == "k8s.rollback" and plan["digest"] and not plan["refusal"]
    assert cluster.image("checkout") == before
    assert desk.kinds() == []


def test_act_rolls_back_and_records(desk: Desk, cluster: SmallCluster) -> None:
    before = cluster.image("checkout")
    done = desk.run(
        "act", "k8s.rollback", "deployment/checkout", "--json", "--yes", "--reason", "bad release"
    )
    assert done.returncode in (0, 2), done.stderr
    assert json.loads(done.stdout)["outcome"]["status"] == "done"
    assert cluster.image("checkout") != before
    assert [kind for kind in desk.kinds() if kind.startswith("action.")] == [
        "action.intent",
        "action.result",
        "action.verdict",
    ]
    intent = next(entry for entry in desk.entries() if entry.kind == "action.intent")
    assert "bad release" in json.dumps(intent.data)
    assert list(desk.state_dir.glob("evidence/*/SHA256SUMS"))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("k8s.restart", "deployment/checkout"), 2, "no terminal to confirm"),
        (("k8s.restart", "deployment/checkout", "--yes"), 2, "--reason"),
        (("k8s.restrat", "deployment/checkout", "--plan"), 2, "did you mean 'k8s.restart'"),
        (("k8s.scale", "deployment/checkout", "--plan"), 2, "replicas"),
        (("k8s.scale", "deployment/checkout", "replica=3", "--plan"), 2, "did you mean 'replicas'"),
        (("k8s.scale", "deployment/checkout", "replicas=many", "--plan"), 2, "whole number"),
        (("k8s.restart", "deploymnt/checkout", "--plan"), 2, "did you mean deployment/checkout"),
        (("k8s.restart", "checkout", "--plan"), 2, "no target"),
        (("k8s.restart", "deployment/nothing", "--plan"), 1, "nothing"),
        (("pg.cancel", "pid/1", "--plan"), 2, "--postgres-dsn"),
    ],
)
def test_act_refuses(desk: Desk, cluster: SmallCluster, words: tuple[str, ...], code: int, said: str) -> None:
    image = cluster.image("checkout")
    done = desk.run("act", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert cluster.image("checkout") == image
    assert "action.intent" not in desk.kinds()


@pytest.mark.parametrize("how", [("--plan",), ("--yes", "--reason", "try")])
def test_act_that_comes_to_no_plan_leaves_the_record_as_it_is(desk: Desk, how: tuple[str, ...]) -> None:
    done = desk.run("act", "k8s.restart", "deployment/checkout", "--context", "nope", *how)
    assert done.returncode in (1, 2), done.stderr
    assert desk.kinds() == []


def test_act_of_a_viewer_is_refused_by_the_server(desk: Desk, cluster: SmallCluster) -> None:
    desk.configure(desk.kubernetes(cluster, "viewer"))
    done = desk.run("act", "k8s.restart", "deployment/checkout", "--yes", "--reason", "try")
    assert done.returncode == 1
    assert "forbidden" in (done.stdout + done.stderr).lower() or "may not" in done.stdout + done.stderr
    assert "action.result" not in desk.kinds()


def test_act_asks_on_a_terminal(desk: Desk, cluster: SmallCluster) -> None:
    argv = desk.argv("act", "k8s.restart", "deployment/checkout")
    with Terminal(argv, env=desk.environment, rows=60) as terminal:
        terminal.wait_for("Type 'yes'", 30)
        terminal.send("no\r")
        assert terminal.wait_exit() == 1
        assert "Nothing was done" in terminal.text()
    assert desk.kinds() == ["action.cancelled"]


def test_init(desk: Desk, cluster: SmallCluster, tmp_path: Path) -> None:
    kubeconfig = cluster.server.write_kubeconfig(tmp_path / "kc", namespace="shop", context="prod")
    file = tmp_path / "new" / "warroom.toml"
    words = ("init", "--kubeconfig", str(kubeconfig), "--config", str(file))

    def init(*more: str) -> tuple[int, str]:
        argv = desk.argv(*words, *more)
        done = subprocess.run(
            argv[: argv.index("--state-dir")],
            env={**os.environ, **desk.environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stderr

    assert init()[0] == 0
    written = tomllib.loads(file.read_text())
    assert (written["kubernetes"][0]["context"], written["kubernetes"][0]["namespaces"]) == ("prod", ["shop"])
    assert file.stat().st_mode & 0o077 == 0
    code, said = init()
    assert code == 2 and "--force" in said
    file.write_text("")
    assert init("--force")[0] == 0 and "prod" in file.read_text()
    code, said = init("--force", "--context", "prdo")
    assert code == 2 and "prod" in said
    (tmp_path / "no-folder").write_text("")
    file = tmp_path / "no-folder" / "warroom.toml"
    code, said = init("--config", str(file))
    assert code == 2 and f"{file} cannot be written: " in said and "unexpected" not in said


def test_timeline(desk: Desk) -> None:
    assert desk.run("timeline", "add", "the", "pager", "rang").returncode == 0
    assert desk.run("timeline", "add", "-", given="from a pipe\n").returncode == 0
    assert desk.run("timeline", "add", " ").returncode == 2
    shown = desk.run("timeline", "show")
    assert "the pager rang" in shown.stdout and "from a pipe" in shown.stdout
    entries = [json.loads(line) for line in desk.run("timeline", "show", "--json").stdout.splitlines()]
    assert len(entries) in (1, 2)
    assert desk.run("timeline", "verify").returncode == 0
    assert "the pager rang" in desk.run("timeline", "export").stdout
    assert "the pager rang" in json.dumps(
        json.loads(desk.run("timeline", "export", "--format", "json").stdout)
    )
    rows = list(csv.reader(io.StringIO(desk.run("timeline", "export", "--format", "csv").stdout)))
    assert len(rows) == 3 and any("from a pipe" in cell for cell in rows[2])

    file = desk.state_dir / "standby.jsonl"
    file.write_text(file.read_text().replace("the pager rang", "the pager sang"))
    verified = desk.run("timeline", "verify")
    assert verified.returncode == 1
    assert "line 1" in verified.stdout
    wrong = desk.run("timeline", "show", "--incident", "INC-20200101-9")
    assert wrong.returncode != 0 and "INC-20200101-9" in wrong.stderr


def test_incidents(desk: Desk) -> None:
    assert json.loads(desk.run("incidents", "--json").stdout or "[]") == []
    with desk.terminal("run") as terminal:
        terminal.wait_for("▸ checkout", 30)
        terminal.send("i")
        terminal.wait_for("Declare an incident")
        press(terminal, "\t")
        press(terminal, "the checkout is down")
        terminal.wait_for("the checkout is down")
        terminal.send("\r")
        terminal.wait_for("SEV2")
    (incident,) = json.loads(desk.run("incidents", "--json").stdout)
    assert incident["title"] == "the checkout is down"
    assert incident["id"] in desk.run("incidents").stdout
    shown = desk.run("timeline", "show", "--incident", incident["id"])
    assert "the checkout is down" in shown.stdout
    assert desk.run("timeline", "verify", "--incident", incident["id"]).returncode == 0
    assert desk.run("timeline", "add", "the database is the cause").returncode == 0
    assert "the database is the cause" in desk.run("timeline", "show").stdout, "notes go to the open incident"
    assert desk.entries()[-1].incident == incident["id"]
