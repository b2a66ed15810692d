"""Collects the input of the policy for `csr`, from the command line and the cluster."""

from dataclasses import dataclass, field, replace

from kubevouch.cli.common.allow import check_full_names
from kubevouch.cli.common.written import gather_written
from kubevouch.clock import Clock
from kubevouch.errors import UsageError
from kubevouch.evidence.gather.approvers import gather_our_approver
from kubevouch.evidence.gather.csrs import CLIENT_SIGNER
from kubevouch.evidence.gather.inquiry import Inquiry, together
from kubevouch.evidence.gather.names import gather_policy_evidence
from kubevouch.evidence.names import Network, with_more
from kubevouch.kube.errors import NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, CertificateSigningRequest
from kubevouch.policy.by_hand import CsrEvidence, CsrJudgement, OperatorFlags, judged_by_hand
from kubevouch.policy.csr import KUBELET_SERVING, csr_of
from kubevouch.policy.decide import Decision
from kubevouch.policy.sources.configuration import ApproverConfiguration, with_configured
from kubevouch.policy.sources.stored import Unreadable


@dataclass(frozen=True)
class Judged:
    """A CSR, and the policy's decision about it."""

    found: CertificateSigningRequest
    by: CsrJudgement

    @property
    def name(self) -> str:
        """The CSR's metadata.name."""
        return self.found.name

    @property
    def decision(self) -> Decision:
        """The combined decision of all rules."""
        return self.by.decision


@dataclass(frozen=True)
class Sources:
    """The policy's input from the command line."""

    word: OperatorFlags = field(default_factory=OperatorFlags)
    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()

    async def gather(self, api: ApiClient, clock: Clock) -> CsrEvidence:
        """Reads the policy's input from the cluster. Raises UsageError if --allow names an unknown Node."""
        inquiry = Inquiry(clock)
        evidence, written, ours = await together(
            gather_policy_evidence(api, inquiry),
            gather_written(api, inquiry),
            gather_our_approver(api, inquiry),
        )
        # Assumes that the approver is installed, unless it has no stored data.
        nothing_written = written.is_known and written.value is None
        doubt = ours.doubt.text if ours.doubt and not nothing_written else ""
        if evidence.nodes.is_known:
            check_full_names(self.word.allowed, (node.name for node in evidence.nodes.or_else(())))
        configuration = (
            written.value.configuration_or_default if written.value else ApproverConfiguration()
        )
        names = with_more(
            with_configured(evidence.names, configuration),
            domains=self.domains,
            service_networks=self.service_networks,
        )
        client = inquiry.ask(api.list_all(CSRS, field_selector=f"spec.signerName={CLIENT_SIGNER}"))
        return CsrEvidence(
            replace(evidence, names=names),
            await client,
            written,
            at=api.server_clock.now(),
            approver=bool(doubt) or ours.value is not None,
            approver_doubt=doubt,
        )

    def judged(self, found: CertificateSigningRequest, evidence: CsrEvidence) -> Judged:
        """Evaluates the policy for a CSR. Writes nothing."""
        return Judged(found, judged_by_hand(csr_of(found), evidence, self.word))


def warnings(evidence: CsrEvidence) -> list[str]:
    """Warnings about an approver whose state or configuration is unknown."""
    found = []
    written = evidence.written.value
    configured = written.current.configuration if written else None
    if isinstance(configured, Unreadable):
        what = "networks, domain and lifetimes in the approver's configuration"
        found.append(f"{what} are unknown: {configured}")
    if evidence.approver_doubt:
        what = "cannot tell whether the approver is installed; assuming that it is"
        found.append(f"{what}: {evidence.approver_doubt}")
    return found


_EXPECTED = "kubevouch csr list shows all CSRs"


async def serving_csr(
    api: ApiClient, name: str, *, expected: str = _EXPECTED
) -> CertificateSigningRequest:
    """The CSR with this name. expected: the hint in the error if the CSR does not exist.

    Raises:
        UsageError: the CSR does not exist, or its signer is not kubernetes.io/kubelet-serving.
        KubeError: the request failed.
    """
    absent = UsageError(name or "''", "no such CSR", expected)
    if not name or "/" in name:
        raise absent  # this path would lead to the list, or to a subresource
    try:
        found = await api.get(CSRS, name)
    except NotFound:
        raise absent from None
    if found.name != name:
        raise UsageError(name, f"the API server returned {found.name!r}")
    if found.spec.signer_name != KUBELET_SERVING:
        seen = f"this CSR is for the signer {found.spec.signer_name}"
        raise UsageError(name, seen, f"expected the signer {KUBELET_SERVING}")
    return found
