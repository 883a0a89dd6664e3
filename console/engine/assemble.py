"""Configuration -> sources. The only place that knows which section makes which source.

Each source module is imported when its section is there: its client library costs as much start-up time as
the first frame. The order is that of what is missed most, see ``Engine``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from console.config import (
    AlertmanagerSettings,
    ClusterSettings,
    Config,
    HttpSettings,
    PostgresSettings,
    PrometheusSettings,
    RedisSettings,
    cluster_name,
)
from console.model.clock import Clock
from console.sources.base import Source

Factory = Callable[[str, Clock, random.Random], Source]
"""Makes a source from its board name, the clock and the randomness of its back-off."""


def board_names(config: Config) -> tuple[str, ...]:
    """The board names of all sources of a configuration, without importing any of them."""
    return tuple(name for name, _ in factories(config))


def factories(config: Config) -> list[tuple[str, Factory]]:
    """The board name of every configured source, and what makes it."""
    found: list[tuple[str, Factory]] = []
    for index, cluster in enumerate(config.kubernetes):
        found.append((f"kubernetes:{cluster_name(cluster, index)}", partial(_kubernetes, cluster)))
    if config.prometheus:
        found.append(("prometheus", partial(_prometheus, config.prometheus)))
    if config.alertmanager:
        found.append(("alertmanager", partial(_alertmanager, config.alertmanager)))
    found += [(f"postgres:{item.name}", partial(_postgres, item)) for item in config.postgres]
    found += [(f"redis:{item.name}", partial(_redis, item)) for item in config.redis]
    if config.http:
        found.append(("http", partial(_http, config.http)))
    return found


def _kubernetes(settings: ClusterSettings, name: str, clock: Clock, rng: random.Random) -> Source:
    from console.sources.kubernetes import KubernetesSource

    return KubernetesSource(name, settings, clock, rng)


def _prometheus(settings: PrometheusSettings, _name: str, clock: Clock, rng: random.Random) -> Source:
    from console.sources.prometheus import PrometheusSource

    return PrometheusSource(settings, clock, rng)


def _alertmanager(settings: AlertmanagerSettings, _name: str, clock: Clock, rng: random.Random) -> Source:
    from console.sources.alertmanager import AlertmanagerSource

    return AlertmanagerSource(settings, clock, rng)


def _postgres(settings: PostgresSettings, name: str, clock: Clock, rng: random.Random) -> Source:
    from console.sources.postgres import PostgresSource

    return PostgresSource(name, settings, clock, rng)


def _redis(settings: RedisSettings, name: str, clock: Clock, rng: random.Random) -> Source:
    from console.sources.redis import RedisSource

    return RedisSource(name, settings, clock, rng)


def _http(settings: tuple[HttpSettings, ...], _name: str, clock: Clock, _rng: random.Random) -> Source:
    from console.sources.http import HttpSource

    return HttpSource(settings, clock)
