"""A board of plain records for the tests of signals, scenarios and the observer, with short makers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from console.model.kube import ContainerSpec, ContainerStatus, KubeSnapshot, Pod, Pods, Revision, Workload
from console.model.metrics import PrometheusSnapshot, ServiceMetrics
from console.model.postgres import Backend, PostgresSnapshot
from console.model.reading import NO_DATA, Point, Reading, State
from console.model.redis import Queue, RedisSnapshot
from console.model.source import SourceStatus

T = TypeVar("T")
NOW = 1_780_000_000.0
KUBE = "kubernetes:prod"


class Records:
    """What ``Board`` gives to readers, without an engine."""

    def __init__(self, snapshots: Mapping[str, Any] | None = None, *statuses: SourceStatus) -> None:
        self.snapshots = dict(snapshots or {})
        self.statuses = {status.name: status for status in statuses}

    def of_type(self, kind: type[T]) -> dict[str, T]:
        return {name: value for name, value in self.snapshots.items() if isinstance(value, kind)}


def ok(value: float) -> Reading:
    return Reading(State.OK, value, NOW)


def service(name: str = "shop", ratio: float | State = 0.0, **more: Any) -> ServiceMetrics:
    """A service with traffic; ``ratio`` may be the state of a cell without a number."""
    cell = Reading(ratio, None, NOW) if isinstance(ratio, State) else ok(ratio)
    fields: dict[str, Any] = {"rate": ok(50), "p95": ok(0.1), "up": ok(1), "threshold": 0.05} | more
    return ServiceMetrics(name=name, error_ratio=cell, **fields)


def prometheus(*services: ServiceMetrics, at: float = NOW) -> PrometheusSnapshot:
    return PrometheusSnapshot(at, services)


def history(*values: float | None, step: float = 15, end: float = NOW) -> tuple[Point, ...]:
    return tuple(Point(end - step * (len(values) - 1 - index), value) for index, value in enumerate(values))


def pod(name: str, workload: str = "Deployment/shop", why: str = "", **more: Any) -> Pod:
    fields: dict[str, Any] = {
        "phase": "Running",
        "reason": "Running",
        "ready": not why,
        "created": NOW - 3600,
    } | more
    return Pod(
        uid=f"uid-{name}",
        namespace="prod",
        name=name,
        resource_version="1",
        workload=workload,
        owner="",
        ready_containers=1,
        restarts=0,
        sick=bool(why),
        why=why,
        **fields,
    )


def container(**more: Any) -> ContainerStatus:
    fields: dict[str, Any] = {"name": "app", "image": "shop:v1", "ready": False, "restarts": 0}
    return ContainerStatus(**(fields | {"state": "running"} | more))


def template(image: str, **env: str) -> tuple[ContainerSpec, ...]:
    return (ContainerSpec("app", image, tuple(env.items())),)


def workload(name: str = "shop", **more: Any) -> Workload:
    fields: dict[str, Any] = {
        "uid": f"uid-{name}",
        "kind": "Deployment",
        "namespace": "prod",
        "name": name,
        "resource_version": "7",
        "generation": 1,
        "observed_generation": 1,
        "desired": 3,
        "ready": 3,
        "updated": 3,
        "created": NOW - 86_400,
        "containers": template("shop:v1"),
    }
    return Workload(**(fields | more))


def revision(number: int, image: str, age: float, owner: str = "shop", **env: str) -> Revision:
    """A revision made ``age`` seconds ago."""
    return Revision(
        number,
        f"{owner}-{number}",
        f"rs-{owner}-{number}",
        f"Deployment/{owner}",
        "prod",
        NOW - age,
        template(image, **env),
    )


def cluster(*records: Pod | Workload | Revision, **more: Any) -> KubeSnapshot:
    fields: dict[str, Any] = {
        "context": "prod",
        "namespaces": ("prod",),
        "server": "https://cluster.test",
        "version": "v1.32.0",
        "at": NOW,
        "nodes": {},
        "events": {},
        "denied": {},
        "synced": frozenset({"pods", "deployments", "replicasets"}),
    }
    fields["pods"] = Pods.of(record for record in records if isinstance(record, Pod))
    for kind, field in ((Workload, "workloads"), (Revision, "revisions")):
        fields[field] = {record.uid: record for record in records if isinstance(record, kind)}
    return KubeSnapshot(**(fields | more))


def backend(pid: int, state: str = "active", age: float = 0.0, **more: Any) -> Backend:
    """A client session that has been in ``state`` for ``age`` seconds."""
    fields: dict[str, Any] = {
        "backend_start": NOW - 3600,
        "backend_start_text": f"2026-01-01 00:00:{pid % 60:02}.000001+00",
        "backend_type": "client backend",
        "user": "app",
        "database": "shop",
        "application": "checkout",
        "client": "127.0.0.1",
        "wait_type": "",
        "wait_event": "",
        "xact_start": NOW - age,
        "query_start": NOW - age,
        "state_change": NOW - age,
        "query": "select 1",
    }
    return Backend(pid=pid, state=state, **(fields | more))


def postgres(*backends: Backend, at: float = NOW, **more: Any) -> PostgresSnapshot:
    fields: dict[str, Any] = {
        "now": at,
        "version": 160000,
        "standby": None,
        "usable": 97,
        "clients": len(backends),
        "by_state": (),
        "by_application": (),
        "oldest_transaction": None,
        "idle_in_transaction": 0,
        "waiting": 0,
    }
    return PostgresSnapshot(at=at, backends=backends, **(fields | more))


def redis(at: float = NOW, **more: Any) -> RedisSnapshot:
    fields: dict[str, Any] = {
        "version": "7.2",
        "role": "master",
        "state": "ready",
        "used": 10,
        "limit": 100,
        "system_memory": 1000,
        "policy": "noeviction",
        "fragmentation": None,
        "clients": 5,
        "blocked": 0,
        "max_clients": 10_000,
        "ops": 10.0,
        "hit_ratio": NO_DATA,
        "evictions": 0.0,
        "rejected": 0.0,
        "oom_errors": 0.0,
        "link": "",
        "replicas": 0,
        "rdb_ok": True,
        "aof_ok": True,
        "aof_enabled": False,
        "keys": 10,
    }
    return RedisSnapshot(at=at, **(fields | more))


def queue(name: str, depth: float) -> Queue:
    return Queue(name, "list", ok(depth))
