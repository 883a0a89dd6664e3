"""Kubernetes: lists and watches as raw bytes, projected to small records; logs and descriptions on demand.

Nothing here can change the cluster: a ``Connection`` refuses everything but reads unless it was opened with
``writable=True``, which only ``console.mitigations`` does.
"""

from console.sources.kubernetes.source import KubernetesSource

__all__ = ["KubernetesSource"]
