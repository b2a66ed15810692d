"""Whose CSRs wait for a decision: of a kubelet that asks, of a run that has its node in hand, or of nobody any more."""

from collections import defaultdict

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.rules.wire import is_our_side, is_self_signed, port_states
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.claims import claims_value
from kubevouch.policy.csr import asked_of, csr_of
from kubevouch.x509 import CertificateKind, classify
from kubevouch.x509.kinds import NODE_PREFIX


def node_of(csr: CertificateSigningRequest) -> str:
    """The node that asks."""
    return csr.spec.username.removeprefix(NODE_PREFIX)


def pending_csrs(evidence: Evidence) -> dict[str, list[CertificateSigningRequest]]:
    """Undecided CSRs by requestor, oldest first."""
    found: dict[str, list[CertificateSigningRequest]] = defaultdict(list)
    for csr in evidence.csrs.or_else(()):
        if not csr.status.conditions:
            found[node_of(csr)].append(csr)
    return found


def newest_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each node, decided or not."""
    return {node_of(csr): csr for csr in evidence.csrs.or_else(())}


def _undecided(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each node whose newest nobody has decided about."""
    newest = newest_csrs(evidence)
    return {
        node: found[-1]
        for node, found in pending_csrs(evidence).items()
        if newest[node] is found[-1]
    }


def strange_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each node that serves an issued certificate and does not claim all that is asked for.

    A kubelet asks for what its Node claims, and asks anew once that has changed (pkg/kubelet/certificate/kubelet.go).
    """
    nodes = {each.name: each for each in evidence.nodes.or_else(())}
    serving = {
        served.node
        for served in evidence.served
        if (leaf := served.dialled.leaf) and classify(leaf) is CertificateKind.KUBELET_SERVING
    }
    found = {}
    for name, csr in _undecided(evidence).items():
        asked, node = asked_of(csr_of(csr)), nodes.get(name)
        if asked is None or node is None or name not in serving:
            continue
        if not all(claims_value(node, value) for value in asked.values):
            found[name] = csr
    return found


def waiting_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each kubelet that waits for an answer to it. Of one that serves we do not know what, it may be left over."""
    known = {
        served.node
        for served, port in zip(evidence.served, port_states(evidence), strict=True)
        if not is_our_side(served) or port.code is Code.NO_SERVING_CERTIFICATE
    }
    asking = known - left_over_csrs(evidence).keys()
    return {node: csr for node, csr in _undecided(evidence).items() if node in asking}


def asking_for_a_run(evidence: Evidence) -> set[str]:
    """Nodes that a run may have armed and that ask already: serverTLSBootstrap is on there, and the CSR is the run's to approve."""
    return {each.node for each in evidence.armed} & _undecided(evidence).keys()


def left_over_csrs(evidence: Evidence) -> dict[str, CertificateSigningRequest]:
    """The newest CSR of each node whose kubelet serves a pair of its own making by now: it has asked for nothing since it started.

    With serverTLSBootstrap a kubelet serves only what was issued to it (pkg/kubelet/kubelet.go), or the seed of a run that has
    armed the node.
    """
    seeded = asking_for_a_run(evidence)
    own = {
        served.node
        for served in evidence.served
        if (leaf := served.dialled.leaf) and is_self_signed(leaf) and served.node not in seeded
    }
    return {node: csr for node, csr in _undecided(evidence).items() if node in own}
