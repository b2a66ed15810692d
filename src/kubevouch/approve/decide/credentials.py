"""The client certificates of all nodes, from watched Nodes and CSRs. Does no I/O."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from kubevouch.policy.credentials import (
    CredentialAnswer,
    LiveNode,
    NodeCredentials,
    folded,
    judged,
)
from kubevouch.policy.csr import ClientCsr, certificate_id
from kubevouch.policy.sources.nodes import PinnedNode

MOST_WAITING: Final = 10_000
"""The maximum number of names without a Node for which CSRs are kept. With a bootstrap token, anybody
can request any number of names."""

MOST_OF_A_NAME: Final = 8
MOST_GONE: Final = 5_000
"""How many deleted Nodes to remember. An attacker cannot fill this, since only operators and cloud
providers delete Nodes."""

_CSR_LIFE: Final = timedelta(hours=1)
"""How long kube-controller-manager keeps an issued CSR after its approval, at least, unless the
certificate expires earlier (pkg/controller/certificates/cleaner)."""


class _Waiting(NamedTuple):
    """The CSRs for a name that has no Node yet. doubtful: whether some may have been dropped."""

    csrs: dict[str, ClientCsr]
    doubtful: bool


class WatchedCredentials:
    """The known client certificates of all nodes.

    known: the recorded credentials by node name, also of deleted Nodes. pin: returns
    the pin of the Node with this name and UID.
    """

    def __init__(
        self,
        known: Mapping[str, NodeCredentials],
        pin: Callable[[str, str], PinnedNode | None],
    ) -> None:
        self._known = dict(known)
        """The credentials of existing Nodes, by name."""

        self._gone: dict[str, NodeCredentials] = {}
        self._waiting: dict[bytes, _Waiting] = {}
        self._pin = pin
        self._lost: datetime | None = None
        """The creation time of the newest CSR that we forgot, since we keep CSRs of only so many missing Nodes."""

        self.told = any(c.parent for known in self._known.values() for c in known.allowed)
        """Whether CSRs contain their requestor's credential ID (since Kubernetes 1.32)."""

    def csrs(self, found: Iterable[ClientCsr], *, told: bool = False) -> set[str]:
        """Adds CSRs for client certificates. All CSRs of one list must be added in a single call.

        Returns the names of Nodes whose credentials have changed.

        told: whether a serving CSR contained its requestor's credential ID.
        """
        self.told = self.told or told
        by_name: dict[str, list[ClientCsr]] = defaultdict(list)
        for each in found:
            self.told = self.told or bool(certificate_id(each.credential_ids))
            by_name[each.node].append(each)
        changed = set()
        for name, csrs in by_name.items():
            before = self._known.get(name)
            if before is None or before.created is None:
                self._wait(name, csrs)
                continue
            node = LiveNode(name, before.uid, before.created)
            self._known[name] = self._folded(before, csrs, node)
            if self._known[name] != before:
                changed.add(name)
        return changed

    def node(self, node: LiveNode) -> bool:
        """Adds or updates a Node and its pin. Returns whether the known credentials have changed."""
        before = self._known.get(node.name)
        self._known[node.name] = known = self._of(node)
        self._gone.pop(node.name, None)
        self._waiting.pop(_key(node.name), None)
        return known != before

    def gone(self, name: str) -> None:
        """Handles the deletion of a Node.

        Its client certificates stay valid until they expire, also for a later Node of that name.
        """
        known = self._known.pop(name, None)
        if known is None:
            return
        self._gone[name] = known.left()
        if len(self._gone) > MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def of(
        self,
        node: LiveNode,
        credential_ids: Collection[str] | None,
        *,
        told: bool = False,
        admitted: bool = False,
    ) -> CredentialAnswer:
        """Judges the credential with which a serving CSR of this Node was created.

        See `policy.credentials.judged`.
        """
        pin = self._pin(node.name, node.uid)
        return judged(
            self._of(node),
            credential_ids,
            told=told or self.told,
            admitted=admitted,
            pinned_at=pin.pinned_at if pin else None,
        )

    def known(self, name: str) -> NodeCredentials | None:
        """The credentials to record for a name; None if unknown, as for a long-deleted Node."""
        return self._known.get(name) or self._gone.get(name)

    def _of(self, node: LiveNode) -> NodeCredentials:
        """The known credentials of this Node. The watch may not have shown the Node yet."""
        known = self._known.get(node.name)
        if known is not None:
            return self._folded(known, (), node)
        known = self._gone.get(node.name, NodeCredentials())
        nothing = _Waiting({}, self._lost is not None)
        waiting = self._waiting.get(_key(node.name), nothing)
        if waiting.doubtful:
            known = msgspec.structs.replace(known, closed=True, doubted=node.created)
        return self._folded(known, waiting.csrs.values(), node)

    def _folded(
        self, known: NodeCredentials, csrs: Iterable[ClientCsr], node: LiveNode
    ) -> NodeCredentials:
        pin = self._pin(node.name, node.uid)
        pinned = pin.client_certificates if pin else ()
        return folded(known, csrs, node, pinned, told=self.told)

    def _wait(self, name: str, csrs: Collection[ClientCsr]) -> None:
        before = self._waiting.pop(_key(name), None)
        if before is None:
            # CSRs for this name may have been dropped.
            first = min(each.created for each in csrs)
            before = _Waiting({}, self._lost is not None and first <= self._lost + _CSR_LIFE)
        found = before.csrs | {each.certificate: each for each in csrs}
        kept = dict(list(found.items())[:MOST_OF_A_NAME])
        self._waiting[_key(name)] = _Waiting(kept, before.doubtful or len(kept) < len(found))
        if len(self._waiting) > MOST_WAITING:
            dropped = self._waiting.pop(next(iter(self._waiting)))
            made = max(each.created for each in dropped.csrs.values())
            self._lost = max(self._lost or made, made)


def _key(name: str) -> bytes:
    """A key of fixed length, since anybody with a bootstrap token can request names of any length."""
    return sha256(name.encode()).digest()
