"""The scenarios, one file each; a new one is a file and a line here."""

from __future__ import annotations

from collections.abc import Mapping

from console.drill.scenario import Scenario
from console.drill.scenarios.bad_release import BadRelease

SCENARIOS: Mapping[str, type[Scenario]] = {scenario.name: scenario for scenario in (BadRelease, Scenario)}
