"""The controllers of the simulated cluster: each one module, driven by changes and timers, never by polling."""

from console.drill.cluster.controllers.base import Context, Controller
from console.drill.cluster.controllers.deployment import DeploymentController
from console.drill.cluster.controllers.hpa import HpaController, Utilisation
from console.drill.cluster.controllers.kubelet import Kubelet
from console.drill.cluster.controllers.replicaset import ReplicaSetController
from console.drill.cluster.controllers.scheduler import Scheduler


def build(context: Context, utilisation: Utilisation | None) -> tuple[list[Controller], Kubelet]:
    """Return all controllers, and the kubelet among them."""
    kubelet = Kubelet(context)
    controllers: list[Controller] = [
        Scheduler(context),
        kubelet,
        ReplicaSetController(context),
        DeploymentController(context),
        HpaController(context, kubelet, utilisation),
    ]
    return controllers, kubelet
