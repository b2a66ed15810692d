"""Reads what a decision about a CSR needs to know of the cluster."""

from kubevouch.evidence.gather.csrs import list_requests
from kubevouch.evidence.gather.inquiry import Asking, together
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.policy_evidence import Registry
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES


async def gather_registry(api: ApiClient, asking: Asking) -> Registry:
    """Asks for all of it at the same time."""
    nodes, requests, names = await together(
        asking.ask(api.list_all(NODES)),
        asking.ask(list_requests(api)),
        gather_names(api, asking),
    )
    return Registry(nodes, requests, names)
