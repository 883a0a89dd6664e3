"""``warroom init``: a first configuration from the current kube context."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from console.config import ConfigError, default_config_file, parse

_TEMPLATE = """\
# Warroom's configuration. A section that is left out is a source that is disabled.
# A flag beats the environment, the environment beats this file. `warroom check` says what works.

[[kubernetes]]
name = {name}
context = {context}
namespaces = {namespaces}          # empty: all that you may read

# The error-rate pane. Without services they are found by the label below.
# [prometheus]
# url = "http://prometheus:9090"
# metric = "http_requests_total"
# duration_metric = "http_request_duration_seconds"
# status_label = "status"
# service_label = "job"
# window = 300                      # seconds; at least four scrape intervals
#
# [[prometheus.services]]
# name = "checkout"
# threshold = 0.05
# workload = "deployment/checkout"

# [alertmanager]
# url = "http://alertmanager:9093"

# PostgreSQL: give the DSN without its password here, and the password in ~/.pgpass, or the whole DSN in
# WARROOM_POSTGRES_DSN. The role needs pg_monitor, and pg_signal_backend for pg.cancel and pg.terminate.
# [[postgres]]
# name = "main"
# dsn = "postgresql://warroom@db-host:5432/postgres"
# pool_size = 20                    # connections of one pod, for the budget shown when scaling

# [[redis]]
# name = "main"
# url = "redis://redis:6379/0"
# queues = ["jobs:default"]

# [[http]]
# name = "front page"
# url = "https://example.com/health"

# [screen]
# theme = "warroom-dark"            # or warroom-light, warroom-contrast
# keys = {{ "k8s.rollback" = "ctrl+b" }}
"""


def run(args: argparse.Namespace) -> int:
    """Write the file; refuse to replace one without ``--force``. Exit code 0, or 2 with a sentence."""
    file = args.config or default_config_file()
    if file.exists() and not args.force:
        print(f"warroom: {file} exists already; edit it, or replace it with --force.", file=sys.stderr)
        return 2
    context, namespace = _current_context(args)
    text = _TEMPLATE.format(
        name=_quote(context),
        context=_quote(context),
        namespaces=f"[{', '.join(_quote(item) for item in args.namespace or [namespace])}]",
    )
    parse(text, str(file))
    try:
        _write(file, text)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        print(f"warroom: {file} cannot be written: {reason}; name another with --config.", file=sys.stderr)
        return 2
    print(file)
    print("warroom: written. Fill in what you have, then run: warroom check", file=sys.stderr)
    return 0


def _write(file: Path, text: str) -> None:
    """Write a whole new file that only its owner can read, or none."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(file)


def _current_context(args: argparse.Namespace) -> tuple[str, str]:
    """The context that is asked for or current, and its namespace. Raises ConfigError."""
    from kubernetes.config import list_kube_config_contexts
    from kubernetes.config.config_exception import ConfigException

    kubeconfig: Path | None = args.kubeconfig
    try:
        contexts, active = list_kube_config_contexts(  # type: ignore[no-untyped-call]
            config_file=str(kubeconfig) if kubeconfig else None
        )
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigError(
            f"no kube context can be read: {str(error).rstrip('. ')}. Name a file with --kubeconfig, or look"
            " around first with: warroom drill"
        ) from None
    wanted = args.context or (active or {}).get("name")
    for context in contexts:
        if context["name"] == wanted:
            return context["name"], context["context"].get("namespace") or "default"
    known = ", ".join(context["name"] for context in contexts) or "none"
    raise ConfigError(f"the kubeconfig has no context {wanted!r}; it has: {known}.")


def _quote(text: str) -> str:
    """A TOML basic string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
