"""Which resources the simulated API server serves, and under which names."""

from typing import Final

import msgspec

ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
NAMESPACE_VERBS: Final = ("create", "delete", "get", "list", "patch", "update", "watch")


class Resource(msgspec.Struct, frozen=True):
    """One served resource: a group, a version and a plural name.

    `storage` names the table where its objects live; two resources may share one (core events and
    events.k8s.io). `schema` is the name of its structural type, `subresources` maps `scale` to its kind.
    """

    group: str
    version: str
    plural: str
    kind: str
    schema: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    storage: str = ""
    generation: bool = False
    hash: str = ""

    @property
    def api_version(self) -> str:
        """`apps/v1`, or `v1` for the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def singular(self) -> str:
        """`deployment`."""
        return self.kind.lower()

    @property
    def table(self) -> str:
        """The name of the table in the store."""
        return self.storage or (f"{self.plural}.{self.group}" if self.group else self.plural)


_ALL = ("all",)
_SCALED: Final = ("scale", "status")

RESOURCES: Final = (
    Resource("", "v1", "configmaps", "ConfigMap", "core.v1.ConfigMap", short=("cm",), hash="qFsyl6wFWjQ="),
    Resource("", "v1", "endpoints", "Endpoints", "core.v1.Endpoints", short=("ep",), hash="fWeeMqaN/OA="),
    Resource("", "v1", "events", "Event", "core.v1.Event", short=("ev",), hash="r2yiGXH7wu8="),
    Resource(
        "", "v1", "namespaces", "Namespace", "core.v1.Namespace", namespaced=False, short=("ns",),
        subresources=("status",), verbs=NAMESPACE_VERBS, hash="Q3oi5N2YM8M=",
    ),
    Resource(
        "", "v1", "nodes", "Node", "core.v1.Node", namespaced=False, short=("no",),
        subresources=("status",), hash="XwShjMxG9Fs=",
    ),
    Resource(
        "", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", "core.v1.PersistentVolumeClaim",
        short=("pvc",), subresources=("status",), hash="QWTyNDq0dC4=",
    ),
    Resource(
        "", "v1", "pods", "Pod", "core.v1.Pod", short=("po",), categories=_ALL, generation=True,
        subresources=("attach", "eviction", "exec", "log", "portforward", "status"), hash="xPOwRZ+Yhw8=",
    ),
    Resource(
        "", "v1", "resourcequotas", "ResourceQuota", "core.v1.ResourceQuota", short=("quota",),
        subresources=("status",), hash="8uhSgffRX6w=",
    ),
    Resource("", "v1", "secrets", "Secret", "core.v1.Secret", hash="S6u1pOWzb84="),
    Resource(
        "", "v1", "serviceaccounts", "ServiceAccount", "core.v1.ServiceAccount", short=("sa",),
        hash="pbx9ZvyFpBE=",
    ),
    Resource(
        "", "v1", "services", "Service", "core.v1.Service", short=("svc",), categories=_ALL,
        subresources=("status",), hash="0/CO1lhkEBI=",
    ),
    Resource(
        "apps", "v1", "controllerrevisions", "ControllerRevision", "apps.v1.ControllerRevision",
        hash="85nkx63pcBU=",
    ),
    Resource(
        "apps", "v1", "daemonsets", "DaemonSet", "apps.v1.DaemonSet", short=("ds",), categories=_ALL,
        subresources=("status",), generation=True, hash="dd7pWHUlMKQ=",
    ),
    Resource(
        "apps", "v1", "deployments", "Deployment", "apps.v1.Deployment", short=("deploy",), categories=_ALL,
        subresources=_SCALED, generation=True, hash="8aSe+NMegvE=",
    ),
    Resource(
        "apps", "v1", "replicasets", "ReplicaSet", "apps.v1.ReplicaSet", short=("rs",), categories=_ALL,
        subresources=_SCALED, generation=True, hash="P1RzHs8/mWQ=",
    ),
    Resource(
        "apps", "v1", "statefulsets", "StatefulSet", "apps.v1.StatefulSet", short=("sts",), categories=_ALL,
        subresources=_SCALED, generation=True, hash="H+vl74LkKdo=",
    ),
    Resource("events.k8s.io", "v1", "events", "Event", "events.v1.Event", short=("ev",), storage="events"),
    Resource(
        "autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
        "autoscaling.v2.HorizontalPodAutoscaler", short=("hpa",), categories=_ALL, subresources=("status",),
        hash="qwQve8ut294=",
    ),
    Resource(
        "autoscaling", "v1", "horizontalpodautoscalers", "HorizontalPodAutoscaler",
        "autoscaling.v1.HorizontalPodAutoscaler", short=("hpa",), categories=_ALL, subresources=("status",),
        hash="qwQve8ut294=",
    ),
    Resource(
        "batch", "v1", "jobs", "Job", "batch.v1.Job", categories=_ALL, subresources=("status",),
        generation=True, hash="mudhfqk/qZY=",
    ),
    Resource(
        "networking.k8s.io", "v1", "ingresses", "Ingress", "networking.v1.Ingress", short=("ing",),
        subresources=("status",), generation=True, hash="39NQlfNR+bo=",
    ),
    Resource(
        "policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", "policy.v1.PodDisruptionBudget",
        short=("pdb",), subresources=("status",), generation=True, hash="EVWiDmWqyJw=",
    ),
    Resource(
        "discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", "discovery.v1.EndpointSlice",
        generation=True, hash="Nx3SIv6I0mE=",
    ),
)  # fmt: skip

BY_PATH: Final = {(r.group, r.version, r.plural): r for r in RESOURCES}
BY_KIND: Final = {(r.api_version, r.kind): r for r in RESOURCES}
_PRIMARY: Final = tuple(
    r for r in RESOURCES if not r.storage and (r.group, r.version) != ("autoscaling", "v1")
)
BY_TABLE: Final = {r.table: r for r in _PRIMARY}
_BY_NAME: Final = {
    name: r for r in _PRIMARY for name in (r.plural, r.singular, r.kind, r.table, *r.short)
}  # fmt: skip

SUBRESOURCE_KINDS: Final = {
    "scale": ("autoscaling", "v1", "Scale", ("get", "patch", "update")),
    "status": ("", "", "", ("get", "patch", "update")),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "log": ("", "", "Pod", ("get",)),
    "exec": ("", "", "PodExecOptions", ("create", "get")),
    "attach": ("", "", "PodAttachOptions", ("create", "get")),
    "portforward": ("", "", "PodPortForwardOptions", ("create", "get")),
}

REVIEWS: Final = {
    "selfsubjectreviews": ("authentication.k8s.io", "v1", "SelfSubjectReview"),
    "selfsubjectaccessreviews": ("authorization.k8s.io", "v1", "SelfSubjectAccessReview"),
    "selfsubjectrulesreviews": ("authorization.k8s.io", "v1", "SelfSubjectRulesReview"),
}


def find(name: str) -> Resource:
    """Return the resource of a kind, plural, singular or short name. Raises KeyError with a sentence."""
    try:
        return _BY_NAME[name]
    except KeyError:
        raise KeyError(f"The simulated cluster has no resource {name!r}.") from None
