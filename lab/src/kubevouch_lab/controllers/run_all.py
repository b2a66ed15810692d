"""The controllers of a lab, by name."""

from collections.abc import Callable, Coroutine
from typing import Any

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.availability import Availability
from kubevouch_lab.controllers.deployments import Deployments
from kubevouch_lab.controllers.endpoints import EndpointsController
from kubevouch_lab.controllers.namespaces import NamespaceController
from kubevouch_lab.controllers.node_lifecycle import NodeLifecycle
from kubevouch_lab.controllers.replica_sets import ReplicaSets
from kubevouch_lab.controllers.scheduler import Scheduler
from kubevouch_lab.proxies.aggregation import Aggregation

Run = Callable[[], Coroutine[Any, Any, None]]


def controllers(
    store: Store,
    client: LocalClient,
    clock: Clock,
    *,
    aggregation: Aggregation,
    ca: bytes,
) -> dict[str, Run]:
    """What to run, by name. ca: PEM for kube-root-ca.crt."""
    return {
        # First: without its account nobody can make a pod in a namespace.
        "namespaces": NamespaceController(store, client, clock, ca).run,
        "deployments": Deployments(store, client, clock).run,
        "replica sets": ReplicaSets(store, client, clock).run,
        "scheduler": Scheduler(store, client, clock).run,
        "endpoints": EndpointsController(store, client, clock).run,
        "API services": Availability(store, client, aggregation, clock).run,
        "nodes": NodeLifecycle(store, client, clock).run,
    }
