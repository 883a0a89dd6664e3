"""What the simulated containers do. A drill subclasses `Behaviour` and gives it to the `Cluster`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from console.drill.cluster import quantity


class Container(msgspec.Struct, frozen=True):
    """One run of one container, as its behaviour sees it.

    Memory in bytes, processor in cores; a limit is None when there is none, a request 0. `workload` is the
    name of the Deployment, StatefulSet, DaemonSet or Job (the pod's own name for a bare pod). `restarts`
    counts the earlier runs of this container; `started` is unix seconds.
    """

    namespace: str
    workload: str
    pod: str
    uid: str
    name: str
    image: str
    env: Mapping[str, str]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    node: str
    restarts: int
    started: float
    init: bool
    memory_limit: float | None
    memory_request: float
    cpu_limit: float | None
    cpu_request: float


class Start(msgspec.Struct, frozen=True):
    """How a container comes up. Seconds; a `pull_error` text makes ErrImagePull and ImagePullBackOff of
    it."""

    create_seconds: float = 0.5
    pull_seconds: float = 0.5
    pull_error: str = ""
    ready_seconds: float = 1.0


class State(msgspec.Struct, frozen=True):
    """What a running container does at an age.

    `exit_code` ends it (0 is Completed, others are Error) with `reason` and `message` if given; `last_words`
    are log lines written at the end. `memory` above the container's limit is OOMKilled. `memory` in bytes,
    `cpu` in cores. `not_ready` is the text of the failed readiness probe.
    """

    ready: bool = True
    not_ready: str = "HTTP probe failed with statuscode: 503"
    exit_code: int | None = None
    reason: str = ""
    message: str = ""
    last_words: Sequence[bytes] = ()
    memory: float = 0.0
    cpu: float = 0.0


class LogLine(msgspec.Struct, frozen=True):
    """A line written at an age (seconds) of the container, without its newline."""

    age: float
    data: bytes


class Behaviour:
    """The default: everything starts within seconds, stays ready, uses part of its requests, logs a little.

    Images that are `missing` cannot be pulled. Override what a scenario needs; the methods are called from
    the cluster's tick and must be quick.
    """

    missing_images = re.compile(r"(?:does-not-exist|no-such|nonexistent|missing|broken|bad)[^/]*$")
    poll_seconds = 1.0
    """How often `state` of a running container is asked."""

    def missing(self, container: Container) -> bool:
        """Tell whether no registry has a container's image: its name or tag matches `missing_images`."""
        return self.missing_images.search(container.image) is not None

    def start(self, container: Container) -> Start:
        """Return how a container comes up; asked before every (re)start."""
        if self.missing(container):
            return Start(
                pull_error=f'failed to pull and unpack image "{container.image}": failed to resolve reference'
                f' "{container.image}": {container.image}: not found'
            )
        return Start()

    def state(self, container: Container, age: float) -> State:
        """Return what a running container does, `age` seconds after its start."""
        if container.init:
            return State(exit_code=0 if age >= 1 else None)
        breath = 0.02 * ((int(age) * 7 + len(container.pod)) % 11)
        memory = (container.memory_request or 64 * 2**20) * (0.6 + breath)
        return State(memory=memory, cpu=(container.cpu_request or 0.05) * (0.3 + breath))

    def job(self, container: Container, age: float) -> State:
        """Return what a container of a pod does that is to end (restartPolicy Never or OnFailure)."""
        state = self.state(container, age)
        if state.exit_code is None and age >= 5:
            return msgspec.structs.replace(state, exit_code=0)
        return state

    def stop_seconds(self, container: Container) -> float:
        """Return how long a container takes to end after SIGTERM; beyond the grace period it is killed."""
        return 1.0 if container.name else 0.0

    def logs(self, container: Container, since: float, until: float) -> Sequence[LogLine]:
        """Return what a container writes between two ages, `since` excluded: a line every five seconds."""
        first, last = math.floor(since / 5) + 1, math.floor(until / 5)
        head = f"level=info pod={container.pod} container={container.name}"
        return [
            LogLine(
                n * 5.0,
                f'{head} seq={n} msg="handled request" status=200 ms={n * 7 % 91}'.encode(),
            )
            for n in range(first, last + 1)
        ]


def make_container(
    pod: Mapping[str, Any], spec: Mapping[str, Any], *, started: float, restarts: int, init: bool = False
) -> Container:
    """Return the view of a container of a pod object."""
    meta = pod["metadata"]
    labels = meta.get("labels") or {}
    owner = next((o for o in meta.get("ownerReferences") or () if o.get("controller")), None)
    workload = meta["name"] if owner is None else owner["name"]
    template = labels.get("pod-template-hash")
    if template:
        workload = workload.removesuffix(f"-{template}")
    resources = spec.get("resources") or {}
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    return Container(
        namespace=meta.get("namespace", ""),
        workload=workload,
        pod=meta["name"],
        uid=meta["uid"],
        name=spec["name"],
        image=spec["image"],
        env={env["name"]: env.get("value", "") for env in spec.get("env") or ()},
        labels=labels,
        annotations=meta.get("annotations") or {},
        node=pod["spec"].get("nodeName", ""),
        restarts=restarts,
        started=started,
        init=init,
        memory_limit=quantity.amount(limits["memory"]) if "memory" in limits else None,
        memory_request=quantity.amount(requests.get("memory")),
        cpu_limit=quantity.amount(limits["cpu"]) if "cpu" in limits else None,
        cpu_request=quantity.amount(requests.get("cpu")),
    )
