"""Reads the cluster's own names and addresses from the objects that hold them."""

from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from kubevouch.evidence.gather.csrs import list_csrs
from kubevouch.evidence.gather.identity import gather_kubelet_config
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.names import ClusterNames, kubeadm_names, networks_of
from kubevouch.evidence.snapshot import (
    CONTROL_PLANE_LABEL,
    KubeletConfigMap,
    PolicyEvidence,
    flag_value,
    on_control_planes,
)
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    NODES,
    PODS,
    SERVICES,
    ConfigMap,
    EndpointSlice,
    Node,
    Pod,
    Service,
    slices_of,
)
from kubevouch.kube.resources.network import SERVICE_CIDRS, ServiceCidr

_HAS_NETWORKS = "component in (kube-apiserver, kube-controller-manager)"


async def gather_names(api: ApiClient, inquiry: Inquiry) -> ClusterNames:
    """Reads the names from all sources concurrently.

    Adds a doubt if Services, endpoints or ClusterConfiguration are unreadable. Networks and the DNS
    domain have several sources, so `policy.reserved` adds a doubt only if none could be read.
    """
    kubeadm: Measured[ConfigMap]
    services: Measured[tuple[Service, ...]]
    slices: Measured[tuple[EndpointSlice, ...]]
    cidrs: Measured[tuple[ServiceCidr, ...]]
    static_pods: Measured[tuple[Pod, ...]]
    control_planes: Measured[tuple[Node, ...]]
    kubelet_config: Measured[KubeletConfigMap]
    kubeadm, services, slices, cidrs, static_pods, control_planes, kubelet_config = await together(
        inquiry.ask(api.get(CONFIG_MAPS, "kubeadm-config", "kube-system")),
        inquiry.ask(api.list_all(SERVICES)),
        inquiry.ask(
            api.list_all(ENDPOINT_SLICES, "default", label_selector=slices_of("kubernetes"))
        ),
        inquiry.ask(api.list_all(SERVICE_CIDRS)),
        inquiry.ask(api.list_all(PODS, "kube-system", label_selector=_HAS_NETWORKS)),
        inquiry.ask(api.list_all(NODES, label_selector=CONTROL_PLANE_LABEL)),
        gather_kubelet_config(api, inquiry),
    )
    said = kubeadm_names(kubeadm)
    points = (point for each in slices.or_else(()) for point in each.endpoints)
    own = {address: "an API server" for point in points for address in point.addresses}
    virtual = dict(said.endpoints)
    if host := urlsplit(api.access.server).hostname:
        virtual[host] = "the API server in this kubeconfig"
    all_services = services.or_else(())
    virtual |= _by_service(all_services, lambda each: each.addresses)
    external = _by_service(all_services, lambda each: each.spec.external_ips)
    balancers = _by_service(all_services, lambda each: each.load_balancer_addresses)
    believed = on_control_planes(static_pods.or_else(()), control_planes.or_else(()))
    subnets = [
        *(cidr for each in cidrs.or_else(()) for cidr in each.spec.cidrs),
        *_flags(believed, "service-cluster-ip-range"),
    ]
    joiners = kubelet_config.value.cluster_domain if kubelet_config.value else ""
    doubts = [each.doubt for each in (kubeadm, services, slices) if each.doubt is not None]
    if said.problem:
        doubts.append(Doubt(DoubtKind.FAILED, said.problem))
    return ClusterNames(
        own_endpoints=own,
        virtual={name: what for name, what in virtual.items() if name not in own},
        external={name: what for name, what in external.items() if name not in virtual},
        services=_by_service(all_services, lambda each: (f"{each.name}.{each.namespace}",)),
        service_networks=tuple(
            dict.fromkeys((*said.service_networks, *networks_of(",".join(subnets))))
        ),
        pod_networks=tuple(
            dict.fromkeys(
                (*said.pod_networks, *networks_of(",".join(_flags(believed, "cluster-cidr"))))
            )
        ),
        domains=tuple(dict.fromkeys(filter(None, (said.domain, joiners)))),
        doubts=tuple(doubts),
        loopback=api.access.loopback,
        load_balancers={name: what for name, what in balancers.items() if name not in virtual},
    )


def _by_service(
    services: Iterable[Service], of: Callable[[Service], Iterable[str]]
) -> dict[str, str]:
    """Maps each name that `of` returns for a Service to a description of the Service."""
    return {
        name: f"Service {service.namespace}/{service.name}"
        for service in services
        for name in of(service)
    }


def _flags(pods: Iterable[Pod], name: str) -> list[str]:
    lines = [(*c.command, *c.args) for pod in pods for c in pod.spec.containers]
    return [value for line in lines if (value := flag_value(line, name))]


async def gather_policy_evidence(api: ApiClient, inquiry: Inquiry) -> PolicyEvidence:
    """The evidence for decisions about CSRs."""
    nodes, csrs, names = await together(
        inquiry.ask(api.list_all(NODES)),
        inquiry.ask(list_csrs(api)),
        gather_names(api, inquiry),
    )
    return PolicyEvidence(nodes, csrs, names)
