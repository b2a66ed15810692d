"""KV6xx: the control plane and the cluster's PKI."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.finding import Finding
from kubevouch.diagnose.make import counted, days, finding, wire_proof
from kubevouch.diagnose.rules import rule
from kubevouch.evidence.certificates import CertificateUse
from kubevouch.evidence.snapshot import Evidence, flag_value
from kubevouch.x509 import Certificate

_CA_WARNING = timedelta(days=365)
_CA_CRITICAL = timedelta(days=30)


@rule(Code.CLUSTER_CA_EXPIRING)
def ca_expiring(evidence: Evidence) -> Iterator[Finding]:
    """The CA in the bundle of every pod, or that of the front proxy, ends soon or has ended."""
    inventory = evidence.certificates
    front_proxy = [
        certificate
        for each in (inventory.found if inventory else ())
        if each.use is CertificateUse.FRONT_PROXY_CA and (certificate := each.certificate)
    ]
    trust = evidence.trust.value
    yield from _ca_expiring("the cluster's CA", trust.certificates if trust else (), evidence.at)
    yield from _ca_expiring("the front proxy's CA", front_proxy, evidence.at)


def _ca_expiring(whose: str, authorities: Sequence[Certificate], at: datetime) -> Iterator[Finding]:
    """By the last of them: where a CA is being replaced there are two."""
    if not authorities:
        return
    last = max(authorities, key=lambda each: each.not_after)
    left = last.not_after - at
    if left < _CA_WARNING:
        ends = f"{days(at, last.not_after)}{' ago' if left < timedelta() else ''}"
        yield finding(
            Code.CLUSTER_CA_EXPIRING,
            f"{whose} ends {'in ' if left > timedelta() else ''}{ends} ({last.not_after:%Y-%m-%d})",
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
