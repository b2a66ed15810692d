"""Whose credential made a CSR: the node's own, or one that somebody borrowed with a bootstrap token.

kubeadm's auto-approver gives any holder of a bootstrap token a *client* certificate for any node name
(pkg/controller/certificates/approver/sarapprove.go), also for the name of a node that exists. A serving CSR that is made
with it fits that node perfectly. But the way there can be seen: a client certificate is issued by a CSR, too, and each CSR
says which credential made it (since Kubernetes 1.32). So each client certificate has a standing:

- asked for by somebody else (a bootstrap token) before there was a Node of that name: the node's own, since it joined
  with it. If two were asked for, nothing tells which of them joined, whichever of them and the Node is told first;
- asked for by somebody else when the Node was there already: borrowed;
- asked for with another client certificate of the same node (rotation): it has the standing of that one;
- issued before anybody watched, or by one such: unknown.

`NodeStanding` is what is known of one Node, a value that is stored with it; `folded` adds what one CSR tells. Memory is
bounded: the newest few credentials of each standing are listed. A borrowed one that is crowded out is not forgiven: from
then on no credential of that Node passes that is not listed.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.csr import CREDENTIAL_ID, KUBELET_CLIENT, NODE_USER, NODES_GROUP, parsed_of
from kubevouch.x509 import X509Error, read_certificates

MOST_CREDENTIALS = 4
"""Of each standing, for each Node. A kubelet has one client certificate, and for a moment two."""

_X509 = "X509SHA256="


class ClientStanding(StrEnum):
    """The standing of a client certificate of a node's name."""

    OWN = "own"
    BORROWED = "borrowed"
    UNKNOWN = "unknown"


class StandingAnswer(msgspec.Struct, frozen=True):
    """The standing of the credential that made one CSR, and why."""

    standing: ClientStanding
    why: str
    holds: bool = False
    """Whether an UNKNOWN standing holds the CSR: all credentials of this node are known, or a borrowed one is about."""


class LiveNode(msgspec.Struct, frozen=True):
    """A Node that is there: its name, its UID, and when it was created."""

    name: str
    uid: str
    created: datetime


class ClientCsr(msgspec.Struct, frozen=True):
    """A CSR for a kubelet's client certificate that has been issued."""

    csr: str
    node: str
    """The node of its common name: the requestor may be somebody else."""

    by_node: bool
    """Whether a credential of that node made it. If not, a bootstrap token or a person did."""

    credential_ids: tuple[str, ...]
    created: datetime
    certificate: str
    """SHA-256 of the certificate's DER in lower-case hexadecimal."""


