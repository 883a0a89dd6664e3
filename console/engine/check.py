"""``warroom check``: configuration, reachability, versions and permissions, a line each."""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from console.config import (
    ClusterSettings,
    Config,
    ConfigError,
    PostgresSettings,
    default_config_file,
    default_state_dir,
    load,
)
from console.engine.assemble import board_names
from console.engine.board import Board
from console.engine.status import look
from console.mitigations.permissions import Permission, permissions
from console.mitigations.world import World
from console.model.clock import SystemClock
from console.model.kube import KubeSnapshot
from console.model.metrics import AlertsSnapshot, PrometheusSnapshot
from console.model.postgres import PostgresSnapshot
from console.model.redis import RedisSnapshot
from console.model.source import Health
from console.timeline.recorder import Recorder


def run(args: argparse.Namespace) -> int:
    """Print one line a check; exit 1 when one failed."""
    config = load(args.config, vars(args))
    names = board_names(config)
    if not names:
        raise ConfigError("nothing is configured to check; run `warroom init`, or give --kubeconfig.")
    board, _ = look(config, args)
    file = args.config or default_config_file()
    rows = [
        _row("configuration", "ok", str(file) if file.exists() else f"only the flags: there is no {file}")
    ]
    rows.append(_state_row(args.state_dir or config.state_dir or default_state_dir()))
    rows += [_source_row(board, name) for name in names]
    rows += [_permission_row(item) for item in asyncio.run(_permissions(config, board))]
    if args.json:
        print(json.dumps(rows, indent=2))
    else:
        width = max(len(row["check"]) for row in rows)
        for row in rows:
            print(f"{row['state']:<8} {row['check']:<{width}}  {row['detail']}".rstrip())
    return 1 if any(row["state"] == "failed" for row in rows) else 0


def _row(check: str, state: str, detail: str) -> dict[str, Any]:
    return {"check": check, "state": state, "detail": detail}


def _state_row(state_dir: Path) -> dict[str, Any]:
    recorder = Recorder(state_dir, SystemClock())
    health = recorder.check()
    warning = recorder.warning
    if health.state != "ok":
        return _row("timeline", "failed", health.reason)
    return _row("timeline", "limited" if warning else "ok", warning or str(state_dir))


def _source_row(board: Board, name: str) -> dict[str, Any]:
    status = board.status(name)
    if status is None or status.health is Health.CONNECTING:
        return _row(name, "failed", "no answer in time; check the address and the network")
    state = {Health.OK: "ok", Health.LIMITED: "limited"}.get(status.health, "failed")
    parts = (_version(board.snapshot(name)), status.address, status.reason, status.advice)
    return _row(name, state, "; ".join(part for part in parts if part))


def _version(snapshot: object) -> str:
    match snapshot:
        case KubeSnapshot():
            return f"Kubernetes {snapshot.version}, context {snapshot.context}"
        case PostgresSnapshot():
            major, minor = divmod(snapshot.version, 10_000)
            return f"PostgreSQL {major}.{minor}" + (" standby" if snapshot.standby else "")
        case RedisSnapshot():
            return f"Redis {snapshot.version} {snapshot.role}"
        case PrometheusSnapshot(version=version) if version:
            return f"Prometheus {version}"
        case AlertsSnapshot(version=version) if version:
            return f"Alertmanager {version}"
    return ""


def _permission_row(item: Permission) -> dict[str, Any]:
    state = {True: "ok", False: "denied", None: "unknown"}[item.allowed]
    return _row(f"{item.action} on {item.source}", state, item.detail)


async def _permissions(config: Config, board: Board) -> list[Permission]:
    found: list[Permission] = []
    names = board_names(config)
    servers: list[ClusterSettings | PostgresSettings] = [*config.kubernetes, *config.postgres]
    keyed = [name for name in names if name.startswith(("kubernetes:", "postgres:"))]
    with tempfile.TemporaryDirectory() as unused:
        for name, settings in zip(keyed, servers, strict=True):
            world = World(
                clock=SystemClock(),
                config=config,
                board=board,
                source=name,
                settings=settings,
                evidence_dir=Path(unused),
            )
            try:
                found += await permissions(world)
            finally:
                await world.close()
    return found
