"""Signals: what is wrong now and since when, as a pure function of the board.

A signal begins when a symptom is above its threshold, keeps its beginning while it lasts, and ends after two
quiet rounds of its source. Quiet is below 90 % of the threshold, so a value that hovers does not flap, and
data that go away are not quiet: what was sick stays sick until somebody can tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from console.model.http import HttpSnapshot
from console.model.metrics import AlertsSnapshot, PrometheusSnapshot
from console.model.plan import Target
from console.model.postgres import PostgresSnapshot
from console.model.redis import RedisSnapshot
from console.model.symptoms.finding import BoardView, Finding, Memory, Severity
from console.model.symptoms.kube import cluster_prefix, clusters_of, kube_findings
from console.model.symptoms.metrics import metrics_findings
from console.model.symptoms.stores import remembered_depths, store_findings
from console.model.symptoms.words import clock

QUIET_ROUNDS = 2
_ORDER: dict[Severity, int] = {"critical": 0, "warning": 1, "info": 2}


class Signal(msgspec.Struct, frozen=True):
    """Something wrong: ``error-ratio-high(auth-service) 8.1 % > 5 % since 14:23Z``.

    ``since`` is unix seconds; ``detail`` is the middle of ``text``. ``quiet`` counts the rounds without the
    symptom so far, the last of them at ``round``. ``place`` names the cluster where there are several.
    """

    name: str
    subject: str
    text: str
    severity: Severity
    since: float
    source: str
    detail: str = ""
    value: float | None = None
    threshold: float | None = None
    quiet: int = 0
    round: float = 0.0
    place: str = ""

    @property
    def label(self) -> str:
        """The subject, with its cluster where there are several."""
        return f"{self.place}{self.subject}"

    @property
    def key(self) -> str:
        """The same for the same symptom of the same subject in every round."""
        return f"{self.source}/{self.name}/{self.subject}"

    @property
    def source_ok(self) -> bool:
        """False when the signal says that a source does not answer, not that a system is sick."""
        return self.name != "source-failed"


class Step(msgspec.Struct, frozen=True):
    """A mitigation of a scenario: an action of ``console.model.actions``, or "" for what is done by hand."""

    action: str
    text: str


class Suggestion(msgspec.Struct, frozen=True):
    """A scenario that fits, with its first mitigation on a concrete target.

    ``score`` is 0 to 1; ``evidence`` are lines; ``action`` may be "" and ``target`` None where a person has
    to choose; ``source`` is the board name of the system that the target lives in; ``params`` are those of
    the action that are known; ``why`` tells why this comes first. ``by_hand`` is the first step where the
    console has no action for it, and ``commands`` are what a person would type then, with capitals and
    dots for what only that person knows.
    """

    scenario: str
    title: str
    score: float
    evidence: tuple[str, ...]
    action: str
    target: Target | None
    source: str
    why: str
    params: tuple[tuple[str, str], ...] = ()
    hints: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    by_hand: str = ""
    commands: tuple[str, ...] = ()


class SignalsSnapshot(msgspec.Struct, frozen=True):
    """What the observer publishes as ``signals``: worst first, and suggestions best first."""

    at: float
    signals: tuple[Signal, ...]
    suggestions: tuple[Suggestion, ...] = ()


NO_MEMORY = Memory()


def detect(
    board: BoardView, previous: Mapping[str, Signal], now: float, memory: Memory = NO_MEMORY
) -> tuple[Signal, ...]:
    """The signals of this round, worst and oldest first.

    ``previous`` are those of the round before by ``key``; ``memory`` is what ``remember`` gave (without it a
    growing queue is not seen).
    """
    rounds, clusters = _rounds(board), clusters_of(board)
    found = {finding.key: finding for finding in _findings(board, now, memory)}
    signals = []
    for key, finding in found.items():
        earlier = previous.get(key)
        if finding.active or earlier is not None:
            place = cluster_prefix(clusters, finding.source)
            signals.append(_signal(finding, earlier, now, rounds.get(finding.source, now), place))
    for key, earlier in previous.items():
        if key not in found:
            signals += _quieter(earlier, rounds.get(earlier.source, now))
    return tuple(sorted(signals, key=lambda signal: (_ORDER[signal.severity], signal.since, signal.key)))


def remember(board: BoardView, memory: Memory) -> Memory:
    """What the next round has to know of this one."""
    served = {
        f"{source}/{service.name}"
        for source, snapshot in board.of_type(PrometheusSnapshot).items()
        for service in snapshot.services
        if service.error_ratio.ok
    }
    return Memory(remembered_depths(board, memory), memory.served | served)


def _findings(board: BoardView, now: float, memory: Memory) -> Iterator[Finding]:
    yield from kube_findings(board, now)
    yield from metrics_findings(board, now, memory)
    yield from store_findings(board, memory)


def _rounds(board: BoardView) -> dict[str, float]:
    """The time of the latest round of each polled source; what is watched has a round whenever one looks."""
    return {name: snapshot.at for kind in _POLLED for name, snapshot in board.of_type(kind).items()}


class _Polled(Protocol):
    @property
    def at(self) -> float: ...


_POLLED: tuple[type[_Polled], ...] = (
    PrometheusSnapshot,
    AlertsSnapshot,
    HttpSnapshot,
    PostgresSnapshot,
    RedisSnapshot,
)


def _signal(finding: Finding, earlier: Signal | None, now: float, at: float, place: str) -> Signal:
    began = min(finding.since or now, now)
    since = began if earlier is None or finding.name in _MOMENTS else earlier.since
    if finding.held and earlier is not None:
        detail = earlier.detail if earlier.detail.endswith(_HELD) else f"{earlier.detail}{_HELD}"
    elif finding.limit:
        detail = f"{finding.detail} {'>' if finding.active else 'after more than'} {finding.limit}"
    else:
        detail = finding.detail
    return Signal(
        name=finding.name,
        subject=finding.subject,
        text=f"{finding.name}({place}{finding.subject}) {detail} since {clock(since)}",
        severity=finding.severity,
        since=since,
        source=finding.source,
        detail=detail,
        value=earlier.value if finding.held and earlier is not None else finding.value,
        threshold=finding.threshold,
        round=at,
        place=place,
    )


_HELD = "; no data now"
_MOMENTS = frozenset({"new-revision"})
"""Symptoms that are something that happened: it may happen again to the same subject before it is over."""


def _quieter(earlier: Signal, at: float) -> tuple[Signal, ...]:
    """One more quiet round, or none left of the signal. The same round is not counted twice."""
    if at == earlier.round and earlier.source_ok:
        return (earlier,)
    quiet = earlier.quiet + 1
    return () if quiet >= QUIET_ROUNDS else (msgspec.structs.replace(earlier, quiet=quiet, round=at),)
