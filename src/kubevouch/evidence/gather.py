"""Asks everything at the same time and puts it into one snapshot. Reads only."""

from collections.abc import Callable

from kubevouch.clock import Clock
from kubevouch.evidence.approvers import gather_approvers
from kubevouch.evidence.identity import gather_identity, gather_trust
from kubevouch.evidence.kubelet_config import gather_kubelet_config
from kubevouch.evidence.measured import Asking, Measured, together
from kubevouch.evidence.metrics_path import gather_metrics_path
from kubevouch.evidence.names import ClusterNames, gather_names
from kubevouch.evidence.serving import gather_served, preferred_types, targets
from kubevouch.evidence.snapshot import Evidence, MetricsPath
from kubevouch.kube.client import ApiClient
from kubevouch.kube.resources import CSRS, NODES, PODS, CertificateSigningRequest, Node

SERVING_SIGNER = "kubernetes.io/kubelet-serving"


async def gather(
    api: ApiClient,
    *,
    clock: Clock,
    progress: Callable[[str], None] = lambda _: None,
    dial_timeout: float = 10.0,
) -> Evidence:
    """One snapshot.

    Raises:
        KubeError: no API server, or none that knows us: there is nothing to look at.
    """
    asking = Asking(clock)
    at = clock.now()
    progress("asking the API server")
    nodes: Measured[tuple[Node, ...]]
    metrics: MetricsPath
    requested: tuple[Measured[tuple[CertificateSigningRequest, ...]], ClusterNames | None]
    identity, trust, nodes, requested, kubelet_config, metrics, approvers, flags = await together(
        gather_identity(api, asking),
        gather_trust(api, asking),
        asking.ask(api.list_all(NODES)),
        _gather_requests(api, asking),
        gather_kubelet_config(api, asking),
        gather_metrics_path(api, asking),
        gather_approvers(api, asking),
        asking.ask(_api_server_flags(api)),
    )
    requests, names = requested
    found = nodes.or_else(())
    progress(f"dialling {len(found)} kubelets")
    wanted = targets(found, preferred_types(metrics.flags))
    return Evidence(
        at=at,
        cluster=identity,
        trust=trust,
        nodes=nodes,
        served=await gather_served(wanted, trust.value, clock=clock, timeout=dial_timeout),
        requests=requests,
        names=names,
        kubelet_config=kubelet_config,
        metrics=metrics,
        approvers=approvers,
        api_server_flags=flags,
    )


async def _gather_requests(
    api: ApiClient, asking: Asking
) -> tuple[Measured[tuple[CertificateSigningRequest, ...]], ClusterNames | None]:
    """Serving requests; and where one waits for a decision, the names that it must not ask for."""
    requests = await asking.ask(list_requests(api))
    if any(not each.status.conditions for each in requests.or_else(())):
        return requests, await gather_names(api, asking)
    return requests, None


async def list_requests(api: ApiClient) -> tuple[CertificateSigningRequest, ...]:
    """Requests to the kubelet-serving signer, oldest first."""
    found = await api.list_all(CSRS, field_selector=f"spec.signerName={SERVING_SIGNER}")
    return tuple(sorted(found, key=by_age))


def by_age(request: CertificateSigningRequest) -> tuple[float, int, str]:
    """Sorts oldest first. Of one second, the one that the API server stored later is the newer."""
    created = request.metadata.creation_timestamp
    version = request.metadata.resource_version
    return (
        created.timestamp() if created else 0.0,
        int(version) if version.isascii() and version.isdigit() and len(version) < 32 else 0,
        request.name,
    )


async def _api_server_flags(api: ApiClient) -> tuple[str, ...]:
    pods = await api.list_all(PODS, "kube-system", label_selector="component=kube-apiserver")
    for pod in pods:
        for container in pod.spec.containers:
            return (*container.command, *container.args)
    return ()
