"""Reads all evidence at the same time into one snapshot."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from kubevouch.clock import Clock
from kubevouch.evidence.approvers import Approver, OurApprover, with_ours
from kubevouch.evidence.certificates import FoundPart
from kubevouch.evidence.gather.approvers import gather_approvers, gather_our_approver
from kubevouch.evidence.gather.certificates.whole import all_found, gather_beside_kubelets
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER, SERVING_SIGNER, csrs_for, list_csrs
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
    """A snapshot. progress: called with what is waited for besides the API server; with "" when nothing is.

    dial_timeout, log_timeout: seconds for a kubelet's handshake, and for the logs of metrics-server's pods, which come from
    kubelets; None: as long as for any answer.
    with_certificates: also the inventory, and CSRs for client certificates.

    Raises:
        KubeError: the API server does not answer, or does not accept our credential, so that there is no evidence.
    """
    inquiry = Inquiry(clock)
    nodes: Measured[tuple[Node, ...]]
    path: MetricsPath
    metrics: MetricsPath
    listed: _ListedCsrs
    (
        identity,
        trust,
        nodes,
        listed,
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
        _gather_csrs(api, inquiry, of_every_signer=with_certificates),
        gather_kubelet_config(api, inquiry),
        path_without_logs(api, inquiry),
        gather_approvers(api, inquiry),
        gather_our_approver(api, inquiry),
        inquiry.ask(_api_server_flags(api)),
        inquiry.ask(api.list_all(LEASES, "kube-node-lease")),
        inquiry.ask(_bootstrap_tokens(api)),
    )
    # Not before an answer: until then a clock that follows the API server's is this machine's.
    at = clock.now()
    found = nodes.or_else(())
    types = preferred_types(path.flags)
    served: tuple[Served, ...]
    beside: FoundPart | None
    runs: Measured[SeenLease]
    # The API server has logs from kubelets: one that hangs is waited for while all are dialled.
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
    return Evidence(
        at=at,
        cluster=identity,
        trust=trust,
        nodes=nodes,
        served=served,
        csrs=listed.serving,
        names=listed.names,
        kubelet_config=config,
        metrics=metrics,
        approvers=_with_ours(approvers, ours),
        our_approver=ours,
        api_server_flags=flags,
        leases=leases,
        bootstrap_tokens=tokens,
        run_holder=Measured(runs.vantage, runs.at, seen.holder, runs.doubt),
        armed=seen.armed_among({node.name for node in found}),
        certificates=all_found(at, nodes, trust, listed.every, served=served, beside=beside)
        if beside and listed.every
        else None,
        client_csrs=csrs_for(CLIENT_SIGNER, listed.every.or_else(())) if listed.every else (),
    )


def _with_ours(
    approvers: Measured[tuple[Approver, ...]], ours: Measured[OurApprover]
) -> Measured[tuple[Approver, ...]]:
    """What is known of ours is known whatever is not known of others: whether they approve matters only if it does not."""
    if ours.value is None or not (approvers.is_known or ours.value.decides):
        return approvers
    return replace(approvers, value=with_ours(approvers.or_else(()), ours.value), doubt=None)


@dataclass(frozen=True, slots=True)
class _ListedCsrs:
    """serving: those for serving certificates, oldest first. every: of every signer; None where nobody asked for them.

    names: what CSRs that wait must not request; None if none waits.
    """

    serving: Measured[tuple[CertificateSigningRequest, ...]]
    every: Measured[tuple[CertificateSigningRequest, ...]] | None
    names: ClusterNames | None


async def _gather_csrs(api: ApiClient, inquiry: Inquiry, *, of_every_signer: bool) -> _ListedCsrs:
    """One list of CSRs, and the reserved names if a CSR waits for a decision."""
    every: Measured[tuple[CertificateSigningRequest, ...]] | None = None
    if of_every_signer:
        every = await inquiry.ask(api.list_all(CSRS))
        serving = every
        if every.value is not None:
            serving = replace(every, value=csrs_for(SERVING_SIGNER, every.value))
    else:
        serving = await inquiry.ask(list_csrs(api))
    waits = any(not each.status.conditions for each in serving.or_else(()))
    return _ListedCsrs(serving, every, await gather_names(api, inquiry) if waits else None)


async def _nothing() -> None:
    """What is read beside the kubelets where nobody asked for the inventory."""


async def _api_server_flags(api: ApiClient) -> tuple[str, ...]:
    pods = await api.list_all(PODS, "kube-system", label_selector="component=kube-apiserver")
    for pod in pods:
        for container in pod.spec.containers:
            return (*container.command, *container.args)
    return ()


async def _bootstrap_tokens(api: ApiClient) -> tuple[str, ...]:
    """The bootstrap signer signs cluster-info once for each live token (pkg/controller/bootstrap/bootstrapsigner.go)."""
    signed = (await api.get(CONFIG_MAPS, "cluster-info", "kube-public")).data
    return tuple(
        sorted(key.removeprefix(_SIGNATURE) for key in signed if key.startswith(_SIGNATURE))
    )
