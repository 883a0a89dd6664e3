"""``warroom status``: one round of all sources as text fit to paste into a chat, or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from typing import Any

from console.config import Config, ConfigError, default_state_dir, load
from console.engine.assemble import board_names
from console.engine.board import Board
from console.engine.engine import Engine
from console.model.clock import SystemClock
from console.model.signals import Signal, detect
from console.model.source import Health, SourceStatus

HEALTHY, SICK, UNKNOWN = 0, 1, 2


def run(args: argparse.Namespace) -> int:
    """Print what is sick and why; exit 0 healthy, 1 sick, 2 could not tell."""
    config = load(args.config, vars(args))
    if not board_names(config):
        raise ConfigError("nothing is configured to look at; run `warroom init`, or give --kubeconfig.")
    board, now = look(config, args)
    signals = detect(board, {}, now.timestamp())
    code = judge(board, signals, config)
    report = _report(board, signals, now, code)
    print(json.dumps(report, indent=2) if args.json else _as_text(report))
    return code


def look(config: Config, args: argparse.Namespace) -> tuple[Board, datetime]:
    """One round of every source, read-only, within ``args.timeout`` seconds."""
    clock = SystemClock()
    engine = Engine(config, clock, args.state_dir or config.state_dir or default_state_dir(), "watch")
    engine.start()
    try:
        if not engine.wait_ready(args.timeout):
            for status in engine.board.statuses.values():
                if status.health is Health.CONNECTING:
                    print(
                        f"warroom: {status.name} did not answer within {args.timeout:g} s.", file=sys.stderr
                    )
    finally:
        engine.stop()
    return engine.board, clock.now()


def judge(board: Board, signals: tuple[Signal, ...], config: Config) -> int:
    """Sick when something was seen; otherwise healthy only if every configured source was seen."""
    if any(signal.severity in ("warning", "critical") and signal.source_ok for signal in signals):
        return SICK
    healths = {name: status.health for name, status in board.statuses.items()}
    seen = all(healths.get(name) in (Health.OK, Health.LIMITED) for name in board_names(config))
    return HEALTHY if seen else UNKNOWN


def _report(board: Board, signals: tuple[Signal, ...], now: datetime, code: int) -> dict[str, Any]:
    return {
        "state": ("healthy", "sick", "unknown")[code],
        "at": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "signals": [
            {
                "name": signal.name,
                "subject": signal.subject,
                "severity": signal.severity,
                "text": signal.text,
                "source": signal.source,
            }
            for signal in signals
        ],
        "sources": [_source(status) for _, status in sorted(board.statuses.items())],
    }


def _source(status: SourceStatus) -> dict[str, Any]:
    return {
        "name": status.name,
        "health": status.health.value,
        "reason": status.reason,
        "advice": status.advice,
        "address": status.address,
    }


def _as_text(report: dict[str, Any]) -> str:
    lines = [f"{report['state'].upper()} at {report['at']}"]
    lines += [f"  {signal['severity']:<8} {signal['text']}" for signal in report["signals"]]
    lines += [
        f"  {source['health']:<8} {source['name']}" + (f": {source['reason']}" if source["reason"] else "")
        for source in report["sources"]
    ]
    return "\n".join(lines)
