"""Whether a signer signs: the checks of the four that a controller manager runs. Pure.

Sources: pkg/apis/certificates/v1/helpers.go (the checks), pkg/controller/certificates/signer/signer.go (who makes which).
A signer never compares the user with the common name, nor names and addresses with any Node: the approver is the
only defence.
"""

from collections.abc import Callable, Iterable

from kubevouch.x509 import CertificateRequest

SERVING = "kubernetes.io/kubelet-serving"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
CLIENT = "kubernetes.io/kube-apiserver-client"
LEGACY = "kubernetes.io/legacy-unknown"
_NODE = "system:node:"
_NODES = ("system:nodes",)
_SERVING = frozenset({"digital signature", "key encipherment", "server auth"})
_KUBELET_CLIENT = frozenset({"digital signature", "key encipherment", "client auth"})
_OPTIONAL = "key encipherment"

Check = Callable[[CertificateRequest, Iterable[str]], str]


def serving_fault(request: CertificateRequest, usages: Iterable[str]) -> str:
    """Why kubernetes.io/kubelet-serving does not sign it; empty if it does. The first failure counts."""
    if request.subject.organizations != _NODES:
        return "subject organization is not system:nodes"
    if not (request.dns_names or request.ip_addresses):
        return "DNS or IP subjectAltName is required"
    if request.alt_names.emails:
        return "Email subjectAltNames are not allowed"
    if request.alt_names.uris:
        return "URI subjectAltNames are not allowed"
    return _usages_fault(usages, _SERVING) or _name_fault(request)


def kubelet_client_fault(request: CertificateRequest, usages: Iterable[str]) -> str:
    """Why kubernetes.io/kube-apiserver-client-kubelet does not sign it; empty if it does."""
    if request.subject.organizations != _NODES:
        return "subject organization is not system:nodes"
    for found, kind in (
        (request.dns_names, "DNS"),
        (request.alt_names.emails, "Email"),
        (request.ip_addresses, "IP"),
        (request.alt_names.uris, "URI"),
    ):
        if found:
            return f"{kind} subjectAltNames are not allowed"
    return _usages_fault(usages, _KUBELET_CLIENT) or _name_fault(request)


def client_fault(_: CertificateRequest, usages: Iterable[str]) -> str:
    """Why kubernetes.io/kube-apiserver-client does not sign it; empty if it does."""
    wanted = list(usages)
    for usage in wanted:
        if usage not in _KUBELET_CLIENT:
            return f"invalid usage for client certificate: {usage}"
    if "client auth" not in wanted:
        return "missing required usage for client certificate: client auth"
    return ""


def no_fault(_: CertificateRequest, _usages: Iterable[str]) -> str:
    """kubernetes.io/legacy-unknown signs what is approved."""
    return ""


CHECKS: dict[str, Check] = {
    SERVING: serving_fault,
    KUBELET_CLIENT: kubelet_client_fault,
    CLIENT: client_fault,
    LEGACY: no_fault,
}


def _usages_fault(usages: Iterable[str], wanted: frozenset[str]) -> str:
    if frozenset(usages) in {wanted, wanted - {_OPTIONAL}}:
        return ""
    return f"usages did not match [{' '.join(sorted(wanted))}]"


def _name_fault(request: CertificateRequest) -> str:
    if request.subject.common_name.startswith(_NODE):
        return ""
    return f"subject common name does not begin with {_NODE}"
