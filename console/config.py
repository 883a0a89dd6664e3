"""Settings: a TOML file, the environment and the flags -> one validated ``Config``.

Flag beats environment beats file. An unknown key or a wrong value is refused with the file, the line where
it can be found, the key and the nearest valid name; every mistake of a file is named at once.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
import platformdirs
from msgspec import Meta

from console.model import conninfo
from console.model.explain import Path as Place
from console.model.explain import line_of, positions, read_toml, where
from console.model.keymap import checked_keymap
from console.model.redact import redact
from console.model.secret import Secret
from console.model.strict import MistakesError, convert

APP = "warroom"


class ConfigError(Exception):
    """A configuration that cannot be used; the message is complete sentences, a line per mistake."""


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file; ``console.model.strict`` reads it and runs the checks that its fields declare."""


def _web_address(value: str) -> str:
    """A URL that an HTTP client takes; without one the source could only fail later, one by one."""
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("is not a URL; write e.g. 'http://host:9090/path'")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("is not a URL: what follows the ':' is not a port from 1 to 65535")
    return value


def _postgres_address(dsn: Secret) -> Secret:
    conninfo.check(dsn.reveal())
    return dsn


def _redis_address(url: Secret) -> Secret:
    """A URL whose parts are all used: the library takes database 0 when it does not understand the number."""
    if not re.match(r"(rediss?|unix)://", url.reveal()):
        raise ValueError("is no address of a Redis; write e.g. 'redis://cache:6379/0'")
    try:
        parts = urlsplit(url.reveal())
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(
            "has a port that is not a number from 1 to 65535, or a [ without a ]; write / @ : ? # & % in a"
            " name or password as %2F %40 %3A %3F %23 %26 %25"
        )
    if parts.scheme == "unix" and not parts.path:
        raise ValueError("has no path of a socket; write e.g. 'unix:///run/redis.sock'")
    if parts.scheme != "unix" and not re.fullmatch(r"(/[0-9]*/?)?", parts.path):
        raise ValueError("has a database that is not a number; write e.g. 'redis://cache:6379/0'")
    return url


def _headers(headers: dict[str, Secret]) -> dict[str, Secret]:
    """What can be sent, https://www.rfc-editor.org/rfc/rfc9110#section-5; else no request would leave."""
    if not all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) for name in headers):
        raise ValueError(
            'has a name that is none of an HTTP header; write e.g. { Authorization = "Bearer …" }'
        )
    if any(re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value.reveal()) for value in headers.values()):
        raise ValueError("has a line break or another control character in a value")
    return headers


