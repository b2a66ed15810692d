"""KV2xx and KV3xx: reaching kubelets, and the certificate on the wire. How one port is judged is in `wire`."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, days, finding, wire_proof
from kubevouch.diagnose.rules.wire import Sight, sights, surely_unreachable
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.x509 import node_name_of

_OVERDUE = 0.92


def unreachable(evidence: Evidence) -> Iterator[Finding]:
    """KV201: only where that is sure; else KV902 tells."""
    found = surely_unreachable(evidence)
    if found:
        title = f"{counted(len(found), 'kubelet')} cannot be reached on port 10250"
        yield _on_nodes("KV201", title, found)


def no_answer(evidence: Evidence) -> Iterator[Finding]:
    """KV202."""
    if found := _with(evidence, "KV202"):
        who = counted(len(found), "kubelet accepts connections and does", "kubelets accept connections and do")  # fmt: skip
        yield _on_nodes("KV202", f"{who} not finish a TLS handshake", found)


def dark(evidence: Evidence) -> Iterator[Finding]:
    """KV307."""
    if found := _with(evidence, "KV307"):
        title = (
            f"{counted(len(found), 'node')} without a serving certificate (tls: internal error): "
            "scrapes, logs and exec fail there"
        )
        yield _on_nodes("KV307", title, found)


def expired(evidence: Evidence) -> Iterator[Finding]:
    """KV304."""
    if found := _with(evidence, "KV304"):
        ends = sorted(ended for sight in found if (ended := sight.ended))
        when = f"that expired {_ago(ends, evidence.at)}" if ends else "that has expired"
        yield _serving("KV304", when, found)


def _ago(ends: list[datetime], at: datetime) -> str:
    first, last = days(ends[0], at), days(ends[-1], at)
    if first == last:
        return f"{first} ago"
    # Of one unit: "8 to 55 days ago".
    if first.split()[1] == last.split()[1]:
        last = last.split()[0]
    return f"{last} to {first} ago"


def no_addresses(evidence: Evidence) -> Iterator[Finding]:
    """KV302."""
    if found := _with(evidence, "KV302"):
        yield _serving("KV302", "without any IP address", found)


def self_signed(evidence: Evidence) -> Iterator[Finding]:
    """KV301: where that is the first thing that Go objects to."""
    if found := _with(evidence, "KV301"):
        yield _serving("KV301", "of the kubelet's own making", found)


def not_covered(evidence: Evidence) -> Iterator[Finding]:
    """KV303."""
    if found := _with(evidence, "KV303"):
        yield _serving("KV303", "for other names than the one dialled", found)


def not_yet_valid(evidence: Evidence) -> Iterator[Finding]:
    """KV306."""
    if found := _with(evidence, "KV306"):
        yield _serving("KV306", "that is not valid yet", found)


def other_ca(evidence: Evidence) -> Iterator[Finding]:
    """KV308."""
    if found := _with(evidence, "KV308"):
        yield _serving("KV308", "of another CA than the cluster's", found)


def other_failure(evidence: Evidence) -> Iterator[Finding]:
    """KV311."""
    if found := _with(evidence, "KV311"):
        yield _serving("KV311", "that does not verify", found)


def overdue(evidence: Evidence) -> Iterator[Finding]:
    """KV305: trusted, and nearly used up."""
    late = [served for served in _trusted(evidence) if _used(served, evidence.at) > _OVERDUE]
    if late:
        title = f"{counted(len(late), 'node')} with more than 92 % of the certificate's life used"
        proofs = [wire_proof(served, _life(served)) for served in late]
        yield finding("KV305", title, subjects=[s.node for s in late], proofs=proofs)


def _used(served: Served, at: datetime) -> float:
    leaf = served.dialled.leaf
    assert leaf is not None
    life = max(leaf.not_after - leaf.not_before, timedelta(seconds=1))
    return (at - leaf.not_before) / life


def _life(served: Served) -> str:
    leaf = served.dialled.leaf
    assert leaf is not None
    return f"valid from {leaf.not_before:%Y-%m-%d %H:%M} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"


def not_node_name(evidence: Evidence) -> Iterator[Finding]:
    """KV309: trusted, and not by the name of its node."""
    strange = [
        (served, leaf)
        for served in _trusted(evidence)
        if (leaf := served.dialled.leaf) and node_name_of(leaf) != served.node
    ]
    if strange:
        proofs = [wire_proof(served, f"subject {leaf.subject}") for served, leaf in strange]
        who = counted(len(strange), "node serves", "nodes serve")
        title = f"{who} a certificate whose CN is not the node's name"
        yield finding("KV309", title, subjects=[s.node for s, _ in strange], proofs=proofs)


def _trusted(evidence: Evidence) -> Iterator[Served]:
    return (served for served in evidence.served if served.verdict and served.verdict.trusted)


def _with(evidence: Evidence, code: str) -> list[Sight]:
    return [sight for sight in sights(evidence) if sight.code == code]


def _serving(code: str, what: str, found: Sequence[Sight]) -> Finding:
    who = counted(len(found), "node serves", "nodes serve")
    return _on_nodes(code, f"{who} a certificate {what}", found)


def _on_nodes(code: str, title: str, found: Sequence[Sight]) -> Finding:
    return finding(
        code,
        title,
        subjects=[sight.node for sight in found],
        proofs=[sight.proof for sight in found if sight.proof.seen],
    )
