"""KV2xx and KV3xx: reaching kubelets, and the certificate on the wire.

A node has one of these findings, the first in the order in which Go checks (dates, names, authority, usage): the
first failure hides the rest. What is behind it stands in the proof.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from kubevouch.diagnose.finding import Finding, Proof
from kubevouch.diagnose.make import counted, days, finding, wire_proof, wire_text
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.tls.failure import FailureKind
from kubevouch.x509 import Certificate, CertificateKind, Reason, classify, node_name_of

_UNREACHABLE = {
    FailureKind.REFUSED,
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
}
_CODES = {
    Reason.EXPIRED: "KV304",
    Reason.NOT_YET_VALID: "KV306",
    Reason.NO_ADDRESSES: "KV302",
    Reason.ADDRESS_NOT_COVERED: "KV303",
    Reason.NAME_NOT_COVERED: "KV303",
    Reason.NO_NAMES: "KV303",
    Reason.LEGACY_COMMON_NAME: "KV303",
    Reason.UNKNOWN_AUTHORITY: "KV308",
    Reason.WRONG_AUTHORITY: "KV308",
}
_INTERNAL_ERROR = 80
_OVERDUE = 0.92


def is_self_signed(certificate: Certificate) -> bool:
    """The kubelet made it itself."""
    return classify(certificate) is CertificateKind.KUBELET_SELF_SIGNED


def is_dark(served: Served) -> bool:
    """The kubelet has no certificate at all: it answers every handshake with alert 80 (pkg/kubelet/kubelet.go)."""
    failure = served.dialled.failure
    return (
        failure is not None
        and failure.alert is not None
        and failure.alert.number == _INTERNAL_ERROR
    )


def code_of(served: Served) -> str:
    """The one code for what was seen on the wire; empty if all is well, or if it could not be told."""
    failure = served.dialled.failure
    if failure is not None:
        return _code_of_failure(served)
    leaf, verdict = served.dialled.leaf, served.verdict
    if leaf is None or verdict is None or verdict.trusted:
        return ""
    code = _CODES.get(verdict.reason, "KV311")
    if code == "KV308" and is_self_signed(leaf):
        return "KV301"
    # A date that is wrong may be that of the CA above it.
    return code if verdict.at_fault in (None, leaf) or code == "KV308" else "KV311"


def _code_of_failure(served: Served) -> str:
    failure = served.dialled.failure
    assert failure is not None
    if is_dark(served):
        return "KV307"
    if failure.kind in _UNREACHABLE:
        return "KV201"
    return "" if failure.kind is FailureKind.OUR_SIDE else "KV202"


def unreachable(evidence: Evidence) -> Iterator[Finding]:
    """KV201: only where something else reaches a kubelet, or metrics-server cannot either; else KV902 tells."""
    by_code = _by_code(evidence)
    silent = by_code["KV201"]
    if not silent:
        return
    scraped = {failure.node for failure in evidence.metrics.failures.or_else(())}
    measured = {each.name for each in evidence.metrics.node_metrics.or_else(())}
    reached = any(served.dialled.failure is None or is_dark(served) for served in evidence.served)
    sure = [s for s in silent if (reached or s.node in scraped) and s.node not in measured]
    if sure:
        title = f"{counted(len(sure), 'kubelet')} cannot be reached on port 10250"
        yield _on_nodes("KV201", title, sure)


def no_answer(evidence: Evidence) -> Iterator[Finding]:
    """KV202."""
    mute = _by_code(evidence)["KV202"]
    if mute:
        title = f"{counted(len(mute), 'kubelet')} accept connections and give no TLS answer"
        yield _on_nodes("KV202", title, mute)


def dark(evidence: Evidence) -> Iterator[Finding]:
    """KV307."""
    found = _by_code(evidence)["KV307"]
    if found:
        title = (
            f"{counted(len(found), 'node')} without a serving certificate (tls: internal error): "
            "scrapes, logs and exec fail there"
        )
        yield _on_nodes("KV307", title, found)


def expired(evidence: Evidence) -> Iterator[Finding]:
    """KV304."""
    found = _by_code(evidence)["KV304"]
    if found:
        ends = sorted(leaf.not_after for served in found if (leaf := served.dialled.leaf))
        yield _on_nodes(
            "KV304",
            f"{counted(len(found), 'node')} serve a certificate that expired {_ago(ends, evidence.at)}",
            found,
        )


def _ago(ends: list[datetime], at: datetime) -> str:
    first, last = days(ends[0], at), days(ends[-1], at)
    return f"{first} ago" if first == last else f"{last} to {first} ago"


def no_addresses(evidence: Evidence) -> Iterator[Finding]:
    """KV302."""
    found = _by_code(evidence)["KV302"]
    if found:
        yield _on_nodes(
            "KV302",
            f"{counted(len(found), 'node')} serve a certificate without any IP address",
            found,
        )


def self_signed(evidence: Evidence) -> Iterator[Finding]:
    """KV301: where that is the first thing that Go objects to."""
    found = _by_code(evidence)["KV301"]
    if found:
        yield _on_nodes(
            "KV301",
            f"{counted(len(found), 'node')} serve a certificate that they signed themselves",
            found,
        )


def not_covered(evidence: Evidence) -> Iterator[Finding]:
    """KV303."""
    found = _by_code(evidence)["KV303"]
    if found:
        yield _on_nodes(
            "KV303",
            f"{counted(len(found), 'node')} serve a certificate for other names than the one dialled",
            found,
        )


def not_yet_valid(evidence: Evidence) -> Iterator[Finding]:
    """KV306."""
    found = _by_code(evidence)["KV306"]
    if found:
        yield _on_nodes(
            "KV306",
            f"{counted(len(found), 'node')} serve a certificate that is not valid yet",
            found,
        )


def other_ca(evidence: Evidence) -> Iterator[Finding]:
    """KV308."""
    found = _by_code(evidence)["KV308"]
    if found:
        yield _on_nodes(
            "KV308",
            f"{counted(len(found), 'node')} serve a certificate of another CA than the cluster's",
            found,
        )


def other_failure(evidence: Evidence) -> Iterator[Finding]:
    """KV311."""
    found = _by_code(evidence)["KV311"]
    if found:
        yield _on_nodes(
            "KV311",
            f"{counted(len(found), 'node')} serve a certificate that does not verify",
            found,
        )


def overdue(evidence: Evidence) -> Iterator[Finding]:
    """KV305: trusted, and nearly used up."""
    late = [served for served in _trusted(evidence) if _used(served, evidence.at) > _OVERDUE]
    if late:
        title = f"{counted(len(late), 'node')} with more than 92 % of the certificate's life used"
        yield finding(
            "KV305", title, subjects=[s.node for s in late], proofs=[_life(s) for s in late]
        )


def _used(served: Served, at: datetime) -> float:
    leaf = served.dialled.leaf
    assert leaf is not None
    return (at - leaf.not_before) / (leaf.not_after - leaf.not_before)


def _life(served: Served) -> Proof:
    leaf = served.dialled.leaf
    assert leaf is not None
    seen = f"valid from {leaf.not_before:%Y-%m-%d %H:%M} to {leaf.not_after:%Y-%m-%d %H:%M} UTC"
    return Proof(served.node, seen, f"{served.dialled.target} dialled from here", served.dialled.at)


def not_node_name(evidence: Evidence) -> Iterator[Finding]:
    """KV309: trusted, and not by the name of its node."""
    strange = [
        served
        for served in _trusted(evidence)
        if served.dialled.leaf and node_name_of(served.dialled.leaf) != served.node
    ]
    if strange:
        proofs = [
            Proof(
                s.node,
                f"subject {s.dialled.leaf.subject}" if s.dialled.leaf else "",
                f"{s.dialled.target} dialled from here",
                s.dialled.at,
            )
            for s in strange
        ]
        title = (
            f"{counted(len(strange), 'node')} serve a certificate whose CN is not the node's name"
        )
        yield finding("KV309", title, subjects=[s.node for s in strange], proofs=proofs)


def _trusted(evidence: Evidence) -> Iterator[Served]:
    return (served for served in evidence.served if served.verdict and served.verdict.trusted)


def _by_code(evidence: Evidence) -> dict[str, list[Served]]:
    found: dict[str, list[Served]] = defaultdict(list)
    for served in evidence.served:
        found[code_of(served)].append(served)
    return found


def _on_nodes(code: str, title: str, served: Iterable[Served]) -> Finding:
    listed = list(served)
    return finding(
        code,
        title,
        subjects=[each.node for each in listed],
        proofs=[wire_proof(each) for each in listed if wire_text(each)],
    )
