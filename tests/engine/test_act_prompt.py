"""``warroom act`` asked on a real terminal."""

import asyncio
import json
import os
import pty
import sys
from pathlib import Path

import pytest

from tests.mitigations.kubernetes.rig import Rig, rig, run


async def on_terminal(
    r: Rig, answers: list[tuple[str, str]], *words: str, out: int | None = None, ahead: str = ""
) -> tuple[int, str]:
    """Run the command on a pty; type each answer when its question has been printed.

    ``out`` takes standard output in place of the terminal; ``ahead`` is typed before anything was asked.
    """
    ours, theirs = pty.openpty()
    os.write(ours, ahead.encode())
    kubeconfig = str(r.config.kubernetes[0].kubeconfig)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "console.cli", "act", *words),
        *("--kubeconfig", kubeconfig, "--namespace", "production", "--state-dir", str(r.state)),
        stdin=theirs,
        stdout=theirs if out is None else out,
        stderr=theirs,
    )
    os.close(theirs)
    seen, left = "", list(answers)
    while True:
        try:
            chunk = await asyncio.to_thread(os.read, ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        seen += chunk.decode("utf-8", "replace")
        if left and left[0][0] in seen:
            os.write(ours, left.pop(0)[1].encode() + b"\n")
    os.close(ours)
    return await process.wait(), seen


def test_a_destructive_plan_wants_the_name_typed(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            code, seen = await on_terminal(
                r, [("Type 'shop'", "yes")], "k8s.scale", "deployment/shop", "replicas=0"
            )
            assert code == 1, seen
            assert "Nothing was done" in seen
            assert r.get("deploy", "shop")["spec"]["replicas"] == 3
            assert r.kinds() == ["action.cancelled"]

            code, seen = await on_terminal(
                r,
                [("Type 'shop'", "shop"), ("Reason", "maintenance")],
                "k8s.scale",
                "deployment/shop",
                "replicas=0",
            )
            assert code == 0, seen
            assert r.get("deploy", "shop")["spec"]["replicas"] == 0
            intent = next(e for e in r.entries() if e.kind == "action.intent")
            assert intent.data["reason"] == "maintenance"

    run(scenario())


def test_what_may_go_unrecorded_wants_the_name_typed_whatever_its_risk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in-the-way").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "in-the-way"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            r.state = tmp_path / "in-the-way"
            words = (
                "k8s.scale",
                "deployment/shop",
                "replicas=4",
                "--break-glass",
                "shop",
                "--reason",
                "fire",
            )

            code, seen = await on_terminal(r, [("Type 'shop'", "y")], *words)
            assert code == 1, seen
            assert "Nothing was done, which could not be recorded" in seen
            assert r.get("deploy", "shop")["spec"]["replicas"] == 3

            code, seen = await on_terminal(r, [("Type 'shop'", "shop")], *words)
            assert code == 3, seen
            assert "Write it down by hand" in seen
            assert r.get("deploy", "shop")["spec"]["replicas"] == 4

    run(scenario())


def test_with_json_the_plan_is_seen_before_the_question_and_not_among_the_data(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")
            words = ("k8s.scale", "deployment/shop", "replicas=4", "--json", "--reason", "queue")

            with (tmp_path / "out.json").open("wb") as out:
                code, seen = await on_terminal(r, [("Type 'y'", "y")], *words, out=out.fileno())

            assert code == 0, seen
            assert "spec.replicas: 3 → 4" in seen.partition("Type 'y'")[0]
            assert json.loads((tmp_path / "out.json").read_text())["outcome"]["status"] == "done"

    run(scenario())


def test_what_was_typed_before_the_question_is_no_consent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with rig(tmp_path) as r:
            r.deploy("shop", "reg/shop:v1")
            await r.rolled_out("shop")

            code, seen = await on_terminal(
                r,
                [("Type 'yes'", "no")],
                "k8s.restart",
                "deployment/shop",
                ahead="yes\nstuck\nyes\n",
            )

            assert code == 1, seen
            assert "Nothing was done" in seen
            assert r.kinds() == ["action.cancelled"]

    run(scenario())
