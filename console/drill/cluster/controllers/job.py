"""The Job controller: runs pods until enough of them have succeeded, or too many failed."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster.api import Call
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.replicaset import active, make_pod, pod_ready
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key

_PODS, _JOBS = BY_TABLE["pods"], BY_TABLE["jobs.batch"]


class JobController(Controller):
    """Creates the pods of Jobs and counts how they end."""

    watches = ("jobs.batch", "pods")

    def keys(self, event: Event) -> Iterable[Key]:
        """A Job's own changes and those of its pods."""
        if event.table != "pods":
            return (event.entry.key,)
        owners = event.entry.obj["metadata"].get("ownerReferences") or () if event.entry.owner else ()
        return [(event.entry.namespace, one["name"]) for one in owners if one["kind"] == "Job"]

    def reconcile(self, key: Key) -> float | None:
        """Take one Job a step further."""
        entry = self.store.get("jobs.batch", *key)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        spec, status = entry.obj["spec"], entry.obj["status"]
        if any(
            one["type"] in ("Complete", "Failed") and one["status"] == "True"
            for one in status.get("conditions") or ()
        ):
            return None
        pods = [pod.obj for pod in self.store.owned("pods", entry.uid)]
        phases = [pod["status"].get("phase") for pod in pods]
        running = [pod for pod in pods if active(pod)]
        succeeded, failed = phases.count("Succeeded"), phases.count("Failed")
        restarts = sum(
            one.get("restartCount", 0)
            for pod in running
            for one in pod["status"].get("containerStatuses") or ()
        )
        wanted = spec.get("completions", 1)
        ended = ""
        if succeeded >= wanted:
            ended = "Complete"
        elif failed + restarts > spec.get("backoffLimit", 6):
            ended = "Failed"
        elif not spec.get("suspend"):
            for _ in range(min(spec.get("parallelism", 1), wanted - succeeded) - len(running)):
                self._create(entry)
                running.append({"status": {}, "metadata": {}})
        if ended == "Failed":
            for pod in running:
                self.api.delete(
                    _PODS, entry.namespace, pod["metadata"]["name"], {}, Call(manager=self.manager)
                )
            running = []
        self._report(key, running, succeeded, failed, ended)
        return None

    def _create(self, entry: Entry) -> None:
        pod = make_pod("Job", entry.obj, entry.obj["spec"]["template"], "batch/v1")
        made = self.api.create(_PODS, entry.namespace, pod, Call(manager=self.manager))
        text = f"Created pod: {made.obj['metadata']['name']}"
        self.context.recorder.record(_JOBS, entry.obj, "SuccessfulCreate", text, component="job-controller")

    def _report(self, key: Key, running: list[Obj], succeeded: int, failed: int, ended: str) -> None:
        entry = self.store.get("jobs.batch", *key)
        if entry is None:
            return
        old, now = entry.obj["status"], self.api.now()
        status: Obj = {"startTime": old.get("startTime", now)}
        counts = {"active": len(running), "succeeded": succeeded, "failed": failed}
        status |= {name: count for name, count in counts.items() if count}
        status["ready"] = sum(pod_ready(pod) for pod in running)
        if ended:
            why = {
                "Complete": ("CompletionsReached", "Reached expected number of succeeded pods", "Completed",
                "Job completed"),
                "Failed": ("BackoffLimitExceeded", "Job has reached the specified backoff limit",
                "BackoffLimitExceeded",
                           "Job has reached the specified backoff limit"),
            }[ended]  # fmt: skip
            condition = {
                "type": ended,
                "status": "True",
                "lastProbeTime": now,
                "lastTransitionTime": now,
                "reason": why[0],
                "message": why[1],
            }
            status["conditions"] = [condition]
            if ended == "Complete":
                status["completionTime"] = now
            kind = "Normal" if ended == "Complete" else "Warning"
            self.context.recorder.record(
                _JOBS, entry.obj, why[2], why[3], kind=kind, component="job-controller"
            )
        self.write_status("jobs.batch", entry, status)
