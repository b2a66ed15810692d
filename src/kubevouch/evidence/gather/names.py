"""Reads the cluster's own names and addresses from the objects that hold them."""

from urllib.parse import urlsplit

from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames, kubeadm_names
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    SERVICES,
    ConfigMap,
    EndpointSlice,
    Service,
)

_SERVICE_OF = "kubernetes.io/service-name"


async def gather_names(api: ApiClient, inquiry: Inquiry) -> ClusterNames:
    """Asks for all of it at the same time."""
    kubeadm: Measured[ConfigMap]
    services: Measured[tuple[Service, ...]]
    slices: Measured[tuple[EndpointSlice, ...]]
    kubeadm, services, slices = await together(
        inquiry.ask(api.get(CONFIG_MAPS, "kubeadm-config", "kube-system")),
        inquiry.ask(api.list_all(SERVICES)),
        inquiry.ask(
            api.list_all(ENDPOINT_SLICES, "default", label_selector=f"{_SERVICE_OF}=kubernetes")
        ),
    )
    said = kubeadm_names(kubeadm)
    own = {
        address: "an API server"
        for each in slices.or_else(())
        for point in each.endpoints
        for address in point.addresses
    }
    virtual = dict(said.endpoints)
    if host := urlsplit(api.access.server).hostname:
        virtual[host] = "the API server, as this kubeconfig names it"
    external: dict[str, str] = {}
    for service in services.or_else(()):
        what = f"Service {service.namespace}/{service.name}"
        virtual.update(dict.fromkeys(service.addresses, what))
        external.update(dict.fromkeys(service.spec.external_ips, what))
    return ClusterNames(
        own_endpoints=own,
        virtual={name: what for name, what in virtual.items() if name not in own},
        external={name: what for name, what in external.items() if name not in virtual},
        service_networks=said.networks,
        domain=said.domain,
        doubts=tuple(each.doubt for each in (kubeadm, services, slices) if each.doubt is not None),
        loopback=api.access.loopback,
    )
