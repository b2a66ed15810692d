"""The state of each kubelet's port: as dialled from here, else by metrics-server's log.

A node has one code, the first in the order in which Go checks (dates, names, authority, usage): the first failure
hides the rest.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.finding import Proof
from kubevouch.diagnose.make import wire_proof
from kubevouch.evidence.measured import Vantage
from kubevouch.evidence.snapshot import Evidence, LoggedScrapeFailure, Served
from kubevouch.tls import INTERNAL_ERROR, FailureKind
from kubevouch.x509 import Certificate, CertificateKind, VerifyReason, classify, misnamed

_UNREACHABLE = {
    FailureKind.REFUSED,
    FailureKind.CONNECT_TIMEOUT,
    FailureKind.UNREACHABLE,
    FailureKind.NAME_UNKNOWN,
}
_CODES = {
    VerifyReason.EXPIRED: Code.EXPIRED,
    VerifyReason.NOT_YET_VALID: Code.NOT_YET_VALID,
    VerifyReason.NO_ADDRESSES: Code.NO_IP_SANS,
    VerifyReason.ADDRESS_NOT_COVERED: Code.SAN_MISMATCH,
    VerifyReason.NAME_NOT_COVERED: Code.SAN_MISMATCH,
    VerifyReason.NO_NAMES: Code.SAN_MISMATCH,
    VerifyReason.LEGACY_COMMON_NAME: Code.SAN_MISMATCH,
    VerifyReason.UNKNOWN_AUTHORITY: Code.SIGNED_BY_OTHER_CA,
    VerifyReason.WRONG_AUTHORITY: Code.SIGNED_BY_OTHER_CA,
}
_BY_NAME = {Code.NO_IP_SANS, Code.SAN_MISMATCH}

# By Go's words (crypto/x509/verify.go, net/net.go), in the order in which they are looked for.
_IN_LOG = (
    ("is not yet valid: current time", Code.EXPIRED),
    ("doesn't contain any IP SANs", Code.NO_IP_SANS),
    ("x509: certificate is valid for ", Code.SAN_MISMATCH),
    ("x509: certificate is not valid for any names", Code.SAN_MISMATCH),
    ("relies on legacy Common Name", Code.SAN_MISMATCH),
    ("signed by unknown authority (possibly", Code.SIGNED_BY_OTHER_CA),
    ("x509: ", Code.OTHER_VERIFICATION_FAILURE),
    ("remote error: tls: internal error", Code.NO_SERVING_CERTIFICATE),
    ("dial tcp", Code.KUBELET_UNREACHABLE),
    # Its own patience ends before that of a connection attempt (metrics-server pkg/scraper/scraper.go).
    ("context deadline exceeded", Code.KUBELET_UNREACHABLE),
)
_AFTER = re.compile(r"current time \S+ is after (\S+)$")
_BEFORE = re.compile(r"current time \S+ is before ")


@dataclass(frozen=True, slots=True)
class PortState:
    """One kubelet's port. code: None where all is well, or where it could not be told. leaf: None if not seen."""

    node: str
    code: Code | None
    proof: Proof
    leaf: Certificate | None = None

    @property
    def refuses(self) -> bool:
        """Whether the node itself has answered that nothing listens on the port: in Go's words, dialled or logged."""
        return self.proof.seen.endswith("connect: connection refused")

    @property
    def ended(self) -> datetime | None:
        """When its certificate expired: by the certificate itself, or by Go's text in the log."""
        if self.leaf is not None:
            return self.leaf.not_after
        said = _AFTER.search(self.proof.seen)
        try:
            ended = datetime.fromisoformat(said[1]) if said else None
        except ValueError:
            return None
        return ended if ended and ended.tzinfo else None


def is_self_signed(certificate: Certificate) -> bool:
    """The kubelet made it itself."""
    return classify(certificate) is CertificateKind.KUBELET_SELF_SIGNED


def is_dark(served: Served) -> bool:
    """The kubelet has no certificate at all: it answers every handshake with alert 80 (pkg/kubelet/kubelet.go)."""
    failure = served.dialled.failure
    return failure is not None and failure.alert == INTERNAL_ERROR


def is_our_side(served: Served) -> bool:
    """Whether this machine could not open a connection, which says nothing about the kubelet."""
    failure = served.dialled.failure
    return failure is not None and failure.kind is FailureKind.OUR_SIDE


