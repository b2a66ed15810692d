"""The state of each kubelet's port, from our own handshake or metrics-server's log, and which nodes, certificates and pods are too new to judge.

A port has at most one code, since Go stops at the first check that fails (in this order: dates,
names, authority, usage).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from kubevouch.diagnose.catalogue import Code
from kubevouch.diagnose.make import Proof, wire_proof
from kubevouch.evidence.measured import Vantage
from kubevouch.evidence.snapshot import Evidence, LoggedScrapeFailure, MetricsPath, Served
from kubevouch.kube.resources import Node, Pod
from kubevouch.kube.resources.pods import PodSpec
from kubevouch.tls import INTERNAL_ERROR, FailureKind
from kubevouch.x509 import Certificate, CertificateKind, VerifyReason, classify, misnamed
from kubevouch.x509.kinds import NODE_PREFIX

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

# Go's texts (crypto/x509/verify.go, net/net.go), in the order of the search.
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
    # metrics-server's timeout ends before that of a connection attempt (pkg/scraper/scraper.go).
    ("context deadline exceeded", Code.KUBELET_UNREACHABLE),
)
_BEFORE = re.compile(r"current time \S+ is before ")


@dataclass(frozen=True, slots=True)
class PortState:
    """The state of one kubelet's port. code: None if all is well, or if the state is unknown. leaf: None if no certificate was seen."""

    node: str
    code: Code | None
    proof: Proof
    leaf: Certificate | None = None

    @property
    def refuses(self) -> bool:
        """Whether the node refused the connection, according to Go's error."""
        return self.proof.seen.endswith("connect: connection refused")


def is_self_signed(certificate: Certificate) -> bool:
    """Whether the kubelet signed the certificate itself."""
    return classify(certificate) is CertificateKind.KUBELET_SELF_SIGNED


def signed_for(evidence: Evidence) -> dict[str, Certificate]:
    """Served certificates that the kubelet-serving signer issued, by node."""
    return {
        served.node: leaf
        for served in evidence.served
        if (leaf := served.dialled.leaf) and classify(leaf) is CertificateKind.KUBELET_SERVING
    }


def is_dark(served: Served) -> bool:
    """Whether the kubelet has no certificate, and so answers handshakes with alert 80 (pkg/kubelet/kubelet.go)."""
    failure = served.dialled.failure
    return failure is not None and failure.alert == INTERNAL_ERROR


def is_our_side(served: Served) -> bool:
    """Whether this machine failed to open a connection. The kubelet may be fine."""
    failure = served.dialled.failure
    return failure is not None and failure.kind is FailureKind.OUR_SIDE


def is_silent(served: Served) -> bool:
    """Whether the kubelet was unreachable."""
    failure = served.dialled.failure
    return failure is not None and failure.kind in _UNREACHABLE


def code_of(served: Served) -> Code | None:
    """The code for the handshake's result; None if all is well, or if the result is unknown."""
    if served.dialled.failure is not None:
        return _code_of_failure(served)
    leaf, verdict = served.dialled.leaf, served.verdict
    if leaf is None or verdict is None or verdict.trusted:
        return None
    code = _CODES.get(verdict.reason, Code.OTHER_VERIFICATION_FAILURE)
    if code == Code.SIGNED_BY_OTHER_CA and is_self_signed(leaf):
        return Code.SELF_SIGNED
    # The CA may have expired, not the leaf.
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
    """The code for a line of metrics-server's log. None if no code fits, as for the kubelet's 403."""
    code = next((code for words, code in _IN_LOG if words in text), None)
    return Code.NOT_YET_VALID if code == Code.EXPIRED and _BEFORE.search(text) else code


@lru_cache(maxsize=2)
def port_states(evidence: Evidence) -> tuple[PortState, ...]:
    """The state of every dialled kubelet's port.

    The result is cached, since most rules call this function with the same evidence. The cache has
    a second place for the copy that `each_version` makes for another version of the metrics API.
    """
    logged = _logged(evidence)
    return tuple(
        _port_state(served, evidence, logged.get(served.node)) for served in evidence.served
    )


def strangers(evidence: Evidence) -> set[str]:
    """Nodes that serve a trusted certificate that does not name them.

    Upstream's metrics-server scrapes such nodes. Our metrics server does not.
    """
    return {
        served.node
        for served in evidence.served
        if served.is_trusted and (leaf := served.dialled.leaf) and misnamed(leaf, served.node)
    }


def _port_state(served: Served, evidence: Evidence, logged: PortState | None) -> PortState:
    if logged is not None and (is_silent(served) or is_our_side(served)):
        return logged
    code, leaf = code_of(served), served.dialled.leaf
    # Without metrics-server's flags the dialled address is a guess, so a missing name is no
    # finding.
    guessed = code in _BY_NAME and not evidence.metrics.pods.is_known
    if guessed and not (leaf is not None and is_self_signed(leaf)):
        code = None
    return PortState(served.node, code, wire_proof(served), leaf)


