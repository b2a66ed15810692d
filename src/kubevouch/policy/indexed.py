"""The evidence for decisions about CSRs, to be looked up for one CSR after the other.

A thousand CSRs of a thousand nodes cost a thousand look-ups, and not a million steps.
"""

from collections.abc import Iterable
from functools import cached_property

from kubevouch.evidence.snapshot import PolicyEvidence
from kubevouch.kube.resources import CertificateSigningRequest, Node
from kubevouch.policy.client_csr import certificate_id
from kubevouch.policy.csr import CREDENTIAL_ID, Csr
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames, reserved_of


def tell_credentials(csrs: Iterable[CertificateSigningRequest]) -> bool:
    """Whether one of them says which client certificate made it."""
    return any(certificate_id(each.spec.extra.get(CREDENTIAL_ID, ())) for each in csrs)


class IndexedEvidence:
    """The evidence of one moment; each index is made when it is first asked for."""

    def __init__(self, evidence: PolicyEvidence) -> None:
        self._evidence = evidence

    @property
    def knows_nodes(self) -> bool:
        """Whether the Nodes could be read."""
        return self._evidence.nodes.value is not None

    def node(self, name: str) -> Node | None:
        """The Node with this name, or None."""
        return self._nodes.get(name)

    @cached_property
    def claimed(self) -> NodeIndex:
        """What each Node has; empty where the Nodes could not be read."""
        return NodeIndex(self._evidence.nodes.or_else(()))

    @cached_property
    def reserved(self) -> ReservedNames:
        """The cluster's own names and addresses."""
        return reserved_of(self._evidence.names, self._evidence.nodes.or_else(()))

    @cached_property
    def tells_credentials(self) -> bool:
        """Whether a CSR says which client certificate made it."""
        return tell_credentials(self._evidence.csrs.or_else(()))

    def newest(self, csr: Csr) -> str | None:
        """The newest serving CSR that was made by the same user with the same credential.

        Whoever borrowed a node's identity with a bootstrap token has another one, and makes no CSR of its kubelet an old one.
        """
        return self._newest.get((csr.username, csr.credential_ids))

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {each.name: each for each in self._evidence.nodes.or_else(())}

    @cached_property
    def _newest(self) -> dict[tuple[str | None, tuple[str, ...]], str]:
        """They come oldest first."""
        return {
            (each.spec.username, each.spec.extra.get(CREDENTIAL_ID, ())): each.name
            for each in self._evidence.csrs.or_else(())
        }
