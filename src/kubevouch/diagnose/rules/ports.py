"""KV110, KV2xx and KV3xx: whether kubelets are reachable, at which address, and what they serve.

`wire` finds the state of each port.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.make import (
    Finding,
    counted,
    deployment_of,
    finding,
    named,
    wire_proof,
)
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.wire import PortState, port_states, strangers, surely_unreachable
from kubevouch.evidence.certificates import verdict_on
from kubevouch.evidence.serving import NOT_COVERED, preferred_types, scraped_address
from kubevouch.evidence.snapshot import Evidence, Served, TrustedRoots
from kubevouch.kube.resources import Node
from kubevouch.x509 import Certificate, duration_text, life_used

OVERDUE = 0.92
"""A certificate is overdue above this share of its life. Kubelets renew at 70 to 90 %."""


@rule(Code.KUBELET_UNREACHABLE)
def unreachable(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet's port is certainly unreachable. NOT_DIALLED reports the uncertain cases."""
    found = surely_unreachable(evidence)
    if found:
        title = f"{counted(len(found), 'kubelet')} cannot be reached on port 10250"
        if all(port.refuses for port in found):
            who = counted(len(found), "kubelet does not", "kubelets do not")
            title = f"{who} listen on port 10250 (connection refused)"
        yield _on_nodes(Code.KUBELET_UNREACHABLE, title, found)


