"""What `csr` judges, and by what: what the command line gives, and what the cluster tells."""

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
from kubevouch.policy.by_hand import CsrEvidence, CsrJudgement, OperatorsWord, judged_by_hand
from kubevouch.policy.csr import KUBELET_SERVING, csr_of
from kubevouch.policy.decide import Decision
from kubevouch.policy.sources.configuration import ApproverConfiguration, with_configured
from kubevouch.policy.sources.stored import Unreadable


@dataclass(frozen=True)
class Judged:
    """One CSR as it was read, and what the policy says of it."""

    found: CertificateSigningRequest
    by: CsrJudgement

    @property
    def name(self) -> str:
        """Its metadata.name."""
        return self.found.name

    @property
    def decision(self) -> Decision:
        """What the rules say of it."""
        return self.by.decision


@dataclass(frozen=True)
class Sources:
    """The sources given on the command line."""

    word: OperatorsWord = field(default_factory=OperatorsWord)
    domains: tuple[str, ...] = ()
    service_networks: tuple[Network, ...] = ()

    async def gather(self, api: ApiClient, clock: Clock) -> CsrEvidence:
        """What the cluster tells. Raises UsageError: --allow names no Node."""
        inquiry = Inquiry(clock)
        evidence, written, ours = await together(
            gather_policy_evidence(api, inquiry),
            gather_written(api, inquiry),
            gather_our_approver(api, inquiry),
        )
        # If it cannot be told whether the approver is there, it may be. Where nothing of an approver is written down, it is not.
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
        """Asks the policy. Writes nothing."""
        return Judged(found, judged_by_hand(csr_of(found), evidence, self.word))


def warnings(evidence: CsrEvidence) -> list[str]:
    """What is not known of the approver."""
    found = []
    written = evidence.written.value
    configured = written.current.configuration if written else None
    if isinstance(configured, Unreadable):
        what = "what the approver's configuration says of networks, domain and lifetimes"
        found.append(f"{what} is not known: {configured}")
    if evidence.approver_doubt:
        what = "whether the approver is installed is not known, and it is taken for installed"
        found.append(f"{what}: {evidence.approver_doubt}")
    return found


_EXPECTED = "kubevouch csr list shows what there is"


async def serving_csr(
    api: ApiClient, name: str, *, expected: str = _EXPECTED
) -> CertificateSigningRequest:
    """The CSR of this name in the cluster. expected: what would be right if there is no such CSR.

    Raises:
        UsageError: there is no such CSR, or it is for another signer than kubernetes.io/kubelet-serving.
        KubeError: the API server does not tell.
    """
    absent = UsageError(name or "''", "there is no such CSR", expected)
    if not name or "/" in name:
        raise absent  # the path would be that of the list, or of a subresource
    try:
        found = await api.get(CSRS, name)
    except NotFound:
        raise absent from None
    if found.name != name:
        raise UsageError(name, f"the API server answered with {found.name!r}")
    if found.spec.signer_name != KUBELET_SERVING:
        seen = f"this CSR is for the signer {found.spec.signer_name}"
        raise UsageError(name, seen, f"only CSRs for {KUBELET_SERVING} are judged")
    return found
