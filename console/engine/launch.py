"""Opening the console: configuration -> engine -> screen, for ``run``, ``watch`` and a drill."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from console.config import Config, ConfigError, default_state_dir, load
from console.engine.assemble import board_names
from console.engine.engine import Engine
from console.model.clock import SystemClock


def run(args: argparse.Namespace) -> int:
    """``warroom run``: the console that can act."""
    config = _configured(args)
    return open_console(config, args.state_dir or config.state_dir or default_state_dir())


def watch(args: argparse.Namespace) -> int:
    """``warroom watch``: an engine without a mitigator and without a recorder; it only reads."""
    config = _configured(args)
    state_dir = args.state_dir or config.state_dir or default_state_dir()
    return _show(Engine(config, SystemClock(), state_dir, "watch"))


def open_console(config: Config, state_dir: Path) -> int:
    """The console that can act, on an already validated configuration; returns the exit code."""
    from console.engine.live import live_engine

    return _show(live_engine(config, SystemClock(), state_dir))


def _configured(args: argparse.Namespace) -> Config:
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise ConfigError("the console needs a terminal; for text use `warroom status`.")
    config = load(args.config, vars(args))
    if not board_names(config):
        raise ConfigError(
            "nothing is configured and no kubeconfig was found. Write a first configuration with"
            " `warroom init`, or look around in a simulated system with `warroom drill`."
        )
    return config


def _show(engine: Engine) -> int:
    from console.ui.run import run as run_screen

    return run_screen(engine)
