"""Nodes: their objects and their health."""

from __future__ import annotations

from console.drill.cluster.api import Api
from console.drill.cluster.resources import BY_TABLE
from console.drill.cluster.schema import Obj

_NODES = BY_TABLE["nodes"]
_HEALTHY = (
    ("MemoryPressure", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
)
UNREACHABLE = "node.kubernetes.io/unreachable"


def make_node(name: str, *, cpu: str, memory: str, pods: int, zone: str, now: str) -> Obj:
    """Return a ready node. Its addresses are on loopback."""
    capacity = {"cpu": cpu, "ephemeral-storage": "200Gi", "memory": memory, "pods": str(pods)}
    conditions = [
        {
            "type": kind,
            "status": "False",
            "lastHeartbeatTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": text,
        }
        for kind, reason, text in _HEALTHY
    ]
    conditions.append(
        {
            "type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now,
            "reason": "KubeletReady", "message": "kubelet is posting ready status",
        }
    )  # fmt: skip
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "beta.kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "topology.kubernetes.io/zone": zone,
            },
            "annotations": {"node.alpha.kubernetes.io/ttl": "0"},
        },
        "spec": {"podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"], "providerID": f"drill://{name}"},
        "status": {
            "capacity": capacity,
            "allocatable": dict(capacity),
            "conditions": conditions,
            "addresses": [
                {"type": "InternalIP", "address": "127.0.0.1"},
                {"type": "Hostname", "address": name},
            ],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "machineID": name,
                "systemUUID": name,
                "bootID": name,
                "kernelVersion": "6.1.0",
                "osImage": "Debian GNU/Linux 12 (bookworm)",
                "containerRuntimeVersion": "containerd://2.1.4",
                "kubeletVersion": "v1.36.2",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def set_ready(api: Api, name: str, ready: bool) -> None:
    """Change a node's Ready condition and its taint, as the node lifecycle controller does."""
    entry = api.entry(_NODES, "", name)
    now = api.now()
    status = entry.obj["status"]
    conditions = []
    for one in status["conditions"]:
        if one["type"] == "Ready":
            good = ("True", "KubeletReady", "kubelet is posting ready status")
            bad = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
            state, reason, text = good if ready else bad
            changed = {} if one["status"] == state else {"lastTransitionTime": now}
            one = {**one, "status": state, "reason": reason, "message": text, **changed}
        conditions.append(one)
    entry = api.write(
        _NODES,
        entry,
        {**entry.obj, "status": {**status, "conditions": conditions}},
        "kube-controller-manager",
        "status",
    )
    taints = [one for one in entry.obj["spec"].get("taints") or () if one["key"] != UNREACHABLE]
    if not ready:
        taints += [
            {"key": UNREACHABLE, "effect": effect, "timeAdded": now} for effect in ("NoSchedule", "NoExecute")
        ]
    spec = {name: value for name, value in entry.obj["spec"].items() if name != "taints"}
    if taints:
        spec["taints"] = taints
    api.write(_NODES, entry, {**entry.obj, "spec": spec}, "kube-controller-manager")
