"""The controllers of a lab, by name."""

from collections.abc import Callable, Coroutine
from typing import Any

from kubevouch.clock import Clock
from kubevouch.lab.aggregation import Aggregation
from kubevouch.lab.apiserver.client import LocalClient
from kubevouch.lab.apiserver.store import Store
from kubevouch.lab.controllers.availability import Availability
from kubevouch.lab.controllers.cluster_roles import ClusterRoles
from kubevouch.lab.controllers.deployments import Deployments
from kubevouch.lab.controllers.endpoints import Endpoints
from kubevouch.lab.controllers.mirroring import Mirroring
from kubevouch.lab.controllers.namespaces import Namespaces
from kubevouch.lab.controllers.node_lifecycle import NodeLifecycle
from kubevouch.lab.controllers.replica_sets import ReplicaSets
from kubevouch.lab.controllers.rhythm import REAL, Rhythm
from kubevouch.lab.controllers.scheduler import Scheduler

Run = Callable[[], Coroutine[Any, Any, None]]


def controllers(
    store: Store,
    client: LocalClient,
    clock: Clock,
    *,
    aggregation: Aggregation,
    ca: bytes,
    rhythm: Rhythm = REAL,
) -> dict[str, Run]:
    """What to run, by name. ca: PEM for kube-root-ca.crt."""
    return {
        # First: without its account nobody can make a pod in a namespace.
        "namespaces": Namespaces(store, client, clock, ca).run,
        "deployments": Deployments(store, client, clock).run,
        "replica sets": ReplicaSets(store, client, clock).run,
        "scheduler": Scheduler(store, client, clock).run,
        "endpoints": Endpoints(store, client, clock).run,
        "endpoint mirrors": Mirroring(store, client, clock).run,
        "API services": Availability(store, client, aggregation, clock, rhythm).run,
        "nodes": NodeLifecycle(store, client, clock, rhythm).run,
        "cluster roles": ClusterRoles(store, client, clock).run,
    }
