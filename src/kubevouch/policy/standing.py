"""Whose credential made a CSR: the node's own, or one that somebody borrowed with a bootstrap token.

kubeadm's auto-approver gives any holder of a bootstrap token a *client* certificate for any node name
(pkg/controller/certificates/approver/sarapprove.go), also for the name of a node that exists. A serving CSR that is made
with it fits that node perfectly. But the way there can be seen: a client certificate is issued by a CSR, too, and each CSR
says which credential made it (since Kubernetes 1.32). So each client certificate has a standing:

- asked for by somebody else (a bootstrap token) before there was a Node of that name: the node's own, since it joined
  with it. If two were asked for, nothing tells which of them joined, whichever of them and the Node is told first;
- asked for by somebody else when the Node was there already: borrowed;
- asked for by somebody else when an earlier Node of that name was gone: a replacement. Whoever reinstalls a machine does so,
  and whoever uses the time in which a Node is deleted;
- asked for with another client certificate of the same node (rotation): it has the standing of that one;
- issued before anybody watched, or by one such: unknown.

`NodeStanding` is what is known of one Node, a value that is stored with it; `standing_folded` adds what one CSR tells,
`standing_answer` says what follows for a serving CSR. Memory is bounded: the newest few credentials of each standing are
listed, and of the borrowed ones before them the first digits. Only where there were more than that, no credential of that
Node passes that is not listed. What was learned of one Node is kept for the next of its name, since the certificates are for
the name.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

import msgspec

MOST_CREDENTIALS = 4
"""Of each standing, for each Node. A kubelet has one client certificate, and for a moment two."""

MOST_CROWDED_OUT = 64
"""Of each Node. Whoever has a bootstrap token can get any number for any name, and that must not hold a node whose own credential
was issued before anybody watched."""

_DIGITS = 16


class ClientStanding(StrEnum):
    """The standing of a client certificate of a node's name."""

    OWN = "own"
    BORROWED = "borrowed"
    REPLACEMENT = "replacement"
    UNKNOWN = "unknown"


class LiveNode(msgspec.Struct, frozen=True):
    """A Node that is there: its name, its UID, and when it was created."""

    name: str
    uid: str
    created: datetime


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
    earlier: bool = False
    """Whether it, or the one that it replaced, was issued for an earlier Node of this name, which is gone."""


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

    earlier: bool = False
    """Whether there was an earlier Node of this name. Its client certificate may still be good."""

    def listed(self, certificate: str) -> ClientCredential | None:
        """The credential with this SHA-256; None if it is not listed."""
        return next((each for each in self.credentials if each.certificate == certificate), None)

    def was_crowded_out(self, certificate: str) -> bool:
        """Whether it is one of the borrowed or doubtful credentials that are no longer listed."""
        return certificate[:_DIGITS] in self.crowded_out

    @property
    def joined(self) -> tuple[ClientCredential, ...]:
        """Those with which this Node may have joined: asked for by somebody else, and neither borrowed nor an earlier Node's."""
        return tuple(
            each
            for each in self.credentials
            if not (each.by_node or each.earlier or each.standing is ClientStanding.BORROWED)
        )

    @property
    def borrowed(self) -> tuple[ClientCredential, ...]:
        """Those that somebody asked for when the Node was there already, and what replaced them."""
        return tuple(c for c in self.credentials if c.standing is ClientStanding.BORROWED)

    @property
    def has_suspects(self) -> bool:
        """Whether one of its credentials would hold a CSR."""
        return (
            self.crowded
            or bool(self.crowded_out)
            or any(
                each.standing in (ClientStanding.BORROWED, ClientStanding.REPLACEMENT)
                or self.is_doubtful(each)
                for each in self.credentials
            )
        )

    def left(self) -> "NodeStanding":
        """What of it is true of whatever Node has this name next."""
        return NodeStanding(
            credentials=tuple(
                msgspec.structs.replace(each, earlier=True) for each in self.credentials
            ),
            crowded_out=self.crowded_out,
            crowded=self.crowded,
            earlier=True,
        )

    def is_doubtful(self, credential: ClientCredential) -> bool:
        """Whether it is one of several that were asked for before there was a Node, or replaced one of them."""
        found: ClientCredential | None = credential
        for _ in self.credentials:
            if found is None or found.standing is not ClientStanding.UNKNOWN:
                return False
            if not found.by_node or self.was_crowded_out(found.parent):
                return True
            found = self.listed(found.parent)
        return False

    def is_vouched(self, credential: ClientCredential, vouched: Collection[str]) -> bool:
        """Whether it is one of `vouched`, which the operator has pinned, or replaced one of them."""
        found: ClientCredential | None = credential
        for _ in self.credentials:
            if found is None or found.certificate in vouched:
                break
            if found.parent in vouched:
                return True
            found = self.listed(found.parent)
        return found is not None and found.certificate in vouched

    def trimmed(self) -> "NodeStanding":
        """With the newest credentials of each standing only."""
        kept: list[ClientCredential] = []
        crowded_out: list[str] = []
        for each in reversed(self.credentials):
            if sum(other.standing is each.standing for other in kept) < MOST_CREDENTIALS:
                kept.append(each)
            elif self._is_remembered(each):
                crowded_out.append(each.certificate[:_DIGITS])
        digits = (*self.crowded_out, *reversed(crowded_out))
        return msgspec.structs.replace(
            self,
            credentials=tuple(reversed(kept)),
            crowded_out=digits[:MOST_CROWDED_OUT],
            crowded=self.crowded or len(digits) > MOST_CROWDED_OUT,
        )

    def _is_remembered(self, credential: ClientCredential) -> bool:
        """Whether it must not pass once it is no longer listed."""
        if credential.standing in (ClientStanding.BORROWED, ClientStanding.REPLACEMENT):
            return True
        return self.is_doubtful(credential) or not (self.uid or credential.earlier)
