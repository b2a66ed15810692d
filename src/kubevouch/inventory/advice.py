"""What is to be done about a certificate: what renews it, creates it or shows why it is not renewed."""

import posixpath
from dataclasses import dataclass
from typing import Final

from kubevouch.diagnose.catalogue import Code
from kubevouch.evidence.certificates import CertificateUse, RenewedBy
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import CertificateRow, RowState

_DOCTOR: Final = ("kubevouch", "doctor")
_RESTART: Final = "then restart kube-apiserver, kube-controller-manager, kube-scheduler and etcd"
_CONFIG: Final = (
    "with `--config FILE`, the ClusterConfiguration of ConfigMap kube-system/kubeadm-config: "
    "without it a load balancer's name and certSANs are lost"
)
_SEEN_BY_DOCTOR: Final = frozenset(
    {
        CertificateUse.KUBELET_SERVING,
        CertificateUse.KUBELET_CLIENT,
        CertificateUse.METRICS_SERVER,
    }
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What is to be done: a command line in words, what to do by hand, or both.

    before: what is done by hand before the command, which fails without it.
    """

    command: tuple[str, ...] = ()
    by_hand: str = ""
    before: str = ""


def advice_of(row: CertificateRow) -> Advice:
    """What renews it, or shows why it is not renewed."""
    found = row.found
    is_silent = row.state is RowState.UNREADABLE and found.vantage is Vantage.DIALLED
    is_refused = row.state is RowState.WRONG and found.vantage is Vantage.DIALLED
    if is_refused and found.use is CertificateUse.API_SERVER:
        return _refused_api_server_advice(row)
    if found.use in _SEEN_BY_DOCTOR or is_silent or is_refused:
        return Advice(_DOCTOR)
    if PURPOSES[found.use].is_ca:
        return _authority_advice(row)
    where = f"on {found.node}" if found.node else f"where {found.where} is served"
    if row.renewed_by is RenewedBy.KUBEADM:
        return _kubeadms_advice(row, f"as root {where}")
    return Advice(by_hand=f"renew it {where}: {row.renewed_by}")


def _refused_api_server_advice(row: CertificateRow) -> Advice:
    """`renew` signs with the CA that is on that node's disk: that one may be the wrong one."""
    where = f"on {row.found.node}" if row.found.node else f"where {row.found.where} is served"
    if row.renewed_by is RenewedBy.KUBEADM:
        text = f"as root {where}, once /etc/kubernetes/pki/ca.crt is the CA of kube-root-ca.crt there; {_RESTART}"
        return Advice(("kubeadm", "certs", "renew", row.found.use), text)
    return Advice(by_hand=f"let the cluster's CA sign what is served {where}, and restart it")


def _kubeadms_advice(row: CertificateRow, where: str) -> Advice:
    """What is not there, or is unreadable, is created: `renew` takes the names from the old certificate."""
    use, then = row.found.use, f"{where}; {_RESTART}"
    if row.state in {RowState.MISSING, RowState.UNREADABLE}:
        return Advice(_made_by_kubeadm(use), f"{_CONFIG}, {then}", _moved_away(row))
    return Advice(("kubeadm", "certs", "renew", use), then)


def _moved_away(row: CertificateRow) -> str:
    """`kubeadm init phase` loads what is there: one file of a pair without the other, or half a file, ends it with an error.

    Source: writeCertificateFilesIfNotExist in cmd/kubeadm/app/phases/certs/certs.go,
    validateKubeConfig in phases/kubeconfig/kubeconfig.go; tried with kubeadm 1.36.3.
    """
    path = row.found.where
    if path.endswith(".crt"):
        key = posixpath.basename(path).removesuffix(".crt") + ".key"
        return f"move {path} and {key} beside it away, whichever is there: kubeadm makes both or neither"
    return "" if row.state is RowState.MISSING else f"move {path} away"


def _authority_advice(row: CertificateRow) -> Advice:
    if row.beside_another and row.state is RowState.EXPIRED:
        return Advice(by_hand=f"take it out of {row.found.where} once nothing uses what it signed")
    if row.beside_another:
        return Advice(
            by_hand=f"leave it in {row.found.where}: what it signs is good once it begins"
        )
    if row.found.use is CertificateUse.CA_BUNDLE:
        return Advice(by_hand=f"put the authority that signs what is served into {row.found.where}")
    by_hand = "kubeadm renews no CA: let the next one be trusted everywhere before this one ends"
    if row.state is not RowState.VALID:
        by_hand = (
            "kubeadm renews no CA: make one, let it be trusted everywhere, issue all leaves anew"
        )
    if row.found.use is CertificateUse.CLUSTER_CA:
        return Advice(("kubevouch", "explain", str(Code.CLUSTER_CA_EXPIRING)), by_hand)
    return Advice(by_hand=by_hand)


def _made_by_kubeadm(use: CertificateUse) -> tuple[str, ...]:
    name, is_kubeconfig, _ = use.partition(".conf")
    return ("kubeadm", "init", "phase", "kubeconfig" if is_kubeconfig else "certs", name)
