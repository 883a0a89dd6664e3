"""What the API server refuses with 422. Source: k8s.io/kubernetes `pkg/apis/*/validation`."""

import re
from collections.abc import Mapping
from typing import Any, Final

from console.drill.cluster import quantity, selectors
from console.drill.cluster.errors import (
    Cause,
    duplicate,
    forbidden_field,
    invalid,
    invalid_value,
    required,
    unsupported,
)
from console.drill.cluster.schema import Obj

_SUBDOMAIN: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LABEL: Final = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_ENV: Final = re.compile(r"^[^=\x00]+$")
_QUALIFIED: Final = re.compile(
    r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)
_LABEL_VALUE: Final = re.compile(r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")

_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must"
    " start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is"
    " '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_NAME_TEXT: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an"
    " alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is"
    " '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "
    "'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NEGATIVE: Final = "must be greater than or equal to 0"
_IMMUTABLE: Final = "field is immutable"


def metadata(meta: Mapping[str, Any], path: str = "metadata") -> list[Cause]:
    """Return what is wrong with names, labels and annotations."""
    causes: list[Cause] = []
    name = meta.get("name")
    if path == "metadata":
        if not name:
            causes.append(required("metadata.name", "name or generateName is required"))
        elif not _SUBDOMAIN.match(name):
            causes.append(invalid_value("metadata.name", name, _SUBDOMAIN_TEXT))
    for key, value in (meta.get("labels") or {}).items():
        if not _QUALIFIED.match(key):
            causes.append(invalid_value(f"{path}.labels", key, _NAME_TEXT))
        if not _LABEL_VALUE.match(value):
            causes.append(invalid_value(f"{path}.labels", value, _VALUE_TEXT))
    size = 0
    for key, value in (meta.get("annotations") or {}).items():
        size += len(key) + len(value.encode())
        if not _QUALIFIED.match(key):
            causes.append(invalid_value(f"{path}.annotations", key, _NAME_TEXT))
    if size > 256 * 1024:
        text = "Too long: may not be more than 262144 bytes"
        causes.append(Cause(("FieldValueTooLong", text, f"{path}.annotations")))
    return causes


def _resources(resources: Mapping[str, Any], path: str) -> list[Cause]:
    causes: list[Cause] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for part, values in (("limits", limits), ("requests", requests)):
        causes += [
            invalid_value(f"{path}.{part}[{name}]", value, _NEGATIVE)
            for name, value in values.items()
            if quantity.parse(value) < 0
        ]
    for name, value in requests.items():
        if name in limits and quantity.parse(value) > quantity.parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            causes.append(invalid_value(f"{path}.requests", value, why))
    return causes


def _container(container: Mapping[str, Any], path: str, volumes: set[str]) -> list[Cause]:
    causes: list[Cause] = []
    name = container.get("name")
    if not name:
        causes.append(required(f"{path}.name"))
    elif not _LABEL.match(name):
        causes.append(invalid_value(f"{path}.name", name, _LABEL_TEXT))
    if not container.get("image"):
        causes.append(required(f"{path}.image"))
    elif container["image"] != container["image"].strip():
        causes.append(
            invalid_value(f"{path}.image", container["image"], "must not have leading or trailing whitespace")
        )
    policy = container.get("imagePullPolicy")
    if policy not in (None, "Always", "IfNotPresent", "Never"):
        causes.append(unsupported(f"{path}.imagePullPolicy", policy, ("Always", "IfNotPresent", "Never")))
    for i, env in enumerate(container.get("env") or ()):
        if not env.get("name"):
            causes.append(required(f"{path}.env[{i}].name"))
        elif not _ENV.match(env["name"]):
            why = "a valid environment variable name must consist only of printable ASCII characters but '='"
            causes.append(invalid_value(f"{path}.env[{i}].name", env["name"], why))
        if env.get("value") and env.get("valueFrom"):
            causes.append(
                invalid_value(
                    f"{path}.env[{i}].valueFrom", "", "may not be specified when `value` is not empty"
                )
            )
    for i, port in enumerate(container.get("ports") or ()):
        number = port.get("containerPort")
        if number is None:
            causes.append(required(f"{path}.ports[{i}].containerPort"))
        elif not 0 < number < 65536:
            causes.append(
                invalid_value(
                    f"{path}.ports[{i}].containerPort", number, "must be between 1 and 65535, inclusive"
                )
            )
    for i, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            causes.append(
                Cause(
                    (
                        "FieldValueNotFound",
                        f'Not found: "{mount.get("name")}"',
                        f"{path}.volumeMounts[{i}].name",
                    )
                )
            )
    return causes + _resources(container.get("resources") or {}, f"{path}.resources")


def pod_spec(spec: Mapping[str, Any], path: str, restart: tuple[str, ...] = ("Always",)) -> list[Cause]:
    """Return what is wrong with a pod's spec; `restart` are the restart policies allowed."""
    causes: list[Cause] = []
    volumes = {volume.get("name", "") for volume in spec.get("volumes") or ()}
    containers = spec.get("containers") or []
    if not containers:
        causes.append(required(f"{path}.containers"))
    names: set[str] = set()
    for part in ("initContainers", "containers"):
        for i, container in enumerate(spec.get(part) or ()):
            causes += _container(container, f"{path}.{part}[{i}]", volumes)
            if container.get("name") in names:
                causes.append(duplicate(f"{path}.{part}[{i}].name", container["name"]))
            names.add(container.get("name", ""))
    policy = spec.get("restartPolicy", "Always")
    if policy not in restart:
        causes.append(unsupported(f"{path}.restartPolicy", policy, restart))
    grace = spec.get("terminationGracePeriodSeconds", 30)
    if grace < 0:
        causes.append(invalid_value(f"{path}.terminationGracePeriodSeconds", grace, _NEGATIVE))
    return causes


def _workload(obj: Obj, old: Obj | None, kind: str) -> list[Cause]:
    spec = obj.get("spec") or {}
    counts = ("replicas", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    causes = [invalid_value(f"spec.{one}", spec[one], _NEGATIVE) for one in counts if spec.get(one, 0) < 0]
    template = spec.get("template") or {}
    selector = spec.get("selector")
    if not selector:
        causes.append(required("spec.selector"))
    else:
        chosen = selectors.from_spec(selector)
        labels = (template.get("metadata") or {}).get("labels") or {}
        if chosen is not None and not chosen.matches(labels):
            text = "Invalid value: " + _go_map(labels) + ": `selector` does not match template `labels`"
            causes.append(Cause(("FieldValueInvalid", text, "spec.template.metadata.labels")))
        if old is not None and old["spec"].get("selector") != selector:
            causes.append(invalid_value("spec.selector", selector, _IMMUTABLE))
    causes += metadata(template.get("metadata") or {}, "spec.template.metadata")
    causes += pod_spec(template.get("spec") or {}, "spec.template.spec")
    if kind == "Deployment":
        rolling = (spec.get("strategy") or {}).get("rollingUpdate")
        if (spec.get("strategy") or {}).get("type") == "Recreate" and rolling:
            why = "may not be specified when strategy `type` is 'Recreate'"
            causes.append(forbidden_field("spec.strategy.rollingUpdate", why))
        elif rolling and _zero(rolling.get("maxSurge")) and _zero(rolling.get("maxUnavailable")):
            why = "may not be 0 when `maxSurge` is 0"
            causes.append(
                invalid_value("spec.strategy.rollingUpdate.maxUnavailable", rolling["maxUnavailable"], why)
            )
    if kind == "StatefulSet" and old is not None:
        allowed = (
            "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy", "minReadySeconds",
        )  # fmt: skip
        if {k: v for k, v in spec.items() if k not in allowed} != {
            k: v for k, v in old["spec"].items() if k not in allowed
        }:
            why = (
                "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template',"
                " 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and"
                " 'minReadySeconds' are forbidden"
            )
            causes.append(forbidden_field("spec", why))
    return causes


def _zero(value: Any) -> bool:
    return value in (0, "0", "0%")


def _go_map(labels: Mapping[str, str]) -> str:
    return "{" + ",".join(f'"{key}":"{value}"' for key, value in sorted(labels.items())) + "}"


def _pod(obj: Obj, old: Obj | None) -> list[Cause]:
    spec = obj["spec"]
    if old is None:
        return pod_spec(spec, "spec", ("Always", "OnFailure", "Never"))

    def fixed(part: Obj) -> Obj:
        loose = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds")
        kept = {name: value for name, value in part.items() if name not in loose}
        for group in ("containers", "initContainers"):
            if group in kept:
                kept[group] = [{**one, "image": ""} for one in kept[group]]
        return kept

    if fixed(spec) != fixed(old["spec"]):
        why = (
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initCon"
            "tainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to "
            "existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 "
            "if it was previously negative)"
        )
        return [forbidden_field("spec", why)]
    return pod_spec(spec, "spec", ("Always", "OnFailure", "Never"))


def _job(obj: Obj, old: Obj | None) -> list[Cause]:
    spec = obj["spec"]
    if old is not None and old["spec"].get("template") != spec.get("template"):
        return [invalid_value("spec.template", "", _IMMUTABLE)]
    template = spec.get("template") or {}
    return pod_spec(template.get("spec") or {}, "spec.template.spec", ("OnFailure", "Never"))


def _hpa(obj: Obj, _old: Obj | None) -> list[Cause]:
    spec = obj["spec"]
    if not spec.get("maxReplicas") or spec["maxReplicas"] < 1:
        return [invalid_value("spec.maxReplicas", spec.get("maxReplicas", 0), "must be greater than 0")]
    if spec["maxReplicas"] < spec.get("minReplicas", 1):
        why = "must be greater than or equal to `minReplicas`"
        return [invalid_value("spec.maxReplicas", spec["maxReplicas"], why)]
    return []


def _service(obj: Obj, _old: Obj | None) -> list[Cause]:
    spec = obj["spec"]
    if not spec.get("ports") and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        return [required("spec.ports")]
    return []


def _keyed_data(obj: Obj, old: Obj | None) -> list[Cause]:
    causes = []
    if (
        old is not None
        and old.get("immutable")
        and (obj.get("data") != old.get("data") or not obj.get("immutable"))
    ):
        causes.append(forbidden_field("data", "field is immutable when `immutable` is set"))
    size = sum(len(str(value)) for value in (obj.get("data") or {}).values())
    if size > 1024 * 1024:
        causes.append(Cause(("FieldValueTooLong", "Too long: may not be more than 1048576 bytes", "")))
    return causes


def check(kind: str, group: str, obj: Obj, old: Obj | None) -> None:
    """Raise the 422 of an object that may not be stored; `old` is the live one of an update."""
    causes = metadata(obj["metadata"])
    if kind in ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"):
        causes += _workload(obj, old, kind)
    rules = {
        "Pod": _pod, "Job": _job, "HorizontalPodAutoscaler": _hpa, "Service": _service,
        "ConfigMap": _keyed_data, "Secret": _keyed_data,
    }  # fmt: skip
    if kind in rules:
        causes += rules[kind](obj, old)
    if causes:
        raise invalid(kind, group, obj["metadata"].get("name", ""), causes)


def check_scale(name: str, scale: Mapping[str, Any]) -> int:
    """Return the replicas of a Scale. Raises its 422."""
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or replicas < 0:
        raise invalid("Scale", "autoscaling", name, [invalid_value("spec.replicas", replicas, _NEGATIVE)])
    return replicas
