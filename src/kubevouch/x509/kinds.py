"""Describes a certificate in words: its likely use in a Kubernetes cluster, and its remaining life.

The use is derived from names and usages. Names prove nothing: to trust a certificate, verify it.

Sources, Kubernetes 1.36: client-go util/cert/cert.go (self-signed pairs),
pkg/kubelet/certificate/kubelet.go, kubeadm's app/phases/certs/certlist.go and
app/phases/kubeconfig/kubeconfig.go; apiserver's MaybeDefaultWithSelfSignedCerts, which
metrics-server, kube-scheduler and kube-controller-manager use to make a pair for "localhost".
"""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.extensions import CLIENT_AUTH, SERVER_AUTH
from kubevouch.x509.gotext import address_text, printable

NODE_PREFIX = "system:node:"
NODES_GROUP = "system:nodes"

_SELF_SIGNED = re.compile(r"(?P<host>.+)@[0-9]+")
_SELF_SIGNED_CA = re.compile(r"(?P<host>.+)-ca@[0-9]+")


class CertificateKind(StrEnum):
    """The kinds of certificates that we distinguish."""

    KUBELET_SELF_SIGNED = "kubelet-self-signed"
    """CN <host>@<unix time>, made by the kubelet itself. No cluster CA signed it, and no component
    renews it."""
    KUBELET_SERVING = "kubelet-serving"
    KUBELET_CLIENT = "kubelet-client"
    COMPONENT_SELF_SIGNED = "component-self-signed"
    """Made for localhost by metrics-server, the scheduler or the controller manager when it has no configured certificate."""
    SELF_SIGNED_CA = "self-signed-ca"
    """The throw-away CA of a self-signed pair, whose key is discarded."""
    CA = "ca"
    """A CA of no other kind."""
    APISERVER = "apiserver"
    ETCD_MEMBER = "etcd-member"
    """The etcd-server or etcd-peer certificate. Only the file name distinguishes them."""
    OTHER = "other"


def classify(certificate: Certificate) -> CertificateKind:
    """Classifies a certificate by its names and usages."""
    name = certificate.subject.common_name
    if certificate.is_ca and _SELF_SIGNED_CA.fullmatch(name):
        return CertificateKind.SELF_SIGNED_CA
    host = self_signed_host(certificate)
    if host is not None:
        local = host == "localhost" and bool(certificate.ip_addresses)
        return (
            CertificateKind.COMPONENT_SELF_SIGNED if local else CertificateKind.KUBELET_SELF_SIGNED
        )
    return CertificateKind.CA if certificate.is_ca else _leaf(certificate)


def _leaf(certificate: Certificate) -> CertificateKind:
    name = certificate.subject.common_name
    usages = certificate.extended_key_usage
    if node_name_of(certificate) is not None:
        return _kubelet(usages)
    if SERVER_AUTH in usages and CLIENT_AUTH not in usages and name == "kube-apiserver":
        return CertificateKind.APISERVER
    if {SERVER_AUTH, CLIENT_AUTH} <= set(usages) and certificate.issuer.common_name == "etcd-ca":
        return CertificateKind.ETCD_MEMBER
    return CertificateKind.OTHER


def _kubelet(usages: tuple[str, ...]) -> CertificateKind:
    if SERVER_AUTH in usages:
        return CertificateKind.KUBELET_SERVING
    return CertificateKind.KUBELET_CLIENT if CLIENT_AUTH in usages else CertificateKind.OTHER


def node_name_of(certificate: Certificate) -> str | None:
    """The node name in a kubelet's certificate; None for other certificates.

    Such a certificate has CN=system:node:<name>, and O=system:nodes as its only O.
    """
    subject = certificate.subject
    return node_of_user(subject.common_name) if subject.organizations == (NODES_GROUP,) else None


def node_of_user(name: str) -> str | None:
    """The name of the node whose kubelet has this username; None for other users."""
    return name.removeprefix(NODE_PREFIX) or None if name.startswith(NODE_PREFIX) else None


