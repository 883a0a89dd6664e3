"""``warroom watch``: the picture without the means to change it.

This module and all that it imports are kept free of ``console.mitigations`` by an import contract. The
sources' transports refuse writes, there is no mitigator, and the timeline is only read.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from console.config import Config, ConfigError, default_state_dir, load
from console.engine import memory
from console.engine.assemble import board_names
from console.engine.engine import Engine
from console.engine.observer import Observer
from console.model.clock import SystemClock
from console.sources.packages import skip_init


def run(args: argparse.Namespace) -> int:
    """Open the screen read-only; returns the exit code."""
    config = console_config(args)
    state_dir = args.state_dir or config.state_dir or default_state_dir()
    engine = Engine(config, SystemClock(), state_dir, "watch")
    engine.attach(Observer(engine.board, None, engine.clock).run)
    return show(engine)


def console_config(args: argparse.Namespace) -> Config:
    """The configuration for a screen. Raises ConfigError without a terminal or with nothing to look at."""
    need_terminal("for text use `warroom status`")
    config = load(args.config, vars(args))
    if not board_names(config):
        raise ConfigError(
            "nothing is configured and no kubeconfig was found. Write a first configuration with"
            " `warroom init`, or look around in a simulated system with `warroom drill`."
        )
    return config


def need_terminal(instead: str) -> None:
    """Raise ConfigError, with what to do ``instead``, when nobody could see the screen or answer it."""
    if not sys.stdout.isatty() or not sys.stdin.isatty():
        raise ConfigError(f"the console needs a terminal; {instead}.")


def show(engine: Engine) -> int:
    """Run the screen on an engine; textual is imported here and not before."""
    skip_init("redis", "redis.asyncio")  # 4 MB of commands and cluster clients; one connection is used
    memory.keep_small()
    memory.hold()
    engine.shown = True
    engine.attach(partial(memory.release, engine.board, board_names(engine.config)))
    from console.ui.run import run as run_screen

    return run_screen(engine)
