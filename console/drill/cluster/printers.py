"""The rows that kubectl prints, per kind. Source: k8s.io/kubernetes `pkg/printers/internalversion`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from console.drill.cluster import names, quantity, selectors
from console.drill.cluster.schema import Obj

NONE: Final = "<none>"


def human_duration(seconds: float) -> str:
    """Print an age as kubectl does (k8s.io/apimachinery `duration.HumanDuration`)."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    whole = max(whole, 0)
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if whole < 120:
        return f"{whole}s"
    if minutes < 10:
        return f"{minutes}m{whole % 60}s" if whole % 60 else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
    if days < 730:
        return f"{days}d"
    return f"{days // 365}y{days % 365}d"


def since(moment: Any, now: datetime) -> str:
    """Print how long ago a time of an object was."""
    return human_duration((now - names.parse_time(moment)).total_seconds()) if moment else "<unknown>"


def age(obj: Obj, now: datetime) -> str:
    """Print the age of an object."""
    return since(obj["metadata"].get("creationTimestamp"), now)


def _images(spec: Mapping[str, Any]) -> tuple[str, str]:
    containers = spec.get("containers") or ()
    return ",".join(one["name"] for one in containers), ",".join(one.get("image", "") for one in containers)


def _selector(spec: Mapping[str, Any]) -> str:
    return selectors.to_text(spec.get("selector")) or NONE


def pod_reason(pod: Obj) -> str:
    """Return what kubectl shows as STATUS."""
    status = pod.get("status") or {}
    reason = str(status.get("reason") or status.get("phase") or "Unknown")
    statuses = status.get("initContainerStatuses") or ()
    for number, one in enumerate(statuses):
        ended, waiting = one["state"].get("terminated"), one["state"].get("waiting")
        if ended is not None and ended["exitCode"] == 0:
            continue
        if ended is not None:
            reason = "Init:" + (ended.get("reason") or f"ExitCode:{ended['exitCode']}")
        elif waiting is not None and waiting.get("reason") not in (None, "", "PodInitializing"):
            reason = "Init:" + waiting["reason"]
        else:
            reason = f"Init:{number}/{len(statuses)}"
        break
    else:
        running = False
        for one in reversed(status.get("containerStatuses") or ()):
            state = one["state"]
            if "waiting" in state and state["waiting"].get("reason"):
                reason = state["waiting"]["reason"]
            elif "terminated" in state:
                reason = state["terminated"].get("reason") or f"ExitCode:{state['terminated']['exitCode']}"
            elif "running" in state and one["ready"]:
                running = True
        if reason == "Completed" and running:
            reason = "Running"
    return "Terminating" if "deletionTimestamp" in pod["metadata"] else reason


def pod(pod: Obj, now: datetime) -> list[Any]:
    """Return the cells of a pod."""
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or ()
    restarts = sum(one["restartCount"] for one in containers)
    ended = [t["finishedAt"] for one in containers if (t := (one.get("lastState") or {}).get("terminated"))]
    shown = f"{restarts} ({since(max(ended), now)} ago)" if restarts and ended else str(restarts)
    ready = sum(one["ready"] for one in containers)
    return [
        pod["metadata"]["name"], f"{ready}/{len(pod['spec']['containers'])}", pod_reason(pod), shown,
        age(pod, now),
        status.get("podIP") or NONE, pod["spec"].get("nodeName") or NONE, NONE, NONE,
    ]  # fmt: skip


