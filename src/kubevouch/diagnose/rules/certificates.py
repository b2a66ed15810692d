"""KV6xx: CAs, kubelets' client certificates, certificates of the control plane and of the servers that it calls."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from kubevouch.diagnose.catalogue import Code, Severity
from kubevouch.diagnose.make import Finding, Proof, counted, finding, named, wire_proof
from kubevouch.diagnose.rules import rule
from kubevouch.diagnose.rules.csrs import about_csrs
from kubevouch.diagnose.rules.metrics_api import distrust
from kubevouch.diagnose.rules.ports import OVERDUE, life
from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.evidence.snapshot import Evidence, flag_value
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.x509 import Certificate, duration_text, life_used
from kubevouch.x509.kinds import node_of_user

_NEARLY_OVER = 0.98
"""KV603 is critical if more than this share of the certificate's life is used. For a one-year
certificate, that is its last week."""

_PATIENCE = timedelta(minutes=2)
"""An unsigned client CSR counts as stuck after this time. The built-in approver and the signer need about a second."""

_CONTROL_PLANE = frozenset(
    {CertificateUse.API_SERVER, CertificateUse.ETCD_SERVER, CertificateUse.ETCD_PEER}
)
_CALLED = frozenset({CertificateUse.METRICS_SERVER, CertificateUse.WEBHOOK})


def _found(evidence: Evidence, uses: Iterable[CertificateUse]) -> Iterator[FoundCertificate]:
    wanted = frozenset(uses)
    inventory = evidence.certificates
    return (each for each in (inventory.found if inventory else ()) if each.use in wanted)


def _overdue(
    evidence: Evidence, uses: Iterable[CertificateUse]
) -> list[tuple[FoundCertificate, Certificate]]:
    """Certificates that should have been replaced by now, sorted by expiry."""
    late = [
        (each, certificate)
        for each in _found(evidence, uses)
        if (certificate := each.certificate) and life_used(certificate, evidence.at) > OVERDUE
    ]
    return sorted(late, key=lambda pair: (pair[1].not_after, pair[0].node, pair[0].use))


def _ends(certificate: Certificate, at: datetime) -> str:
    length = duration_text(abs(certificate.not_after - at))
    return f"expired {length} ago" if certificate.not_after < at else f"expires in {length}"


def _proof(found: FoundCertificate, seen: str) -> Proof:
    return Proof(found.node or found.where, seen, str(found.vantage), found.at, found.where)


@rule(Code.CONTROL_PLANE_CERTIFICATE_ENDS)
def control_plane_ends(evidence: Evidence) -> Iterator[Finding]:
    """An API server or etcd serves a kubeadm certificate that expires soon.

    Programs serve their old certificate until they restart.
    """
    late = [
        (each, certificate)
        for each, certificate in _overdue(evidence, _CONTROL_PLANE)
        if each.node and each.is_usual
    ]
    if not late:
        return
    first, certificate = late[0]
    worst = life_used(certificate, evidence.at)
    more = f", and {len(late) - 1} more" if len(late) > 1 else ""
    yield finding(
        Code.CONTROL_PLANE_CERTIFICATE_ENDS,
        f"{first.use} of {first.node} {_ends(certificate, evidence.at)}{more}",
        subjects=dict.fromkeys(each.node for each, _ in late),
        proofs=[_proof(each, f"{each.use}: {life(leaf)}") for each, leaf in late],
        severity=Severity.CRITICAL if worst > _NEARLY_OVER else None,
        details={"name": first.use},
    )


@rule(Code.KUBELET_CLIENT_CERTIFICATE_ENDS)
def client_certificate_ends(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet's newest client certificate expires soon.

    The certificate is known only while its CSR exists.
    """
    late = _overdue(evidence, {CertificateUse.KUBELET_CLIENT})
    if late:
        _, certificate = late[0]
        yield finding(
            Code.KUBELET_CLIENT_CERTIFICATE_ENDS,
            f"{counted(len(late), 'kubelet')} with a client certificate that should have been replaced: the first "
            f"{_ends(certificate, evidence.at)}",
            subjects=[each.node for each, _ in late],
            proofs=[_proof(each, life(leaf)) for each, leaf in late],
        )


@rule(Code.KUBELET_CLIENT_CSR_STUCK)
def client_csr_stuck(evidence: Evidence) -> Iterator[Finding]:
    """A kubelet has requested its next client certificate and has not received it."""
    newest = {
        node: csr for csr in evidence.client_csrs if (node := node_of_user(csr.spec.username))
    }
    stuck = {node: csr for node, csr in newest.items() if _is_stuck(csr, evidence)}
    if stuck:
        who = counted(len(stuck), "kubelet has", "kubelets have")
        title = f"{who} requested a new client certificate and got none"
        yield about_csrs(Code.KUBELET_CLIENT_CSR_STUCK, title, stuck, evidence)


