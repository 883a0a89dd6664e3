"""Configuration -> sources. The only place that knows which section makes which source.

Each source module is imported when its section is there, on the engine's thread: the client libraries cost
more start-up time than the first frame.
"""

from __future__ import annotations

import random

from console.config import ClusterSettings, Config
from console.model.clock import Clock
from console.sources.base import Source


def cluster_name(settings: ClusterSettings, index: int) -> str:
    """The name of a cluster on the board: its own, else its context, else ``current``."""
    return settings.name or settings.context or ("current" if index == 0 else f"cluster-{index + 1}")


def board_names(config: Config) -> tuple[str, ...]:
    """The board names of all sources of a configuration, without importing any of them."""
    names = [f"kubernetes:{cluster_name(item, index)}" for index, item in enumerate(config.kubernetes)]
    names += ["prometheus"] if config.prometheus else []
    names += ["alertmanager"] if config.alertmanager else []
    names += [f"postgres:{item.name}" for item in config.postgres]
    names += [f"redis:{item.name}" for item in config.redis]
    names += ["http"] if config.http else []
    return tuple(names)


def build_sources(config: Config, clock: Clock, rng: random.Random) -> list[Source]:
    """One source for every configured system."""
    sources: list[Source] = []
    if config.kubernetes:
        from console.sources.kubernetes import KubernetesSource

        for index, cluster in enumerate(config.kubernetes):
            name = f"kubernetes:{cluster_name(cluster, index)}"
            sources.append(KubernetesSource(name, cluster, clock, rng))
    if config.postgres:
        from console.sources.postgres import PostgresSource

        sources += [PostgresSource(f"postgres:{item.name}", item, clock, rng) for item in config.postgres]
    if config.redis:
        from console.sources.redis import RedisSource

        sources += [RedisSource(f"redis:{item.name}", item, clock, rng) for item in config.redis]
    if config.prometheus:
        from console.sources.prometheus import PrometheusSource

        sources.append(PrometheusSource(config.prometheus, clock, rng))
    if config.alertmanager:
        from console.sources.alertmanager import AlertmanagerSource

        sources.append(AlertmanagerSource(config.alertmanager, clock, rng))
    if config.http:
        from console.sources.http import HttpSource

        sources.append(HttpSource(config.http, clock, rng))
    return sources
