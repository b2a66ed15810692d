"""Which client certificates are a node's own. The approver and `csr` use the same rule.

kubeadm's auto-approver gives any holder of a bootstrap token a *client* certificate for any node
name (pkg/controller/certificates/approver/sarapprove.go). But every client certificate has a CSR,
and since Kubernetes 1.32 a CSR records the certificate of its requestor. So each node has a list of
allowed certificates:

(a) the certificates that a pin lists;

(b) if no pin lists any, the certificate that somebody other than the node, such as the holder of a
bootstrap token, requested before the Node existed;

(c) every renewal of an allowed certificate.

If (a) or (b) applies, the list is closed: no certificate outside the list passes. If there are
several candidates for (b), the list is closed and empty. If neither applies, the list is open. Then
only borrowed certificates are rejected: those that somebody other than the node requested while the
Node existed, and their renewals.
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
"""How many allowed certificates to keep per Node, and how many borrowed ones. A kubelet has one
client certificate, or two for a short time."""

Sha256 = Annotated[str, Meta(pattern=r"^(|[0-9a-f]{64})\Z")]
"""A certificate's SHA-256 in lower-case hexadecimal; "" if there is no certificate."""

Moment = Annotated[datetime, Meta(tz=True)]
UNKNOWN_TIME = datetime.min.replace(tzinfo=UTC)
_A_SECOND = timedelta(seconds=1)


class LiveNode(msgspec.Struct, frozen=True):
    """An existing Node: its name, its UID, and when it was created."""

    name: str
    uid: str
    created: datetime


def live_node(node: Node) -> LiveNode:
    """The Node's name, UID and creation time.

    A Node without a creation time counts as older than every CSR.
    """
    created = node.metadata.creation_timestamp or UNKNOWN_TIME
    return LiveNode(node.name, node.uid, created)


class AllowedCertificate(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A node's own client certificate, by its SHA-256.

    parent: the last recorded certificate before it in its chain of renewals; "" if unknown.
    """

    certificate: Sha256
    parent: Sha256 = ""
    at: Moment = UNKNOWN_TIME
    """When the CSR for the certificate was created."""


class NodeCredentials(
    msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", forbid_unknown_fields=True
):
    """What is known about one Node's client certificates. uid: "" if no Node has this name now."""

    uid: Annotated[str, Meta(max_length=512)] = ""
    created: Moment | None = None
    allowed: Annotated[tuple[AllowedCertificate, ...], Meta(max_length=64 + MOST)] = ()
    """The node's own certificates, oldest first."""

    joined: Sha256 = ""
    """The certificate with which the node joined; "" if it is unknown or a pin has replaced it."""

    closed: bool = False
    borrowed: Annotated[tuple[Sha256, ...], Meta(max_length=MOST + 1)] = ()
    """Certificates that somebody other than the node requested while the Node existed, and their
    renewals. A fifth entry means that there were more than four."""

    doubted: Moment | None = None
    """When an attacker may last have requested a certificate for this node; None if never."""

    earlier: Moment | None = None
    """When the previous Node with this name was created; None if this is the first."""

    def left(self) -> "NodeCredentials":
        """The part of these credentials to keep after this Node is deleted."""
        if not self.uid:
            return self
        return NodeCredentials(
            borrowed=self.borrowed, doubted=self.doubted, earlier=self.created or UNKNOWN_TIME
        )

    def of_node(self, node: LiveNode) -> "NodeCredentials":
        """The credentials of `node`. For a new Node of the same name, only what `left` keeps."""
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
    """Updates a Node's credentials with its pin and with CSRs for its name.

    csrs: in any order. pinned: the certificates in this Node's pin. told: whether CSRs contain
    their requestor's credential ID.
    """
    known = _with_pin(known.of_node(node), pinned)
    csrs = sorted(csrs, key=lambda each: (each.created, each.certificate))
    known = _with_joined(known, csrs, node)
    known = _with_borrowed(known, csrs, node)
    return _with_allowed(known, csrs, pinned, told=told)


def _with_pin(known: NodeCredentials, pinned: Collection[str]) -> NodeCredentials:
    """If certificates are pinned, allows only these and their renewals, and closes the list."""
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
    """Closes the list if anybody but the node requested a certificate before the Node existed.

    The list then contains only that certificate, or nothing if there are several candidates.

    The API server truncates times to seconds, and many kubelets create their Node in the same
    second as their CSR. So a CSR from that second counts as earlier than the Node. An attacker's
    CSR from that second only adds a candidate, which makes the list empty.
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
    # If earlier borrowed certificates were not all recorded, the candidate may be one of them.
    if len(candidates) > 1 or len(known.borrowed) > MOST:
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
        # Before Kubernetes 1.32 a CSR does not record which certificate made it.
        for each in csrs:
            if each.by_node and not each.credential_ids:
                add(each, "")
    return msgspec.structs.replace(known, allowed=_trimmed(allowed.values(), pinned))


def _descendants(roots: Iterable[str], csrs: Sequence[ClientCsr]) -> list[ClientCsr]:
    """The node's CSRs that were created with the certificates `roots` or with their renewals."""
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
    """The certificates to keep: the newest ones, all pinned ones, and the parent of the newest."""
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
    """Whether a serving CSR was created with the node's own client certificate, and why.

    The reason is NOT_ASKED if there is no evidence either way.
    """

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
    """The verdict on the credential with which a serving CSR of this Node was created.

    known: the result of `folded`. told: whether CSRs contain their requestor's credential ID.
    admitted: whether the rule for new nodes admits this Node. If so, the certificate with which the
    node joined, and its renewals, are accepted even if an earlier Node had this name. pinned_at:
    when this Node was pinned, with or without certificates; None if never or at an unknown time.
    """
    certificate = certificate_id(credential_ids or ())
    is_allowed = any(each.certificate == certificate for each in known.allowed)
    # Only an operator can decide which of two machines with one name is the node: by a pin, or for
    # new nodes by a rule.
    is_said = admitted or not known.joined
    doubted = _later(known.doubted, known.created if known.earlier and not admitted else None)
    # A CSR's date has whole seconds.
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
_BORROWED = "somebody other than the node requested this certificate, or one that it renews, while a Node with this name existed"
_OTHER = "this client certificate is neither known for this node nor a renewal of a known one: the kubelet may have rotated it while no approver ran"
_SEVERAL = "several client certificates were requested before the Node existed; any of them may be the node's own"
_CROWDED = "others requested more client certificates for this node's name than we record, and this may be one of them"
_EARLIER = "an earlier Node had this name: this may be a reinstalled machine or a stolen credential"
_OPEN = "the client certificate that the node joined with is unknown, and no pin lists one"
_NO_CERTIFICATE = "kubelets authenticate with one client certificate; this requestor did not"
_NOT_NAMED = "the CSR has no credential ID (see rule credential-id)"
_OLD = "the CSR has no credential ID (API servers before Kubernetes 1.32 add none)"
_DOUBTED = "an earlier Node had this name, or somebody else requested a client certificate for it; the node has not been pinned since"