def _is_stuck(csr: CertificateSigningRequest, evidence: Evidence) -> bool:
    if csr.status.certificate:
        return False
    created = csr.metadata.creation_timestamp
    refused = csr.condition("Denied") or csr.condition("Failed")
    return bool(refused) or (created is not None and evidence.at - created > _PATIENCE)


@rule(Code.CALLED_SERVER_NOT_TRUSTED)
def called_server_not_trusted(evidence: Evidence) -> Iterator[Finding]:
    """The caBundle of a webhook or an aggregated API does not verify its server. The metrics API has its own finding."""
    bundles: dict[str, list[FoundCertificate]] = defaultdict(list)
    for each in _found(evidence, {CertificateUse.CA_BUNDLE}):
        bundles[each.where].append(each)
    for path in evidence.metrics.versions:
        if distrust(path):
            bundles.pop(f"apiservice {path.api_service_name}", None)
    served = list(_found(evidence, _CALLED))
    wrong: dict[str, Proof] = {}
    for where, bundle in sorted(bundles.items()):
        there = [each for each in served if each.where.endswith(f" ({where})")]
        if proof := _of_bundle(bundle, evidence) or _of_served(there):
            wrong[where] = proof
    if wrong:
        subjects = list(wrong)
        yield finding(
            Code.CALLED_SERVER_NOT_TRUSTED,
            f"the API server does not trust servers that it calls: {named(subjects, most=3)}: "
            f"{wrong[subjects[0]].seen}",
            subjects=subjects,
            proofs=wrong.values(),
            details={"kind": subjects[0].split()[0], "name": subjects[0].split()[1]},
        )


def _of_bundle(bundle: list[FoundCertificate], evidence: Evidence) -> Proof | None:
    """The proof that the bundle is unreadable, or that all of its CAs have expired."""
    for each in bundle:
        if each.fault:
            return _proof(each, f"its caBundle cannot be read: {each.fault}")
    ends = [certificate.not_after for each in bundle if (certificate := each.certificate)]
    if ends and max(ends) < evidence.at:
        ago = duration_text(evidence.at - max(ends))
        return _proof(bundle[0], f"its caBundle expired {ago} ago")
    return None


def _of_served(there: Iterable[FoundCertificate]) -> Proof | None:
    for each in there:
        if each.verdict is not None and not each.verdict.trusted:
            return _proof(each, each.verdict.go_text)
    return None


_CA_WARNING = timedelta(days=365)
_CA_CRITICAL = timedelta(days=30)


@rule(Code.CLUSTER_CA_EXPIRING)
def ca_expiring(evidence: Evidence) -> Iterator[Finding]:
    """The cluster's CA or the front proxy's CA expires soon or has expired."""
    front_proxy = [
        certificate
        for each in _found(evidence, {CertificateUse.FRONT_PROXY_CA})
        if (certificate := each.certificate)
    ]
    trust = evidence.trust.value
    yield from _ca_expiring("the cluster's CA", trust.certificates if trust else (), evidence.at)
    yield from _ca_expiring("the front proxy's CA", front_proxy, evidence.at)


def _ca_expiring(whose: str, authorities: Sequence[Certificate], at: datetime) -> Iterator[Finding]:
    """Judges only the CA that expires last, since a bundle has two CAs during a rotation."""
    if not authorities:
        return
    last = max(authorities, key=lambda each: each.not_after)
    left = last.not_after - at
    if left < _CA_WARNING:
        yield finding(
            Code.CLUSTER_CA_EXPIRING,
            f"{whose} {_ends(last, at)} ({last.not_after:%Y-%m-%d})",
            severity=Severity.CRITICAL if left < _CA_CRITICAL else None,
        )


@rule(Code.API_SERVER_REFUSES_KUBELETS)
def api_server_refuses(evidence: Evidence) -> Iterator[Finding]:
    """kube-apiserver verifies kubelets, and rejects the certificates of some nodes."""
    authority = flag_value(evidence.api_server_flags.or_else(()), "kubelet-certificate-authority")
    if not authority:
        return
    refused = [s for s in evidence.served if s.verdict is not None and not s.verdict.trusted]
    if refused:
        yield finding(
            Code.API_SERVER_REFUSES_KUBELETS,
            f"kube-apiserver verifies kubelets ({authority}) and refuses {counted(len(refused), 'node')}: "
            "kubectl logs and exec fail",
            subjects=[s.node for s in refused],
            proofs=[wire_proof(s) for s in refused],
        )
