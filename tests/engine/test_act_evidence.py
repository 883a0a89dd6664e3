"""The evidence of an act: redacted, summed, never overwritten, cut at its beginning."""

import asyncio
import base64
import random
from pathlib import Path

from console.mitigations.world import EVIDENCE_LIMIT, World
from console.model.plan import Outcome, Plan
from tests.engine.fakes import Desk, Fake


def test_evidence_is_redacted_summed_and_never_overwritten(tmp_path: Path) -> None:
    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod/../a.log", b"DB_PASSWORD=hunter2hunter2\n\x1b[31mred")
        world.save_evidence("pod/../a.log", b"second")
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        first, second = (Path(file["path"]) for file in entry.data["files"])
        assert first.parent.parent == tmp_path / "evidence"
        assert first != second
        assert "hunter2" not in first.read_text()
        assert "\x1b" not in first.read_text()
        assert second.read_text() == "second"
        sums = (first.parent / "SHA256SUMS").read_text()
        assert f"{entry.data['files'][0]['sha256']}  {first.name}" in sums

    asyncio.run(scenario())


def test_the_rest_of_a_private_key_at_the_beginning_of_evidence_is_redacted(tmp_path: Path) -> None:
    key = base64.encodebytes(random.Random(1).randbytes(1_190)).split()
    log = b"".join(
        b"2026-03-01T12:00:00.000000000Z %s\n" % line for line in (*key, b"-----END PRIVATE KEY-----")
    )

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("pod.log", log[45:] + b"ready\n")
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        saved = Path(entry.data["files"][0]["path"]).read_bytes()
        assert not [line for line in key if line[14:26] in saved]
        assert saved.endswith(b"-----END PRIVATE KEY-----\nready\n")
        assert saved.count(b"2026-03-01T12:00:00.000000000Z REDACTED\n") == len(key) - 1

    asyncio.run(scenario())


def test_of_too_much_evidence_the_end_is_kept_and_no_secret_without_its_name(tmp_path: Path) -> None:
    secret = b"hunter2" * 500
    lines = b"".join(b"line %07d\n" % number for number in range(500_000))
    long = b"x" * 9_000_000 + b" password=" + secret + b" " + b"y" * (1_000_000 - 1000) + b" the end"

    async def act(world: World, _plan: Plan) -> Outcome:
        world.save_evidence("many.log", lines)
        world.save_evidence("long.log", long, limit=1_000_000, before=5)
        world.save_evidence("short.log", b"first\nlast", limit=1_000_000)
        return Outcome("done", "ok")

    async def scenario() -> None:
        desk = Desk(tmp_path, Fake(act))
        await desk.runner.run(await desk.plan())

        entry = next(e for e in desk.recorder.entries() if e.kind == "evidence")
        many, whole, short = (Path(file["path"]).read_text() for file in entry.data["files"])
        head, _, rest = many.partition("\n")
        assert rest.endswith("line 0499999\n")
        assert head == f"[cut by warroom: at least {len(lines) - len(rest)} bytes before this]"
        assert len(rest) == EVIDENCE_LIMIT
        head, _, rest = whole.partition("\n")
        assert rest.endswith("y the end") and len(rest) <= 1_000_000
        assert "hunter2" not in rest
        assert 9_000_000 < int(head.split()[5]) < 9_100_000
        assert short == "first\nlast"

    asyncio.run(scenario())
