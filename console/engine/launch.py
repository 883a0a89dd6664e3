"""Opening the console that can act, for ``run`` and for a drill."""

from __future__ import annotations

import argparse
from pathlib import Path

from console.config import Config, default_state_dir
from console.engine.live import live_engine
from console.engine.watch import console_config, show
from console.model.clock import SystemClock


def run(args: argparse.Namespace) -> int:
    """``warroom run``; returns the exit code."""
    config = console_config(args)
    return open_console(config, args.state_dir or config.state_dir or default_state_dir())


def open_console(config: Config, state_dir: Path) -> int:
    """The console on an already validated configuration; returns the exit code."""
    return show(live_engine(config, SystemClock(), state_dir))
