"""`kubeadm` on a control plane of the lab: `certs check-expiration`, which sees nothing wrong, and `version`.

Rows, widths and words are those of kubeadm 1.36 (cmd/kubeadm/app/cmd/certs.go, apimachinery util/duration).
"""

from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography import x509

from kubevouch import goyaml
from kubevouch.clock import Clock
from kubevouch_lab.apiserver.tables.cells import human_duration
from kubevouch_lab.cluster.authorities import KUBERNETES, PKI
from kubevouch_lab.cluster.site import VERSION
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.program_calls import ProgramResult

_PREAMBLE = """\
[check-expiration] Reading configuration from the "kubeadm-config" ConfigMap in namespace "kube-system"...
[check-expiration] Use 'kubeadm init phase upload-config kubeadm --config your-config-file' to re-upload it.

"""
# row: (file below /etc/kubernetes, its CA)
_LEAVES = {
    "admin.conf": ("admin.conf", "ca"),
    "apiserver": ("pki/apiserver.crt", "ca"),
    "apiserver-etcd-client": ("pki/apiserver-etcd-client.crt", "etcd-ca"),
    "apiserver-kubelet-client": ("pki/apiserver-kubelet-client.crt", "ca"),
    "controller-manager.conf": ("controller-manager.conf", "ca"),
    "etcd-healthcheck-client": ("pki/etcd/healthcheck-client.crt", "etcd-ca"),
    "etcd-peer": ("pki/etcd/peer.crt", "etcd-ca"),
    "etcd-server": ("pki/etcd/server.crt", "etcd-ca"),
    "front-proxy-client": ("pki/front-proxy-client.crt", "front-proxy-ca"),
    "scheduler.conf": ("scheduler.conf", "ca"),
    "super-admin.conf": ("super-admin.conf", "ca"),
}
_AUTHORITIES = {"ca": "ca", "etcd-ca": "etcd/ca", "front-proxy-ca": "front-proxy-ca"}


def kubeadm(files: NodeFiles, clock: Clock) -> Callable[[Sequence[str]], ProgramResult]:
    """The program of one node: from its words to what it prints."""

    def answer(words: Sequence[str]) -> ProgramResult:
        match tuple(words):
            case ("certs", "check-expiration"):
                return ProgramResult(_PREAMBLE + expirations(files, clock.now()))
            case ("version",) | ("version", "-o", "short"):
                return ProgramResult(f"{VERSION}\n")
        known = "the lab's kubeadm supports only `certs check-expiration` and `version`"
        return ProgramResult(err=f"{' '.join(words) or 'kubeadm'}: {known}\n", code=1)

    return answer


def expirations(files: NodeFiles, now: datetime) -> str:
    """Both tables."""
    leaves: list[tuple[str, ...]] = [
        ("CERTIFICATE", "EXPIRES", "RESIDUAL TIME", "CERTIFICATE AUTHORITY", _MANAGED)
    ]
    for name, (path, ca) in _LEAVES.items():
        ends = _ends(files, f"{KUBERNETES}/{path}")
        managed = _managed(files, ca)
        leaves.append((name, *_cells(ends, now), ca, managed) if ends else _missing(name, 5))
    authorities: list[tuple[str, ...]] = [
        ("CERTIFICATE AUTHORITY", "EXPIRES", "RESIDUAL TIME", _MANAGED)
    ]
    for name, path in _AUTHORITIES.items():
        ends = _ends(files, f"{PKI}/{path}.crt")
        managed = _managed(files, name)
        authorities.append((name, *_cells(ends, now), managed) if ends else _missing(name, 4))
    return _table(leaves) + "\n" + _table(authorities)


_MANAGED = "EXTERNALLY MANAGED"


def _managed(files: NodeFiles, ca: str) -> str:
    """An authority without its key is managed elsewhere, and with it what it has signed; padded as kubeadm does."""
    return "no      " if files.exists(f"{PKI}/{_AUTHORITIES[ca]}.key") else "yes     "


def _missing(name: str, columns: int) -> tuple[str, ...]:
    return (f"!MISSING! {name}", *[""] * (columns - 1))


def _ends(files: NodeFiles, path: str) -> datetime | None:
    try:
        data = files.read(path)
        if path.endswith(".conf"):
            said = goyaml.read(data)
            data = b64decode(said["users"][0]["user"]["client-certificate-data"])
        return x509.load_pem_x509_certificate(data).not_valid_after_utc
    except (OSError, ValueError, KeyError, TypeError, IndexError, goyaml.UnreadableYaml):
        return None


def _cells(ends: datetime, now: datetime) -> tuple[str, str]:
    return f"{ends:%b %d, %Y %H:%M UTC}", human_duration((ends - now).total_seconds())


def _table(rows: Sequence[Sequence[str]]) -> str:
    """Go's tabwriter with a minimum width of 10 and a padding of 3; the last cell of a line is left as it is."""
    widths = [max(10, *(len(row[at]) + 3 for row in rows)) for at in range(len(rows[0]) - 1)]
    return "".join(
        "".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        + row[-1]
        + "\n"
        for row in rows
    )
