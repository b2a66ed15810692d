"""KV6xx: the control plane and the cluster's PKI."""

from collections.abc import Iterator
from datetime import timedelta

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, days, finding, wire_proof
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.snapshot import Evidence, flag_value

_CA_WARNING = timedelta(days=365)
_CA_CRITICAL = timedelta(days=30)


@rule(Code.CLUSTER_CA_EXPIRING)
def ca_expiring(evidence: Evidence) -> Iterator[Finding]:
    """The CA in the bundle of every pod ends soon, or has ended."""
    trust = evidence.trust.value
    if trust is None or not trust.certificates:
        return
    last = max(trust.certificates, key=lambda each: each.not_after)
    left = last.not_after - evidence.at
    if left < _CA_WARNING:
        ends = f"{days(evidence.at, last.not_after)}{' ago' if left < timedelta() else ''}"
        yield finding(
            Code.CLUSTER_CA_EXPIRING,
            f"the cluster's CA ends {'in ' if left > timedelta() else ''}{ends} ({last.not_after:%Y-%m-%d})",
            severity=Severity.CRITICAL if left < _CA_CRITICAL else None,
        )


@rule(Code.API_SERVER_REFUSES_KUBELETS)
def api_server_refuses(evidence: Evidence) -> Iterator[Finding]:
    """kube-apiserver verifies kubelets, and these do not pass."""
    authority = flag_value(evidence.api_server_flags.or_else(()), "kubelet-certificate-authority")
    if not authority:
        return
    refused = [s for s in evidence.served if s.verdict is not None and not s.verdict.trusted]
    if refused:
        yield finding(
            Code.API_SERVER_REFUSES_KUBELETS,
            f"kube-apiserver verifies kubelets ({authority}) and refuses {counted(len(refused), 'node')}: "
            "logs and exec fail there",
            subjects=[s.node for s in refused],
            proofs=[wire_proof(s) for s in refused],
        )