class ClientCredential(
    msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """A client certificate of a node's name, by its SHA-256, and where it comes from."""

    certificate: str
    standing: ClientStanding
    csr: str
    """Name of the CSR by which it was issued."""

    at: datetime
    """When that CSR was made."""

    parent: str = ""
    """SHA-256 of the client certificate that made that CSR; "" if it is not known."""

    by_node: bool = False


class NodeStanding(
    msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """What is known of the client certificates of one Node. uid "": there is no Node of that name yet."""

    uid: str = ""
    credentials: tuple[ClientCredential, ...] = ()
    """Oldest first."""

    whole: bool = False
    """Whether every client certificate of this Node was seen, from the one with which it joined."""

    crowded: bool = False
    """Whether a borrowed or doubtful credential is no longer listed: then one that is not listed may be that one."""

    def listed(self, certificate: str) -> ClientCredential | None:
        """The credential with this SHA-256; None if it is not listed."""
        return next((each for each in self.credentials if each.certificate == certificate), None)


def client_csr_of(found: CertificateSigningRequest) -> ClientCsr | None:
    """The CSR if it is one for a kubelet's client certificate and has been issued; else None."""
    if found.spec.signer_name != KUBELET_CLIENT or not found.status.certificate:
        return None
    parsed, _ = parsed_of(found.spec.request, found.name)
    created = found.metadata.creation_timestamp
    user = parsed.subject.common_name if parsed else ""
    node = user.removeprefix(NODE_USER)
    if created is None or not node or node == user:
        return None
    try:
        certificate = read_certificates(found.status.certificate, found.name)[0]
    except X509Error:
        return None
    return ClientCsr(
        csr=found.name,
        node=node,
        by_node=found.spec.username == user and NODES_GROUP in found.spec.groups,
        credential_ids=found.spec.extra.get(CREDENTIAL_ID, ()),
        created=created,
        certificate=certificate.fingerprint,
    )


def folded(
    known: NodeStanding, csr: ClientCsr, node: LiveNode | None, vouched: Collection[str] = ()
) -> NodeStanding:
    """What is known of the node, and what this CSR tells besides. CSRs are told oldest first; one told twice adds nothing.

    node: the Node of that name, if there is one. vouched: client certificates that the operator has pinned as its own.
    """
    known = of_node(known, node) if node else known
    if known.listed(csr.certificate):
        return known
    parent = certificate_id(csr.credential_ids) if csr.by_node else ""
    credential = ClientCredential(
        csr.certificate, ClientStanding.UNKNOWN, csr.csr, csr.created, parent, csr.by_node
    )
    standing = _standing(credential, known, node, vouched)
    begins = not known.uid and not known.credentials and not csr.by_node
    credential = msgspec.structs.replace(credential, standing=standing)
    return _trimmed(
        msgspec.structs.replace(
            known,
            whole=known.whole or begins,
            credentials=_judged((*known.credentials, credential), known, vouched),
        )
    )


def of_node(known: NodeStanding, node: LiveNode) -> NodeStanding:
    """What is known of exactly this Node. What was known of an earlier Node of the same name does not count for it."""
    if known.uid == node.uid:
        return known
    if known.uid:
        return NodeStanding(node.uid)
    joined = NodeStanding(node.uid, (), known.whole, known.crowded)
    for each in known.credentials:
        # It may have been made after the Node, and seen before it: watches do not wait for one another.
        judged = msgspec.structs.replace(each, standing=_standing(each, joined, node, ()))
        joined = msgspec.structs.replace(joined, credentials=(*joined.credentials, judged))
    return msgspec.structs.replace(joined, credentials=_judged(joined.credentials, joined, ()))


def _judged(
    credentials: tuple[ClientCredential, ...], known: NodeStanding, vouched: Collection[str]
) -> tuple[ClientCredential, ...]:
    """The credentials once more, now that one more is known: watches and lists do not go by who made whom."""
    known = msgspec.structs.replace(known, credentials=credentials)
    joined = [
        each
        for each in credentials
        if not each.by_node and each.standing is not ClientStanding.BORROWED
    ]
    if known.uid and len(joined) > 1:
        doubtful = [each for each in joined if not _is_vouched(each, known, vouched)]
        known = _with(known, doubtful, ClientStanding.UNKNOWN)
    for _ in credentials:
        # A child may stand before its parent, and a grandchild before both.
        for each in known.credentials:
            parent = known.listed(each.parent)
            if parent is None or _is_vouched(each, known, vouched):
                continue
            if each.standing not in (parent.standing, ClientStanding.BORROWED):
                known = _with(known, [each], parent.standing)
    return known.credentials


def _with(
    known: NodeStanding, which: Collection[ClientCredential], standing: ClientStanding
) -> NodeStanding:
    credentials = tuple(
        msgspec.structs.replace(each, standing=standing) if each in which else each
        for each in known.credentials
    )
    return msgspec.structs.replace(known, credentials=credentials)


def _is_doubtful(credential: ClientCredential, known: NodeStanding) -> bool:
    """Whether it is one of several that were asked for before there was a Node, or replaced one of them."""
    found: ClientCredential | None = credential
    for _ in known.credentials:
        if found is None or found.standing is not ClientStanding.UNKNOWN:
            return False
        if not found.by_node:
            return True
        found = known.listed(found.parent)
    return False


def _standing(
    credential: ClientCredential,
    known: NodeStanding,
    node: LiveNode | None,
    vouched: Collection[str],
) -> ClientStanding:
    if _is_vouched(credential, known, vouched):
        return ClientStanding.OWN
    if not credential.by_node:
        # To the second: the API server writes no more.
        there = node is not None and node.created < credential.at
        return ClientStanding.BORROWED if there else ClientStanding.OWN
    parent = known.listed(credential.parent)
    return parent.standing if parent else ClientStanding.UNKNOWN


def _is_vouched(
    credential: ClientCredential, known: NodeStanding, vouched: Collection[str]
) -> bool:
    """Whether the operator has pinned it, or one that it replaced."""
    found: ClientCredential | None = credential
    for _ in known.credentials:
        if found is None or found.certificate in vouched:
            break
        if found.parent in vouched:
            return True
        found = known.listed(found.parent)
    return found is not None and found.certificate in vouched


def _trimmed(known: NodeStanding) -> NodeStanding:
    """The newest credentials of each standing."""
    kept: list[ClientCredential] = []
    crowded = known.crowded
    for each in reversed(known.credentials):
        if sum(other.standing is each.standing for other in kept) < MOST_CREDENTIALS:
            kept.append(each)
        elif each.standing is ClientStanding.BORROWED or not known.uid or _is_doubtful(each, known):
            crowded = True
    return msgspec.structs.replace(known, credentials=tuple(reversed(kept)), crowded=crowded)


def standing_of(
    known: NodeStanding,
    node: LiveNode,
    credential_ids: Collection[str] | None,
    vouched: Collection[str] = (),
) -> StandingAnswer:
    """The standing of the credential that made a serving CSR of this Node."""
    known = of_node(known, node)
    if not credential_ids:
        borrowed = [c for c in known.credentials if c.standing is ClientStanding.BORROWED]
        if borrowed or known.crowded:
            why = f"a client certificate of this node's name was borrowed ({_csrs(borrowed)}), and {_OLD}"
            return StandingAnswer(ClientStanding.UNKNOWN, why, holds=True)
        return StandingAnswer(ClientStanding.UNKNOWN, _OLD)
    certificate = certificate_id(credential_ids)
    if certificate in vouched:
        return StandingAnswer(ClientStanding.OWN, "the operator has pinned it")
    found = known.listed(certificate)
    if found is None:
        return _not_listed(known)
    standing = ClientStanding.OWN if _is_vouched(found, known, vouched) else found.standing
    if standing is ClientStanding.BORROWED:
        why = f"issued by {found.csr}, which a bootstrap token or a person asked for when the Node was there already"
    elif standing is ClientStanding.OWN:
        why = f"issued by {found.csr}"
    elif found.by_node:
        why = f"issued by {found.csr}, whose own credential was issued before anybody watched"
    else:
        why = f"issued by {found.csr}, one of several before there was a Node: any of them may have joined"
    return StandingAnswer(
        standing,
        why,
        holds=standing is ClientStanding.UNKNOWN
        and (known.whole or known.crowded or _is_doubtful(found, known)),
    )


_OLD = "the CSR does not say which credential made it (API servers before Kubernetes 1.32)"


def _not_listed(known: NodeStanding) -> StandingAnswer:
    if known.whole:
        why = "every client certificate of this node has been seen, and this is not one of them"
    elif known.crowded:
        why = "so many client certificates of this node's name were borrowed that this may be one of them"
    else:
        why = "it was issued before anybody watched, or while nobody did"
    return StandingAnswer(ClientStanding.UNKNOWN, why, holds=known.whole or known.crowded)


def _csrs(credentials: Sequence[ClientCredential]) -> str:
    return ", ".join(each.csr for each in credentials) or "some time ago"


def certificate_id(credential_ids: Collection[str]) -> str:
    """The SHA-256 in a CSR's credential ids; "" if it was not made with one client certificate."""
    ids = tuple(credential_ids)
    if len(ids) != 1 or not ids[0].startswith(_X509):
        return ""
    return ids[0].removeprefix(_X509).lower()
