"""Where the first mitigation of a scenario should go: the workload, session or job behind the signals."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

import msgspec

from console.incident.scene import Found, Release, Scene
from console.model.metrics import PrometheusSnapshot
from console.model.plan import Target
from console.model.postgres import Backend, PostgresSnapshot
from console.model.redis import RedisSnapshot
from console.model.signals import Signal
from console.model.symptoms.stores import describe, roots
from console.model.symptoms.words import clock, names, plural, span

SETTLING = 180.0
"""Seconds after a change of a failing workload in which its effect cannot be judged yet."""

_WAIT_TITLE = "Wait for the last change"
_WAIT = "Something was just done: see whether the errors fall before the next step."


class Aim(msgspec.Struct, frozen=True):
    """A first mitigation. ``bonus`` is added to the score; ``why`` and ``title`` replace the scenario's when
    given.

    ``signals`` are those that it explains, when not all that match the scenario; ``commands`` are what a
    person would type where the console has no such action.
    """

    action: str = ""
    target: Target | None = None
    source: str = ""
    evidence: tuple[str, ...] = ()
    bonus: float = 0.0
    why: str = ""
    signals: tuple[Signal, ...] | None = None
    commands: tuple[str, ...] = ()
    title: str = ""


def for_release(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Roll back the workload whose template changed shortly before the signals began."""
    best: tuple[bool, bool, Release, Signal] | None = None
    for signal in matched:
        own = {item.workload.uid for item in scene.behind((signal,))}
        for release in scene.releases(signal.since):
            rank = (release.found.workload.uid in own, release.image, release, signal)
            if best is None or rank[:2] > best[:2]:
                best = rank
    if best is None:
        return None
    related, image, release, signal = best
    found = release.found
    explained = tuple(
        item
        for item in matched
        if item is signal or found.workload.uid in {other.workload.uid for other in scene.behind((item,))}
    )
    bonus = (0.45 if image else 0.25) if related else (0.15 if image else 0.0)
    line = release.text if related else f"{release.text} (another workload than the sick one)"
    evidence = (line, release.way_back(signal.since))
    return Aim("k8s.rollback", found.target, found.source, evidence, bonus, signals=explained)


