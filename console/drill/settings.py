"""The configuration file that the drill writes for the console, and the addresses it tells."""

from __future__ import annotations

import json
import os
from pathlib import Path

import msgspec

from console.drill.redis import QUEUE, STUCK
from console.drill.rules import ERRORS, LATENCY, window
from console.drill.shop import BY_NAME, NAMESPACE, WEB


class Info(msgspec.Struct, frozen=True):
    """Where the world answers; the JSON that ``--info`` asks for."""

    kubeconfig: str
    context: str
    namespace: str
    prometheus_url: str
    alertmanager_url: str
    postgres_dsn: str
    redis_url: str
    config: str


def write_config(
    path: Path,
    info: Info,
    *,
    speed: float,
    health: str,
    all_namespaces: bool = False,
    state_dir: Path | None = None,
) -> None:
    """Write ``warroom.toml`` for a world. ``health`` is the base address of the health endpoints.

    Only the shop's namespace is looked at, unless ``all_namespaces``. ``state_dir`` is where consoles keep
    their record, so that the score finds it.
    """
    interval = max(1.0, min(5.0, 5 / speed))
    lines = [
        "drill = true",
        *([f"state_dir = {_text(str(state_dir))}"] if state_dir is not None else []),
        "[[kubernetes]]",
        f"kubeconfig = {_text(info.kubeconfig)}",
        f"context = {_text(info.context)}",
        *([] if all_namespaces else [f"namespaces = [{_text(NAMESPACE)}]"]),
        "[prometheus]",
        f"url = {_text(info.prometheus_url)}",
        f"window = {window(speed)}",
        f"interval = {interval:g}",
        "history = 900",
    ]
    for service in WEB:
        lines += [
            "[[prometheus.services]]",
            f"name = {_text(service.name)}",
            f"threshold = {ERRORS}",
            f"p95_threshold = {LATENCY}",
            f"workload = {_text(f'deployment/{service.name}')}",
        ]
    lines += [
        "[alertmanager]",
        f"url = {_text(info.alertmanager_url)}",
        f"interval = {interval:g}",
        "[[postgres]]",
        f"dsn = {_text(info.postgres_dsn)}",
        f"pool_size = {max(service.pool[1] for service in BY_NAME.values())}",
        'protected_applications = ["postgres_exporter"]',
        "[[redis]]",
        f"url = {_text(info.redis_url)}",
        f"queues = [{_text(QUEUE)}, {_text(STUCK)}]",
    ]
    for name in (*(service.name for service in WEB), "payments"):
        lines += [
            "[[http]]",
            f"name = {_text(name)}",
            f"url = {_text(f'{health}/health/{name}')}",
            "interval = 5",
        ]
    write_private(path, "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """Put a file in place whole, readable by its owner alone: it holds passwords."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def _text(value: str) -> str:
    """A TOML basic string; JSON's escapes are among TOML's."""
    return json.dumps(value, ensure_ascii=False)
