"""Which client certificates are a node's own: one rule, for the approver and by hand.

kubeadm's auto-approver gives any holder of a bootstrap token a *client* certificate for any node name
(pkg/controller/certificates/approver/sarapprove.go). But each client certificate is issued by a CSR, and a CSR says which
certificate made it (since Kubernetes 1.32). So a node's list of allowed certificates holds:

(a) the certificates that a pin names;
(b) the one that somebody else, such as a bootstrap token, asked for before there was a Node of this name;
(c) what a CSR made with an allowed certificate was issued.

(a) or (b) closes the list: nothing else passes then. Two candidates for (b) close it empty. A list stays open where the node
joined before anybody watched and no pin names its certificate; it only keeps out what was borrowed from the living Node.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

from kubevouch.kube.resources import Node
from kubevouch.outcome import Outcome
from kubevouch.policy.csr import ClientCsr, certificate_id
from kubevouch.policy.reasons import HoldReason

MOST = 4
"""Allowed or borrowed certificates of one Node. A kubelet has one, and for a moment two."""

Sha256 = Annotated[str, Meta(pattern=r"^(|[0-9a-f]{64})\Z")]
"""In hexadecimal; "": none."""

Moment = Annotated[datetime, Meta(tz=True)]
UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)
_A_SECOND = timedelta(seconds=1)


class LiveNode(msgspec.Struct, frozen=True):
    """A Node that is there: its name, its UID, and when it was created."""

    name: str
    uid: str
    created: datetime


def live_node(node: Node) -> LiveNode:
    """The Node. Where nobody knows when it was created, whatever somebody else asked for came later."""
    created = node.metadata.creation_timestamp or UNKNOWN_TIME
    return LiveNode(node.name, node.uid, created)


class AllowedCertificate(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """SHA-256 of a node's own certificate, and of the nearest one before it that is kept; "" if none is known."""

    certificate: Sha256
    parent: Sha256 = ""
    at: Moment = UNKNOWN_TIME
    """When that CSR was made."""


