"""The status of PodDisruptionBudgets."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster import names, selectors
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.replicaset import pod_ready
from console.drill.cluster.controllers.rollout import share
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key

# For how long the API server's note about an eviction counts while the pod is still there.
_DISRUPTED_SECONDS = 120.0
_SCALED = {"ReplicaSet": "replicasets.apps", "StatefulSet": "statefulsets.apps"}


class DisruptionController(Controller):
    """Computes how many pods may go."""

    watches = ("poddisruptionbudgets.policy", "pods")

    def keys(self, event: Event) -> Iterable[Key]:
        """A budget's own changes, and the budgets of a pod."""
        if event.table != "pods":
            return (event.entry.key,)
        found = []
        for budget in self.store.entries("poddisruptionbudgets.policy", event.entry.namespace):
            selector = selectors.from_spec(budget.obj["spec"].get("selector"))
            if selector is not None and selector.matches(event.entry.labels):
                found.append(budget.key)
        return found

    def reconcile(self, key: Key) -> float | None:
        """Compute one budget."""
        entry = self.store.get("poddisruptionbudgets.policy", *key)
        if entry is None:
            return None
        spec, old = entry.obj["spec"], entry.obj["status"]
        selector = selectors.from_spec(spec.get("selector"))
        pods = [
            pod for pod in self.store.entries("pods", key[0])
            if selector is not None and selector.matches(pod.labels)
            and pod.obj["status"].get("phase") not in ("Succeeded", "Failed")
        ]  # fmt: skip
        now = self.context.clock.now()
        disrupted = {
            name: moment
            for name, moment in (old.get("disruptedPods") or {}).items()
            if (now - names.parse_time(moment)).total_seconds() < _DISRUPTED_SECONDS
            and any(pod.name == name and "deletionTimestamp" not in pod.obj["metadata"] for pod in pods)
        }
        healthy = sum(
            pod_ready(pod.obj)
            and "deletionTimestamp" not in pod.obj["metadata"]
            and pod.name not in disrupted
            for pod in pods
        )
        expected = self._expected(pods)
        if "minAvailable" in spec:
            wanted = share(spec["minAvailable"], expected, up=True)
            if isinstance(spec["minAvailable"], int):
                expected = len(pods)
        else:
            wanted = max(expected - share(spec.get("maxUnavailable", 1), expected, up=True), 0)
        allowed = max(healthy - wanted, 0) if expected else 0
        status: Obj = {"observedGeneration": entry.obj["metadata"]["generation"]}
        if disrupted:
            status["disruptedPods"] = disrupted
        status |= {
            "disruptionsAllowed": allowed,
            "currentHealthy": healthy,
            "desiredHealthy": wanted,
            "expectedPods": expected,
        }
        status["conditions"] = [self._condition(entry, old, allowed)]
        self.write_status("poddisruptionbudgets.policy", entry, status)
        return _DISRUPTED_SECONDS if disrupted else None

    def _expected(self, pods: list[Entry]) -> int:
        """Return the sum of the wanted replicas of the pods' owners; a pod without owner counts itself."""
        total = 0
        for owner in {pod.owner for pod in pods if pod.owner}:
            found = (
                one for table in _SCALED.values() for one in self.store.entries(table) if one.uid == owner
            )
            scaled = next(found, None)
            total += (
                scaled.obj["spec"]["replicas"]
                if scaled is not None
                else sum(pod.owner == owner for pod in pods)
            )
        return total + sum(not pod.owner for pod in pods)

    def _condition(self, entry: Entry, old: Obj, allowed: int) -> Obj:
        state, reason = ("True", "SufficientPods") if allowed else ("False", "InsufficientPods")
        before = next(iter(old.get("conditions") or ()), None)
        since = (
            before["lastTransitionTime"]
            if before is not None and before["status"] == state
            else self.api.now()
        )
        return {
            "type": "DisruptionAllowed", "status": state,
            "observedGeneration": entry.obj["metadata"]["generation"],
            "lastTransitionTime": since, "reason": reason, "message": "",
        }  # fmt: skip
