"""The Prometheus text format: writing samples and reading them back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from console.drill.promql.store import Labels, labels_of


class Metric(msgspec.Struct, frozen=True):
    """A metric family: its name, type (counter, gauge, histogram), help and samples.

    A sample is a name (with ``_bucket`` and the like), labels and a value.
    """

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Mapping[str, str], float], ...]


_ESCAPE = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_LINE = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: (\S+))?$")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_UNESCAPE = {r"\\": "\\", r"\"": '"', r"\n": "\n"}


def number(value: float) -> str:
    """A value as Prometheus prints it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def render(metrics: Iterable[Metric], *, openmetrics_at: float | None = None) -> str:
    """The text of one scrape; with a time (unix seconds) in the OpenMetrics form that promtool imports."""
    lines: list[str] = []
    stamp = "" if openmetrics_at is None else f" {openmetrics_at:.3f}"
    for metric in metrics:
        if openmetrics_at is None:
            lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        for name, labels, value in metric.samples:
            pairs = ",".join(f'{key}="{text.translate(_ESCAPE)}"' for key, text in labels.items())
            lines.append(
                f"{name}{{{pairs}}} {number(value)}{stamp}" if pairs else f"{name} {number(value)}{stamp}"
            )
    return "\n".join(lines) + "\n"


def parse(text: str, extra: Mapping[str, str]) -> Iterator[tuple[Labels, float]]:
    """The samples of a scrape, each with the labels of its target. Lines it cannot read are skipped."""
    for line in text.splitlines():
        match = None if line.startswith("#") else _LINE.match(line)
        if match:
            name, pairs, value, _ = match.groups()
            labels = {
                key: re.sub(r"\\.", lambda m: _UNESCAPE.get(m.group(), m.group()), text_value)
                for key, text_value in _LABEL.findall(pairs or "")
            }
            yield labels_of(name, {**labels, **extra}), float(value)
