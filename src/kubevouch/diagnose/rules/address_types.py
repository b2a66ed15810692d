"""KV110: metrics-server dials an address that the certificates do not have, and could dial another."""

from collections.abc import Iterator, Sequence

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, deployment_of, finding, named
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.serving import NOT_COVERED, preferred_types, scraped_address
from kubevouch.evidence.snapshot import Evidence, Served, TrustedRoots
from kubevouch.kube.resources import Node
from kubevouch.x509 import verify


@rule(Code.ADDRESS_TYPE_MISMATCH)
def address_type(evidence: Evidence) -> Iterator[Finding]:
    """metrics-server dials an address that the certificates lack; names the order that would do."""
    trust = evidence.trust.value
    # Without its pods it is not known what metrics-server dials.
    if trust is None or not evidence.metrics.pods.is_known:
        return
    types = preferred_types(evidence.metrics.flags)
    seen = {served.node: served for served in evidence.served}
    misdialled: dict[str, str] = {}
    for node in evidence.nodes.or_else(()):
        served = seen.get(node.name)
        if served is None or served.verdict is None or served.verdict.reason not in NOT_COVERED:
            continue
        better = next((t for t in _types(node) if _would_do(node, [t], served, trust)), None)
        if better is not None:
            misdialled[node.name] = better
    if misdialled:
        what = named(sorted(set(misdialled.values())))
        order = list(dict.fromkeys([*misdialled.values(), *types]))
        nodes = evidence.nodes.or_else(())
        spoiled = [n.name for n in nodes if _spoils(n, order, seen.get(n.name), trust)]
        yield finding(
            Code.ADDRESS_TYPE_MISMATCH,
            f"metrics-server dials {types[0]}, but the certificates of "
            f"{counted(len(misdialled), 'node')} hold {what}: {_advice(order, spoiled)}",
            subjects=sorted(misdialled),
            details={"order": ",".join(order), **deployment_of(evidence)},
        )


def _types(node: Node) -> list[str]:
    return list(dict.fromkeys(address.type for address in node.status.addresses))


def _would_do(node: Node, types: Sequence[str], served: Served, trust: TrustedRoots) -> bool:
    """metrics-server, told this order, would trust what the kubelet presents."""
    leaf, address = served.dialled.leaf, scraped_address(node, types)
    if leaf is None or address is None:
        return False
    return verify(
        leaf,
        intermediates=served.dialled.chain[1:],
        roots=trust.certificates,
        name=address,
        at=served.dialled.at,
    ).trusted


def _spoils(node: Node, order: Sequence[str], served: Served | None, trust: TrustedRoots) -> bool:
    """The certificate is good for what is dialled now, and would not be for what this order picks."""
    if served is None or served.verdict is None or not served.verdict.trusted:
        return False
    return not _would_do(node, order, served, trust)


def _advice(order: Sequence[str], spoiled: Sequence[str]) -> str:
    flag = f"--kubelet-preferred-address-types={','.join(order)} would do"
    return f"{flag} for them, and not for {named(spoiled)}" if spoiled else flag