def deployment(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a Deployment."""
    status, spec = obj.get("status") or {}, obj["spec"]
    return [
        obj["metadata"]["name"], f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}",
        status.get("updatedReplicas", 0), status.get("availableReplicas", 0), age(obj, now),
        *_images(spec["template"]["spec"]), _selector(spec),
    ]  # fmt: skip


def replicaset(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a ReplicaSet."""
    status, spec = obj.get("status") or {}, obj["spec"]
    return [
        obj["metadata"]["name"], spec.get("replicas", 0), status.get("replicas", 0),
        status.get("readyReplicas", 0),
        age(obj, now), *_images(spec["template"]["spec"]), _selector(spec),
    ]  # fmt: skip


def statefulset(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a StatefulSet."""
    status, spec = obj.get("status") or {}, obj["spec"]
    ready = f"{status.get('readyReplicas', 0)}/{spec.get('replicas', 0)}"
    return [obj["metadata"]["name"], ready, age(obj, now), *_images(spec["template"]["spec"])]


def daemonset(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a DaemonSet."""
    status, spec = obj.get("status") or {}, obj["spec"]
    counts = (
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
    )
    node = selectors.to_text({"matchLabels": spec["template"]["spec"].get("nodeSelector") or {}}) or NONE
    return [
        obj["metadata"]["name"], *(status.get(name, 0) for name in counts), node, age(obj, now),
        *_images(spec["template"]["spec"]), _selector(spec),
    ]  # fmt: skip


def revision(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a ControllerRevision."""
    owner = next((one for one in obj["metadata"].get("ownerReferences") or () if one.get("controller")), None)
    group = owner["apiVersion"].partition("/")[0] if owner else ""
    controller = f"{owner['kind'].lower()}.{group}/{owner['name']}" if owner else NONE
    return [obj["metadata"]["name"], controller, obj.get("revision", 0), age(obj, now)]


def job(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a Job."""
    status, spec = obj.get("status") or {}, obj["spec"]
    kinds = {one["type"] for one in status.get("conditions") or () if one["status"] == "True"}
    shown = next((kind for kind in ("Complete", "Failed", "Suspended") if kind in kinds), "Running")
    started, ended = status.get("startTime"), status.get("completionTime")
    duration = since(started, names.parse_time(ended) if ended else now) if started else ""
    return [
        obj["metadata"]["name"], shown, f"{status.get('succeeded', 0)}/{spec.get('completions', 1)}",
        duration,
        age(obj, now), *_images(spec["template"]["spec"]), _selector(spec),
    ]  # fmt: skip


def node(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a node."""
    status, labels = obj.get("status") or {}, obj["metadata"].get("labels") or {}
    ready = next(
        (one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"), "Unknown"
    )
    shown = "Ready" if ready == "True" else "NotReady"
    if obj["spec"].get("unschedulable"):
        shown += ",SchedulingDisabled"
    prefix = "node-role.kubernetes.io/"
    roles = (
        ",".join(sorted(label.removeprefix(prefix) for label in labels if label.startswith(prefix))) or NONE
    )
    addresses = {one["type"]: one["address"] for one in status.get("addresses") or ()}
    info = status.get("nodeInfo") or {}
    return [
        obj["metadata"]["name"], shown, roles, age(obj, now), info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE), addresses.get("ExternalIP", NONE), info.get("osImage", ""),
        info.get("kernelVersion", ""), info.get("containerRuntimeVersion", ""),
    ]  # fmt: skip


def namespace(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a namespace."""
    return [obj["metadata"]["name"], (obj.get("status") or {}).get("phase", ""), age(obj, now)]


def event(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of an event."""
    involved, source = obj.get("involvedObject") or {}, obj.get("source") or {}
    first = obj.get("firstTimestamp") or obj.get("eventTime")
    series = obj.get("series") or {}
    last = series.get("lastObservedTime") or obj.get("lastTimestamp") or first
    where = ", ".join(
        filter(None, (source.get("component") or obj.get("reportingComponent", ""), source.get("host", "")))
    )
    thing = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    return [
        since(last, now), obj.get("type", ""), obj.get("reason", ""), thing, involved.get("fieldPath", ""),
        where,
        obj.get("message", "").strip(), since(first, now), series.get("count") or obj.get("count") or 1,
        obj["metadata"]["name"],
    ]  # fmt: skip


def configmap(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a ConfigMap."""
    return [
        obj["metadata"]["name"],
        len(obj.get("data") or {}) + len(obj.get("binaryData") or {}),
        age(obj, now),
    ]


def secret(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a Secret."""
    return [obj["metadata"]["name"], obj.get("type", ""), len(obj.get("data") or {}), age(obj, now)]


def _node_port(port: Mapping[str, Any]) -> str:
    return f":{port['nodePort']}" if port.get("nodePort") else ""


def service(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a Service."""
    spec = obj["spec"]
    ports = ",".join(
        f"{one['port']}{_node_port(one)}/{one.get('protocol', 'TCP')}" for one in spec.get("ports") or ()
    )
    selector = selectors.to_text({"matchLabels": spec.get("selector") or {}})
    external = spec.get("externalName") or ("<pending>" if spec.get("type") == "LoadBalancer" else NONE)
    return [
        obj["metadata"]["name"], spec.get("type", ""), spec.get("clusterIP") or NONE, external, ports or NONE,
        age(obj, now), selector or NONE,
    ]  # fmt: skip


def endpoints(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of Endpoints."""
    found = [
        f"{address['ip']}:{port['port']}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    shown = ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")
    return [obj["metadata"]["name"], shown or NONE, age(obj, now)]


def endpoint_slice(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of an EndpointSlice."""
    ports = ",".join(str(one.get("port", "*")) for one in obj.get("ports") or ())
    found = [one["addresses"][0] for one in obj.get("endpoints") or ()]
    shown = ",".join(found[:3]) + (f" + {len(found) - 3} more..." if len(found) > 3 else "")
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        ports or "<unset>",
        shown or "<unset>",
        age(obj, now),
    ]


def ingress(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of an Ingress."""
    spec = obj.get("spec") or {}
    hosts = ",".join(rule.get("host") or "*" for rule in spec.get("rules") or ()) or "*"
    points = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    address = ",".join(one.get("ip") or one.get("hostname", "") for one in points)
    ports = "80, 443" if spec.get("tls") else "80"
    return [
        obj["metadata"]["name"],
        spec.get("ingressClassName") or NONE,
        hosts,
        address,
        ports,
        age(obj, now),
    ]


def hpa(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a HorizontalPodAutoscaler."""
    spec, status = obj["spec"], obj.get("status") or {}
    current = {
        one["resource"]["name"]: one["resource"]["current"].get("averageUtilization")
        for one in status.get("currentMetrics") or ()
        if one.get("resource")
    }
    targets = []
    for metric in spec.get("metrics") or ():
        resource = metric.get("resource")
        if resource:
            value, goal = current.get(resource["name"]), resource["target"].get("averageUtilization")
            targets.append(f"{resource['name']}: {'<unknown>' if value is None else f'{value}%'}/{goal}%")
    reference = spec["scaleTargetRef"]
    return [
        obj["metadata"]["name"], f"{reference['kind']}/{reference['name']}", ", ".join(targets) or NONE,
        str(spec.get("minReplicas", "<unset>")), spec["maxReplicas"], status.get("currentReplicas", 0),
        age(obj, now),
    ]  # fmt: skip


def pdb(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a PodDisruptionBudget."""
    spec = obj.get("spec") or {}
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    return [
        obj["metadata"]["name"], "N/A" if least is None else str(least), "N/A" if most is None else str(most),
        (obj.get("status") or {}).get("disruptionsAllowed", 0), age(obj, now),
    ]  # fmt: skip


def account(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a ServiceAccount."""
    return [obj["metadata"]["name"], len(obj.get("secrets") or ()), age(obj, now)]


def claim(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a PersistentVolumeClaim."""
    spec, status = obj["spec"], obj.get("status") or {}
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    modes = ",".join(short.get(mode, mode) for mode in status.get("accessModes") or ())
    return [
        obj["metadata"]["name"], status.get("phase", ""), spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", ""), modes, spec.get("storageClassName") or "",
        "<unset>",
        age(obj, now), spec.get("volumeMode", ""),
    ]  # fmt: skip


def quota(obj: Obj, now: datetime) -> list[Any]:
    """Return the cells of a ResourceQuota."""
    status = obj.get("status") or {}
    used, hard = status.get("used") or {}, status.get("hard") or {}

    def shown(limits: bool) -> str:
        chosen = sorted(name for name in hard if name.startswith("limits.") == limits)
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in chosen)

    return [obj["metadata"]["name"], shown(limits=False), shown(limits=True), age(obj, now)]


def pod_metrics(obj: Obj, _now: datetime) -> list[Any]:
    """Return the cells of a pod's usage."""
    total = [
        sum(quantity.parse(one["usage"][name]) for one in obj["containers"]) for name in ("cpu", "memory")
    ]
    return [
        obj["metadata"]["name"],
        f"{round(total[0] * 1000)}m",
        f"{round(total[1] / 2**20)}Mi",
        obj["window"],
    ]


def node_metrics(obj: Obj, _now: datetime) -> list[Any]:
    """Return the cells of a node's usage."""
    usage = obj["usage"]
    cpu, memory = quantity.parse(usage["cpu"]), quantity.parse(usage["memory"])
    return [obj["metadata"]["name"], f"{round(cpu * 1000)}m", f"{round(memory / 2**20)}Mi", obj["window"]]
