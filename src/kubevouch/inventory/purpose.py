"""The purpose of each certificate of a cluster: what stops when it expires, and who renews it."""

from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from kubevouch.evidence.certificates import CertificateUse


class RenewedBy(StrEnum):
    """Who replaces a certificate before it expires."""

    KUBEADM = "kubeadm"
    KUBELET = "the kubelet by itself"
    APPROVER = "the kubelet, if its CSR is approved"
    RESTART = "a restart of its program"
    BY_HAND = "by hand"
    NOBODY = "nobody"
    NOT_KNOWN = "not known"


class Purpose(NamedTuple):
    """What a certificate is for.

    stops: what stops when the certificate expires, as text without a final period. is_ca: whether
    it is a CA.
    """

    stops: str
    renewed_by: RenewedBy
    is_ca: bool = False


_KUBEADM = RenewedBy.KUBEADM
PURPOSES = MappingProxyType(
    {
        CertificateUse.CLUSTER_CA: Purpose(
            "the whole cluster: nothing trusts its certificates", RenewedBy.BY_HAND, is_ca=True
        ),
        CertificateUse.ETCD_CA: Purpose("etcd and the API server", RenewedBy.BY_HAND, is_ca=True),
        CertificateUse.ETCD_PEER: Purpose("etcd's quorum: members refuse one another", _KUBEADM),
        CertificateUse.ETCD_SERVER: Purpose("API server calls to this etcd member", _KUBEADM),
        CertificateUse.API_SERVER: Purpose(
            "everything that talks to this API server: kubectl, kubelets, controllers", _KUBEADM
        ),
        CertificateUse.API_SERVER_ETCD_CLIENT: Purpose("API server calls to etcd", _KUBEADM),
        CertificateUse.CONTROLLER_MANAGER_CONF: Purpose(
            "the controller manager: it scales, repairs, issues and deletes nothing", _KUBEADM
        ),
        CertificateUse.SCHEDULER_CONF: Purpose("the scheduler: new pods stay Pending", _KUBEADM),
        CertificateUse.KUBELET_CLIENT: Purpose(
            "this node: the API server refuses its kubelet, which exits, and the node becomes NotReady",
            RenewedBy.KUBELET,
        ),
        CertificateUse.CA_BUNDLE: Purpose(
            "API server calls to servers that this bundle verifies", RenewedBy.NOT_KNOWN, is_ca=True
        ),
        CertificateUse.WEBHOOK: Purpose("API server calls to this service", RenewedBy.NOT_KNOWN),
        CertificateUse.API_SERVER_KUBELET_CLIENT: Purpose(
            "kubectl logs, exec, attach and port-forward: kubelets refuse the API server", _KUBEADM
        ),
        CertificateUse.FRONT_PROXY_CA: Purpose(
            "aggregated APIs, such as kubectl top and autoscaling", RenewedBy.BY_HAND, is_ca=True
        ),
        CertificateUse.FRONT_PROXY_CLIENT: Purpose(
            "aggregated APIs, such as metrics (kubectl top, autoscaling): they reject the API server",
            _KUBEADM,
        ),
        CertificateUse.KUBELET_SERVING: Purpose(
            "kubectl top and autoscaling lose this node; logs, exec and port-forward fail if "
            "the kubelet has no certificate to serve, or the API server verifies kubelets",
            RenewedBy.APPROVER,
        ),
        CertificateUse.METRICS_SERVER: Purpose(
            "kubectl top and autoscaling, if the API server verifies metrics-server",
            RenewedBy.RESTART,
        ),
        CertificateUse.ADMIN_CONF: Purpose("kubectl with admin.conf", _KUBEADM),
        CertificateUse.SUPER_ADMIN_CONF: Purpose("kubectl with super-admin.conf", _KUBEADM),
        CertificateUse.KUBECONFIG: Purpose("users of this kubeconfig", RenewedBy.BY_HAND),
        # kubeadm's own etcd client has this pair (NewFromCluster in
        # cmd/kubeadm/app/util/etcd/etcd.go). `reset` continues without it
        # (phases/reset/removeetcdmember.go). Probes of etcd's pod use HTTP for its metrics
        # (phases/etcd/local.go).
        CertificateUse.ETCD_HEALTHCHECK_CLIENT: Purpose(
            "kubeadm's own calls to etcd: kubeadm upgrade and join --control-plane fail, and reset leaves an etcd member behind",
            _KUBEADM,
        ),
    }
)
"""What each certificate is for. The most harmful expiry comes first, and each CA before the certificates that it signs."""


KUBEADMS_CAS: Final = frozenset(
    {CertificateUse.CLUSTER_CA, CertificateUse.ETCD_CA, CertificateUse.FRONT_PROXY_CA}
)
SHOWN_BY_KUBEADM: Final = KUBEADMS_CAS | frozenset(
    use for use, purpose in PURPOSES.items() if purpose.renewed_by is _KUBEADM
)
"""The uses in kubeadm's tables. Each value is kubeadm's name for the row."""
_HARM: Final = {use: place for place, use in enumerate(PURPOSES)}


def harm_of(use: CertificateUse) -> int:
    """The rank of a use by the harm of its expiry; 0 is the most harmful."""
    return _HARM[use]
