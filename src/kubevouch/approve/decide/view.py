"""The cluster as the approver's watches show it: Nodes, CSRs and ConfigMaps.

It receives events and does no I/O. Indexes keep the time for one decision almost independent of the
size of the cluster.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from kubevouch.approve.decide.approved_lately import ApprovalBudget, ApprovedLately, ShownKeys
from kubevouch.approve.decide.credentials import WatchedCredentials
from kubevouch.approve.decide.waiting import Requestor, WaitingCsr, WaitingCsrs
from kubevouch.evidence.approvers import BY_US
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import CONTROL_PLANE_LABEL
from kubevouch.kube.resources import CertificateSigningRequest, Metadata, Node
from kubevouch.kube.resources.meta import ManagedMetadata
from kubevouch.kube.resources.nodes import NodeAddress, NodeInfo, NodeStatus
from kubevouch.outcome import Outcome
from kubevouch.policy.claims import AskedNames
from kubevouch.policy.credentials import NodeCredentials, live_node
from kubevouch.policy.csr import NODE_USER, ClientCsr, Csr, asked_of, client_csr_of, csr_of
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames, reserved_of
from kubevouch.policy.sources.configuration import ApproverConfiguration, with_configured
from kubevouch.policy.sources.nodes import credentials_in
from kubevouch.policy.sources.watched import WatchedSources
from kubevouch.x509.kinds import node_of_user

_RESERVED_AGAIN: Final = 1.0
"""The minimum number of seconds before changed spec.podCIDRs cause another scan of all Nodes."""

_MOST_ADDRESSES: Final = 256
"""How many addresses of a Node's status to keep. A kubelet writes a few, but an attacker may write many."""

_LONGEST_ADDRESS: Final = 253
"""Longer addresses are dropped. No valid name has more characters, so no CSR can request more."""

_ADDRESS_TYPES: Final = {
    each: each for each in ("Hostname", "InternalIP", "ExternalIP", "InternalDNS", "ExternalDNS")
}
"""A shared string for each address type. We never intern text written by nodes, since CPython 3.12
before 3.12.7 never frees interned text."""

_LONGEST_ID: Final = 1_000


