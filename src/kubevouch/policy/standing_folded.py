"""What CSRs for client certificates, and Nodes, say about a node's standing: one value after the other, whichever comes first."""

from collections.abc import Collection

import msgspec

from kubevouch.policy.client_csr import ClientCsr, certificate_id
from kubevouch.policy.standing import ClientCredential, ClientStanding, LiveNode, NodeStanding


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
    is_new = not (known.uid or known.earlier or known.credentials or known.crowded_out)
    before = known.listed(parent)
    credential = msgspec.structs.replace(
        credential, standing=standing, earlier=before is not None and before.earlier
    )
    return msgspec.structs.replace(
        known,
        whole=known.whole or (is_new and not csr.by_node),
        credentials=_judged((*known.credentials, credential), known, vouched),
    ).trimmed()


def of_node(known: NodeStanding, node: LiveNode) -> NodeStanding:
    """What is known of exactly this Node. Of an earlier Node of the same name counts what is true of its name."""
    if known.uid == node.uid:
        return known
    if known.uid:
        return msgspec.structs.replace(known.left(), uid=node.uid)
    joined = msgspec.structs.replace(known, uid=node.uid, credentials=())
    for each in known.credentials:
        # It may have been made after the Node, and seen before it: watches do not wait for one another.
        is_settled = each.earlier or each.standing is ClientStanding.BORROWED
        standing = each.standing if is_settled else _standing(each, joined, node, ())
        judged = msgspec.structs.replace(each, standing=standing)
        joined = msgspec.structs.replace(joined, credentials=(*joined.credentials, judged))
    return msgspec.structs.replace(joined, credentials=_judged(joined.credentials, joined, ()))


def _judged(
    credentials: tuple[ClientCredential, ...], known: NodeStanding, vouched: Collection[str]
) -> tuple[ClientCredential, ...]:
    """The credentials once more, now that one more is known: watches and lists do not go by who made whom."""
    known = msgspec.structs.replace(known, credentials=credentials)
    if known.uid and len(known.joined) > 1:
        doubtful = [each for each in known.joined if not known.is_vouched(each, vouched)]
        known = _with(known, doubtful, ClientStanding.UNKNOWN)
    for _ in credentials:
        # A child may stand before its parent, and a grandchild before both.
        for each in known.credentials:
            parent = known.listed(each.parent)
            if parent is None or known.is_vouched(each, vouched):
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


def _standing(
    credential: ClientCredential,
    known: NodeStanding,
    node: LiveNode | None,
    vouched: Collection[str],
) -> ClientStanding:
    if known.is_vouched(credential, vouched):
        return ClientStanding.OWN
    if not credential.by_node:
        # To the second: the API server writes no more.
        if node is not None and node.created < credential.at:
            return ClientStanding.BORROWED
        return ClientStanding.REPLACEMENT if known.earlier else ClientStanding.OWN
    # Of one whose parent is listed `_judged` finds the standing.
    is_lost = known.was_crowded_out(credential.parent)
    return ClientStanding.BORROWED if is_lost else ClientStanding.UNKNOWN