def _logged(evidence: Evidence) -> dict[str, PortState]:
    """The states of ports according to metrics-server's log, by node. Only for nodes without metrics, since metrics-server logs no successes."""
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
    """Kubelets that are certainly unreachable.

    A refused connection is proof if other kubelets are reachable, even if the metrics API has the
    node's metrics. For other failures, the node must lack metrics, and either other kubelets are
    reachable or metrics-server logs the same failure.
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


_TWO_SCRAPES = timedelta(minutes=2)
"""The time for two scrapes at one scrape per minute. Upstream's manifests set --metric-resolution
to 15 s."""

_BACKDATED = timedelta(minutes=5)
"""kube-controller-manager backdates certificates by this much
(pkg/controller/certificates/authority)."""


def without_metrics(evidence: Evidence, *, new: bool) -> list[str]:
    """Ready nodes that are missing from the metrics API.

    new: whether to return the nodes that are too new to have metrics, or the nodes that should
    have them.
    """
    present, available = evidence.metrics.measured_nodes, evidence.metrics.available
    if present is None or available is None or not available.true:
        return []
    faulty = {port.node for port in port_states(evidence) if port.code}
    return [
        node.name
        for node in evidence.nodes.or_else(())
        if node.ready
        and node.name not in present
        and _is_new_to_metrics(node, evidence, faulty) is new
    ]


def _is_new_to_metrics(node: Node, evidence: Evidence, faulty: set[str]) -> bool:
    """Whether the Node, its certificate or metrics-server is too new for metrics to exist.

    An unknown age counts as new, since missing metrics then prove nothing.
    """
    # A fault of the node's port explains the missing metrics.
    if node.name in faulty:
        return False
    if _is_young(node.metadata.creation_timestamp, evidence.at):
        return True
    pods = evidence.metrics.pods
    if not pods.is_known or any(
        _is_young(_ready_since(pod), evidence.at) for pod in pods.or_else(())
    ):
        return True
    return _has_new_certificate(node.name, evidence)


def _has_new_certificate(node: str, evidence: Evidence) -> bool:
    served = evidence.served_by(node)
    leaf = served.dialled.leaf if served is not None else None
    if leaf is not None:
        issued = classify(leaf) is CertificateKind.KUBELET_SERVING
        return issued and _is_young(leaf.not_before + _BACKDATED, evidence.at)
    if not evidence.csrs.is_known:
        return True
    approved = (
        csr.condition("Approved")
        for csr in evidence.csrs.or_else(())
        if csr.spec.username == f"{NODE_PREFIX}{node}"
    )
    return any(each and _is_young(each.last_update_time, evidence.at) for each in approved)


def current_pods(metrics: MetricsPath) -> tuple[Pod, ...]:
    """metrics-server's pods, except those that a roll-out will replace.

    A roll-out will replace pods whose command line differs from the Deployment's, or from the newest
    pod's if the Deployment is unknown. If no pod has the Deployment's command line, returns all pods.
    """
    pods, deployment = metrics.pods.or_else(()), metrics.deployment.value
    if not pods:
        return ()
    newest = max(pods, key=_made)
    wanted = _words(deployment.spec.template.spec if deployment is not None else newest.spec)
    return tuple(pod for pod in pods if _words(pod.spec) == wanted) or pods


def _made(pod: Pod) -> float:
    made = pod.metadata.creation_timestamp
    return made.timestamp() if made is not None else 0.0


def _words(spec: PodSpec) -> tuple[tuple[str, ...], ...]:
    return tuple((*each.command, *each.args) for each in spec.containers)


def only_starting(evidence: Evidence) -> bool:
    """Whether new pods are the only reason why metrics-server is not ready."""
    metrics = evidence.metrics
    pods = current_pods(metrics)
    if not pods or any(port.code for port in port_states(evidence)) or metrics.denials.or_else(()):
        return False
    return all(is_young(pod, evidence.at) for pod in pods) and not any(_waits(pod) for pod in pods)


def awaits_its_endpoint(evidence: Evidence) -> bool:
    """Whether all ready pods of metrics-server have only just become ready.

    Kubernetes updates the EndpointSlice after the pod, and only then checks the APIService.
    """
    ready = [pod for pod in evidence.metrics.pods.or_else(()) if pod.ready]
    return bool(ready) and all(_is_young(_ready_since(pod), evidence.at) for pod in ready)


def is_young(pod: Pod, at: datetime) -> bool:
    """Whether the pod was created less than two minutes ago."""
    return _is_young(pod.metadata.creation_timestamp, at)


def _waits(pod: Pod) -> bool:
    """Whether a container is waiting for something other than its creation."""
    waiting = (status.state.waiting for status in pod.status.container_statuses)
    return any(each is not None and each.reason != "ContainerCreating" for each in waiting)


def _ready_since(pod: Pod) -> datetime | None:
    ready = (each for each in pod.status.conditions if each.type == "Ready" and each.true)
    return next((each.last_transition_time for each in ready), None)


def _is_young(since: datetime | None, at: datetime) -> bool:
    return since is not None and at - since < _TWO_SCRAPES
