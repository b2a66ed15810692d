"""What `csr` has gathered, and what the policy says of one CSR by that."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from kubevouch.approve.decide.sources import WatchedSources
from kubevouch.cli.csr.approver_hold import ApproverHold
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.policy_evidence import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AllowedNames
from kubevouch.policy.decide import Decision
from kubevouch.policy.indexed import IndexedEvidence, tell_credentials
from kubevouch.policy.listed_credentials import ListedCredentials


@dataclass(frozen=True)
class CsrEvidence:
    """What the cluster tells, and what is written down in it; None: there is no approver there.

    at: when that was read, by the API server's clock, by which CSRs are dated. own_at: by this machine's, by which plans are.
    approver_decides: whether our approver leads, and so has watched who gets client certificates; also where that cannot be told,
    and approver_doubt is the reason why it cannot. holds: by UID of a CSR, what the approver's Events say about it; None if no
    approver is installed.
    """

    cluster: PolicyEvidence
    client_csrs: Measured[tuple[CertificateSigningRequest, ...]]
    """For client certificates of kubelets. Read after the serving CSRs: whatever made one of these has been issued by then."""

    written: Measured[WatchedSources]
    at: datetime
    own_at: datetime
    approver_decides: bool = False
    holds: Measured[Mapping[str, tuple[str, ...]]] | None = None
    approver_doubt: str = ""

    @cached_property
    def indexed(self) -> IndexedEvidence:
        """The same, to be looked up for one CSR after the other."""
        return IndexedEvidence(self.cluster)

    @cached_property
    def credentials_told(self) -> bool:
        """Whether a CSR says which client certificate made it, or one has said so to the approver."""
        records = self.written.value.records() if self.written.value else ()
        told = any(each.parent for _, record in records for each in record.credentials.allowed)
        issued = self.client_csrs.or_else(())
        return told or self.indexed.tells_credentials or tell_credentials(issued)

    @cached_property
    def credentials(self) -> ListedCredentials:
        """Whose client certificates they are, by all CSRs that were read."""
        serving = self.cluster.csrs.or_else(())
        return ListedCredentials(self.client_csrs.or_else(()), serving, told=self.credentials_told)


@dataclass(frozen=True)
class NamesAnswer:
    """What a node may have, and which source says so, in a word and in words."""

    allowed: AllowedNames | None
    source: str
    why: str
    advice: str = ""
    """The command that would have the installed approver know the node, if it does not."""

    unread: bool = False
    """Whether what is pinned could not be read, so that it may have more."""


@dataclass(frozen=True)
class CsrJudgement:
    """What the policy says of a CSR, and by which source of names and addresses.

    held: what the running approver thinks of one that waits although every rule that could be asked here passes; of another
    one, by which rules besides it holds it. word: what the Node does not claim, where it was tried whether the operator's word for it would help, and it would.
    """

    decision: Decision
    names: NamesAnswer
    held: ApproverHold | None = None
    word: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """That of the rules; what only the approver knows holds a CSR as well."""
        return self.held.outcome if self.held else self.decision.outcome