def _regular_expression(value: str) -> str:
    try:
        re.compile(value)
    except (re.error, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return value


def _clusters_told_apart(clusters: tuple[ClusterSettings, ...]) -> tuple[ClusterSettings, ...]:
    _check_names("clusters", [cluster_name(cluster, index) for index, cluster in enumerate(clusters)])
    return clusters


def _services_told_apart(services: tuple[Any, ...]) -> tuple[Any, ...]:
    _check_names("services", [service.name for service in services])
    return services


def _checks_told_apart(checks: tuple[Any, ...]) -> tuple[Any, ...]:
    _check_names("checks", [check.name for check in checks])
    return checks


def _servers_told_apart(servers: tuple[Any, ...]) -> tuple[Any, ...]:
    _check_names("servers", [server.name for server in servers])
    return servers


def _check_names(what: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two {what} are called {redact(twice)!r}; give each a 'name' of its own")


Headers = Annotated[dict[str, Secret], Meta(extra={"check": _headers})]
WebAddress = Annotated[str, Meta(extra={"check": _web_address})]
Interval = Annotated[float, Meta(ge=1, le=300)]
"""Seconds from one reading to the next."""


class ClusterSettings(_Section, frozen=True, kw_only=True):
    """One Kubernetes context. Empty ``namespaces`` means all that the user may read.

    At most ``burst`` reads are asked at once, and ``qps`` a second after that; the defaults are kubectl's.
    """

    name: str = ""
    kubeconfig: Path | None = None
    context: str | None = None
    namespaces: tuple[str, ...] = ()
    in_cluster: bool = False
    qps: Annotated[float, Meta(gt=0, le=10_000)] = 50
    burst: Annotated[int, Meta(ge=1, le=100_000)] = 300


def cluster_name(settings: ClusterSettings, index: int) -> str:
    """What a cluster is called on the board: its own name, else its context, else ``current``."""
    return settings.name or settings.context or ("current" if index == 0 else f"cluster-{index + 1}")


class ServiceSettings(_Section, frozen=True, kw_only=True):
    """One row of the error-rate pane: PromQL for the four numbers, or labels for the default queries."""

    name: str
    selector: str = ""
    error_ratio: str = ""
    rate: str = ""
    p95: str = ""
    up: str = ""
    threshold: Annotated[float, Meta(gt=0, le=1)] = 0.05
    p95_threshold: Annotated[float, Meta(gt=0)] | None = None
    workload: str = ""
    """``deployment/NAME`` whose changes are marked on the sparkline."""


class PrometheusSettings(_Section, frozen=True, kw_only=True):
    """Prometheus or a compatible server. Without ``services`` they are discovered from ``service_label``."""

    url: WebAddress
    headers: Headers = {}
    metric: str = "http_requests_total"
    duration_metric: str = "http_request_duration_seconds"
    status_label: str = "status"
    service_label: str = "job"
    window: Annotated[float, Meta(ge=4, le=3600)] = 60
    interval: Interval = 5
    history: Annotated[float, Meta(ge=60, le=86400)] = 1800
    services: Annotated[tuple[ServiceSettings, ...], Meta(extra={"check": _services_told_apart})] = ()


class AlertmanagerSettings(_Section, frozen=True, kw_only=True):
    """One Alertmanager, API v2."""

    url: WebAddress
    headers: Headers = {}
    interval: Interval = 10


class PostgresSettings(_Section, frozen=True, kw_only=True):
    """One PostgreSQL server, as a libpq connection string. ``pool_size`` is connections per pod."""

    name: str = "main"
    dsn: Annotated[Secret, Meta(extra={"check": _postgres_address})]
    interval: Interval = 2
    pool_size: Annotated[int, Meta(ge=1)] | None = None
    protected_users: tuple[str, ...] = ()
    protected_applications: tuple[str, ...] = (
        "pg_dump",
        "pg_basebackup",
        "pg_receivewal",
        "pgbackrest",
        "wal-g",
    )


class RedisSettings(_Section, frozen=True, kw_only=True):
    """One Redis server and the keys whose depth is watched."""

    name: str = "main"
    url: Annotated[Secret, Meta(extra={"check": _redis_address})]
    queues: tuple[str, ...] = ()
    interval: Interval = 2


class HttpSettings(_Section, frozen=True, kw_only=True):
    """One HTTP health check. A status in ``expect`` whose body matches ``body`` is healthy."""

    name: str
    url: WebAddress
    method: Literal["GET", "HEAD"] = "GET"
    expect: tuple[int, ...] = (200,)
    body: Annotated[str, Meta(extra={"check": _regular_expression})] = ""
    timeout: Annotated[float, Meta(gt=0, le=60)] = 3
    interval: Annotated[float, Meta(ge=1, le=600)] = 10
    headers: Headers = {}


class ScreenSettings(_Section, frozen=True, kw_only=True):
    """How the console looks and answers keys."""

    theme: str = "warroom-dark"
    plain_output: bool = False
    """Paint in Textual's own way instead of sending only the cells that changed; also
    ``WARROOM_PLAIN_OUTPUT=1`` and ``--plain-output``."""
    keys: Annotated[dict[str, str], Meta(extra={"check": checked_keymap})] = {}
    """Action name -> key or comma-separated keys; see ``console.model.actions``."""


class Config(_Section, frozen=True, kw_only=True):
    """Everything a console is started with. A section that is left out is a source that is disabled."""

    kubernetes: Annotated[tuple[ClusterSettings, ...], Meta(extra={"check": _clusters_told_apart})] = ()
    prometheus: PrometheusSettings | None = None
    alertmanager: AlertmanagerSettings | None = None
    postgres: Annotated[tuple[PostgresSettings, ...], Meta(extra={"check": _servers_told_apart})] = ()
    redis: Annotated[tuple[RedisSettings, ...], Meta(extra={"check": _servers_told_apart})] = ()
    http: Annotated[tuple[HttpSettings, ...], Meta(extra={"check": _checks_told_apart})] = ()
    screen: ScreenSettings = ScreenSettings()
    runbook: str = ""
    """Name or file of the runbook; it fills what is left out here (see ``console.incident.runbook.fill``)."""
    state_dir: Path | None = None
    drill: bool = False
    """Set by a drill's own configuration: incidents are marked as a drill for ever."""


def default_state_dir() -> Path:
    """``WARROOM_STATE_DIR`` or the XDG state folder of the user."""
    given = os.environ.get("WARROOM_STATE_DIR")
    return Path(given) if given else Path(platformdirs.user_state_dir(APP))


def default_config_file() -> Path:
    """Where ``warroom init`` writes and every command looks when ``--config`` is not given."""
    given = os.environ.get("WARROOM_CONFIG")
    return Path(given) if given else Path(platformdirs.user_config_dir(APP)) / "warroom.toml"


def load(path: Path | None = None, flags: Mapping[str, Any] | None = None) -> Config:
    """The configuration of ``path`` (or of the default file when there is one), then environment and flags.

    ``flags`` are the connection flags of the command line by their attribute names; None means not given.
    Raises ConfigError with one line a mistake.
    """
    file = path or default_config_file()
    text = ""
    if path is not None or file.exists():
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{file}: cannot be read: {error}. Give another file with --config.") from None
    given = {key: value for key, value in (flags or {}).items() if value}
    dsn = os.environ.get("WARROOM_POSTGRES_DSN")
    if dsn and "postgres_dsn" not in given:
        given["postgres_dsn"] = dsn
    state_dir = os.environ.get("WARROOM_STATE_DIR")
    if state_dir:
        given.setdefault("state_dir", Path(state_dir))
    plain = os.environ.get("WARROOM_PLAIN_OUTPUT", "")
    if plain:
        given.setdefault("plain_output", plain.lower() not in ("0", "false", "no", "off"))
    return parse(text, str(file), given)


def parse(text: str, name: str, flags: Mapping[str, Any] | None = None) -> Config:
    """A configuration from TOML ``text`` with ``flags`` on top; ``name`` stands in messages."""
    try:
        data = read_toml(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    for section in ("kubernetes", "postgres", "redis", "http"):
        if isinstance(data.get(section), dict):
            data[section] = [data[section]]
    _apply(flags or {}, data)
    if isinstance(data.get("runbook"), str) and data["runbook"]:
        from console.incident.runbook import fill

        fill(data, Path() if (flags or {}).get("runbook") else Path(name).parent)
    try:
        return convert(data, Config)
    except MistakesError as error:
        lines = positions(text)
        raise ConfigError(
            "\n".join(
                f"{_flag_at(path, flags or {}) or where(name, line_of(path, lines))}: {sentence}"
                for path, sentence in error.mistakes
            )
        ) from None


def _flag_at(path: Place, flags: Mapping[str, Any]) -> str:
    """What a message calls the flag that was put over the file at this place; empty when none was."""
    at = tuple(part for part in path if part != 0)
    for flag, place in _FLAGS.items():
        if flags.get(flag) and place == at:
            return _FLAG_NAMES.get(flag) or f"--{flag.replace('_', '-')}"
    return ""


_FLAGS: dict[str, tuple[str, str]] = {
    "prometheus_url": ("prometheus", "url"),
    "alertmanager_url": ("alertmanager", "url"),
    "postgres_dsn": ("postgres", "dsn"),
    "redis_url": ("redis", "url"),
}
_FLAG_NAMES = {"postgres_dsn": "--postgres-dsn or WARROOM_POSTGRES_DSN"}
"""What a message calls a flag that the environment may have set."""


def _apply(flags: Mapping[str, Any], data: dict[str, Any]) -> None:
    """Put flags into the data of the file; of several databases or caches the first is meant."""
    _apply_cluster(flags, data)
    for flag, (section, key) in _FLAGS.items():
        if not (value := flags.get(flag)):
            continue
        if section in ("postgres", "redis"):
            servers = data.setdefault(section, [{}])
            if isinstance(servers, list) and servers and isinstance(servers[0], dict):
                servers[0][key] = value
        else:
            part = data.setdefault(section, {})
            if isinstance(part, dict):
                part[key] = value
    if "plain_output" in flags and isinstance(screen := data.setdefault("screen", {}), dict):
        screen["plain_output"] = flags["plain_output"]
    for key in ("runbook", "state_dir"):
        if flags.get(key):
            data[key] = flags[key]
    if "kubernetes" not in data and kubeconfig_exists():
        data["kubernetes"] = [{}]


def _apply_cluster(flags: Mapping[str, Any], data: dict[str, Any]) -> None:
    """The flags of a cluster: ``--context`` chooses one of those in the file by its name or its context, or
    is another one; a kubeconfig is that of one cluster; namespaces are those of all."""
    context, kubeconfig, namespaces = (flags.get(flag) for flag in ("context", "kubeconfig", "namespace"))
    clusters = data.get("kubernetes") or [{}]
    if not (context or kubeconfig or namespaces) or not isinstance(clusters, list):
        return
    if not all(isinstance(cluster, dict) for cluster in clusters):
        return  # refused by the validation
    if context:
        known = [one for one in clusters if context in (one.get("name"), one.get("context"))]
        rest = clusters[0] if len(clusters) == 1 else {}
        clusters = known[:1] or [{**rest, "name": "", "context": context}]
    if kubeconfig:
        clusters = [{**(clusters[0] if len(clusters) == 1 else {}), "kubeconfig": kubeconfig}]
    if namespaces:
        clusters = [{**cluster, "namespaces": namespaces} for cluster in clusters]
    data["kubernetes"] = clusters


def kubeconfig_exists() -> bool:
    """Whether kubectl would find a kubeconfig; its lookup and merging are left to the client library."""
    names = os.environ.get("KUBECONFIG", "").split(os.pathsep)
    return any(name and Path(name).exists() for name in names) or (Path.home() / ".kube/config").exists()
