"""What to do about a certificate: how to renew or create it, or how to find out why it was not renewed."""

import posixpath
from dataclasses import dataclass
from typing import Final

from kubevouch.diagnose.catalogue import Code
from kubevouch.evidence.certificates import CertificateUse
from kubevouch.evidence.measured import Vantage
from kubevouch.inventory.purpose import PURPOSES, RenewedBy
from kubevouch.inventory.rows import CertificateRow, RowState

_DOCTOR: Final = ("kubevouch", "doctor")
_CONFIG: Final = (
    "with `--config FILE` (the ClusterConfiguration in ConfigMap kube-system/kubeadm-config; "
    "without it certSANs and a load balancer's name are lost)"
)
_SEEN_BY_DOCTOR: Final = frozenset(
    {
        CertificateUse.KUBELET_SERVING,
        CertificateUse.KUBELET_CLIENT,
        CertificateUse.METRICS_SERVER,
    }
)
_RESTARTED: Final = {
    CertificateUse.CONTROLLER_MANAGER_CONF: "then restart kube-controller-manager",
    CertificateUse.SCHEDULER_CONF: "then restart kube-scheduler",
    CertificateUse.ETCD_SERVER: "then restart etcd",
    CertificateUse.ETCD_PEER: "then restart etcd",
    CertificateUse.ADMIN_CONF: "no restart is needed",
    CertificateUse.SUPER_ADMIN_CONF: "no restart is needed",
    CertificateUse.ETCD_HEALTHCHECK_CLIENT: "no restart is needed",
}
"""What to restart after a renewal, since programs read kubeadm's certificates only when they start. The
default is kube-apiserver."""
_LACKING: Final = frozenset({RowState.MISSING, RowState.UNREADABLE, RowState.WRONG})
_KEPT: Final = (
    "Other control planes and backups have the cluster's CAs. ConfigMaps kube-root-ca.crt and "
    "extension-apiserver-authentication in kube-system have all except etcd's"
)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do: a command, an action by hand, or both.

    before: an action by hand before the command.
    """

    command: tuple[str, ...] = ()
    by_hand: str = ""
    before: str = ""


def advice_of(row: CertificateRow) -> Advice:
    """Returns the command or action that renews the certificate, or a command that shows why nothing renewed it."""
    found = row.found
    is_refused = row.state is RowState.WRONG and found.use is CertificateUse.WEBHOOK
    is_silent = row.state is RowState.UNREADABLE and found.vantage is Vantage.DIALLED
    if found.use is CertificateUse.KUBELET_CLIENT and found.vantage is Vantage.NODE_DISK:
        return Advice(("kubevouch", "explain", str(Code.KUBELET_CLIENT_CERTIFICATE_ENDS)))
    if found.use in _SEEN_BY_DOCTOR or is_silent or is_refused:
        return Advice(_DOCTOR)
    if PURPOSES[found.use].is_ca:
        return _authority_advice(row)
    where = f"on {_node(row)}" if found.node else f"at {found.where}"
    if row.renewed_by is RenewedBy.KUBEADM:
        return _kubeadm_advice(row, f"as root {where}")
    return Advice(by_hand=f"renew it {where} (renewal: {row.renewed_by})")


def _node(row: CertificateRow) -> str:
    """The node to act on, or its root folder if the node is unknown."""
    found = row.found
    return f"the node whose root folder is {found.root}" if found.root == found.node else found.node


def _as_root(row: CertificateRow) -> str:
    return f"as root on {_node(row)}, " if row.found.node else "as root, "


def _kubeadm_advice(row: CertificateRow, where: str) -> Advice:
    """The advice for a certificate that kubeadm renews.

    `renew` copies the names from the old certificate, so a missing or unreadable certificate must
    be created instead. `renew` signs with the CA on disk. If somebody replaced that CA, every
    certificate looks wrong.
    """
    use = row.found.use
    then = f"{where}; {_RESTARTED.get(use, 'then restart kube-apiserver')}"
    if row.state in {RowState.MISSING, RowState.UNREADABLE}:
        return Advice(_made_by_kubeadm(use), f"{_CONFIG}, {then}", _move_advice(row))
    before = f"if the CA on disk is not the cluster's, restore the cluster's CA and renew nothing. {_KEPT}"
    is_wrong = row.state is RowState.WRONG
    return Advice(("kubeadm", "certs", "renew", use), then, before if is_wrong else "")


def _move_advice(row: CertificateRow) -> str:
    """The advice to move old files away. `kubeadm init phase` fails if a file is incomplete, or lacks its certificate or key.

    Source: writeCertificateFilesIfNotExist in cmd/kubeadm/app/phases/certs/certs.go,
    validateKubeConfig in phases/kubeconfig/kubeconfig.go; tried with kubeadm 1.36.3.
    """
    path = row.found.path
    if path.endswith(".crt"):
        key = posixpath.basename(path).removesuffix(".crt") + ".key"
        return f"{_as_root(row)}move {path} and {key} away if they exist: kubeadm creates both or neither"
    return "" if row.state is RowState.MISSING else f"{_as_root(row)}move {path} away"


def _authority_advice(row: CertificateRow) -> Advice:
    found = row.found
    if row.beside_another and row.state is RowState.EXPIRED:
        return Advice(by_hand=f"remove it from {found.path} once nothing uses its certificates")
    if row.beside_another:
        return Advice(by_hand=f"leave it in {found.path}: it becomes valid later")
    if found.use is CertificateUse.CA_BUNDLE:
        return Advice(by_hand=f"put the CA of the served certificate into {found.where}")
    if row.state in _LACKING:
        return Advice(by_hand=_restore_advice(row))
    by_hand = "kubeadm does not renew CAs: create a new CA, make everything trust it, and re-issue all certificates"
    if found.use is CertificateUse.CLUSTER_CA:
        return Advice(("kubevouch", "explain", str(Code.CLUSTER_CA_EXPIRING)), by_hand)
    return Advice(by_hand=by_hand)


def _restore_advice(row: CertificateRow) -> str:
    """The advice to restore a missing CA from another copy. A new CA would split the cluster."""
    found = row.found
    if found.vantage is not Vantage.NODE_DISK:
        return f"do not create a CA: kube-apiserver writes {found.where} from the file on its disk, so check that file"
    own = f"{_as_root(row)}restore the cluster's own CA to {found.path}, and its key on a control plane"
    return f"do not create a CA: {own}. {_KEPT}"


def _made_by_kubeadm(use: CertificateUse) -> tuple[str, ...]:
    name, is_kubeconfig, _ = use.partition(".conf")
    return ("kubeadm", "init", "phase", "kubeconfig" if is_kubeconfig else "certs", name)
