"""What the kubelet knows of a pod beyond its object: the state of its containers and their logs."""

from __future__ import annotations

import hashlib

from console.drill.cluster import names
from console.drill.cluster.behaviour import Container, Start, State
from console.drill.cluster.logs import Run
from console.drill.cluster.schema import Obj

BACKOFF_FIRST = 10.0
BACKOFF_LIMIT = 300.0
BACKOFF_RESET = 600.0


class ContainerRuntime:
    """One container: waiting, running or terminated, and its last run. Times are unix seconds."""

    def __init__(self, spec: Obj, *, init: bool) -> None:
        self.spec = spec
        self.init = init
        self.phase = "waiting"
        self.reason = "PodInitializing" if init else "ContainerCreating"
        self.message = ""
        self.due = 0.0
        self.restarts = 0
        self.ready = False
        self.backoff = 0.0
        self.started_at = 0.0
        self.finished_at = 0.0
        self.exit_code = 0
        self.last: Obj = {}
        self.plan = Start()
        self.state = State()
        self.container: Container | None = None
        self.run: Run | None = None
        self.previous: Run | None = None
        self.identity = ""
        self.pulling = False
        self.pulled = False

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self.spec["name"])

    @property
    def finished(self) -> bool:
        """Whether it ended and stays ended."""
        return self.phase == "terminated" and self.due == 0.0

    def terminated(self) -> Obj:
        """Return the `terminated` state."""
        state: Obj = {"exitCode": self.exit_code, "reason": self.reason}
        if self.message:
            state["message"] = self.message
        state["startedAt"] = names.timestamp(names.at(self.started_at))
        state["finishedAt"] = names.timestamp(names.at(self.finished_at))
        state["containerID"] = self.identity
        return {"terminated": state}

    def state_object(self) -> Obj:
        """Return the `state` of the container's status."""
        if self.phase == "running":
            return {"running": {"startedAt": names.timestamp(names.at(self.started_at))}}
        if self.phase == "terminated":
            return self.terminated()
        waiting: Obj = {"reason": self.reason}
        if self.message:
            waiting["message"] = self.message
        return {"waiting": waiting}

    def status(self) -> Obj:
        """Return the container's entry in `containerStatuses`."""
        image = str(self.spec["image"])
        digest = hashlib.sha256(image.encode()).hexdigest()
        pulled = self.phase != "waiting" or bool(self.last)
        result: Obj = {
            "name": self.name,
            "state": self.state_object(),
            "lastState": self.last,
            "ready": self.ready,
            "restartCount": self.restarts,
            "image": image,
            "imageID": f"docker.io/library/{image}@sha256:{digest}" if pulled else "",
        }
        if self.identity:
            result["containerID"] = self.identity
        result["started"] = self.phase == "running"
        requests = (self.spec.get("resources") or {}).get("requests")
        if requests and pulled:
            result["allocatedResources"] = requests
        return result


class PodRuntime:
    """One pod on its node."""

    def __init__(self, pod: Obj) -> None:
        spec = pod["spec"]
        self.uid = str(pod["metadata"]["uid"])
        self.init = [ContainerRuntime(one, init=True) for one in spec.get("initContainers") or ()]
        self.containers = [ContainerRuntime(one, init=False) for one in spec["containers"]]
        self.accepted = 0.0
        self.address = ""
        self.stopping = 0.0
        self.stopped = False

    @property
    def every(self) -> list[ContainerRuntime]:
        """All containers, those for initialisation first."""
        return [*self.init, *self.containers]

    def find(self, name: str) -> ContainerRuntime | None:
        """Return a container by name."""
        return next((one for one in self.every if one.name == name), None)
