"""The usual tools in another terminal speak to the drill's real servers."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from console.drill import tools
from console.drill.redis import SESSIONS
from console.drill.world import World
from tests.drill.test_scenarios import play


def shell(world: World, command: str) -> str:
    """The output of a command in a shell that read the file which the player is told of."""
    folder = Path(world.info.config).parent
    told = tools.words(folder).partition("  ")[0]
    done = subprocess.run(
        ["/bin/sh", "-c", f"{told} && {command}"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_file_is_its_owners_alone() -> None:
    async def story(world: World) -> None:
        path = tools.place(Path(world.info.config).parent)
        assert path.stat().st_mode & 0o077 == 0
        assert shell(world, "echo $KUBECONFIG").strip() == world.info.kubeconfig

    play("healthy", story)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="this machine has no redis-cli")
def test_redis_cli_reaches_the_drill_also_through_xargs() -> None:
    async def story(world: World) -> None:
        count = "redis-cli --scan --pattern 'session:*' | wc -l"
        assert int(shell(world, count)) == SESSIONS
        shell(world, "redis-cli --scan --pattern 'session:*' | xargs redis-cli UNLINK")
        assert int(shell(world, count)) == 0

    play("healthy", story)


@pytest.mark.skipif(shutil.which("psql") is None, reason="this machine has no psql")
def test_psql_reaches_the_drill() -> None:
    async def story(world: World) -> None:
        assert shell(world, "psql -Atc 'SELECT current_database()'").strip() == "shop"

    play("healthy", story)