def is_silent(served: Served) -> bool:
    """No connection came about."""
    failure = served.dialled.failure
    return failure is not None and failure.kind in _UNREACHABLE


def code_of(served: Served) -> Code | None:
    """The one code for what was seen on the wire; None if all is well, or if it could not be told."""
    if served.dialled.failure is not None:
        return _code_of_failure(served)
    leaf, verdict = served.dialled.leaf, served.verdict
    if leaf is None or verdict is None or verdict.trusted:
        return None
    code = _CODES.get(verdict.reason, Code.OTHER_VERIFICATION_FAILURE)
    if code == Code.SIGNED_BY_OTHER_CA and is_self_signed(leaf):
        return Code.SELF_SIGNED
    # A date that is wrong may be that of the CA above it.
    return (
        code
        if verdict.at_fault in (None, leaf) or code == Code.SIGNED_BY_OTHER_CA
        else Code.OTHER_VERIFICATION_FAILURE
    )


def _code_of_failure(served: Served) -> Code | None:
    if is_dark(served):
        return Code.NO_SERVING_CERTIFICATE
    if is_silent(served):
        return Code.KUBELET_UNREACHABLE
    return None if is_our_side(served) else Code.KUBELET_DOES_NOT_ANSWER


def code_in_log(text: str) -> Code | None:
    """The code for what metrics-server logged; None for what has none here, such as a 403 of the kubelet."""
    code = next((code for words, code in _IN_LOG if words in text), None)
    return Code.NOT_YET_VALID if code == Code.EXPIRED and _BEFORE.search(text) else code


def port_states(evidence: Evidence) -> tuple[PortState, ...]:
    """Every kubelet that was dialled, once."""
    logged = _logged(evidence)
    return tuple(
        _port_state(served, evidence, logged.get(served.node)) for served in evidence.served
    )


def strangers(evidence: Evidence) -> set[str]:
    """Nodes that serve a trusted certificate that does not name them: upstream's reads them, ours does not."""
    return {
        served.node
        for served in evidence.served
        if served.verdict is not None
        and served.verdict.trusted
        and served.dialled.leaf is not None
        and misnamed(served.dialled.leaf, served.node)
    }


def _port_state(served: Served, evidence: Evidence, logged: PortState | None) -> PortState:
    if logged is not None and (is_silent(served) or is_our_side(served)):
        return logged
    code, leaf = code_of(served), served.dialled.leaf
    # Without metrics-server's flags the dialled address is a guess: that a name is missing there is no finding then.
    guessed = code in _BY_NAME and not evidence.metrics.pods.is_known
    if guessed and not (leaf is not None and is_self_signed(leaf)):
        code = None
    return PortState(served.node, code, wire_proof(served), leaf)


def _logged(evidence: Evidence) -> dict[str, PortState]:
    """What the log tells, by node: of nodes without metrics only, since a success leaves no line."""
    measured = evidence.metrics.measured_nodes
    if measured is None:
        return {}
    found: dict[str, PortState] = {}
    for failure in evidence.metrics.failures.or_else(()):
        code = code_in_log(failure.text)
        if code and failure.node not in measured:
            found.setdefault(failure.node, PortState(failure.node, code, _proof(failure, evidence)))
    return found


def _proof(failure: LoggedScrapeFailure, evidence: Evidence) -> Proof:
    return Proof(
        subject=failure.node,
        seen=failure.text,
        vantage=str(Vantage.SCRAPER_LOG),
        at=evidence.metrics.failures.at,
    )


def surely_unreachable(evidence: Evidence) -> tuple[PortState, ...]:
    """Not reached from here although others are, or not by metrics-server either; and nobody has metrics of it.

    One that refuses the connection, while others are reached, has answered: its last sample in the metrics API, or that
    nobody knows whether there is one, proves nothing against that.
    """
    measured = evidence.metrics.measured_nodes
    others = any(not is_silent(served) and not is_our_side(served) for served in evidence.served)
    return tuple(
        port
        for port in port_states(evidence)
        if port.code == Code.KUBELET_UNREACHABLE
        and (
            (others and port.refuses)
            or (
                measured is not None
                and port.node not in measured
                and (others or port.proof.vantage == Vantage.SCRAPER_LOG)
            )
        )
    )
