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
bounded: the newest few credentials of each standing are listed, and of the borrowed ones before them the first digits. Only
where there were more than that, no credential of that Node passes that is not listed. What was borrowed of one Node stays so
for the next of its name, since the certificate is for the name.
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

MOST_CROWDED_OUT = 64
"""Of each Node. Whoever has a bootstrap token can get any number for any name, and that must not hold a node whose own credential
was issued before anybody watched."""

_DIGITS = 16
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

    crowded_out: tuple[str, ...] = ()
    """The first digits of each borrowed or doubtful credential that is no longer listed, oldest first."""

    crowded: bool = False
    """Whether there were more than these: then one that is not listed may be one of them."""

    def listed(self, certificate: str) -> ClientCredential | None:
        """The credential with this SHA-256; None if it is not listed."""
        return next((each for each in self.credentials if each.certificate == certificate), None)

    def was_crowded_out(self, certificate: str) -> bool:
        """Whether it is one of the borrowed or doubtful credentials that are no longer listed."""
        return certificate[:_DIGITS] in self.crowded_out

    @property
    def borrowed(self) -> "NodeStanding":
        """What of it is true of whatever Node has this name next: no Node of it, but which credentials are borrowed."""
        kept = tuple(c for c in self.credentials if c.standing is ClientStanding.BORROWED)
        return NodeStanding("", kept, crowded_out=self.crowded_out, crowded=self.crowded)


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
    if known.listed(csr.certificate) or known.was_crowded_out(csr.certificate):
        return known
    parent = certificate_id(csr.credential_ids) if csr.by_node else ""
    credential = ClientCredential(
        csr.certificate, ClientStanding.UNKNOWN, csr.csr, csr.created, parent, csr.by_node
    )
    standing = _standing(credential, known, node, vouched)
    begins = not known.uid and known == known.borrowed and not csr.by_node
    credential = msgspec.structs.replace(credential, standing=standing)
    return _trimmed(
        msgspec.structs.replace(
            known,
            whole=known.whole or begins,
            credentials=_judged((*known.credentials, credential), known, vouched),
        )
    )


def of_node(known: NodeStanding, node: LiveNode) -> NodeStanding:
    """What is known of exactly this Node. Of an earlier Node of the same name only counts what was borrowed."""
    if known.uid == node.uid:
        return known
    if known.uid:
        return msgspec.structs.replace(known.borrowed, uid=node.uid)
    joined = msgspec.structs.replace(known, uid=node.uid, credentials=())
    for each in known.credentials:
        # It may have been made after the Node, and seen before it: watches do not wait for one another.
        was_borrowed = each.standing is ClientStanding.BORROWED
        standing = each.standing if was_borrowed else _standing(each, joined, node, ())
        judged = msgspec.structs.replace(each, standing=standing)
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
        if not found.by_node or known.was_crowded_out(found.parent):
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
    if parent is None and known.was_crowded_out(credential.parent):
        return ClientStanding.BORROWED
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
    crowded_out: list[str] = []
    for each in reversed(known.credentials):
        if sum(other.standing is each.standing for other in kept) < MOST_CREDENTIALS:
            kept.append(each)
        elif each.standing is ClientStanding.BORROWED or not known.uid or _is_doubtful(each, known):
            crowded_out.append(each.certificate[:_DIGITS])
    digits = (*known.crowded_out, *reversed(crowded_out))
    return msgspec.structs.replace(
        known,
        credentials=tuple(reversed(kept)),
        crowded_out=digits[:MOST_CROWDED_OUT],
        crowded=known.crowded or len(digits) > MOST_CROWDED_OUT,
    )


def standing_of(
    known: NodeStanding,
    node: LiveNode,
    credential_ids: Collection[str] | None,
    vouched: Collection[str] = (),
    *,
    told: bool = False,
) -> StandingAnswer:
    """The standing of the credential that made a serving CSR of this Node. told: whether others say which credential made them."""
    known = of_node(known, node)
    certificate = certificate_id(credential_ids or ())
    if not certificate:
        return _without_certificate(known, told=told, said=bool(credential_ids))
    if certificate in vouched:
        return StandingAnswer(ClientStanding.OWN, "the operator has pinned it")
    found = known.listed(certificate)
    return _not_listed(known, certificate) if found is None else _of_listed(found, known, vouched)


def _without_certificate(known: NodeStanding, *, told: bool, said: bool) -> StandingAnswer:
    """The standing where the CSR names no client certificate. said: whether it names another credential."""
    if said or told:
        why = _NO_CERTIFICATE if said else _IMPERSONATED
        return StandingAnswer(ClientStanding.UNKNOWN, why, holds=True)
    borrowed = known.borrowed
    if borrowed == NodeStanding():
        return StandingAnswer(ClientStanding.UNKNOWN, _OLD)
    csrs = _csrs(borrowed.credentials)
    why = f"a client certificate of this node's name was borrowed ({csrs}), and {_OLD}"
    return StandingAnswer(ClientStanding.UNKNOWN, why, holds=True)


def _of_listed(
    found: ClientCredential, known: NodeStanding, vouched: Collection[str]
) -> StandingAnswer:
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
_IMPERSONATED = (
    "the CSR does not say which credential made it, and others of this cluster do: somebody who may impersonate the node made "
    "it, or an API server before Kubernetes 1.32 still answers beside newer ones"
)
_NO_CERTIFICATE = "it was made with something else than one client certificate, and kubelets have no other credential"


def _not_listed(known: NodeStanding, certificate: str) -> StandingAnswer:
    crowded_out = known.was_crowded_out(certificate)
    if crowded_out:
        why = "a bootstrap token or a person asked for it, as for many others of this node's name"
    elif known.whole:
        why = "every client certificate of this node has been seen, and this is not one of them"
    elif known.crowded:
        why = "so many client certificates of this node's name were borrowed that this may be one of them"
    else:
        why = "it was issued before anybody watched, or while nobody did"
    holds = crowded_out or known.whole or known.crowded
    return StandingAnswer(ClientStanding.UNKNOWN, why, holds=holds)


def _csrs(credentials: Sequence[ClientCredential]) -> str:
    return ", ".join(each.csr for each in credentials) or "some time ago"


def certificate_id(credential_ids: Collection[str]) -> str:
    """The SHA-256 in a CSR's credential ids; "" if it was not made with one client certificate."""
    ids = tuple(credential_ids)
    if len(ids) != 1 or not ids[0].startswith(_X509):
        return ""
    return ids[0].removeprefix(_X509).lower()
