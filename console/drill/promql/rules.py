"""Alerting rules: evaluated here, or written down for a real Prometheus."""

from __future__ import annotations

import re

import msgspec

from console.drill.promql.ast import PromQLError
from console.drill.promql.evaluate import evaluate, vector_of
from console.drill.promql.exposition import number
from console.drill.promql.parse import parse
from console.drill.promql.store import Labels, Store


class Rule(msgspec.Struct, frozen=True):
    """An alerting rule; ``hold`` is its ``for`` in seconds. Annotations are Prometheus templates."""

    name: str
    expression: str
    hold: float
    labels: dict[str, str]
    annotations: dict[str, str]


class Active(msgspec.Struct, frozen=True):
    """An alert that is pending or firing since ``since`` (unix seconds)."""

    labels: Labels
    annotations: dict[str, str]
    since: float
    firing: bool
    value: float


class RuleState:
    """One rule and its alerts."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.tree = parse(rule.expression)
        self.active: dict[Labels, Active] = {}
        self.error = ""
        self.evaluated = 0.0

    def evaluate(self, at: float, store: Store) -> list[Active]:
        """Bring the alerts to ``at``; returns those that were firing and no longer are."""
        self.evaluated = at
        try:
            vector = vector_of(evaluate(self.tree, at, store))
            self.error = ""
        except PromQLError as error:
            self.error, vector = str(error), []
        now: dict[Labels, Active] = {}
        for found, value in vector:
            plain = {key: text for key, text in found if key != "__name__"}
            labels = tuple(sorted({**plain, **self.rule.labels, "alertname": self.rule.name}.items()))
            before = self.active.get(labels)
            since = before.since if before else at
            annotations = {key: expand(text, plain, value) for key, text in self.rule.annotations.items()}
            now[labels] = Active(labels, annotations, since, at - since >= self.rule.hold, value)
        resolved = [alert for labels, alert in self.active.items() if alert.firing and labels not in now]
        self.active = now
        return resolved


def expand(template: str, labels: dict[str, str], value: float) -> str:
    """An annotation: ``{{ $labels.x }}``, ``{{ $value }}`` and the two humanize filters are filled in."""
    text = re.sub(r"\{\{\s*\$labels\.(\w+)\s*\}\}", lambda match: labels.get(match.group(1), ""), template)
    text = re.sub(r"\{\{\s*\$value \| humanizePercentage\s*\}\}", f"{value * 100:.4g}%", text)
    text = re.sub(r"\{\{\s*\$value \| humanizeDuration\s*\}\}", f"{value * 1000:.0f}ms", text)
    return re.sub(r"\{\{\s*\$value\s*\}\}", number(value), text)


def as_file(rules: tuple[Rule, ...], interval: float) -> bytes:
    """The rules for a real Prometheus: JSON, which is YAML."""
    group = {
        "name": "shop",
        "interval": f"{max(1, round(interval * 1000))}ms",
        "rules": [
            {
                "alert": rule.name,
                "expr": rule.expression,
                "for": f"{round(rule.hold * 1000)}ms",
                "labels": rule.labels,
                "annotations": rule.annotations,
            }
            for rule in rules
        ],
    }
    return msgspec.json.encode({"groups": [group]})
