"""The ``warroom`` command: parses the command line and hands over to the module that does the work.

Importing this loads neither textual nor a client library, so that ``--help`` and ``--version`` answer
at once.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from console import __version__

_HANDLERS = {
    "run": "console.engine.launch:run",
    "watch": "console.engine.watch:run",
    "drill": "console.drill.command:run",
    "status": "console.engine.status:run",
    "act": "console.engine.act_command:run",
    "check": "console.engine.check:run",
    "timeline": "console.timeline.command:run",
    "incidents": "console.timeline.command:run_incidents",
    "postmortem": "console.timeline.command:run_postmortem",
    "runbook": "console.incident.runbook_command:run",
    "init": "console.engine.init:run",
}
"""Where each command lives, as ``module:function``; the function takes the parsed arguments and returns
the exit code."""


def _connection_flags(*, all_sources: bool = True) -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(add_help=False)
    group = flags.add_argument_group("what to connect to (flag beats environment beats file)")
    group.add_argument("--config", type=Path, metavar="FILE", help="configuration file (TOML)")
    group.add_argument("--kubeconfig", type=Path, metavar="FILE")
    group.add_argument("--context", metavar="NAME", help="kube context; pinned for the whole run")
    group.add_argument("--namespace", "-n", action="append", metavar="NS", help="may be repeated")
    if not all_sources:
        return flags
    group.add_argument("--runbook", metavar="NAME|FILE", help="runbook that the team follows")
    group.add_argument("--prometheus-url", metavar="URL")
    group.add_argument("--alertmanager-url", metavar="URL")
    group.add_argument("--redis-url", metavar="URL")
    group.add_argument(
        "--postgres-dsn", metavar="DSN", help="better in WARROOM_POSTGRES_DSN: it may hold a secret"
    )
    return flags


def _seconds(text: str) -> float:
    """A time to wait, of more than none and with an end."""
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time to wait; give seconds, e.g. 15")
    return seconds


def _state_flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(add_help=False)
    flags.add_argument("--state-dir", type=Path, metavar="DIR", help="where timelines and incidents are kept")
    return flags


def _screen_flags() -> argparse.ArgumentParser:
    flags = argparse.ArgumentParser(add_help=False)
    flags.add_argument(
        "--plain-output",
        action="store_true",
        help="when the screen looks wrong: paint it whole, not only what changed (WARROOM_PLAIN_OUTPUT=1)",
    )
    return flags


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; also read by the documentation and its tests."""
    connection, state, screen = _connection_flags(), _state_flags(), _screen_flags()
    parser = argparse.ArgumentParser(
        "warroom",
        description="A full-screen terminal console for people in a production incident.",
        epilog="Without a command: run. A first look without any system: warroom drill bad-release",
    )
    parser.add_argument("--version", action="version", version=f"warroom {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    commands.add_parser("run", parents=[connection, state, screen], help="open the console (the default)")
    commands.add_parser(
        "watch", parents=[connection, state, screen], help="the same picture, unable to change anything"
    )

    drill = commands.add_parser("drill", parents=[state, screen], help="a game day on this machine")
    drill.add_argument("scenario", nargs="?", default="bad-release", help="what breaks; see --list")
    drill.add_argument("--list", action="store_true", help="print the scenarios")
    drill.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed repeats a drill")
    drill.add_argument("--pods", type=int, default=0, metavar="N", help="add N quiet pods to the cluster")
    drill.add_argument("--speed", type=float, default=1.0, metavar="X", help="how fast the story unfolds")
    drill.add_argument("--headless", action="store_true", help="start the world only, until SIGTERM")
    drill.add_argument(
        "--info", type=Path, metavar="FILE", help="with --headless: write the addresses as JSON"
    )

    status = commands.add_parser("status", parents=[connection, state], help="what is sick and why, as text")
    status.add_argument("--json", action="store_true")
    status.add_argument("--timeout", type=_seconds, default=15.0, metavar="SECONDS")

    act = commands.add_parser("act", parents=[connection, state], help="a mitigation without the screen")
    act.add_argument("action", metavar="ACTION", help="e.g. k8s.rollback")
    act.add_argument("target", metavar="TARGET", help="e.g. deployment/checkout or pid/4711")
    act.add_argument(
        "params",
        nargs="*",
        metavar="KEY=VALUE",
        help="parameters of the action; of several database servers server=NAME is the one meant",
    )
    act.add_argument("--plan", action="store_true", help="only print the plan")
    act.add_argument("--json", action="store_true")
    act.add_argument("--yes", action="store_true", help="do not ask; needs --reason")
    act.add_argument("--reason", metavar="TEXT", default="")
    act.add_argument(
        "--break-glass",
        metavar="NAME",
        help="act even if that cannot be recorded; NAME is the target's exact name; needs --reason",
    )

    check = commands.add_parser(
        "check", parents=[connection, state], help="configuration, reachability and permissions"
    )
    check.add_argument("--json", action="store_true")
    check.add_argument("--timeout", type=_seconds, default=15.0, metavar="SECONDS")

    timeline = commands.add_parser("timeline", help="show, add to, verify or export the record")
    verbs = timeline.add_subparsers(dest="verb", metavar="VERB", required=True)
    which = argparse.ArgumentParser(add_help=False)
    which.add_argument("--incident", metavar="ID", help="default: the open incident, or else standby")
    for verb, text in (
        ("show", "print the entries"),
        ("add", "write a note, or an entry of another kind"),
        ("verify", "check lines and chain; exit 1 at the first bad line"),
        ("export", "write it as Markdown, JSON or CSV"),
    ):
        command = verbs.add_parser(verb, parents=[which, state], help=text)
        if verb == "add":
            command.add_argument("text", nargs="+")
            command.add_argument(
                "--kind",
                choices=("note", "change", "check", "evidence", "escalation", "comms.sent", "comms.failed"),
                default="note",
                help="what it is about (default: note); comms.sent counts as a status update",
            )
        if verb == "export":
            command.add_argument("--format", choices=("md", "json", "csv"), default="md")
        if verb in ("show", "verify"):
            command.add_argument("--json", action="store_true")

    incidents = commands.add_parser("incidents", parents=[state], help="list the incidents")
    incidents.add_argument("--json", action="store_true")

    postmortem = commands.add_parser(
        "postmortem", parents=[state], help="write the draft of a post-mortem, in Markdown"
    )
    postmortem.add_argument("incident", metavar="ID", help="of the incident, as `warroom incidents` lists it")

    runbook = commands.add_parser("runbook", help="list, show or check the bundled and own runbooks")
    verbs = runbook.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, count, text in (
        ("list", 0, "names, titles and review dates"),
        ("show", None, "print one"),
        ("lint", "?", "check one file or all; exit 1 on mistakes, 2 when one cannot be read"),
    ):
        command = verbs.add_parser(verb, help=text)
        if count != 0:
            command.add_argument("name", nargs=count, metavar="NAME|FILE")
        command.add_argument("--json", action="store_true")

    init = commands.add_parser(
        "init",
        parents=[_connection_flags(all_sources=False)],
        help="write a first configuration from the kube context",
    )
    init.add_argument("--force", action="store_true", help="replace an existing file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; no exception of ours reaches the user as a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "run")
    args = _parse(words)
    if getattr(args, "postgres_dsn", None) and _has_password(args.postgres_dsn):
        print(
            "warroom: warning: a password on the command line is visible to every user of this machine;"
            " set WARROOM_POSTGRES_DSN instead.",
            file=sys.stderr,
        )
    try:
        return int(_handler(args.command)(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        return _explain(error)


def _handler(command: str) -> Callable[[argparse.Namespace], int]:
    """The function behind a command."""
    module, _, function = _HANDLERS[command].partition(":")
    if module not in sys.modules:
        _load(module)
    handler: Callable[[argparse.Namespace], int] = getattr(sys.modules[module], function)
    return handler


def _load(module: str) -> None:
    """Import a module. All of it stays, so no garbage is looked for meanwhile or among it later: 20 ms.

    What has read the command line is garbage by now.
    """
    gc.collect()
    gc.disable()
    try:
        importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def _parse(words: list[str]) -> argparse.Namespace:
    """Parse; parameters of an action may also stand after the flags, where argparse does not take them."""
    parser = build_parser()
    args, rest = parser.parse_known_args(words)
    if rest and (args.command != "act" or any(word.startswith("-") for word in rest)):
        late = next((word for word in rest if word in _HANDLERS), None)
        hint = f"; the command stands first: warroom {late} …" if late else ""
        parser.error(f"unrecognized arguments: {' '.join(rest)}{hint}")
    if rest:
        args.params += rest
    return args


def _has_password(dsn: str) -> bool:
    return "password=" in dsn or ("://" in dsn and ":" in dsn.partition("://")[2].partition("@")[0])


def _explain(error: Exception) -> int:
    """Say a sentence; keep the traceback, redacted, in a file for the report of a bug."""
    from console.config import ConfigError
    from console.timeline.entry import TimelineError

    if isinstance(error, (ConfigError, TimelineError)):
        print(f"warroom: {error}", file=sys.stderr)
        return 2
    from console.engine.crash import save_crash

    print(f"warroom: {save_crash(error)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
