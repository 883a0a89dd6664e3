"""``warroom act``: a mitigation without the screen, through the same plan, record and verification."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
import termios
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec

from console.config import Config, ConfigError, default_state_dir, load
from console.engine.act import ActionRunner
from console.engine.act_stop import StoppedError, stoppable, tell
from console.engine.act_target import UsageError, locate
from console.engine.engine import Engine
from console.engine.live import live_engine
from console.engine.planview import outcome_text, plan_text
from console.engine.ports import FullError, Mitigator, PlanError
from console.model.actions import MITIGATIONS, Action
from console.model.clock import SystemClock
from console.model.plan import Plan, Progress, Risk
from console.model.redact import redact_value
from console.timeline.entry import TimelineError

DONE, FAILED, USAGE, UNRECORDED = 0, 1, 2, 3
READY_SECONDS = 15.0
"""How long the sources may take before the plan is made from what is known."""
SLOT_SECONDS = 20.0
"""How long a slot of a full database server is tried for."""
SLOT_PAUSE = 0.4
"""The longest pause between two tries in seconds; each costs the server a process for some milliseconds."""


def run(args: argparse.Namespace) -> int:
    """Plan, show, ask, act and judge.

    Exit 0 done, 1 failed or refused, 2 usage or could not tell, 3 done but recorded nowhere; 143 and 129
    when SIGTERM or SIGHUP stopped it. What comes to no plan is in JSON an ``error`` and its ``kind`` (usage,
    configuration or plan), all else has an ``outcome``: so a mistake is told from an unknown outcome.
    """
    try:
        with stoppable():
            return _run(args)
    except StoppedError as error:
        return error.exit_code
    except UsageError as error:
        return _no_plan(args, "usage", error, USAGE)
    except ConfigError as error:
        return _no_plan(args, "configuration", error, USAGE)
    except PlanError as error:
        return _no_plan(args, "plan", error, FAILED)


def _run(args: argparse.Namespace) -> int:
    action = find_action(args.action)
    server, words = take_server(action, args.params)
    params = parse_params(action, words)
    kind, name = parse_target(action, args.target)
    _check_consent(args, name)
    config = load(args.config, vars(args))
    state_dir = args.state_dir or config.state_dir or default_state_dir()
    sessions = action.name.startswith("pg.")
    agreed = threading.Event()
    engine = live_engine(
        config,
        SystemClock(),
        state_dir,
        read=needed(config, action),
        keep_sessions=sessions,
        may_write=agreed.is_set,
    )
    engine.start()
    try:
        engine.wait_ready(READY_SECONDS)
        return _act(engine, config, args, action, kind, name, params, server, agreed)
    finally:
        engine.stop()


def _no_plan(args: argparse.Namespace, kind: str, error: Exception, code: int) -> int:
    if args.json:
        print(json.dumps(redact_value({"error": str(error), "kind": kind}), indent=2))
    return _say(f"usage: {error}" if kind == "usage" else str(error), code)


def _act(
    engine: Engine,
    config: Config,
    args: argparse.Namespace,
    action: Action,
    kind: str,
    name: str,
    params: dict[str, str],
    server: str,
    agreed: threading.Event,
) -> int:
    mitigator = engine.mitigator
    if not isinstance(mitigator, ActionRunner):
        raise UsageError("this engine cannot act")
    engine.submit(mitigator.recover(record=not args.plan)).result()
    for earlier in mitigator.progress:
        tell(f"warroom: {earlier.text}")
    source, target = locate(
        engine.board, config, action, kind, name, namespaces=args.namespace or (), server=server
    )
    plan = _plan(engine, lambda: mitigator.plan(action.name, target, params, source=source))
    if args.plan:
        _print_plan(plan, as_json=args.json)
        return FAILED if plan.refusal else DONE
    if not (args.json and args.yes):
        tell(plan_text(plan))
    break_glass = args.break_glass is not None
    if break_glass:
        _say(
            "BREAK GLASS: if no timeline takes this, it is done all the same and the record lacks it", FAILED
        )
    reason = args.reason
    if not plan.refusal and not args.yes:
        if not _confirmed(plan, break_glass=break_glass):
            return _declined(engine, mitigator, plan)
        reason = reason or _ask("Reason, for the timeline: ")
    agreed.set()
    progress = _follow(engine, mitigator, plan, reason, break_glass=break_glass)
    if args.json:
        print(json.dumps(redact_value(msgspec.to_builtins(progress)), indent=2))
    else:
        print(outcome_text(progress))
    if progress.by_hand:
        _say_by_hand(progress)
    elif progress.outcome is not None and progress.outcome.unrecorded:
        _say(f"to act all the same, unrecorded, add --break-glass {name} --reason TEXT", FAILED)
    return exit_code(progress)


def _declined(engine: Engine, mitigator: Mitigator, plan: Plan) -> int:
    try:
        engine.submit(mitigator.cancel(plan, "declined at the prompt")).result()
    except TimelineError as error:
        return _say(f"Nothing was done, which could not be recorded: {error}", FAILED)
    return _say("Nothing was done.", FAILED)


def needed(config: Config, action: Action) -> Config:
    """What has to be read for the action: the clusters, the metrics that judge it, and for a workload the
    databases whose connections its pods share out.

    An action on a database reads none: its source would hold a slot that the action itself may not get on
    a full server.
    """
    if not action.name.startswith("k8s."):
        return Config()
    shared = [one for one in config.postgres if one.pool_size is not None and "deployment" in action.targets]
    return Config(kubernetes=config.kubernetes, prometheus=config.prometheus, postgres=tuple(shared))


def _plan(engine: Engine, make: Callable[[], Coroutine[Any, Any, Plan]]) -> Plan:
    """The plan. A full server is tried for SLOT_SECONDS, for its slots come free for moments."""
    try:
        return engine.submit(make()).result()
    except FullError as error:
        _say(f"no connection yet, trying for {SLOT_SECONDS:g} s: {error}", USAGE)
    give_up, pause, tries = engine.clock.monotonic() + SLOT_SECONDS, 0.05, 1
    while True:
        time.sleep(pause)
        pause, tries = min(2 * pause, SLOT_PAUSE), tries + 1
        try:
            return engine.submit(make()).result()
        except FullError as error:
            if engine.clock.monotonic() >= give_up:
                raise PlanError(f"{error} {tries} tries in {SLOT_SECONDS:g} s got no slot.") from None


def exit_code(progress: Progress) -> int:
    """0 done, 1 failed, refused, partial or worse than before, 2 outcome unknown.

    A verdict that could not be reached takes nothing back. 3 is what would be 0, if no timeline has it.
    """
    outcome, verdict = progress.outcome, progress.verdict
    if outcome is None or outcome.status == "unknown":
        return USAGE
    if outcome.status != "done" or (verdict is not None and verdict.status == "worse"):
        return FAILED
    return UNRECORDED if progress.by_hand else DONE


def find_action(name: str) -> Action:
    """The mitigation of that name. Raises UsageError with the nearest."""
    for action in MITIGATIONS:
        if action.name == name:
            return action
    raise UsageError(f"no action is called {name!r}{_nearest(name, (a.name for a in MITIGATIONS))}")


def take_server(action: Action, words: Sequence[str]) -> tuple[str, list[str]]:
    """The NAME of ``server=NAME``, which chooses the server of an action on a database, and the other words.

    Raises UsageError when it is given twice.
    """
    mark = "server="
    taken = [
        word for word in words if action.name.startswith("pg.") and word.startswith(mark) and word != mark
    ]
    if len(taken) > 1:
        raise UsageError("the parameter 'server' is given twice")
    return "".join(taken).removeprefix(mark), [word for word in words if word not in taken]


def parse_params(action: Action, words: Sequence[str]) -> dict[str, str]:
    """``key=value`` words as parameters of the action. Raises UsageError; a default is left to the plan."""
    known = {param.name: param for param in action.params}
    found: dict[str, str] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise UsageError(
                f"{word!r} is no parameter; write NAME=VALUE, e.g. {next(iter(known), 'name')}=…"
            )
        if key not in known:
            some = _nearest(key, known) if known else f"; {action.name} has none"
            raise UsageError(f"{action.name} has no parameter {key!r}{some}")
        if key in found:
            raise UsageError(f"the parameter {key!r} is given twice")
        if wrong := known[key].mistake(value):
            raise UsageError(f"{word}: {wrong.rstrip('.')}")
        found[key] = value
    missing = [param.name for param in action.params if param.required and param.name not in found]
    if missing:
        raise UsageError(f"{action.name} needs {missing[0]}=…: {known[missing[0]].help}")
    return {**{p.name: p.default for p in action.params if p.default}, **found}


def parse_target(action: Action, text: str) -> tuple[str, str]:
    """``kind/name`` as the two. Raises UsageError with the kinds that the action accepts."""
    kind, slash, name = text.partition("/")
    kinds = " or ".join(f"{kind}/NAME" for kind in action.targets)
    if not slash or not name or "/" in name:
        raise UsageError(f"{text!r} is no target; write {kinds}")
    if kind not in action.targets:
        near = difflib.get_close_matches(kind, action.targets, n=1)
        hint = f"did you mean {near[0]}/{name}?" if near else f"it acts on {kinds}"
        raise UsageError(f"{action.name} cannot act on a {kind}; {hint}")
    return kind, name


def _check_consent(args: argparse.Namespace, name: str) -> None:
    if args.plan:
        return
    if args.break_glass is not None and args.break_glass != name:
        raise UsageError(f"--break-glass {args.break_glass!r} is not the target's exact name, {name!r}")
    if args.break_glass is not None and not args.reason.strip():
        raise UsageError("--break-glass needs --reason TEXT: others have to be told why there is no record")
    if args.yes and not args.reason.strip():
        raise UsageError("--yes needs --reason TEXT: nobody is there to be asked why")
    if not args.yes and not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            "there is no terminal to confirm on; look with --plan, then give --yes and --reason TEXT"
        )


def _print_plan(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        shown = {**msgspec.to_builtins(plan), "digest": plan.digest}
        print(json.dumps(redact_value(shown), indent=2))
    else:
        print(plan_text(plan))


def _confirmed(plan: Plan, *, break_glass: bool) -> bool:
    """Ask on the terminal: y for what is routine, yes for what disrupts, the typed name for the rest.

    What may go unrecorded takes the typed name whatever its risk. What was typed before the question is
    thrown away: it answers something else.
    """
    risk = Risk.DESTRUCTIVE if break_glass else plan.risk
    wanted = {Risk.ROUTINE: "y", Risk.DISRUPTIVE: "yes"}.get(risk, plan.typed_name)
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    return _ask(f"Type {wanted!r} to go on, anything else to leave: ").strip() == wanted


def _ask(question: str) -> str:
    print(question, end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def _follow(engine: Engine, mitigator: Mitigator, plan: Plan, reason: str, *, break_glass: bool) -> Progress:
    """Run the plan and print each new stage to standard error.

    Ctrl-C and its like stop it. Of what was sent the record then says that it was not verified, or, before
    there was an answer, that its outcome is unknown; the last line says which.
    """
    changed = threading.Event()
    stop = engine.board.listen(lambda name: changed.set() if name == "mitigations" else None)
    future: Future[Progress] = engine.submit(mitigator.run(plan, reason, break_glass=break_glass))
    future.add_done_callback(lambda _: changed.set())
    last = ""
    try:
        while not future.done():
            changed.wait()
            changed.clear()
            for progress in mitigator.progress[:1]:
                if progress.text != last and progress.stage != "finished":
                    last = progress.text
                    tell(f"{progress.stage}: {last}")
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        engine.stop()
        _say_how_far(mitigator, plan)
        raise
    finally:
        stop()


def _say_how_far(mitigator: Mitigator, plan: Plan) -> None:
    """Say what became of a plan that was stopped, once the engine has ended."""
    for progress in mitigator.progress:
        if progress.plan is plan and progress.stage == "finished":
            _say(progress.text, FAILED)
            if progress.by_hand:
                _say_by_hand(progress)
            return
    _say(f"It is not known what became of it: look at {plan.target} and at the timeline.", FAILED)


def _say_by_hand(progress: Progress) -> None:
    _say(f"BREAK GLASS: no timeline has this. Write it down by hand:\n{progress.by_hand}", UNRECORDED)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
    return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(names[:12])}"


def _say(text: str, code: int) -> int:
    tell(f"warroom: {text}")
    return code