def for_connections(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """End the session at the root of the lock waits; a running one is cancelled first."""
    if not any(signal.name in ("connections-high", "sessions-blocked") for signal in matched):
        return None
    aim = _session(matched, scene)
    if aim is not None:
        return aim
    for source, snapshot in _databases(matched, scene):
        if not snapshot.by_application:
            continue
        application, count = max(snapshot.by_application, key=lambda item: item[1])
        owner = application or "(no application name)"
        belong = "belongs" if count == 1 else "belong"
        line = f"{count} of {plural(snapshot.clients, 'connection')} {belong} to {owner}"
        for found in scene.workloads:
            if application and found.workload.name == application:
                why = "Nobody blocks: the pool of one application is too large. Restart that one, not all."
                return Aim("k8s.restart", found.target, found.source, (line,), 0.05, why)
        return Aim(source=source, evidence=(line,))
    return Aim()


def for_latency(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """End what holds the database up, else scale the slow service."""
    if not any(signal.name in ("latency-high", "query-long") for signal in matched):
        return None
    aim = _session(matched, scene) or _longest_query(matched, scene)
    if aim is not None:
        return aim
    slow = [signal for signal in matched if signal.name == "latency-high"]
    for found in scene.behind(slow):
        ready = f"{found.label} has {found.workload.ready} of {plural(found.workload.desired, 'pod')} ready"
        return Aim("k8s.scale", found.target, found.source, (ready,))
    return Aim()


def for_memory(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Restart the workload that is killed for memory, to win time."""
    killed = [signal for signal in matched if signal.name in ("oom-killed", "memory-near-limit")]
    for found in scene.behind(killed[:1]):
        release = next(
            (
                item
                for item in scene.releases(killed[0].since)
                if item.found.workload.uid == found.workload.uid
            ),
            None,
        )
        evidence = (release.text,) if release is not None else ()
        return Aim("k8s.restart", found.target, found.source, evidence)
    return Aim() if killed else None


def for_errors(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Restart the failing service when no release explains the errors."""
    failing = [signal for signal in matched if signal.name == "error-ratio-high"]
    if not failing:
        return None
    releases, behind = scene.releases(failing[0].since), scene.behind(failing)
    sick = {found.workload.uid for found in behind}
    if any(release.found.workload.uid in sick for release in releases):
        return None  # a release of the failing service itself: that is the other scenario
    malus = -0.25 if releases else 0.0
    for found in behind:
        changed = found.workload.revision_at
        if changed is not None and failing[0].since < changed and found.snapshot.at - changed < SETTLING:
            line = f"{found.label} was changed at {clock(changed)} (revision {found.workload.revision})"
            return Aim(evidence=(line,), bonus=malus, why=_WAIT, title=_WAIT_TITLE)
        return Aim("k8s.restart", found.target, found.source, (), malus)
    return Aim(bonus=malus)


def for_outage(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Roll back a recent release of what is down, else restart it."""
    down = [
        signal
        for signal in matched
        if signal.severity == "critical"
        and (
            signal.name in ("pods-not-ready", "targets-down")
            or (signal.name == "http-down" and scene.behind((signal,)) and not _serves(signal, scene))
        )
    ]
    if not down:
        return None
    release = for_release(down, scene)
    if release is not None and release.bonus >= 0.25:
        return msgspec.structs.replace(
            release,
            bonus=0.0,
            signals=None,
            why="It went down after a change: go back first, look for the cause after.",
        )
    for found in scene.behind(down):
        return Aim("k8s.restart", found.target, found.source)
    return Aim()


def _serves(signal: Signal, scene: Scene) -> bool:
    """Whether most requests of a service succeed all the same: its check is down, the service is not."""
    services = [it for shot in scene.board.of_type(PrometheusSnapshot).values() for it in shot.services]
    ratios = [it.error_ratio for it in services if it.name == signal.subject]
    return any(ratio.ok and ratio.value is not None and ratio.value < 0.5 for ratio in ratios)


def for_dependency(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Spare the service that fails because something outside is down."""
    checks = [signal for signal in matched if signal.name == "http-down"]
    outside = [signal for signal in checks if not scene.behind((signal,))]
    if not outside:
        return None
    malus = 0.25 if len(outside) < len(checks) else 0.0  # then the trouble is rather on this side
    hurt = [signal for signal in matched if signal.name in ("error-ratio-high", "latency-high")]
    name = outside[0].subject
    well = f"{name} is not a workload of the clusters in view"
    callers = [(found, _settings(found, name)) for found in scene.behind(hurt)]
    # The one with a setting for it is the one that calls it; others fail because that one does.
    for found, settings in sorted(callers, key=lambda caller: not caller[1]):
        evidence = (well, _has(found, settings)) if settings else (well,)
        bonus, commands = 0.25 - malus, _set_env(found, settings)
        return Aim("k8s.set-env", found.target, found.source, evidence, bonus, commands=commands)
    return Aim(evidence=(well,), bonus=0.1 - malus)


def for_queue(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Scale the workers of a queue, found by their name."""
    queues = [signal.subject.lower() for signal in matched if signal.name == "queue-growing"]
    if not queues:
        return None
    parts = {part for queue in queues for part in queue.replace("-", ":").replace("_", ":").split(":")}
    workers = [
        found
        for found in scene.workloads
        if any(word in found.workload.name.lower() for word in ("worker", "consumer", "celery", "sidekiq"))
    ]
    workers.sort(key=lambda found: not parts & set(found.workload.name.lower().split("-")))
    for found in workers:
        line = f"{found.label} has {found.workload.ready} of {plural(found.workload.desired, 'pod')} ready"
        return Aim("k8s.scale", found.target, found.source, (line,))
    return Aim()


def for_pipeline(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Name the failed job; what to run again is for a person to decide."""
    for found in scene.behind(matched):
        return Aim("", found.target, found.source)
    return None


def for_cache(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """Make room where nothing can be written, else change how a service caches; never empty it first."""
    if not any(signal.name.startswith(("redis-", "cache-")) for signal in matched):
        return None
    full = next((signal for signal in matched if signal.name == "redis-oom-errors"), None)
    if full is not None:
        return _make_room(full, scene)
    slow = scene.behind(signal for signal in matched if not signal.name.startswith("redis-"))
    for found in (*slow, *scene.workloads):
        settings = _settings(found, "cache")
        if settings:
            line, commands = _has(found, settings), _set_env(found, settings)
            return Aim("k8s.set-env", found.target, found.source, (line,), commands=commands)
    return Aim()


_FULL = (
    "Every write is refused: nothing new is cached, and queued jobs may be lost. Find which prefix fills the"
    " memory and delete that one; or raise maxmemory, if the machine has more."
)


def _make_room(full: Signal, scene: Scene) -> Aim:
    snapshot = scene.board.of_type(RedisSnapshot).get(full.source)
    policy = snapshot.policy if snapshot is not None else ""
    evidence = (
        (f"the policy is {policy}: Redis evicts nothing to make room",) if policy == "noeviction" else ()
    )
    commands = (
        "redis-cli --scan | sed 's/:[^:]*$//' | sort | uniq -c | sort -n",
        "redis-cli --scan --pattern 'PREFIX:*' | xargs redis-cli UNLINK",
    )
    return Aim("redis.delete-prefix", None, full.source, evidence, why=_FULL, commands=commands)


def _settings(found: Found, about: str) -> tuple[tuple[str, str], ...]:
    """The variables of a workload whose names have to do with something: ``payments``, ``PAYMENT_URL``."""
    stems = [word.rstrip("S") for word in re.split(r"[^A-Z0-9]+", about.upper()) if len(word) > 3]
    return tuple(
        (key, value)
        for container in found.workload.containers
        for key, value in container.env
        if any(stem in key.upper() for stem in stems)
    )


def _has(found: Found, settings: Sequence[tuple[str, str]]) -> str:
    return f"{found.label} has the settings {names([f'{key}={value}' for key, value in settings])}"


def _set_env(found: Found, settings: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What a person would type to change the first of the settings."""
    name = settings[0][0] if settings else "NAME"
    workload = found.workload
    where = shlex.join(["--context", found.snapshot.context, "-n", workload.namespace])
    return (f"kubectl {where} set env {workload.kind.lower()}/{workload.name} {name}=...",)


def _databases(matched: Sequence[Signal], scene: Scene) -> Iterator[tuple[str, PostgresSnapshot]]:
    sources = {signal.source for signal in matched}
    for source, snapshot in scene.board.of_type(PostgresSnapshot).items():
        if source in sources:
            yield source, snapshot


def _session(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    """The root blocker, else the oldest idle transaction of a database that the signals name."""
    for source, snapshot in _databases(matched, scene):
        trees = roots(snapshot)
        if trees:
            root = trees[0]
            waiting = plural(root.behind, "session waits", "sessions wait")
            line = f"{waiting} behind {describe(root.backend, root.pid)}"
            if root.backend is None:
                return Aim(source=source, evidence=(line,), bonus=0.2)
            return _end(source, root.backend, line, 0.2)
        idle = [item for item in snapshot.backends if item.idle_in_transaction and item.client_session]
        names_idle = any(signal.name == "idle-in-transaction" for signal in matched)
        if idle and names_idle:
            oldest = max(idle, key=lambda item: item.age(snapshot.now) or 0)
            age = span(oldest.age(snapshot.now) or 0)
            line = f"{describe(oldest, oldest.pid)} has held its transaction open for {age}"
            return _end(source, oldest, line, 0.1)
    return None


def _longest_query(matched: Sequence[Signal], scene: Scene) -> Aim | None:
    if not any(signal.name == "query-long" for signal in matched):
        return None
    for source, snapshot in _databases(matched, scene):
        active = [item for item in snapshot.backends if item.client_session and item.state == "active"]
        if active:
            longest = max(active, key=lambda item: item.age(snapshot.now) or 0)
            age = span(longest.age(snapshot.now) or 0)
            return _end(source, longest, f"{describe(longest, longest.pid)} has run for {age}", 0.1)
    return None


def _end(source: str, backend: Backend, line: str, bonus: float) -> Aim:
    target = Target("pid", str(backend.pid), uid=backend.backend_start_text)
    if backend.state == "active":
        why = "Cancel ends the query and keeps the session; terminate only if that does not help."
        return Aim("pg.cancel", target, source, (line,), bonus, why)
    why = "An idle transaction cannot be cancelled; ending its session lets all that wait behind it go on."
    return Aim("pg.terminate", target, source, (line,), bonus, why)
