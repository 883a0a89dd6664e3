"""The horizontal pod autoscaler. Source: k8s.io/kubernetes `pkg/controller/podautoscaler`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.controllers.kubelet import Kubelet
from console.drill.cluster.controllers.replicaset import active, pod_ready
from console.drill.cluster.resources import BY_TABLE, find
from console.drill.cluster.schema import Obj
from console.drill.cluster.selectors import from_spec
from console.drill.cluster.store import Entry, Event, Key

_HPAS = BY_TABLE["horizontalpodautoscalers.autoscaling"]
_PERIOD = 15.0
_TOLERANCE = 0.1
_STABLE_SECONDS = 300.0

Utilisation = Callable[[str, str, str, str], float | None]
"""(namespace, kind, name, resource) -> per cent of the requests in use; None when nobody knows."""


class HpaController(Controller):
    """Scales what an HPA points at, every 15 s."""

    watches = ("horizontalpodautoscalers.autoscaling",)
    manager = "kube-controller-manager"

    def __init__(self, context: Context, kubelet: Kubelet, utilisation: Utilisation | None) -> None:
        super().__init__(context)
        self._kubelet = kubelet
        self._utilisation = utilisation if utilisation is not None else self.measured
        self._wished: dict[Key, list[tuple[float, int]]] = {}

    def keys(self, event: Event) -> Iterable[Key]:
        """New autoscalers and changed ones; the rest is periodic."""
        if (
            event.type == "MODIFIED"
            and event.old is not None
            and event.old.obj["spec"] == event.entry.obj["spec"]
        ):
            return ()
        return (event.entry.key,)

    def measured(self, namespace: str, kind: str, name: str, resource: str) -> float | None:
        """Return the utilisation of the ready pods of a workload, from their behaviour."""
        used = asked = 0.0
        for entry in self._pods(namespace, kind, name):
            runtime = self._kubelet.pods.get(entry.uid)
            for one in runtime.containers if runtime is not None and pod_ready(entry.obj) else ():
                if one.container is not None:
                    used += one.state.cpu if resource == "cpu" else one.state.memory
                    asked += one.container.cpu_request if resource == "cpu" else one.container.memory_request
        return 100 * used / asked if asked else None

    def _pods(self, namespace: str, kind: str, name: str) -> list[Entry]:
        target = self.store.get(find(kind).table, namespace, name)
        selector = from_spec(target.obj["spec"].get("selector")) if target is not None else None
        if selector is None:
            return []
        return [
            entry
            for entry in self.store.entries("pods", namespace)
            if selector.matches(entry.labels) and active(entry.obj)
        ]

    def reconcile(self, key: Key) -> float | None:
        """Look at one autoscaler."""
        entry = self.store.get("horizontalpodautoscalers.autoscaling", *key)
        if entry is None:
            self._wished.pop(key, None)
            return None
        spec = entry.obj["spec"]
        reference = spec["scaleTargetRef"]
        table = {
            "Deployment": "deployments.apps",
            "StatefulSet": "statefulsets.apps",
            "ReplicaSet": "replicasets.apps",
        }.get(reference["kind"])
        target = self.store.get(table, key[0], reference["name"]) if table else None
        if table is None or target is None:
            missing = f'{reference["kind"].lower()}s "{reference["name"]}" not found'
            text = f"the HPA controller was unable to get the target's current scale: {missing}"
            self._status(entry, 0, 0, {}, [("AbleToScale", "False", "FailedGetScale", text)])
            return _PERIOD
        current = target.obj["spec"]["replicas"]
        if current == 0:
            text = "scaling is disabled since the replica count of the target is zero"
            able = (
                "AbleToScale",
                "True",
                "SucceededGetScale",
                "the HPA controller was able to get the target's current scale",
            )
            self._status(entry, 0, 0, {}, [able, ("ScalingActive", "False", "ScalingDisabled", text)])
            return _PERIOD
        self._scale(entry, table, target, current)
        return _PERIOD

    def _scale(self, entry: Entry, table: str, target: Entry, current: int) -> None:
        spec, reference = entry.obj["spec"], entry.obj["spec"]["scaleTargetRef"]
        values: dict[str, int] = {}
        proposals = []
        for metric in spec.get("metrics") or ():
            resource = metric.get("resource") or {}
            goal = (resource.get("target") or {}).get("averageUtilization")
            value = (
                self._utilisation(
                    entry.namespace, reference["kind"], reference["name"], resource.get("name", "")
                )
                if goal
                else None
            )
            if value is None or not goal:
                continue
            values[resource["name"]] = round(value)
            ratio = value / goal
            proposals.append(current if abs(ratio - 1) <= _TOLERANCE else math.ceil(current * ratio))
        able = ("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
        if not proposals:
            text = (
                "the HPA was unable to compute the replica count: failed to get cpu utilization:"
                " unable to get metrics for resource cpu: no metrics returned from resource metrics API"
            )
            self.context.recorder.record(
                _HPAS,
                entry.obj,
                "FailedGetResourceMetric",
                text,
                kind="Warning",
                component="horizontal-pod-autoscaler",
            )
            self._status(
                entry,
                current,
                current,
                {},
                [able, ("ScalingActive", "False", "FailedGetResourceMetric", text)],
            )
            return
        raw = max(proposals)
        wanted = min(max(self._stable(entry.key, raw), spec.get("minReplicas", 1)), spec["maxReplicas"])
        limited = (
            "ScalingLimited",
            "False",
            "DesiredWithinRange",
            "the desired count is within the acceptable range",
        )
        if raw > spec["maxReplicas"]:
            limited = (
                "ScalingLimited",
                "True",
                "TooManyReplicas",
                "the desired replica count is more than the maximum replica count",
            )
        elif raw < spec.get("minReplicas", 1):
            limited = (
                "ScalingLimited",
                "True",
                "TooFewReplicas",
                "the desired replica count is less than the minimum replica count",
            )
        active_text = (
            "the HPA was able to successfully calculate a replica count from cpu resource utilization"
            " (percentage of request)"
        )
        conditions = [able, ("ScalingActive", "True", "ValidMetricFound", active_text), limited]
        if wanted != current:
            self.write(table, target, {**target.obj, "spec": {**target.obj["spec"], "replicas": wanted}})
            why = "cpu resource utilization (percentage of request) " + (
                "above target" if wanted > current else "below target"
            )
            if wanted < current:
                why = "All metrics below target"
            text = f"New size: {wanted}; reason: {why}"
            self.context.recorder.record(
                _HPAS, entry.obj, "SuccessfulRescale", text, component="horizontal-pod-autoscaler"
            )
            conditions[0] = (
                "AbleToScale",
                "True",
                "SucceededRescale",
                f"the HPA controller was able to update the target scale to {wanted}",
            )
        self._status(entry, current, wanted, values, conditions)

    def _stable(self, key: Key, raw: int) -> int:
        """Return the highest wish of the last five minutes, so that it scales down late."""
        now = self.context.seconds()
        wishes = [one for one in self._wished.get(key, []) if one[0] > now - _STABLE_SECONDS]
        wishes.append((now, raw))
        self._wished[key] = wishes
        return max(wish for _, wish in wishes)

    def _status(
        self,
        entry: Entry,
        current: int,
        wanted: int,
        values: dict[str, int],
        conditions: list[tuple[str, str, str, str]],
    ) -> None:
        old, now = entry.obj.get("status") or {}, self.api.now()
        known = {one["type"]: one for one in old.get("conditions") or ()}
        listed = []
        for kind, state, reason, message in conditions:
            since = (
                known[kind]["lastTransitionTime"] if kind in known and known[kind]["status"] == state else now
            )
            listed.append(
                {
                    "type": kind,
                    "status": state,
                    "lastTransitionTime": since,
                    "reason": reason,
                    "message": message,
                }
            )
        metrics = [
            {
                "type": "Resource",
                "resource": {"name": name, "current": {"averageUtilization": value, "averageValue": "0"}},
            }
            for name, value in values.items()
        ]
        status: Obj = {
            "currentReplicas": current,
            "desiredReplicas": wanted,
            "currentMetrics": metrics or None,
            "conditions": listed,
        }
        if wanted != current:
            status["lastScaleTime"] = now
        elif "lastScaleTime" in old:
            status["lastScaleTime"] = old["lastScaleTime"]
        self.write_status("horizontalpodautoscalers.autoscaling", entry, status)
