"""What is to be done about a certificate: what renews it, creates it or shows why it is not renewed."""

import posixpath
from dataclasses import dataclass
from typing import Final

from kubevouch.diagnose.catalogue import Code
from kubevouch.evidence.certificates import CertificateUse, FoundCertificates, RenewedBy
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.purpose import PURPOSES
from kubevouch.inventory.rows import CertificateRow, RowState

_DOCTOR: Final = ("kubevouch", "doctor")
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
_RESTARTED: Final = {
    CertificateUse.CONTROLLER_MANAGER_CONF: "kube-controller-manager",
    CertificateUse.SCHEDULER_CONF: "kube-scheduler",
    CertificateUse.ETCD_SERVER: "etcd",
    CertificateUse.ETCD_PEER: "etcd",
}
"""What uses a certificate of kubeadm's; what is not here, kube-apiserver does."""
_LACKING: Final = frozenset({RowState.MISSING, RowState.UNREADABLE, RowState.WRONG})
_KEPT: Final = {
    CertificateUse.CLUSTER_CA: (
        "ConfigMap kube-system/kube-root-ca.crt has it, as have certificate-authority-data in /etc/kubernetes/*.conf "
        "and /etc/kubernetes/pki/ca.crt of every other node"
    ),
    CertificateUse.ETCD_CA: "/etc/kubernetes/pki/etcd/ca.crt of every other control plane has it, or a backup",
    CertificateUse.FRONT_PROXY_CA: (
        "ConfigMap kube-system/extension-apiserver-authentication has it (requestheader-client-ca-file), "
        "as has /etc/kubernetes/pki/front-proxy-ca.crt of every other control plane"
    ),
}
"""Where an authority of kubeadm's still is, when a disk lacks it. etcd's is on disks only."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What is to be done: a command line in words, what to do by hand, or both.

    before: what is done by hand before the command, which fails without it. try_first: a command of the operator's own that
    has to work before it.
    """

    command: tuple[str, ...] = ()
    by_hand: str = ""
    before: str = ""
    try_first: tuple[str, ...] = ()


def advice_of(row: CertificateRow, *, without_cluster: bool = False) -> Advice:
    """What renews it, or shows why it is not renewed. without_cluster: only disks were looked at."""
    found = row.found
    is_silent = row.state is RowState.UNREADABLE and found.vantage is Vantage.DIALLED
    is_refused = row.state is RowState.WRONG and found.vantage is Vantage.DIALLED
    if is_refused and found.use is CertificateUse.API_SERVER:
        return _refused_api_server_advice(row)
    if found.use is CertificateUse.KUBELET_CLIENT and without_cluster:
        return _of_a_kubelets_disk(row)
    if found.use in _SEEN_BY_DOCTOR or is_silent or is_refused:
        return Advice(_DOCTOR)
    if PURPOSES[found.use].is_ca:
        return _authority_advice(row)
    where = f"on {_node(row)}" if found.node else f"where {found.where} is served"
    if row.renewed_by is RenewedBy.KUBEADM:
        return _kubeadms_advice(row, f"as root {where}")
    return Advice(by_hand=f"renew it {where}: {row.renewed_by}")


def advice_on_unread(found: FoundCertificates) -> Advice | None:
    """Where a disk could not be read, what shows why, and then the same question once more; None where none was asked for."""
    shown_by = next((each.shown_by for each in found.not_read if each.shown_by), ())
    return Advice(("kubevouch", "certs", "--via", "ssh"), try_first=shown_by) if shown_by else None


def _node(row: CertificateRow) -> str:
    """The node on which something is done. A disk may belong to one that nobody knows."""
    found = row.found
    return f"the node whose disk is {found.root}" if found.root == found.node else found.node


def _as_root(row: CertificateRow) -> str:
    return f"as root on {_node(row)}, " if row.found.node else "as root, "


def _of_a_kubelets_disk(row: CertificateRow) -> Advice:
    """No cluster was asked, and none may be there: what can be done at the node itself."""
    if row.state is RowState.VALID:
        return Advice(by_hand=f"{_as_root(row)}restart the kubelet: it asks for its next one then")
    return Advice(
        ("kubevouch", "explain", str(Code.NO_KUBELET_REPORTS)),
        f"{_as_root(row)}give the kubelet a new bootstrap kubeconfig, as it says there",
    )


