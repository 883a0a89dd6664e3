"""Worlds for the end-to-end tests, ended whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.world import World


@pytest.fixture
def start_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Start a drill's world: ``start_world("bad-release")``."""
    started: list[World] = []

    def start(scenario: str = "bad-release", *extra: str) -> World:
        world = World(tmp_path, scenario, *extra)
        started.append(world)
        return world

    yield start
    for world in started:
        world.close()
