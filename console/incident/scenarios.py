"""The ten families of incidents as data, and which of them fit what is seen now.

A scenario is recognised by signals with weights. Its mitigations stand in the safe order: what is cheap,
specific and reversible first. The first one comes with a concrete target where the board names one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from console.incident import aims
from console.incident.aims import Aim
from console.incident.scene import Scene
from console.model.actions import find
from console.model.signals import Signal, Step, Suggestion
from console.model.symptoms.finding import BoardView, Severity

LEAST = 0.3
"""Score under which a scenario is not worth the reader's time."""

ALIKE = 50
"""Signals of a name that are looked at: when thousands fail in the same way, the latest tell enough."""

EVIDENCE = 5
_FACTOR: Mapping[Severity, float] = {"critical": 1.0, "warning": 0.9, "info": 0.6}


class Scenario(msgspec.Struct, frozen=True):
    """One family. ``weights`` maps signal names to what each adds to the score of 0 to 1.

    ``why`` tells why the first mitigation comes first; ``hints`` are how to make sure; ``steps`` are
    (action, text) in the safe order, the action "" for what is done by hand. ``aim`` finds the target.
    """

    name: str
    title: str
    weights: Mapping[str, float]
    aim: Callable[[Sequence[Signal], Scene], Aim | None]
    why: str
    hints: tuple[str, ...]
    steps: tuple[tuple[str, str], ...]


