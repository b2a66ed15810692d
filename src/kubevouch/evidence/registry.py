"""What a decision about a request needs to know of the cluster: its nodes, all serving requests, its own names."""

from dataclasses import dataclass

from kubevouch.evidence.gather import list_requests
from kubevouch.evidence.measured import Asking, Measured, together
from kubevouch.evidence.names import ClusterNames, gather_names
from kubevouch.kube.client import ApiClient
from kubevouch.kube.resources import NODES, CertificateSigningRequest, Node


@dataclass(frozen=True, slots=True)
class Registry:
    """Read at one moment; requests are sorted oldest first."""

    nodes: Measured[tuple[Node, ...]]
    requests: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames

    def node(self, name: str) -> Node | None:
        """The Node of that name."""
        return next((each for each in self.nodes.or_else(()) if each.name == name), None)


async def gather_registry(api: ApiClient, asking: Asking) -> Registry:
    """Asks for all of it at the same time."""
    nodes, requests, names = await together(
        asking.ask(api.list_all(NODES)),
        asking.ask(list_requests(api)),
        gather_names(api, asking),
    )
    return Registry(nodes, requests, names)
