"""The Deployment controller. Source of the rules: k8s.io/kubernetes `pkg/controller/deployment`."""

from __future__ import annotations

from collections.abc import Iterable

from console.drill.cluster import names
from console.drill.cluster.api import Call
from console.drill.cluster.controllers import rollout
from console.drill.cluster.controllers.base import Controller
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj
from console.drill.cluster.store import Entry, Event, Key, clone

_DEPLOYMENTS, _SETS = BY_TABLE["deployments.apps"], BY_TABLE["replicasets.apps"]
REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
HASH = "pod-template-hash"
_NOT_COPIED = (REVISION, HISTORY, DESIRED, MAXIMUM, "kubectl.kubernetes.io/last-applied-configuration")


class DeploymentController(Controller):
    """Rolls out, scales, pauses, keeps the history."""

    watches = ("deployments.apps", "replicasets.apps")

    def keys(self, event: Event) -> Iterable[Key]:
        """A Deployment's own changes and those of its ReplicaSets."""
        if event.table == "deployments.apps":
            return (event.entry.key,)
        owners = event.entry.obj["metadata"].get("ownerReferences") or ()
        return [(event.entry.namespace, one["name"]) for one in owners if one["kind"] == "Deployment"]

    def reconcile(self, key: Key) -> float | None:
        """Take one Deployment a step further."""
        entry = self.store.get("deployments.apps", *key)
        if entry is None:
            return None
        if "deletionTimestamp" not in entry.obj["metadata"]:
            self._sync(key)
        return self._report(key)

    def _deployment(self, key: Key) -> Entry:
        entry = self.store.get("deployments.apps", *key)
        assert entry is not None
        return entry

    def _sets(self, entry: Entry) -> list[Entry]:
        return self.store.owned("replicasets.apps", entry.uid)

    def _sync(self, key: Key) -> None:
        entry = self._deployment(key)
        spec = entry.obj["spec"]
        new = self._new_set(entry)
        if spec.get("paused"):
            if new is not None:
                self._annotate(key, new)
            self._scale_all(key)
            return
        if new is None:
            new = self._create_set(key)
        else:
            self._annotate(key, new)
        if self._was_scaled(key):
            self._scale_all(key)
            return
        if spec["strategy"]["type"] == "Recreate":
            self._recreate(key)
        else:
            self._roll(key)
        self._clean(key)

    def _new_set(self, entry: Entry) -> Entry | None:
        wanted = rollout.without_hash(entry.obj["spec"]["template"])
        matching = [
            one for one in self._sets(entry) if rollout.without_hash(one.obj["spec"]["template"]) == wanted
        ]
        return min(
            matching, key=lambda one: (one.obj["metadata"]["creationTimestamp"], one.name), default=None
        )

    def _create_set(self, key: Key) -> Entry:
        entry = self._deployment(key)
        deployment, spec = entry.obj, entry.obj["spec"]
        template = clone(spec["template"])
        collisions = deployment["status"].get("collisionCount", 0)
        digest = names.digest([template, collisions] if collisions else template)
        template.setdefault("metadata", {})["labels"] = {
            **(template["metadata"].get("labels") or {}),
            HASH: digest,
        }
        selector = clone(spec["selector"])
        selector["matchLabels"] = {**(selector.get("matchLabels") or {}), HASH: digest}
        others = self._sets(entry)
        replicas = rollout.new_replicas(deployment, 0, [one.obj for one in others])
        body: Obj = {
            "metadata": {
                "name": f"{entry.name}-{digest}",
                "labels": dict(template["metadata"]["labels"]),
                "annotations": self._annotations(
                    deployment, {}, str(rollout.next_revision(o.obj for o in others))
                ),
                "ownerReferences": [names.owner_reference("apps/v1", "Deployment", deployment)],
            },
            "spec": {"replicas": replicas, "selector": selector, "template": template},
        }
        if spec.get("minReadySeconds"):
            body["spec"]["minReadySeconds"] = spec["minReadySeconds"]
        made = self.api.create(
            _SETS, entry.namespace, body, Call(manager=self.manager, field_validation="Ignore")
        )
        assert made.entry is not None
        self._mark_revision(key, made.entry)
        text = f'Created new replica set "{made.entry.name}"'
        self._progress(key, "True", "NewReplicaSetCreated", text)
        if replicas:
            self._tell_scaled(self._deployment(key).obj, "up", made.entry.name, 0, replicas)
        return made.entry

    def _annotations(self, deployment: Obj, old: Obj, revision: str) -> Obj:
        spec = deployment["spec"]
        copied = {
            k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in _NOT_COPIED
        }
        result = {**old, **copied}
        result[DESIRED] = str(spec["replicas"])
        result[MAXIMUM] = str(spec["replicas"] + rollout.surge(spec))
        before = old.get(REVISION)
        result[REVISION] = revision
        if before and before != revision:
            result[HISTORY] = f"{old[HISTORY]},{before}" if old.get(HISTORY) else before
        return result

    def _annotate(self, key: Key, new: Entry) -> None:
        """Give the ReplicaSet in use the newest revision, and the Deployment the same."""
        entry = self._deployment(key)
        others = [one.obj for one in self._sets(entry) if one.uid != new.uid]
        old = new.obj["metadata"].get("annotations") or {}
        highest = rollout.next_revision(others)
        revision = old.get(REVISION, "0")
        if int(revision) < highest:
            revision = str(highest)
        annotations = self._annotations(entry.obj, old, revision)
        if annotations != old:
            new = self.write(
                "replicasets.apps",
                new,
                {**new.obj, "metadata": {**new.obj["metadata"], "annotations": annotations}},
            )
        self._mark_revision(key, new)

    def _mark_revision(self, key: Key, new: Entry) -> None:
        entry = self._deployment(key)
        revision = new.obj["metadata"]["annotations"][REVISION]
        annotations = entry.obj["metadata"].get("annotations") or {}
        if annotations.get(REVISION) != revision:
            meta = {**entry.obj["metadata"], "annotations": {**annotations, REVISION: revision}}
            self.write("deployments.apps", entry, {**entry.obj, "metadata": meta}, "status")

    def _was_scaled(self, key: Key) -> bool:
        entry = self._deployment(key)
        wanted = str(entry.obj["spec"]["replicas"])
        return any(
            (one.obj["metadata"].get("annotations") or {}).get(DESIRED, wanted) != wanted
            for one in self._sets(entry)
            if one.obj["spec"]["replicas"] > 0
        )

    def _set_replicas(self, key: Key, one: Entry, replicas: int) -> None:
        entry = self._deployment(key)
        before = one.obj["spec"]["replicas"]
        spec = entry.obj["spec"]
        annotations = {
            **(one.obj["metadata"].get("annotations") or {}),
            DESIRED: str(spec["replicas"]),
            MAXIMUM: str(spec["replicas"] + rollout.surge(spec)),
        }
        meta = {**one.obj["metadata"], "annotations": annotations}
        self.write(
            "replicasets.apps",
            one,
            {**one.obj, "metadata": meta, "spec": {**one.obj["spec"], "replicas": replicas}},
        )
        if before != replicas:
            self._tell_scaled(entry.obj, "up" if replicas > before else "down", one.name, before, replicas)

    def _tell_scaled(self, deployment: Obj, direction: str, name: str, before: int, after: int) -> None:
        text = f"Scaled {direction} replica set {name} from {before} to {after}"
        self.context.recorder.record(
            _DEPLOYMENTS, deployment, "ScalingReplicaSet", text, component="deployment-controller"
        )

    def _scale_all(self, key: Key) -> None:
        """Scale in proportion while a rollout is under way or paused."""
        entry = self._deployment(key)
        sets = self._sets(entry)
        shares = rollout.proportional(entry.obj, [one.obj for one in sets], self._new_name(entry))
        for one in sets:
            if one.name in shares:
                self._set_replicas(key, one, shares[one.name])

    def _new_name(self, entry: Entry) -> str:
        new = self._new_set(entry)
        return new.name if new is not None else ""

    def _roll(self, key: Key) -> None:
        entry = self._deployment(key)
        new = self._new_set(entry)
        assert new is not None
        sets = self._sets(entry)
        replicas = rollout.new_replicas(entry.obj, new.obj["spec"]["replicas"], [o.obj for o in sets])
        if replicas != new.obj["spec"]["replicas"]:
            self._set_replicas(key, new, replicas)
            return
        for name, count in rollout.shrink_old(
            entry.obj, new.obj, [o.obj for o in sets if o.uid != new.uid]
        ).items():
            found = self.store.get("replicasets.apps", entry.namespace, name)
            assert found is not None
            self._set_replicas(key, found, count)

    def _recreate(self, key: Key) -> None:
        entry = self._deployment(key)
        new = self._new_set(entry)
        assert new is not None
        old = [one for one in self._sets(entry) if one.uid != new.uid]
        for one in old:
            if one.obj["spec"]["replicas"]:
                self._set_replicas(key, one, 0)
        if any(self.store.owned("pods", one.uid) for one in old):
            return
        if new.obj["spec"]["replicas"] != entry.obj["spec"]["replicas"]:
            self._set_replicas(key, new, entry.obj["spec"]["replicas"])

    def _clean(self, key: Key) -> None:
        entry = self._deployment(key)
        status = entry.obj["status"]
        if status.get("updatedReplicas", 0) != entry.obj["spec"]["replicas"]:
            return
        new = self._new_name(entry)
        idle = [
            one for one in self._sets(entry)
            if one.name != new and not one.obj["spec"]["replicas"] and not one.obj["status"].get("replicas")
        ]  # fmt: skip
        excess = len(idle) - entry.obj["spec"].get("revisionHistoryLimit", 10)
        idle.sort(key=lambda one: rollout.revision(one.obj))
        for one in idle[: max(excess, 0)]:
            self.api.delete(_SETS, entry.namespace, one.name, {}, Call(manager=self.manager))

    def _progress(self, key: Key, status: str, reason: str, message: str) -> None:
        entry = self._deployment(key)
        old = entry.obj["status"]
        conditions = rollout.with_condition(
            old.get("conditions") or (), "Progressing", status, reason, message, self.api.now()
        )
        self.write_status("deployments.apps", entry, {**old, "conditions": conditions})

    def _report(self, key: Key) -> float | None:
        entry = self.store.get("deployments.apps", *key)
        if entry is None:
            return None
        sets = [one.obj for one in self._sets(entry)]
        new = self._new_set(entry)
        status = rollout.status(
            entry.obj, sets, new.obj if new is not None else None, self.context.clock.now()
        )
        before = entry.obj["status"]
        self.write_status("deployments.apps", entry, status)
        if status != before:
            return (
                0.001
                if not entry.obj["spec"].get("paused") and rollout.unfinished(entry.obj, status)
                else None
            )
        return rollout.deadline_in(entry.obj, status, self.context.clock.now())
