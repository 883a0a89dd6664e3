"""A simulated Kubernetes cluster: an API over HTTP that kubectl takes for real, and the controllers behind
it.

A short tour for those who write drills and tests::

    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))       # or SystemClock(): real time
    cluster = Cluster(clock, random.Random(seed), MyBehaviour())
    cluster.add_namespace("production")
    cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", ...}, "production")
    cluster.settle()                                            # ManualClock: until all is quiet
    cluster.advance(30)                                         # ManualClock: let 30 s pass
    cluster.get("deploy", "auth-service", "production")         # copies of objects, as dictionaries
    cluster.list("pods", "production", "app=auth-service")
    cluster.patch("deploy", "auth-service", {"spec": {"replicas": 5}}, "production")

    async with ApiServer(cluster) as server:                    # ticks the cluster every 0.1 s
        server.url                                              # http://127.0.0.1:<port>
        server.write_kubeconfig(path, user="admin")             # or "viewer"; others get a refused token
        server.faults.fail(503, Match(verb="list", path="/pods"), times=2)
        server.counts()[("watch", "pods")]; server.requests[-1].status

`Cluster(clock, rng, behaviour, utilisation=…, metrics=True, history=10_000, node_count=3)`
    Objects: `create`, `get`, `list`, `patch`, `delete`, `scale`, `exists`, `entry`. They raise `ApiError`,
    whose `code`, `reason` and `status()` are those of the API. Scenario helpers: `add_namespace`, `add_node`,
    `set_node_ready`, `event`, `write_log`, `crash`, `pods_of`, `admit`, `expire_history`;
    `users.add(User(…))`, `users.revoke(name)`; `metrics_available = False` takes the metrics API away;
    `behaviour = …` exchanges it. Time: `tick`, `advance`, `settle`, `await run(interval)`. Volume:
    `populate(10_000, namespaces=…)`, `churn(rate)`. `store.listeners.append(f)` hears every change as a
    `store.Event`.
`Behaviour`
    Subclass it: `start(container)`, `state(container, age)`, `logs(container, since, until)`, `job`,
    `stop_seconds` decide what a `Container` does (its image, env, resources, labels, workload, restarts).
`Utilisation`
    `(namespace, kind, name, "cpu") -> per cent or None`, for autoscalers; by default from the behaviour's
    cpu.
`ApiServer(cluster, port=0, tick=0.1, version="1.36.2", certificate=…, key=…, ca=…)`
    `url`, `kubeconfig(user)`, `write_kubeconfig(path, user)`, `requests`, `counts()`, `faults`, `hub`;
    `stop()` and `start()` make an outage. Tokens: `admin-token`, `viewer-token`; anything else is a 401.
`Faults`
    `fail(status, match, times=, message=, retry_after=)`, `malformed`, `hang`, `reset`, `slow(seconds)`,
    `cut_watch(after_events=, status=)`, `remove(fault)`, `clear()`; `Match(method=, path=, verb=, user=)`.

Nothing here is thread-safe: use the cluster in the thread of its event loop.
"""

from console.drill.cluster.auth import Rule, User
from console.drill.cluster.behaviour import Behaviour, Container, LogLine, Start, State
from console.drill.cluster.cluster import Cluster
from console.drill.cluster.controllers.hpa import Utilisation
from console.drill.cluster.errors import ApiError
from console.drill.cluster.faults import Fault, Faults, Match
from console.drill.cluster.server import ApiServer

__all__ = [
    "ApiError",
    "ApiServer",
    "Behaviour",
    "Cluster",
    "Container",
    "Fault",
    "Faults",
    "LogLine",
    "Match",
    "Rule",
    "Start",
    "State",
    "User",
    "Utilisation",
]