def _refused_api_server_advice(row: CertificateRow) -> Advice:
    """`renew` signs with the CA that is on that node's disk: that one may be the wrong one."""
    where = f"on {row.found.node}" if row.found.node else f"where {row.found.where} is served"
    if row.renewed_by is RenewedBy.KUBEADM:
        text = f"as root {where}, once /etc/kubernetes/pki/ca.crt is the CA of kube-root-ca.crt there; {_restart(row)}"
        return Advice(("kubeadm", "certs", "renew", row.found.use), text)
    return Advice(by_hand=f"let the cluster's CA sign what is served {where}, and restart it")


def _kubeadms_advice(row: CertificateRow, where: str) -> Advice:
    """What is not there, or is unreadable, is created: `renew` takes the names from the old certificate."""
    use, then = row.found.use, f"{where}; {_restart(row)}"
    if row.state in {RowState.MISSING, RowState.UNREADABLE}:
        return Advice(_made_by_kubeadm(use), f"{_CONFIG}, {then}", _moved_away(row))
    return Advice(("kubeadm", "certs", "renew", use), then, _compared(row))


def _restart(row: CertificateRow) -> str:
    """Whoever uses it reads it at its start. A kubeconfig of a person's is read at every call."""
    use = row.found.use
    if use in {CertificateUse.ADMIN_CONF, CertificateUse.SUPER_ADMIN_CONF}:
        return (
            "nothing has to be restarted; copies of the old one (~/.kube/config) stay as they are"
        )
    if use is CertificateUse.ETCD_HEALTHCHECK_CLIENT:
        return "nothing has to be restarted: kubeadm reads it whenever it needs it"
    return f"then restart {_RESTARTED.get(use, 'kube-apiserver')}"


def _compared(row: CertificateRow) -> str:
    """What `renew` signs with has to be the cluster's: where the CA was swapped, all leaves look as if they were wrong."""
    kept = _KEPT.get(CertificateUse(row.found.ca)) if row.found.ca else None
    if kept is None or row.found.signed_beside:
        return ""
    return f"if the CA there is not the cluster's, put that back and renew nothing. {kept}"


def _moved_away(row: CertificateRow) -> str:
    """`kubeadm init phase` loads what is there: one file of a pair without the other, or half a file, ends it with an error.

    Source: writeCertificateFilesIfNotExist in cmd/kubeadm/app/phases/certs/certs.go,
    validateKubeConfig in phases/kubeconfig/kubeconfig.go; tried with kubeadm 1.36.3.
    """
    path = row.found.path
    if path.endswith(".crt"):
        key = posixpath.basename(path).removesuffix(".crt") + ".key"
        return f"{_as_root(row)}move {path} and {key} beside it away, whichever is there: kubeadm makes both or neither"
    return "" if row.state is RowState.MISSING else f"{_as_root(row)}move {path} away"


def _authority_advice(row: CertificateRow) -> Advice:
    if row.beside_another and row.state is RowState.EXPIRED:
        return Advice(by_hand=f"take it out of {row.found.path} once nothing uses what it signed")
    if row.beside_another:
        return Advice(by_hand=f"leave it in {row.found.path}: what it signs is good once it begins")
    if row.found.use is CertificateUse.CA_BUNDLE:
        return Advice(by_hand=f"put the authority that signs what is served into {row.found.where}")
    if row.state in _LACKING:
        return Advice(by_hand=_put_back(row))
    by_hand = "kubeadm renews no CA: let the next one be trusted everywhere before this one ends"
    if row.state is not RowState.VALID:
        by_hand = (
            "kubeadm renews no CA: make one, let it be trusted everywhere, issue all leaves anew"
        )
    if row.found.use is CertificateUse.CLUSTER_CA:
        return Advice(("kubevouch", "explain", str(Code.CLUSTER_CA_EXPIRING)), by_hand)
    return Advice(by_hand=by_hand)


def _put_back(row: CertificateRow) -> str:
    """A CA that lacks in one place is in others, and all that it has signed is good: another one would part the cluster."""
    found = row.found
    if found.vantage is not Vantage.NODE_DISK:
        return f"make no other CA: kube-apiserver writes {found.where} from the file on its disk, so look at that"
    key = posixpath.basename(found.where).removesuffix(".crt") + ".key"
    return (
        f"make no other CA: {_as_root(row)}put the cluster's own back into {found.path}. {_KEPT[found.use]}. "
        f"On a control plane {key} beside it has to be its key"
    )


def _made_by_kubeadm(use: CertificateUse) -> tuple[str, ...]:
    name, is_kubeconfig, _ = use.partition(".conf")
    return ("kubeadm", "init", "phase", "kubeconfig" if is_kubeconfig else "certs", name)
