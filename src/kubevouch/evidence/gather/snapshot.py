"""Reads all evidence concurrently into one snapshot."""

from collections.abc import Callable
from dataclasses import replace

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import FoundPart
from kubevouch.evidence.gather.approvers import gather_approvers, gather_our_approver
from kubevouch.evidence.gather.certificates.whole import all_found, gather_beside_kubelets
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER, SERVING_SIGNER, csrs_for
from kubevouch.evidence.gather.identity import (
    gather_identity,
    gather_kubelet_config,
    gather_run_lease,
    gather_trust,
)
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.metrics_path import path_without_logs, with_logs
from kubevouch.evidence.gather.names import gather_names
from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.run_holder import SeenLease
from kubevouch.evidence.serving import preferred_types, targets
from kubevouch.evidence.snapshot import Evidence, MetricsPath, Served
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import (
    CONFIG_MAPS,
    CSRS,
    LEASES,
    NODES,
    PODS,
    CertificateSigningRequest,
    Node,
)

_SIGNATURE = "jws-kubeconfig-"


async def gather(
    api: ApiClient,
    *,
    clock: Clock,
    progress: Callable[[str], None] = lambda _: None,
    dial_timeout: float = 10.0,
    log_timeout: float | None = None,
    with_certificates: bool = False,
) -> Evidence:
    """Returns a snapshot. progress: called with a text about kubelets that have not answered, and with "" at the end.

    dial_timeout: seconds for a kubelet's handshake. log_timeout: seconds for metrics-server's logs,
    which come from kubelets; None for the client's own time-out. with_certificates: whether to read
    the inventory of certificates, too.

    Raises:
        KubeError: the API server does not answer, or rejects our credential.
    """
    inquiry = Inquiry(clock)
    nodes: Measured[tuple[Node, ...]]
    path: MetricsPath
    metrics: MetricsPath
    csrs: Measured[tuple[CertificateSigningRequest, ...]]
    names: ClusterNames | None
    (
        identity,
        trust,
        nodes,
        (csrs, names),
        config,
        path,
        approvers,
        ours,
        flags,
        leases,
        tokens,
    ) = await together(
        gather_identity(api, inquiry),
        gather_trust(api, inquiry),
        inquiry.ask(api.list_all(NODES)),
        _gather_csrs(api, inquiry),
        gather_kubelet_config(api, inquiry),
        path_without_logs(api, inquiry),
        gather_approvers(api, inquiry),
        gather_our_approver(api, inquiry),
        inquiry.ask(_api_server_flags(api)),
        inquiry.ask(api.list_all(LEASES, "kube-node-lease")),
        inquiry.ask(_bootstrap_tokens(api)),
    )
    # Only after an answer: before that, a clock that follows the API server has this machine's time.
    at = clock.now()
    found = nodes.or_else(())
    types = preferred_types(path.flags)
    served: tuple[Served, ...]
    beside: FoundPart | None
    runs: Measured[SeenLease]
    # The API server gets logs from kubelets, so a hanging kubelet delays its logs. We dial all
    # others meanwhile.
    served, metrics, beside, runs = await together(
        gather_served(
            targets(found, types),
            trust.value,
            clock=clock,
            timeout=dial_timeout,
            progress=progress,
        ),
        with_logs(api, inquiry, path, log_timeout),
        gather_beside_kubelets(api, inquiry, nodes, trust, clock=clock, timeout=dial_timeout)
        if with_certificates
        else _nothing(),
        inquiry.ask(gather_run_lease(api)),
    )
    seen = runs.or_else(SeenLease())
    every = csrs.or_else(())
    return Evidence(
        at=at,
        cluster=identity,
        trust=trust,
        nodes=nodes,
        served=served,
        csrs=replace(csrs, value=csrs.value and csrs_for(SERVING_SIGNER, every)),
        names=names,
        kubelet_config=config,
        metrics=metrics,
        approvers=approvers,
        our_approver=ours,
        api_server_flags=flags,
        leases=leases,
        bootstrap_tokens=tokens,
        run_holder=Measured(runs.vantage, runs.at, seen.holder, runs.doubt),
        armed=seen.armed_among({node.name for node in found}),
        certificates=all_found(at, nodes, trust, csrs, served=served, beside=beside)
        if beside
        else None,
        client_csrs=csrs_for(CLIENT_SIGNER, every),
    )


async def _gather_csrs(
    api: ApiClient, inquiry: Inquiry
) -> tuple[Measured[tuple[CertificateSigningRequest, ...]], ClusterNames | None]:
    """The CSRs for all signers. If a serving CSR is pending, also the names that no CSR may request."""
    csrs = await inquiry.ask(api.list_all(CSRS))
    serving = csrs_for(SERVING_SIGNER, csrs.or_else(()))
    waits = any(not each.status.conditions for each in serving)
    return csrs, await gather_names(api, inquiry) if waits else None


async def _nothing() -> None:
    """Does nothing. Replaces `gather_beside_kubelets` if no inventory was requested."""


async def _api_server_flags(api: ApiClient) -> tuple[str, ...]:
    pods = await api.list_all(PODS, "kube-system", label_selector="component=kube-apiserver")
    for pod in pods:
        for container in pod.spec.containers:
            return (*container.command, *container.args)
    return ()


async def _bootstrap_tokens(api: ApiClient) -> tuple[str, ...]:
    """IDs of valid bootstrap tokens with the usage `signing`.

    The bootstrap signer signs cluster-info with each (pkg/controller/bootstrap/bootstrapsigner.go).
    """
    signed = (await api.get(CONFIG_MAPS, "cluster-info", "kube-public")).data
    return tuple(
        sorted(key.removeprefix(_SIGNATURE) for key in signed if key.startswith(_SIGNATURE))
    )
