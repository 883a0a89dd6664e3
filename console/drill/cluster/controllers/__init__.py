"""The controllers of the simulated cluster: each one module, driven by changes and timers, never by
polling."""

from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.controllers.daemonset import DaemonSetController
from console.drill.cluster.controllers.deployment import DeploymentController
from console.drill.cluster.controllers.disruption import DisruptionController
from console.drill.cluster.controllers.endpoints import EndpointsController
from console.drill.cluster.controllers.garbage import EventExpiry, GarbageCollector, NamespaceController
from console.drill.cluster.controllers.housekeeping import (
    ClaimBinder,
    NodeLifecycle,
    QuotaController,
    ServiceAddresses,
)
from console.drill.cluster.controllers.hpa import HpaController, Utilisation
from console.drill.cluster.controllers.job import JobController
from console.drill.cluster.controllers.kubelet import Kubelet
from console.drill.cluster.controllers.replicaset import ReplicaSetController
from console.drill.cluster.controllers.scheduler import Scheduler
from console.drill.cluster.controllers.statefulset import StatefulSetController


def build(context: Context, utilisation: Utilisation | None) -> tuple[list[Controller], Kubelet]:
    """Return all controllers, and the kubelet among them."""
    kubelet = Kubelet(context)
    controllers: list[Controller] = [
        Scheduler(context),
        kubelet,
        ReplicaSetController(context),
        DeploymentController(context),
        StatefulSetController(context),
        DaemonSetController(context),
        JobController(context),
        ServiceAddresses(context),
        EndpointsController(context),
        DisruptionController(context),
        HpaController(context, kubelet, utilisation),
        GarbageCollector(context),
        NamespaceController(context),
        NodeLifecycle(context),
        QuotaController(context),
        ClaimBinder(context),
        EventExpiry(context),
    ]
    return controllers, kubelet