class NodeCredentials(
    msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """The client certificates of one Node, by their SHA-256. uid "": no Node has this name now."""

    uid: Annotated[str, Meta(max_length=512)] = ""
    created: Moment | None = None
    allowed: Annotated[tuple[AllowedCertificate, ...], Meta(max_length=64 + MOST)] = ()
    """Oldest first."""

    joined: Sha256 = ""
    """The certificate of (b); "" before one is known, and once a pin has replaced it."""

    closed: bool = False
    borrowed: Annotated[tuple[Sha256, ...], Meta(max_length=MOST + 1)] = ()
    """Asked for by somebody else when the Node was there, or made with such a one. A fifth says that there were more."""

    doubted: Moment | None = None
    """When the newest certificate was asked for that may be a thief's."""

    earlier: Moment | None = None
    """When the Node before this one was created; None: this is the first of its name."""

    def left(self) -> "NodeCredentials":
        """What is known of the name once this Node is gone."""
        if not self.uid:
            return self
        return NodeCredentials(
            borrowed=self.borrowed, doubted=self.doubted, earlier=self.created or UNKNOWN_TIME
        )

    def of_node(self, node: LiveNode) -> "NodeCredentials":
        """What is known of exactly this Node."""
        known = self if self.uid == node.uid else self.left()
        return msgspec.structs.replace(known, uid=node.uid, created=node.created)


def folded(
    known: NodeCredentials,
    csrs: Iterable[ClientCsr],
    node: LiveNode,
    pinned: Collection[str] = (),
    *,
    told: bool = True,
) -> NodeCredentials:
    """What is known of the Node, and what these CSRs of its name and its pin say besides. Their order does not matter.

    pinned: the certificates that a pin of this Node names. told: whether the cluster says which certificate made a CSR.
    """
    known = _with_pin(known.of_node(node), pinned)
    csrs = sorted(csrs, key=lambda each: (each.created, each.certificate))
    known = _with_joined(known, csrs, node)
    known = _with_borrowed(known, csrs, node)
    return _with_allowed(known, csrs, pinned, told=told)


def _with_pin(known: NodeCredentials, pinned: Collection[str]) -> NodeCredentials:
    """Closed by a pin: with what it names and what descends from that, and nothing else."""
    if not pinned:
        return known
    allowed = [AllowedCertificate(each) for each in dict.fromkeys(pinned)]
    own, left = set(pinned), [each for each in known.allowed if each.certificate not in pinned]
    while children := [each for each in left if each.parent in own]:
        allowed += children
        own.update(each.certificate for each in children)
        left = [each for each in left if each not in children]
    return msgspec.structs.replace(known, allowed=tuple(allowed), joined="", closed=True)


def _with_joined(
    known: NodeCredentials, csrs: Sequence[ClientCsr], node: LiveNode
) -> NodeCredentials:
    """Closed by the one certificate that was asked for before the Node, or empty by several.

    The API server writes whole seconds, and many a kubelet makes its Node in the second in which it asked. So that second
    counts as before: who borrows one in it makes two candidates, and gains nothing.
    """
    if known.closed and not known.joined:
        return known
    before = [
        each
        for each in csrs
        if not each.by_node
        and (known.earlier or UNKNOWN_TIME) < each.created <= node.created
        and each.certificate not in known.borrowed
    ]
    candidates = dict.fromkeys((known.joined, *(each.certificate for each in before)))
    candidates.pop("", None)
    if not candidates or list(candidates) == [known.joined]:
        return known
    if len(candidates) > 1:
        doubted = _later(known.doubted, node.created)
        return msgspec.structs.replace(known, allowed=(), joined="", closed=True, doubted=doubted)
    joined = AllowedCertificate(before[0].certificate, at=before[0].created)
    return msgspec.structs.replace(known, allowed=(joined,), joined=joined.certificate, closed=True)


def _with_borrowed(
    known: NodeCredentials, csrs: Sequence[ClientCsr], node: LiveNode
) -> NodeCredentials:
    own = {each.certificate for each in known.allowed}
    first = [c for c in csrs if not c.by_node and c.created > node.created]
    first = [c for c in first if c.certificate not in own]
    roots = (*known.borrowed, *(c.certificate for c in first))
    found = [*first, *_descendants(roots, csrs)]
    borrowed = tuple(dict.fromkeys((*known.borrowed, *(c.certificate for c in found))))
    return msgspec.structs.replace(
        known,
        borrowed=borrowed[: MOST + 1],
        doubted=_later(known.doubted, *(c.created for c in found)),
    )


def _with_allowed(
    known: NodeCredentials, csrs: Sequence[ClientCsr], pinned: Collection[str], *, told: bool
) -> NodeCredentials:
    allowed = {each.certificate: each for each in known.allowed}

    def add(csr: ClientCsr, parent: str) -> None:
        allowed.setdefault(
            csr.certificate, AllowedCertificate(csr.certificate, parent, csr.created)
        )

    for each in _descendants(allowed, csrs):
        add(each, certificate_id(each.credential_ids))
    if allowed and not told and known.doubted is None:
        # Before Kubernetes 1.32 nothing says which certificate made a CSR.
        for each in csrs:
            if each.by_node and not each.credential_ids:
                add(each, "")
    return msgspec.structs.replace(known, allowed=_trimmed(allowed.values(), pinned))


def _descendants(roots: Iterable[str], csrs: Sequence[ClientCsr]) -> list[ClientCsr]:
    """The CSRs of the node itself that were made with one of these, or with what such a CSR was issued; parents first."""
    made_with: dict[str, list[ClientCsr]] = defaultdict(list)
    for each in csrs:
        if each.by_node and (parent := certificate_id(each.credential_ids)):
            made_with[parent].append(each)
    found: list[ClientCsr] = []
    layer = list(roots)
    while layer:
        children = [child for parent in layer for child in made_with.pop(parent, ())]
        found += children
        layer = [each.certificate for each in children]
    return found


def _trimmed(
    found: Iterable[AllowedCertificate], pinned: Collection[str]
) -> tuple[AllowedCertificate, ...]:
    """The newest few. What a pin names and the parent of the newest never lose their place."""
    allowed = sorted(found, key=lambda each: (each.at, each.certificate))
    if len(allowed) <= MOST:
        return tuple(allowed)
    stays = {*pinned, allowed[-1].certificate, allowed[-1].parent}
    others = [each.certificate for each in allowed if each.certificate not in stays]
    room = MOST - (len(allowed) - len(others))
    stays.update(others[-room:] if room > 0 else ())
    parents = {each.certificate: each.parent for each in allowed}

    def nearest(parent: str) -> str:
        for _ in allowed:
            parent = parent if parent in stays else parents.get(parent) or parent
        return parent

    return tuple(
        msgspec.structs.replace(each, parent=nearest(each.parent))
        for each in allowed
        if each.certificate in stays
    )


def _later(*moments: datetime | None) -> datetime | None:
    return max((each for each in moments if each is not None), default=None)


class CredentialAnswer(msgspec.Struct, frozen=True):
    """Whether the certificate that made a serving CSR is the node's own, and why. NOT_ASKED: nothing is known against it."""

    outcome: Outcome
    reason: HoldReason
    why: str


def judged(
    known: NodeCredentials,
    credential_ids: Collection[str] | None,
    *,
    told: bool,
    admitted: bool = False,
    pinned_at: datetime | None = None,
) -> CredentialAnswer:
    """What is said of the credential that made a serving CSR of this Node. known: folded with its pin.

    told: whether the cluster says which certificate made a CSR. admitted: whether the rule for new nodes admits the Node, and
    so whoever joined with it. pinned_at: when this Node was pinned, whether or not the pin names certificates.
    """
    certificate = certificate_id(credential_ids or ())
    is_allowed = any(each.certificate == certificate for each in known.allowed)
    # Which of two machines of one name is the node an operator says: by a pin, or for new nodes by a rule.
    is_said = admitted or not known.joined
    doubted = _later(known.doubted, known.created if known.earlier and not admitted else None)
    # A CSR is dated by the second in which it was made.
    is_pinned_since = not (doubted and (pinned_at is None or pinned_at < doubted + _A_SECOND))
    closed = _OTHER if known.allowed else _SEVERAL
    answers = (
        (not certificate and credential_ids, Outcome.CANNOT_TELL, _UNKNOWN, _NO_CERTIFICATE),
        (not certificate and told, Outcome.PASS, HoldReason.NOT_ASKED, _NOT_NAMED),
        (not certificate and is_pinned_since, Outcome.PASS, HoldReason.NOT_ASKED, _OLD),
        (not certificate, Outcome.CANNOT_TELL, _UNKNOWN, f"{_DOUBTED}, and {_OLD}"),
        (is_allowed and (is_said or not known.earlier), Outcome.PASS, HoldReason.PASSES, _OWN),
        (is_allowed, Outcome.CANNOT_TELL, HoldReason.EARLIER_NODE, _EARLIER),
        (certificate in known.borrowed, Outcome.REFUSE, HoldReason.BORROWED_IDENTITY, _BORROWED),
        (known.closed, Outcome.CANNOT_TELL, _UNKNOWN, closed),
        (len(known.borrowed) > MOST, Outcome.CANNOT_TELL, _UNKNOWN, _CROWDED),
        (known.earlier, Outcome.CANNOT_TELL, HoldReason.EARLIER_NODE, _EARLIER),
        (True, Outcome.PASS, HoldReason.NOT_ASKED, _OPEN),
    )
    return next(CredentialAnswer(o, reason, why) for holds, o, reason, why in answers if holds)


_UNKNOWN = HoldReason.UNKNOWN_CREDENTIAL
_OWN = "the node's own"
_BORROWED = "a bootstrap token or a person asked for it when the Node was there already, or for the one that it replaced"
_OTHER = "it is none of this node's, nor was it seen to replace one: it may have been rotated while no approver watched"
_SEVERAL = "several were asked for before there was a Node, and any of them may have joined"
_CROWDED = "more client certificates of this node's name were borrowed than are kept, and it may be one of them"
_EARLIER = (
    "an earlier Node had this name: a reinstalled machine looks like a thief who used that time"
)
_OPEN = "nobody has seen which client certificate the node joined with, and no pin names one"
_NO_CERTIFICATE = "it was made with something else than one client certificate, and kubelets have no other credential"
_NOT_NAMED = "the CSR names no client certificate, which is what credential-id says"
_OLD = "the CSR does not say which credential made it (API servers before Kubernetes 1.32)"
_DOUBTED = "somebody else asked for a client certificate of this node's name and no later pin names the node"