@dataclass(slots=True)
class ClusterView:
    """All data that the watches have shown."""

    nodes: dict[str, Node] = field(default_factory=dict)
    waiting: WaitingCsrs = field(init=False)
    sources: WatchedSources = field(default_factory=WatchedSources)
    keys: ShownKeys = field(default_factory=ShownKeys)
    budget: ApprovalBudget = field(default_factory=ApprovalBudget)
    index: NodeIndex = field(default_factory=NodeIndex)
    approved_lately: ApprovedLately = field(default_factory=ApprovedLately)
    credentials: WatchedCredentials | None = None
    """The client certificates of all nodes; None until `begin`."""

    names: ClusterNames | None = None
    _client_csrs: list[ClientCsr] = field(default_factory=list)
    _reserved: ReservedNames | None = None
    _reserved_for: ApproverConfiguration | None = None
    _reserved_at: float = 0.0
    _pods_changed: bool = False

    def __post_init__(self) -> None:
        self.waiting = WaitingCsrs(self.nodes.__contains__, self._is_allowed)

    def begin(self) -> set[str]:
        """Called when Nodes and ConfigMaps have been listed once.

        Returns the names of nodes whose credentials differ from the record.
        """
        # Without a record, a pin shows which Node existed.
        known = {name: NodeCredentials(uid=uid) for name, uid in self.sources.pinned_uids()}
        for name, record in self.sources.current.recorded.items():
            known[name] = credentials_in(record)
        self.credentials = WatchedCredentials(known, self.sources.pin_of)
        changed = set(known.keys() - self.nodes.keys())
        for name in changed:
            self.credentials.gone(name)
        return changed | self.look_at_credentials(self.nodes) | self.client_csrs_listed()

    def client_csrs_listed(self) -> set[str]:
        """Adds the CSRs for client certificates from a list that is now complete.

        Before that, their order of creation is unknown.

        Returns the names of nodes whose credentials have changed.
        """
        if self.credentials is None:
            return set()
        found, self._client_csrs = self._client_csrs, []
        return self.credentials.csrs(found, told=self.waiting.told)

    def look_at_credentials(self, names: Iterable[str]) -> set[str]:
        """Updates the credentials of these nodes, whose Node object or pin is new or changed.

        Returns the names of nodes whose credentials have changed.
        """
        found = [(name, live_node(self.nodes[name])) for name in names if name in self.nodes]
        seen = self.credentials
        return {name for name, live in found if seen is not None and seen.node(live)}

    # Nodes

    def put_node(self, node: Node) -> set[str]:
        """Adds or replaces a Node. Returns the names of waiting CSRs that the change may affect."""
        node, before = _slim(node), self.nodes.get(node.name)
        self.nodes[node.name] = node
        if before is not None and _looked_at(before) == _looked_at(node):
            return set()
        self.index.put(node)
        self._pods_changed |= before is None or before.spec.pod_cidrs != node.spec.pod_cidrs
        return self.waiting.touched_by(before, node)

    def remove_node(self, name: str) -> set[str]:
        """Removes a Node. Returns the names of waiting CSRs that this may affect."""
        before = self.nodes.pop(name, None)
        if before is None:
            return set()
        self.index.remove(name)
        self.approved_lately.gone(name)
        if self.credentials is not None:
            self.credentials.gone(name)
        return self.waiting.touched_by(before)

    # CSRs

    def put_serving_csr(self, found: CertificateSigningRequest) -> WaitingCsr | None:
        """Adds or updates an undecided serving CSR. Returns None if the CSR is not kept."""
        waiting = self.waiting.put(_slim_csr(found))
        if waiting is not None and waiting.csr is None:
            waiting.request = found.spec.request
        return waiting

    def read(self, waiting: WaitingCsr) -> Csr:
        """Parses the CSR, if it is not parsed yet.

        Called when the CSR's turn comes, since most CSRs of a flood never get a turn.
        """
        if waiting.csr is None:
            spec = msgspec.structs.replace(waiting.found.spec, request=waiting.request)
            waiting.keep(self._read(msgspec.structs.replace(waiting.found, spec=spec)))
            assert waiting.csr is not None
        return waiting.csr

    def _read(self, found: CertificateSigningRequest) -> Csr:
        csr = csr_of(found)
        self.keys.put(csr)
        return csr

    def put_decided_csr(self, found: CertificateSigningRequest) -> bool:
        """Adds a serving CSR that has been decided.

        Returns True if the decision may be new: the CSR was waiting, or its certificate has not yet
        been issued.
        """
        known, is_read = self.waiting.decided(found)
        approved = found.condition("Approved")
        at = (approved and approved.last_update_time) or found.metadata.creation_timestamp
        node = found.spec.username.removeprefix(NODE_USER)
        if approved is not None and approved.reason == BY_US and at is not None:
            self.budget.spend(node, found.uid, at)
        csr = known.csr if known else None
        if approved is not None and csr is None and not is_read:
            csr = self._read(found)
        if approved is not None and at is not None and csr is not None:
            self.approved_lately.put(node, asked_of(csr) or AskedNames(), at)
        return known is not None or not found.status.certificate

    def _is_allowed(self, requestor: Requestor) -> bool:
        """Whether the requestor's credential counts as its node's own."""
        username, credential = requestor
        node = self.nodes.get(node_of_user(username) or "")
        if node is None or self.credentials is None:
            return False
        return self.credentials.of(live_node(node), credential).outcome is Outcome.PASS

    def put_client_csr(self, found: CertificateSigningRequest, *, listed: bool) -> set[str]:
        """Adds a CSR for a kubelet's client certificate.

        Returns the names of nodes whose credentials have changed.

        listed: whether the CSR belongs to a list in progress; it is used once the list is complete.
        """
        csr = client_csr_of(found)
        if csr is not None and (listed or self.credentials is None):
            self._client_csrs.append(csr)
        elif csr is not None and self.credentials is not None:
            return self.credentials.csrs([csr], told=self.waiting.told)
        return set()

    # What is reserved

    def reserved(self, now: float) -> ReservedNames | None:
        """The names that no kubelet may have; None until the cluster's names have been read. now: by the monotonic clock."""
        if self.names is None:
            return None
        configuration = self.sources.configuration_or_default
        due = self._pods_changed and now - self._reserved_at >= _RESERVED_AGAIN
        if self._reserved is None or due or self._reserved_for is not configuration:
            names = with_configured(self.names, configuration)
            self._reserved = reserved_of(names, self.nodes.values())
            self._reserved_for, self._reserved_at = configuration, now
            self._pods_changed = False
        return self._reserved

    def set_names(self, names: ClusterNames) -> None:
        """Sets the cluster's own names and addresses."""
        self.names = names
        self._reserved = None


def _slim(node: Node) -> Node:
    """The Node with only the fields that decisions read, and without unbounded text written by the node.

    The resourceVersion is dropped, too, if any other dropped part could matter to a decision.
    """
    metadata, status = node.metadata, node.status
    machine_id = status.node_info.machine_id
    addresses = [
        a for a in status.addresses[:_MOST_ADDRESSES] if len(a.address) <= _LONGEST_ADDRESS
    ]
    is_cut = len(addresses) < len(status.addresses) or len(machine_id) > _LONGEST_ID
    labels = {CONTROL_PLANE_LABEL: ""} if CONTROL_PLANE_LABEL in metadata.labels else {}
    return msgspec.structs.replace(
        node,
        metadata=Metadata(
            name=metadata.name,
            uid=metadata.uid,
            resource_version="" if is_cut else metadata.resource_version,
            creation_timestamp=metadata.creation_timestamp,
            labels=labels,
        ),
        status=NodeStatus(
            addresses=tuple(
                NodeAddress(
                    type=_ADDRESS_TYPES.get(each.type, ""),
                    address=metadata.name if each.address == metadata.name else each.address,
                )
                for each in addresses
            ),
            node_info=NodeInfo(machine_id=machine_id[:_LONGEST_ID]),
            daemon_endpoints=status.daemon_endpoints,
        ),
    )


def _slim_csr(found: CertificateSigningRequest) -> CertificateSigningRequest:
    """The CSR without its request and without text of unbounded size."""
    metadata, spec = found.metadata, found.spec
    return msgspec.structs.replace(
        found,
        metadata=ManagedMetadata(
            name=metadata.name,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
            creation_timestamp=metadata.creation_timestamp,
        ),
        spec=msgspec.structs.replace(spec, request=b""),
    )


def _looked_at(node: Node) -> tuple[object, ...]:
    return (
        node.uid,
        node.metadata.labels,
        node.spec.pod_cidrs,
        node.status.addresses,
        node.status.node_info.machine_id,
        node.kubelet_port,
    )
