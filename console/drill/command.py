"""``warroom drill``: starts a world, opens the console on it, and tells the score at the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from console.drill.world import World

START_SECONDS = 60.0
MOST_PODS = 100_000

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def run(args: argparse.Namespace) -> int:
    """Carry out the command; returns the exit code. Reads scenario, seed, pods, speed, list, headless, info,
    state_dir.
    """
    from console.drill.scenarios import SCENARIOS

    if args.list:
        width = max(map(len, SCENARIOS))
        for name, scenario in SCENARIOS.items():
            print(f"{name:<{width}}  {scenario.summary}")
        return 0
    problem = _problem(args, SCENARIOS)
    if problem:
        print(f"warroom drill: {problem}", file=sys.stderr)
        return 2
    return serve(args) if args.headless else _play(args)


def serve(args: argparse.Namespace, *, until_input_ends: bool = False) -> int:
    """Run the world until a signal (or until standard input ends), then print the score."""
    from console.drill.servers import DrillError

    try:
        text = asyncio.run(_serve(args, until_input_ends=until_input_ends))
    except DrillError as error:
        print(f"warroom drill: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"warroom drill: the machine refused: {error}.", file=sys.stderr)
        return 1
    print(text, flush=True)
    return 0


def child() -> int:
    """The process that holds the world while another shows the console on it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--pods", type=int)
    parser.add_argument("--speed", type=float)
    parser.add_argument("--info", type=Path)
    parser.add_argument("--state-dir", type=Path)
    return serve(parser.parse_args(), until_input_ends=True)


def _problem(args: argparse.Namespace, known: object) -> str:
    names = list(known) if isinstance(known, dict) else []
    if args.scenario not in names:
        return f"there is no scenario {args.scenario!r}; known are {', '.join(names)}."
    if not 0.1 <= args.speed <= 60:
        return "--speed is a factor from 0.1 to 60."
    if not 0 <= args.pods <= MOST_PODS:
        return f"--pods is a number from 0 to {MOST_PODS}."
    if args.headless and args.info is None:
        return "--headless needs --info FILE, where the addresses are written."
    if args.info is not None and not args.headless:
        return "--info goes with --headless."
    return ""


async def _serve(args: argparse.Namespace, *, until_input_ends: bool) -> str:
    from console.config import default_state_dir
    from console.drill import settings
    from console.drill.scenarios import SCENARIOS
    from console.drill.world import World

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, stop.set)
    if until_input_ends:
        loop.add_reader(0, _stop_at_end_of_input, stop)
    # The consoles of a drill and its score have to mean the same record, wherever each was started.
    state_dir = (args.state_dir or default_state_dir()).absolute()
    world = World(
        SCENARIOS[args.scenario], seed=args.seed, speed=args.speed, pods=args.pods, state_dir=state_dir
    )
    starting = asyncio.create_task(_enter(world))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
    if not starting.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        return "The drill was stopped while it started."
    starting.result()
    try:
        settings.write_private(args.info, msgspec.json.encode(world.info).decode() + "\n")
        ticking = asyncio.create_task(world.run())
        await asyncio.wait({ticking, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ticking.done():
            ticking.result()
        ticking.cancel()
        await asyncio.gather(ticking, return_exceptions=True)
        await world.count_losses()
        return _score(world, state_dir)
    finally:
        with contextlib.suppress(OSError):
            args.info.unlink()
        await world.__aexit__(None, None, None)


def _stop_at_end_of_input(stop: asyncio.Event) -> None:
    if not os.read(0, 4096):
        asyncio.get_running_loop().remove_reader(0)
        stop.set()


async def _enter(world: World) -> None:
    await world.__aenter__()


def _score(world: World, state_dir: Path) -> str:
    from console.drill import score

    since = world.course.broke_at or 0.0
    return score.report(
        world.course,
        title=world.kind.name,
        cure=world.kind.cure,
        right=world.kind.right,
        declared=score.declared_at(state_dir, since),
        done=score.moves(state_dir, world.api.requests, since),
        lost=world.losses.words(),
    )


def _play(args: argparse.Namespace) -> int:
    from console import config
    from console.drill import tools
    from console.engine.launch import open_console
    from console.engine.watch import need_terminal

    need_terminal("for the world alone use --headless --info FILE")
    state_dir = args.state_dir or config.default_state_dir()
    with tempfile.TemporaryDirectory(prefix="warroom-") as folder:
        info = Path(folder) / "info.json"
        argv = [
            *(sys.executable, "-c", "import sys; from console.drill.command import child; sys.exit(child())"),
            *(args.scenario, "--seed", str(args.seed), "--pods", str(args.pods), "--speed", str(args.speed)),
            *("--info", str(info), "--state-dir", str(state_dir)),
        ]
        # Its own session, so that a key of the terminal does not reach it; it ends with our pipe.
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)
        try:
            print("The drill is starting …", file=sys.stderr)
            if not _ready(process, info):
                return process.wait() or 1
            wanted = config.load(_config(info), {"plain_output": args.plain_output})
            _tell(tools.words(_config(info).parent), state_dir)
            return open_console(wanted, state_dir)
        finally:
            if process.stdin:
                process.stdin.close()
            process.wait()


def _tell(text: str, state_dir: Path) -> None:
    """Say it before the screen opens, and leave it in the timeline, where it can still be read then."""
    from console.model.clock import SystemClock
    from console.timeline.entry import TimelineError
    from console.timeline.recorder import Recorder

    print(text, file=sys.stderr)
    with contextlib.suppress(TimelineError, OSError):
        Recorder(state_dir, SystemClock()).record("note", text, source="system")


def _ready(process: subprocess.Popen[bytes], info: Path) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while not info.exists():
        if process.poll() is not None:
            return False
        if time.monotonic() > deadline:
            print(f"warroom drill: the world did not start within {START_SECONDS:g} s.", file=sys.stderr)
            return False
        time.sleep(0.05)
    return True


def _config(info: Path) -> Path:
    return Path(msgspec.json.decode(info.read_bytes())["config"])
