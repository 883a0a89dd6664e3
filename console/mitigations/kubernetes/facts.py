"""What can be computed from an object's own spec: rollout arithmetic, owners, outages to expect. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from console.model.text import clean
from console.sources.kubernetes import wire
from console.sources.kubernetes.workloads import gitops_owner

DATABASES = frozenset(
    (
        *("postgres", "postgresql", "postgis", "timescaledb", "mysql", "mariadb", "mongo", "mongodb"),
        *("redis", "valkey", "etcd", "rabbitmq", "kafka", "elasticsearch", "opensearch", "clickhouse"),
        "cassandra",
    )
)
"""Image names whose restart is an outage of everything that depends on them."""


_PUT_BACK = {
    "Argo CD": "automatic sync puts this back within seconds; disable auto-sync first or revert in Git.",
    "Flux": "the next reconciliation puts this back; suspend it first or revert in Git.",
    "Helm": "the next upgrade of the release puts this back.",
}


class Shape(msgspec.Struct, frozen=True):
    """How a workload replaces its pods: how many more, and how many fewer, there may be at once."""

    strategy: str
    replicas: int
    surge: int
    unavailable: int

    @property
    def outage(self) -> bool:
        """Whether at some moment no old and no new pod need be available."""
        return self.replicas > 0 and self.unavailable >= self.replicas


def shape(kind: str, workload: Mapping[str, Any]) -> Shape:
    """The rollout arithmetic of a workload.

    Deployments: surge rounds up, unavailable down, and when both come to 0 unavailable is 1
    (``ResolveFenceposts`` of the deployment controller).
    """
    spec = workload.get("spec", {})
    replicas = int(spec.get("replicas", 1))
    if kind == "deployment":
        strategy = spec.get("strategy", {})
        if strategy.get("type") == "Recreate":
            return Shape("Recreate", replicas, 0, replicas)
        rolling = strategy.get("rollingUpdate") or {}
        surge = _share(rolling.get("maxSurge", "25%"), replicas, up=True)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), replicas, up=False)
        return Shape("RollingUpdate", replicas, surge, unavailable or (0 if surge else 1))
    strategy = spec.get("updateStrategy", {})
    rolling = strategy.get("rollingUpdate") or {}
    if kind == "daemonset":
        replicas = int(workload.get("status", {}).get("desiredNumberScheduled", 0))
        surge = _share(rolling.get("maxSurge", 0), replicas, up=True)
        unavailable = _share(rolling.get("maxUnavailable", 1), replicas, up=True)
        return Shape(str(strategy.get("type", "RollingUpdate")), replicas, surge, unavailable)
    unavailable = _share(rolling.get("maxUnavailable", 1), replicas, up=True)
    return Shape(str(strategy.get("type", "RollingUpdate")), replicas, 0, max(unavailable, 1))


def _share(value: Any, replicas: int, *, up: bool) -> int:
    if isinstance(value, str) and value.endswith("%"):
        part = replicas * float(value[:-1]) / 100
        return math.ceil(part) if up else math.floor(part)
    return int(value)


def rollout_warnings(
    kind: str, workload: Mapping[str, Any], claims: Mapping[str, list[str]]
) -> tuple[str, ...]:
    """What goes wrong while the pods are replaced; ``claims`` maps a volume claim to its access modes."""
    plan, spec = shape(kind, workload), workload.get("spec", {})
    pod = spec.get("template", {}).get("spec", {})
    found: list[str] = []
    if plan.strategy == "Recreate":
        stops = "its pod stops" if plan.replicas == 1 else f"all {plan.replicas} pods stop"
        found.append(f"Outage: the strategy is Recreate, so {stops} before a new one starts.")
    elif plan.strategy == "OnDelete":
        found.append("The update strategy is OnDelete: no pod is replaced until somebody deletes it.")
    elif plan.outage:
        several = f"{plan.unavailable} of {plan.replicas} pods may be down at once, which is all of them"
        gone = "its only pod goes before there is another" if plan.replicas == 1 else several
        found.append(f"Outage: {gone}.")
    elif plan.replicas == 1 and kind == "deployment":
        found.append("One replica: no gap only if the extra pod finds room and becomes ready in time.")
    exclusive = sorted(
        claim for claim in _claims(pod) if claims.get(claim) in (["ReadWriteOnce"], ["ReadWriteOncePod"])
    )
    if exclusive and plan.strategy == "RollingUpdate" and kind == "deployment":
        found.append(
            f"The volume {', '.join(exclusive)} can be mounted by one node only: a new pod may hang beside"
            " the old one, or two servers may write to one data directory."
        )
    unprobed = [
        str(container.get("name"))
        for container in pod.get("containers", ())
        if "readinessProbe" not in container
    ]
    if unprobed and plan.replicas:
        found.append(
            f"No readiness probe on {clean(', '.join(unprobed), 80)}: a new pod counts as ready as soon as it"
            " runs, working or not."
        )
    partition = int((spec.get("updateStrategy", {}).get("rollingUpdate") or {}).get("partition", 0) or 0)
    if partition:
        found.append(f"The partition is {partition}: pods with a lower ordinal keep the old revision.")
    return tuple(found)


def _claims(pod: Mapping[str, Any]) -> list[str]:
    volumes = pod.get("volumes") or ()
    return [str(v["persistentVolumeClaim"]["claimName"]) for v in volumes if "persistentVolumeClaim" in v]


def claim_names(workload: Mapping[str, Any]) -> list[str]:
    """The persistent volume claims that a workload's template names."""
    return _claims(workload.get("spec", {}).get("template", {}).get("spec", {}))


def database(live: Mapping[str, Any]) -> str:
    """The image by which a workload or a pod is known to be a data store, or an empty string."""
    spec = live.get("spec", {})
    for container in spec.get("template", {}).get("spec", spec).get("containers", ()):
        image = str(container.get("image", ""))
        name = image.rpartition("/")[2].partition("@")[0].partition(":")[0]
        if name in DATABASES:
            return clean(image, 120)
    return ""


def store_warnings(live: Mapping[str, Any]) -> tuple[str, ...]:
    """What it means when the pods of a data store go; nothing of anything else."""
    image = database(live)
    text = (
        f"This is a data store ({image}): treat it as an outage of all that uses it. Check its backup, its"
        " sessions and its volume first."
    )
    return (text,) if image else ()


def owners(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Who else sets this object and will put it back: Argo CD, Flux, Helm, an operator; as sentences."""
    found: list[str] = []
    owner_name = gitops_owner(msgspec.convert(metadata, wire.Metadata, strict=False))
    for prefix, advice in _PUT_BACK.items():
        if owner_name.startswith(prefix):
            found.append(f"{owner_name}: {advice}")
    found += [
        f"{owner.get('kind')} {owner.get('name')}, which controls it, may put this back."
        for owner in metadata.get("ownerReferences") or ()
        if owner.get("controller")
    ]
    return tuple(clean(text, 240) for text in found)


def selector_text(selector: Mapping[str, Any]) -> str:
    """A LabelSelector as the ``labelSelector`` parameter of a list."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for term in selector.get("matchExpressions") or ():
        values = f"({','.join(term.get('values') or ())})"
        forms = {
            "In": f"{term['key']} in {values}",
            "NotIn": f"{term['key']} notin {values}",
            "Exists": term["key"],
            "DoesNotExist": f"!{term['key']}",
        }
        parts.append(forms[term["operator"]])
    return ",".join(parts)