@rule(Code.EXPIRED)
def expired(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet serves a certificate that has expired."""
    if found := _with(evidence, Code.EXPIRED):
        ends = sorted(port.leaf.not_after for port in found if port.leaf)
        when = f"that expired {_ago(ends, evidence.at)}" if ends else "that has expired"
        who = counted(len(found), "node serves", "nodes serve")
        yield _on_nodes(Code.EXPIRED, f"{who} a certificate {when}", found)


def _ago(ends: list[datetime], at: datetime) -> str:
    first, last = duration_text(at - ends[0]), duration_text(at - ends[-1])
    if first == last:
        return f"{first} ago"
    # In one unit: "8 to 55 days ago".
    if first.split()[1] == last.split()[1]:
        last = last.split()[0]
    return f"{last} to {first} ago"


_SERVES = ("node serves a certificate", "nodes serve a certificate")
_ON_THE_PORT = {
    Code.KUBELET_DOES_NOT_ANSWER: (
        "kubelet accepts connections and does not finish",
        "kubelets accept connections and do not finish",
        "a TLS handshake",
    ),
    Code.NO_SERVING_CERTIFICATE: (
        "node",
        "nodes",
        "without a serving certificate (tls: internal error): scrapes, logs and exec fail",
    ),
    Code.NO_IP_SANS: (*_SERVES, "without any IP address"),
    Code.SELF_SIGNED: (*_SERVES, "self-signed by the kubelet"),
    Code.SAN_MISMATCH: (*_SERVES, "that lacks the dialled address or name"),
    Code.NOT_YET_VALID: (*_SERVES, "that is not valid yet"),
    Code.SIGNED_BY_OTHER_CA: (*_SERVES, "from a CA other than the cluster's"),
    Code.OTHER_VERIFICATION_FAILURE: (*_SERVES, "that does not verify"),
}
"""For each code, how the title begins for one port and for several, and how it ends."""


@rule(*_ON_THE_PORT)
def refused(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet does not finish the handshake, has no certificate, or serves one that does not verify."""
    for code, (one, several, what) in _ON_THE_PORT.items():
        if found := _with(evidence, code):
            yield _on_nodes(code, f"{counted(len(found), one, several)} {what}", found)


@rule(Code.ROTATION_OVERDUE)
def overdue(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet serves a trusted certificate that should have been replaced by now."""
    late = [
        (served, leaf)
        for served in evidence.served
        if served.is_trusted
        and (leaf := served.dialled.leaf)
        and life_used(leaf, evidence.at) > OVERDUE
    ]
    if late:
        title = f"{counted(len(late), *_SERVES)} past 92 % of its life"
        proofs = [wire_proof(served, life(leaf)) for served, leaf in late]
        subjects = [served.node for served, _ in late]
        yield finding(Code.ROTATION_OVERDUE, title, subjects=subjects, proofs=proofs)


def life(leaf: Certificate) -> str:
    """A certificate's validity, as the text of a proof."""
    return f"valid from {leaf.not_before:%Y-%m-%d %H:%M} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"


@rule(Code.CN_NOT_NODE_NAME)
def not_node_name(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet serves a trusted certificate that does not name its node."""
    nodes = strangers(evidence)
    strange = [
        (served, leaf)
        for served in evidence.served
        if served.node in nodes and (leaf := served.dialled.leaf)
    ]
    if strange:
        refuses = any(path.is_ours for path in evidence.metrics.versions)
        proofs = [wire_proof(served, f"subject {leaf.subject}") for served, leaf in strange]
        who = counted(len(strange), "node serves", "nodes serve")
        title = f"{who} a certificate that does not name the node"
        yield finding(
            Code.CN_NOT_NODE_NAME,
            title,
            subjects=[s.node for s, _ in strange],
            proofs=proofs,
            severity=Severity.ERROR if refuses else None,
        )


def _with(evidence: Evidence, code: Code) -> list[PortState]:
    return [port for port in port_states(evidence) if port.code == code]


def _on_nodes(code: Code, title: str, found: Sequence[PortState]) -> Finding:
    return finding(
        code,
        title,
        subjects=[port.node for port in found],
        proofs=[port.proof for port in found if port.proof.seen],
    )


@rule(Code.ADDRESS_TYPE_MISMATCH)
def address_type(evidence: Evidence) -> Iterator[Finding]:
    """metrics-server dials an address that the certificates lack. The finding suggests a better order of address types."""
    trust = evidence.trust.value
    # metrics-server's pods show what it dials.
    if trust is None or not evidence.metrics.pods.is_known:
        return
    types = preferred_types(evidence.metrics.flags)
    seen = {served.node: served for served in evidence.served}
    misdialled: dict[str, str] = {}
    for node in evidence.nodes.or_else(()):
        served = seen.get(node.name)
        if served is None or served.verdict is None or served.verdict.reason not in NOT_COVERED:
            continue
        there = dict.fromkeys(address.type for address in node.status.addresses)
        better = next((t for t in there if _verifies(node, [t], served, trust)), None)
        if better is not None:
            misdialled[node.name] = better
    if misdialled:
        what = named(sorted(set(misdialled.values())))
        order = list(dict.fromkeys([*misdialled.values(), *types]))
        nodes = evidence.nodes.or_else(())
        spoiled = [n.name for n in nodes if _breaks(n, order, seen.get(n.name), trust)]
        yield finding(
            Code.ADDRESS_TYPE_MISMATCH,
            f"metrics-server dials {types[0]}, but the certificates of "
            f"{counted(len(misdialled), 'node')} hold {what}: {_advice(order, spoiled)}",
            subjects=sorted(misdialled),
            details={"order": ",".join(order), **deployment_of(evidence)},
        )


def _verifies(node: Node, types: Sequence[str], served: Served, trust: TrustedRoots) -> bool:
    """Whether metrics-server would trust the kubelet with this order of address types."""
    dialled, address = served.dialled, scraped_address(node, types)
    if not dialled.chain or address is None:
        return False
    return verdict_on(dialled.chain, trust.certificates, address, dialled.at).trusted


def _breaks(node: Node, order: Sequence[str], served: Served | None, trust: TrustedRoots) -> bool:
    """Whether the certificate fits the address dialled now, but not the address that this order picks."""
    return served is not None and served.is_trusted and not _verifies(node, order, served, trust)


def _advice(order: Sequence[str], spoiled: Sequence[str]) -> str:
    flag = f"--kubelet-preferred-address-types={','.join(order)} would work"
    return f"{flag} for them, but not for {named(spoiled)}" if spoiled else flag
