"""What the standing of a client certificate means for the serving CSR that was made with it."""

from collections.abc import Collection, Sequence

import msgspec

from kubevouch.policy.client_csr import certificate_id
from kubevouch.policy.standing import ClientCredential, ClientStanding, LiveNode, NodeStanding
from kubevouch.policy.standing_folded import of_node


class StandingAnswer(msgspec.Struct, frozen=True):
    """The standing of the credential that made one CSR, and why."""

    standing: ClientStanding
    why: str
    holds: bool = False
    """Whether an UNKNOWN standing holds the CSR: all credentials of this node are known, or a borrowed one is about."""


def standing_of(
    known: NodeStanding,
    node: LiveNode,
    credential_ids: Collection[str] | None,
    vouched: Collection[str] = (),
    *,
    told: bool = False,
    admitted: bool = False,
) -> StandingAnswer:
    """The standing of the credential that made a serving CSR of this Node.

    vouched: client certificates that the operator has pinned as its own. told: whether others say which credential made
    them: then the rule about the credential id holds one that does not. admitted: whether the operator's rule for new nodes admits this Node, and so whoever joined with it.
    """
    known = of_node(known, node)
    certificate = certificate_id(credential_ids or ())
    if not certificate:
        return _without_certificate(known, told=told, said=bool(credential_ids))
    if certificate in vouched:
        return StandingAnswer(ClientStanding.OWN, "the operator has pinned it")
    found = known.listed(certificate)
    if found is not None and known.is_vouched(found, vouched):
        return StandingAnswer(ClientStanding.OWN, f"issued by {found.csr}")
    instead = _instead_of_it(known, vouched, admitted=admitted)
    if found is None:
        return _not_listed(known, certificate, instead)
    if found.standing is ClientStanding.REPLACEMENT:
        is_taken = admitted and not vouched and not (found.earlier and known.joined)
        return _of_replacement(found, is_taken=is_taken)
    return _of_listed(found, known, instead)


def _instead_of_it(known: NodeStanding, vouched: Collection[str], *, admitted: bool) -> str:
    """Which other certificate is known to be this Node's, so that one of which nothing is known is not; "" if none is."""
    if vouched:
        return "the operator has pinned this node's client certificates, and it neither is one of them nor was seen to replace one"
    if admitted and known.earlier and known.joined:
        return "the rule for new nodes has admitted a Node that joined with another one"
    return ""


def _without_certificate(known: NodeStanding, *, told: bool, said: bool) -> StandingAnswer:
    """The standing where the CSR names no client certificate. said: whether it names another credential."""
    if said:
        return StandingAnswer(ClientStanding.UNKNOWN, _NO_CERTIFICATE, holds=True)
    not_named = _NOT_NAMED if told else _OLD
    if not (known.borrowed or known.crowded_out or known.crowded):
        return StandingAnswer(ClientStanding.UNKNOWN, not_named)
    csrs = _csrs(known.borrowed)
    why = f"a client certificate of this node's name was borrowed ({csrs}), and {not_named}"
    return StandingAnswer(ClientStanding.UNKNOWN, why, holds=True)


def _of_replacement(found: ClientCredential, *, is_taken: bool) -> StandingAnswer:
    """The standing of one that was asked for when an earlier Node was gone. is_taken: whether the rule for new nodes takes it."""
    if is_taken:
        why = f"issued by {found.csr}, and the rule for new nodes admits the Node"
        return StandingAnswer(ClientStanding.OWN, why)
    return StandingAnswer(found.standing, f"issued by {found.csr}, {_REPLACEMENT}", holds=True)


def _of_listed(found: ClientCredential, known: NodeStanding, instead: str) -> StandingAnswer:
    standing, issued = found.standing, f"issued by {found.csr}"
    if standing is ClientStanding.BORROWED:
        why = f"{issued}, which a bootstrap token or a person asked for when the Node was there already"
        return StandingAnswer(standing, why)
    if known.is_doubtful(found):
        return StandingAnswer(standing, f"{issued}, {_doubt(found)}", holds=True)
    if found.earlier:
        why = f"{issued} for an earlier Node of this name"
        why += f"; {instead}" if instead else ""
        return StandingAnswer(ClientStanding.UNKNOWN, why, holds=bool(instead))
    if standing is ClientStanding.OWN:
        return StandingAnswer(standing, issued)
    if instead:
        return StandingAnswer(standing, f"{issued}; {instead}", holds=True)
    return StandingAnswer(
        standing, f"{issued}, {_doubt(found)}", holds=known.whole or known.crowded
    )


def _doubt(found: ClientCredential) -> str:
    if found.by_node:
        return "whose own credential was issued before anybody watched"
    return "one of several before there was a Node: any of them may have joined"


_REPLACEMENT = (
    "which a bootstrap token or a person asked for after an earlier Node of this name was gone: whoever reinstalls a machine "
    "does so, and whoever would pass for it"
)
_OLD = "the CSR does not say which credential made it (API servers before Kubernetes 1.32)"
_NOT_NAMED = "the CSR names no client certificate, which is what credential-id says"
"""The rule credential-id holds it: one fact, one rule."""

_NO_CERTIFICATE = "it was made with something else than one client certificate, and kubelets have no other credential"


def _not_listed(known: NodeStanding, certificate: str, instead: str) -> StandingAnswer:
    crowded_out = known.was_crowded_out(certificate)
    if crowded_out:
        why = "a bootstrap token or a person asked for it, as for many others of this node's name"
    elif known.whole:
        why = "every client certificate of this node has been seen, and this is not one of them"
    elif known.crowded:
        why = "so many client certificates of this node's name were borrowed that this may be one of them"
    else:
        why = instead or "it was issued before anybody watched, or while nobody did"
    holds = crowded_out or known.whole or known.crowded or bool(instead)
    return StandingAnswer(ClientStanding.UNKNOWN, why, holds=holds)


def _csrs(credentials: Sequence[ClientCredential]) -> str:
    return ", ".join(each.csr for each in credentials) or "some time ago"