def misnamed(certificate: Certificate, node: str) -> str:
    """Why a serving certificate does not name this node; "" if it does.

    Names alone prove nothing: call `verify`, too.

    The API server's CA signs CN=system:node:NAME and O=system:nodes. k3s and RKE2 (k3s-io/k3s
    pkg/server/handlers/handlers.go, ServingKubeletCert) and kops (kubernetes/kops
    nodeup/pkg/model/kubelet.go, cmd/kops-controller/pkg/server/server.go) sign CN=NAME, with NAME
    among the DNS names. CN or SAN alone is not enough: an API server's certificate has its
    machine's name in the SAN.
    """
    name, holder = certificate.subject.common_name, node_name_of(certificate)
    if node not in {name, holder}:
        whose = f"node {holder}" if holder else f'"{name}"'
        return f"the certificate belongs to {whose}, not to node {node}"
    if SERVER_AUTH not in certificate.extended_key_usage:
        return f"the certificate names node {node}, but does not allow the usage serverAuth"
    if node not in {holder, *certificate.dns_names}:
        return f"the certificate names node {node} in its CN, but in no DNS name"
    return ""


def self_signed_host(certificate: Certificate) -> str | None:
    """The host in a self-signed leaf (CN <host>@<unix>, issuer <host>-ca@<unix>); else None.

    The two Unix times may differ by a little. In old releases the leaf was its own issuer and a CA.
    """
    subject = _SELF_SIGNED.fullmatch(certificate.subject.common_name)
    if subject is None or certificate.subject.organizations:
        return None
    issuer = certificate.issuer.common_name
    by_ca = _SELF_SIGNED_CA.fullmatch(issuer)
    if by_ca is not None and by_ca["host"] == subject["host"]:
        return subject["host"]
    return subject["host"] if certificate.is_self_issued else None


_UNITS = (
    ("day", timedelta(days=1)),
    ("hour", timedelta(hours=1)),
    ("minute", timedelta(minutes=1)),
)


def remaining_life(certificate: Certificate, at: datetime) -> str:
    """The remaining life as text: "41 days left", "expired 41 days ago", "becomes valid in 3 hours". at: timezone-aware."""
    if at < certificate.not_before:
        return f"becomes valid in {duration_text(certificate.not_before - at)}"
    if at > certificate.not_after:
        return f"expired {duration_text(at - certificate.not_after)} ago"
    return f"{duration_text(certificate.not_after - at)} left"


def life_used(certificate: Certificate, at: datetime) -> float:
    """The elapsed part of a certificate's life: 0.0 before its start, over 1.0 after its end."""
    length = certificate.not_after - certificate.not_before
    if length <= timedelta():
        return 1.0 if at >= certificate.not_after else 0.0
    return max(0.0, (at - certificate.not_before) / length)


def duration_text(length: timedelta) -> str:
    """A duration in the largest unit with a count of at least two (days, hours, minutes), else in seconds."""
    for word, unit in _UNITS:
        count = length // unit
        if count >= 2:
            return f"{count} {word}s"
    seconds = int(length.total_seconds())
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def time_text(moment: datetime) -> str:
    """A time in UTC for people: "2026-11-24 21:58:41 UTC"."""
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None)} UTC"


_WIDTH = 12


def describe(certificate: Certificate, at: datetime) -> tuple[str, ...]:
    """Describes the certificate in printable lines with labels. at: the timezone-aware current time."""
    sans = certificate.alt_names
    facts = {
        "kind": str(classify(certificate)),
        "subject": str(certificate.subject) or "(empty)",
        "issuer": f"{certificate.issuer}{' (itself)' if certificate.is_self_issued else ''}",
        "serial": f"{certificate.serial:x}",
        "valid": f"{time_text(certificate.not_before)} to {time_text(certificate.not_after)}",
        "life": remaining_life(certificate, at),
        "names": ", ".join(certificate.dns_names),
        "addresses": ", ".join(map(address_text, certificate.ip_addresses)),
        "other names": ", ".join((*sans.emails, *sans.uris, *sans.other_names)),
        "usage": ", ".join((*certificate.extended_key_usage, *certificate.key_usage)),
        "authority": _authority(certificate),
        "key": str(certificate.key),
        "signed with": certificate.signature_algorithm.name,
        "sha256": certificate.fingerprint,
    }
    return tuple(f"{label:<{_WIDTH}} {printable(fact)}" for label, fact in facts.items() if fact)


def _authority(certificate: Certificate) -> str:
    if not certificate.is_ca:
        return ""
    if certificate.path_length is None:
        return "may sign certificates"
    return f"may sign certificates, with a path length of at most {certificate.path_length}"
