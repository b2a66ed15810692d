"""The address of a node that metrics-server dials, and metrics-server's verdict on the certificate."""

from collections.abc import Iterable, Sequence

from kubevouch.clock import Clock
from kubevouch.evidence.certificates import verdict_on
from kubevouch.evidence.snapshot import Served, TrustedRoots, flag_value
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.x509 import VerifyReason

ADDRESS_TYPES_OF_MANIFESTS = ("InternalIP", "ExternalIP", "Hostname")
"""The order of address types in metrics-server's own manifests (manifests/base/deployment.yaml)."""

_ADDRESS_TYPES_OF_CODE = ("Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP")
"""metrics-server's order of address types without --kubelet-preferred-address-types
(cmd/metrics-server/app/options/kubelet_client.go)."""


NOT_COVERED = frozenset(
    {
        VerifyReason.ADDRESS_NOT_COVERED,
        VerifyReason.NAME_NOT_COVERED,
        VerifyReason.NO_ADDRESSES,
        VerifyReason.NO_NAMES,
        VerifyReason.LEGACY_COMMON_NAME,
    }
)
"""Reasons that concern only the dialled address: the certificate may be valid for another
address."""


def preferred_types(flags: tuple[str, ...]) -> tuple[str, ...]:
    """metrics-server's order of address types. flags: its command line; if empty, returns the order in its manifests."""
    if not flags:
        return ADDRESS_TYPES_OF_MANIFESTS
    given = flag_value(flags, "kubelet-preferred-address-types")
    return tuple(given.split(",")) if given else _ADDRESS_TYPES_OF_CODE


def scraped_address(node: Node, types: Sequence[str]) -> str | None:
    """The address that metrics-server dials (pkg/utils/address_resolver.go).

    This is the node's first address of the first of `types` for which the node has an address; None
    if the node has no address of these types.
    """
    for wanted in types:
        for address in node.status.addresses:
            if address.type == wanted and address.address:
                return address.address
    return None


def targets(nodes: Iterable[Node], types: Sequence[str]) -> Iterable[Target]:
    """The kubelets to dial. Nodes without an address are omitted."""
    for node in nodes:
        address = scraped_address(node, types)
        if address is not None:
            yield Target(address, node=node.name, port=node.kubelet_port)


def judge_served(dialled: DialResult, trust: TrustedRoots | None, clock: Clock) -> Served:
    """The result of a dial, with the verdict on the certificate."""
    target, verdict = dialled.target, None
    if dialled.leaf is not None and trust is not None:
        verdict = verdict_on(dialled.chain, trust.certificates, target.address, clock.now())
    return Served(dialled, verdict)