SCENARIOS: tuple[Scenario, ...] = (
    Scenario(
        "bad-release",
        "A release went bad",
        {
            "error-ratio-high": 0.35,
            "latency-high": 0.15,
            "rollout-stuck": 0.4,
            "crash-loop": 0.35,
            "image-pull": 0.45,
            "pods-not-ready": 0.2,
            "oom-killed": 0.15,
            "targets-down": 0.15,
            "http-down": 0.1,
        },
        aims.for_release,
        "A restart does not cure a bad release: go back to before the change, then look for the bug.",
        (
            "Compare when the errors began with when the revision was rolled out.",
            "Look at the history (h): later restarts and env changes keep the bad image; skip them.",
            "Read the logs of the new pods, and of the old ones for comparison.",
        ),
        (
            ("k8s.rollback", "Roll back to the last revision with the earlier image."),
            ("k8s.set-env", "Turn the new feature off by its flag, if it has one."),
            ("k8s.scale", "Keep the old pods at strength while the rollout is undone."),
        ),
    ),
    Scenario(
        "connections-exhausted",
        "The database runs out of connections",
        {
            "connections-high": 0.5,
            "sessions-blocked": 0.35,
            "idle-in-transaction": 0.2,
            "error-ratio-high": 0.05,
            "latency-high": 0.05,
        },
        aims.for_connections,
        "The session at the root of the waits holds all others; ending it frees them without touching them.",
        (
            "See which application holds the connections, and who blocks whom.",
            "A larger max_connections needs a restart of the server: it does not help now.",
            "After ending sessions watch whether the pools reconnect at once.",
        ),
        (
            ("pg.terminate", "End the root blocker, which is idle in its transaction."),
            ("pg.terminate-matching", "End the sessions that are idle in a transaction for long."),
            ("k8s.set-env", "Make the pool of the largest application smaller."),
            ("k8s.restart", "Restart one application at a time, the one with most connections first."),
            ("", "Plan a restart of the server with a larger max_connections; the standby first."),
        ),
    ),
    Scenario(
        "memory-leak",
        "A workload runs out of memory",
        {"oom-killed": 0.65, "memory-near-limit": 0.4, "crash-loop": 0.05, "error-ratio-high": 0.05},
        aims.for_memory,
        "A restart empties the memory and wins time; the limit or the release is the cure, not the restart.",
        (
            "Save logs, previous logs and usage before the pods are replaced.",
            "Compare the begin of the kills with the last release: a leak that came with one goes with it.",
            "Look whether all pods grow alike (a leak) or one alone (a heavy request).",
        ),
        (
            ("k8s.restart", "Restart the workload to win time."),
            ("k8s.set-resources", "Raise the memory limit of that container, within what the nodes have."),
            ("k8s.rollback", "Roll back if the growth came with a release."),
            ("k8s.scale", "Spread the load over more pods."),
        ),
    ),
    Scenario(
        "error-spike",
        "Errors rise without a release",
        {"error-ratio-high": 0.5, "alert-firing": 0.05, "pods-not-ready": 0.05},
        aims.for_errors,
        "Look for the cause first: a restart cures a stuck process only, and hides what it was stuck on.",
        (
            "Read the errors in the logs: one message, or many?",
            "Check what the service needs: database, cache, checks of dependencies.",
            "Look whether one pod or all of them fail.",
        ),
        (
            ("k8s.restart", "Restart the service, when its pods are stuck."),
            ("k8s.rollback", "Roll back to an earlier revision, when the last one is suspect all the same."),
            ("k8s.set-env", "Turn the failing feature off."),
        ),
    ),
    Scenario(
        "latency",
        "Requests are slow",
        {
            "latency-high": 0.45,
            "query-long": 0.3,
            "sessions-blocked": 0.15,
            "idle-in-transaction": 0.1,
            "cache-misses": 0.1,
            "memory-near-limit": 0.05,
            "connections-high": 0.05,
        },
        aims.for_latency,
        "More pods help only when the pods are the limit; within the connections that the database can take.",
        (
            "See whether the database, the cache or the pods are the slow part.",
            "Compare CPU with its limit: a throttled pod is slow without any error.",
            "Before scaling up count the connections that the new pods will open.",
        ),
        (
            ("pg.cancel", "Cancel the query that holds the others up."),
            ("k8s.scale", "Add pods within the connections that the database has left."),
            ("k8s.set-env", "Turn caching on, or an expensive feature off."),
            ("k8s.delete-pod", "Delete a pod that alone is slow."),
        ),
    ),
    Scenario(
        "outage",
        "A service is down",
        {
            "pods-not-ready": 0.4,
            "targets-down": 0.4,
            "http-down": 0.35,
            "node-unhealthy": 0.2,
            "error-ratio-high": 0.1,
            "crash-loop": 0.1,
        },
        aims.for_outage,
        "Nothing serves any more, so a restart cannot make it worse; look at nodes and events meanwhile.",
        (
            "Look at the events of the workload and at the nodes.",
            "Recent change: roll back. Nodes full: make room. Wrong configuration: correct it and restart.",
            "Check the way in: ingress, DNS, certificate.",
        ),
        (
            ("k8s.rollback", "Roll back, when it went down after a change."),
            ("k8s.restart", "Restart the workload."),
            ("k8s.scale", "Scale up, when what is left is overrun."),
            ("", "Put up the maintenance page."),
        ),
    ),
    Scenario(
        "dependency-down",
        "Something outside is down",
        {"http-down": 0.45, "error-ratio-high": 0.1, "latency-high": 0.1, "query-long": 0.0},
        aims.for_dependency,
        "It cannot be repaired from here: stop calling it, so that its failure does not become yours.",
        (
            "Look at the vendor's status page and at the check's reason.",
            "See which of your services call it, and with what timeout.",
            "Bring it back only after the check has been healthy for a while.",
        ),
        (
            ("k8s.set-env", "Switch the caller to its fallback, or the feature off."),
            ("", "Open the circuit breaker, tell the vendor, tell the users."),
            ("k8s.scale", "Add pods, when slow calls use up the workers of the caller."),
        ),
    ),
    Scenario(
        "queue-backup",
        "A queue backs up",
        {"queue-growing": 0.65, "redis-memory-high": 0.1, "redis-oom-errors": 0.1, "crash-loop": 0.05},
        aims.for_queue,
        "More workers work it off, unless a job that always fails keeps them busy: look at their logs first.",
        (
            "Read the workers' logs: do they work, fail and retry, or wait?",
            "Compare the rate in with the rate out.",
            "Each new worker opens connections to the database.",
            "Does its head always fail? redis-cli RENAME it to a quarantine key, and new jobs flow again.",
        ),
        (
            ("k8s.scale", "Add workers within the connections that the database has left."),
            ("redis.quarantine-key", "Move the jobs that always fail aside, never delete them."),
            ("k8s.restart", "Restart workers that are stuck."),
        ),
    ),
    Scenario(
        "pipeline-failure",
        "A job failed",
        {"job-failed": 0.6, "metrics-blind": 0.05},
        aims.for_pipeline,
        "Run again only what failed, after its reason is known: a second run of the rest may write twice.",
        (
            "Read the logs of the failed pod and the events of the job.",
            "Find out which data are missing or half written, and who waits for them.",
        ),
        (
            ("", "Clear and run again only the failed task."),
            ("", "Start the whole run again, when no task of it has side effects."),
            ("", "Correct the data by hand, with a second person."),
        ),
    ),
    Scenario(
        "cache-stampede",
        "The cache does not keep up",
        {
            "cache-misses": 0.35,
            "redis-evictions": 0.3,
            "redis-oom-errors": 0.35,
            "redis-memory-high": 0.2,
            "redis-not-ready": 0.3,
            "redis-rejected": 0.2,
            "latency-high": 0.15,
            "connections-high": 0.1,
            "query-long": 0.1,
        },
        aims.for_cache,
        "An emptied cache sends every request to the database: keep entries longer, delete by prefix only.",
        (
            "Compare the hit ratio with its usual value, and the database's load with it.",
            "Find which keys fill the memory, or which ended all at once.",
        ),
        (
            ("k8s.set-env", "Lengthen the time to live while memory is left, or serve stale entries."),
            (
                "redis.delete-prefix",
                "Delete the keys of one prefix that fill it, none of queues or sessions.",
            ),
            ("k8s.scale", "Take pods away from what overruns the database."),
            (
                "redis.flush-db",
                "Empty one database as the last resort: typed confirmation, load spike follows.",
            ),
        ),
    ),
)


