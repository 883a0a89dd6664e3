"""The StatefulSet controller. Source of the rules: k8s.io/kubernetes `pkg/controller/statefulset`."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster.api import Call
from console.drill.cluster.controllers import revisions
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.controllers.replicaset import make_pod, pod_ready
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key, clone

_PODS, _SETS, _CLAIMS = BY_TABLE["pods"], BY_TABLE["statefulsets.apps"], BY_TABLE["persistentvolumeclaims"]
HASH = "controller-revision-hash"


class StatefulSetController(Controller):
    """Keeps numbered pods, one after the other."""

    watches = ("statefulsets.apps", "pods")

    def keys(self, event: Event) -> Iterable[Key]:
        """A set's own changes and those of its pods."""
        if event.table != "pods":
            return (event.entry.key,)
        owners = event.entry.obj["metadata"].get("ownerReferences") or () if event.entry.owner else ()
        return [(event.entry.namespace, one["name"]) for one in owners if one["kind"] == "StatefulSet"]

    def reconcile(self, key: Key) -> float | None:
        """Take one set a step further."""
        entry = self.store.get("statefulsets.apps", *key)
        if entry is None or "deletionTimestamp" in entry.obj["metadata"]:
            return None
        update = revisions.current(self, _SETS, entry, "controller.kubernetes.io/hash")
        known = entry.obj["status"].get("currentRevision") or update.name
        self._balance(entry, update.name, known)
        self._report(key, update.name, known)
        return None

    def _pods(self, entry: Entry) -> dict[int, Entry]:
        found = {}
        for pod in self.store.owned("pods", entry.uid):
            number = pod.name.rpartition("-")[2]
            if number.isdigit():
                found[int(number)] = pod
        return found

    def _balance(self, entry: Entry, update: str, known: str) -> None:
        spec, pods = entry.obj["spec"], self._pods(entry)
        ordered = spec.get("podManagementPolicy", "OrderedReady") == "OrderedReady"
        partition = ((spec["updateStrategy"].get("rollingUpdate") or {}).get("partition")) or 0
        for number in range(spec["replicas"]):
            pod = pods.get(number)
            if pod is None:
                self._create(entry, number, update if number >= partition else known)
                pod = self._pods(entry)[number]
            elif (
                pod.obj["status"].get("phase") in ("Failed", "Succeeded")
                and "deletionTimestamp" not in pod.obj["metadata"]
            ):
                self.api.delete(_PODS, entry.namespace, pod.name, {}, Call(manager=self.manager))
                return
            if ordered and ("deletionTimestamp" in pod.obj["metadata"] or not pod_ready(pod.obj)):
                break
        for number in sorted(pods, reverse=True):
            if number >= spec["replicas"]:
                if "deletionTimestamp" not in pods[number].obj["metadata"]:
                    self._delete(entry, pods[number])
                if ordered:
                    return
        if spec["updateStrategy"]["type"] != "RollingUpdate":
            return
        for number in range(spec["replicas"] - 1, partition - 1, -1):
            pod = self._pods(entry).get(number)
            if pod is None or "deletionTimestamp" in pod.obj["metadata"]:
                return
            if pod.labels.get(HASH) != update:
                self._delete(entry, pod)
                return
            if not pod_ready(pod.obj):
                return

    def _tell(self, entry: Entry, reason: str, text: str) -> None:
        self.context.recorder.record(_SETS, entry.obj, reason, text, component="statefulset-controller")

    def _delete(self, entry: Entry, pod: Entry) -> None:
        self.api.delete(_PODS, entry.namespace, pod.name, {}, Call(manager=self.manager))
        self._tell(entry, "SuccessfulDelete", f"delete Pod {pod.name} in StatefulSet {entry.name} successful")

    def _create(self, entry: Entry, number: int, revision: str) -> None:
        kept = self.store.get("controllerrevisions.apps", entry.namespace, revision)
        template = revisions.template_of(kept.obj) if kept is not None else entry.obj["spec"]["template"]
        pod = make_pod("StatefulSet", entry.obj, template)
        name = f"{entry.name}-{number}"
        labels = {
            **pod["metadata"]["labels"], HASH: revision, "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(number),
        }  # fmt: skip
        pod["metadata"] |= {"name": name, "labels": labels}
        pod["spec"] |= {"hostname": name, "subdomain": entry.obj["spec"].get("serviceName", "")}
        for template_claim in entry.obj["spec"].get("volumeClaimTemplates") or ():
            self._claim(entry, template_claim, pod, number)
        self.api.create(_PODS, entry.namespace, pod, Call(manager=self.manager))
        self._tell(entry, "SuccessfulCreate", f"create Pod {name} in StatefulSet {entry.name} successful")

    def _claim(self, entry: Entry, template: Obj, pod: Obj, number: int) -> None:
        volume = template["metadata"]["name"]
        name = f"{volume}-{entry.name}-{number}"
        source = {"name": volume, "persistentVolumeClaim": {"claimName": name}}
        pod["spec"]["volumes"] = [*(pod["spec"].get("volumes") or ()), source]
        if self.store.get("persistentvolumeclaims", entry.namespace, name) is None:
            body = {
                "metadata": {"name": name, "labels": template["metadata"].get("labels") or {}},
                "spec": clone(template["spec"]),
            }
            self.api.create(_CLAIMS, entry.namespace, body, Call(manager=self.manager))

    def _report(self, key: Key, update: str, known: str) -> None:
        entry = self.store.get("statefulsets.apps", *key)
        if entry is None:
            return
        spec = entry.obj["spec"]
        pods = [one.obj for one in self._pods(entry).values()]
        live = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        ready = sum(map(pod_ready, live))
        hashes = [pod["metadata"]["labels"].get(HASH) for pod in live]
        done = len(live) == spec["replicas"] == ready == hashes.count(update)
        if done:
            known = update
        status: Obj = {"observedGeneration": entry.obj["metadata"]["generation"], "replicas": len(pods)}
        counts = {
            "readyReplicas": ready,
            "currentReplicas": hashes.count(known),
            "updatedReplicas": hashes.count(update),
        }
        status |= {name: count for name, count in counts.items() if count}
        status |= {
            "currentRevision": known,
            "updateRevision": update,
            "collisionCount": 0,
            "availableReplicas": ready,
        }
        self.write_status("statefulsets.apps", entry, status)
        if done:
            revisions.prune(self, entry, {update, known})
