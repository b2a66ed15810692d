"""Finds a node's own client certificates in a single list of CSRs. Needs no running approver."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime

import msgspec

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.credentials import (
    CredentialAnswer,
    LiveNode,
    NodeCredentials,
    folded,
    judged,
)
from kubevouch.policy.csr import (
    CREDENTIAL_ID,
    NODE_USER,
    ClientCsr,
    Csr,
    certificate_id,
    client_csr_of,
)
from kubevouch.policy.reasons import HoldReason


class KnownOfNode(msgspec.Struct, frozen=True):
    """What is known about a Node besides the listed CSRs.

    pinned: client certificates from a pin or --credential. admitted, pinned_at: as in
    `policy.credentials.judged`.
    """

    node: LiveNode
    credentials: NodeCredentials = NodeCredentials()
    pinned: tuple[str, ...] = ()
    pinned_at: datetime | None = None
    admitted: bool = False


class ListedCredentials:
    """The client certificates of all nodes, from one list of CSRs.

    client: CSRs for client certificates. serving: CSRs for serving certificates, oldest first.
    told: whether CSRs contain their requestor's credential ID.
    """

    def __init__(
        self,
        client: Iterable[CertificateSigningRequest],
        serving: Iterable[CertificateSigningRequest] = (),
        *,
        told: bool,
    ) -> None:
        self._told = told
        self._client: dict[str, list[ClientCsr]] = defaultdict(list)
        self._made: dict[str, dict[str, str]] = defaultdict(dict)
        """The newest serving CSR for each username and client certificate. The certificates of a
        user are in order of their latest use."""

        self._of: dict[KnownOfNode, tuple[NodeCredentials, str | None, bool]] = {}
        for each in client:
            if found := client_csr_of(each):
                self._client[found.node].append(found)
        for each in serving:
            made = self._made[each.spec.username]
            if certificate := certificate_id(each.spec.extra.get(CREDENTIAL_ID, ())):
                made.pop(certificate, None)
                made[certificate] = each.name

    def known(self, before: KnownOfNode) -> NodeCredentials:
        """The Node's credentials, updated with the listed CSRs."""
        listed = self._client.get(before.node.name, ())
        return folded(before.credentials, listed, before.node, before.pinned, told=self._told)

    def answer(self, csr: Csr, known: KnownOfNode) -> tuple[CredentialAnswer, str | None]:
        """Judges a serving CSR by the client certificate with which it was created.

        Returns the verdict, and the name of the node's newest serving CSR that was created with an
        accepted client certificate. The name is None if this CSR's own certificate is unknown or
        not accepted. If the list of the node's certificates is not closed (see `credentials`), and
        several unrelated certificates with which its CSRs were created would be accepted, all of
        these are refused.
        """
        if known not in self._of:
            self._of[known] = self._looked_up(known)
        credentials, newest, several = self._of[known]
        found = self._judged(credentials, csr.credential_ids, known)
        if found.outcome is not Outcome.PASS or not certificate_id(csr.credential_ids):
            return found, None
        if several:
            return CredentialAnswer(Outcome.REFUSE, HoldReason.UNKNOWN_CREDENTIAL, _SEVERAL), None
        return found, newest

    def _looked_up(self, known: KnownOfNode) -> tuple[NodeCredentials, str | None, bool]:
        """Returns the credentials, and the newest CSR created with an accepted certificate.

        The third value tells whether several unrelated certificates are accepted.
        """
        credentials, made = self.known(known), self._made[f"{NODE_USER}{known.node.name}"]
        passing = [
            each
            for each in made
            if self._judged(credentials, (f"X509SHA256={each}",), known).outcome is Outcome.PASS
        ]
        listed = self._client.get(known.node.name, ())
        parents = {c.certificate: certificate_id(c.credential_ids) for c in listed if c.by_node}
        families = {_root(each, parents) for each in passing}
        newest = made[passing[-1]] if passing else None
        return credentials, newest, not credentials.closed and len(families) > 1

    def _judged(
        self, credentials: NodeCredentials, ids: Collection[str] | None, known: KnownOfNode
    ) -> CredentialAnswer:
        return judged(
            credentials,
            ids,
            told=self._told,
            admitted=known.admitted,
            pinned_at=known.pinned_at,
        )


_SEVERAL = (
    "this node's CSRs were made with unrelated client certificates: one may be stolen. "
    "The node's own is on its disk (openssl x509 -noout -fingerprint -sha256 -in "
    "/var/lib/kubelet/pki/kubelet-client-current.pem)"
)


def _root(certificate: str, parents: Mapping[str, str]) -> str:
    for _ in parents:  # somebody who may impersonate users can create cycles
        if not (parent := parents.get(certificate)):
            break
        certificate = parent
    return certificate
