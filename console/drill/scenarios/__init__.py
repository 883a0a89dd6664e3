"""The scenarios, one file each; a new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from console.drill.scenario import Scenario
from console.drill.scenarios.bad_release import BadRelease
from console.drill.scenarios.cache_stampede import CacheStampede
from console.drill.scenarios.connections_exhausted import ConnectionsExhausted
from console.drill.scenarios.dependency_down import DependencyDown
from console.drill.scenarios.error_spike import ErrorSpike
from console.drill.scenarios.latency import Latency
from console.drill.scenarios.memory_leak import MemoryLeak
from console.drill.scenarios.outage import Outage
from console.drill.scenarios.pipeline_failure import PipelineFailure
from console.drill.scenarios.queue_backup import QueueBackup

SCENARIOS: Mapping[str, type[Scenario]] = {
    scenario.name: scenario
    for scenario in (
        BadRelease,
        ConnectionsExhausted,
        MemoryLeak,
        ErrorSpike,
        Latency,
        Outage,
        DependencyDown,
        QueueBackup,
        PipelineFailure,
        CacheStampede,
        Scenario,
    )
}