def suggest(signals: Iterable[Signal], snapshots: BoardView) -> tuple[Suggestion, ...]:
    """The scenarios that fit, best first. Pure; never raises for a board that lacks a source."""
    present = _some(tuple(signals))
    scene = Scene(snapshots, min((signal.since for signal in present), default=0.0))
    if scene.cut_off:
        present = tuple(signal for signal in present if signal.name != "http-down")
    found = (_fit(scenario, present, scene) for scenario in SCENARIOS)
    return tuple(sorted(filter(None, found), key=lambda item: (-item.score, item.scenario)))


def _some(signals: tuple[Signal, ...]) -> tuple[Signal, ...]:
    """The latest ``ALIKE`` of each name, in the order as it was."""
    if len(signals) <= ALIKE:
        return signals
    left: Counter[str] = Counter()
    kept = set()
    for signal in sorted(signals, key=lambda signal: -signal.since):
        left[signal.name] += 1
        if left[signal.name] <= ALIKE:
            kept.add(signal.key)
    return tuple(signal for signal in signals if signal.key in kept)


def _fit(scenario: Scenario, signals: tuple[Signal, ...], scene: Scene) -> Suggestion | None:
    matched = [signal for signal in signals if signal.name in scenario.weights]
    aim = scenario.aim(matched, scene) if matched else None
    if aim is None:
        return None
    matched = list(matched if aim.signals is None else aim.signals)
    parts: dict[str, float] = {}
    for signal in matched:
        weight = scenario.weights[signal.name] * _FACTOR[signal.severity]
        parts[signal.name] = max(weight, parts.get(signal.name, 0.0))
    score = round(min(1.0, sum(parts.values()) + aim.bonus), 2)
    if score < LEAST:
        return None
    action = _known(aim.action)
    step = next((text for name, text in scenario.steps if name == aim.action and not action), "")
    telling = sorted(matched, key=lambda signal: -scenario.weights[signal.name])
    return Suggestion(
        scenario=scenario.name,
        title=aim.title or scenario.title,
        score=score,
        evidence=(*aim.evidence, *(signal.text for signal in telling[:EVIDENCE])),
        action=action,
        target=aim.target,
        source=aim.source,
        why=aim.why or scenario.why,
        hints=scenario.hints,
        steps=tuple(Step(_known(action), text) for action, text in scenario.steps),
        by_hand=step,
        commands=aim.commands if step else (),
    )


def _known(action: str) -> str:
    """An action that the console has; what it has not is done by hand."""
    return action if find(action) is not None else ""
