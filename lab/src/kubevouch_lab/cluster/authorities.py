"""All pairs of a control plane, as the files of /etc/kubernetes on it: made once, read again at every later start."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from kubevouch_lab.cluster import kubeconfigs
from kubevouch_lab.cluster.disk_files import DiskFile
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.site import CLUSTER_DOMAIN, Site
from kubevouch_lab.pki import (
    AnyKey,
    KeyPair,
    Serials,
    Subject,
    authority,
    key_pem,
    leaf,
    public_pem,
    rsa_key,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

KUBERNETES = "/etc/kubernetes"
PKI = f"{KUBERNETES}/pki"
ADMINS = "kubeadm:cluster-admins"

# certlist.go: file below the pki folder: (its CA, whom it names)
_AUTHORITIES = {"ca": "kubernetes", "front-proxy-ca": "front-proxy-ca", "etcd/ca": "etcd-ca"}
_CLIENTS = {
    "apiserver-kubelet-client": ("ca", Subject("kube-apiserver-kubelet-client", (ADMINS,))),
    "front-proxy-client": ("front-proxy-ca", Subject("front-proxy-client")),
    "apiserver-etcd-client": ("etcd/ca", Subject("kube-apiserver-etcd-client")),
    "etcd/healthcheck-client": ("etcd/ca", Subject("kube-etcd-healthcheck-client")),
}
_CONFS = {
    "admin.conf": ("kubernetes-admin", Subject("kubernetes-admin", (ADMINS,))),
    "super-admin.conf": (
        "kubernetes-super-admin",
        Subject("kubernetes-super-admin", ("system:masters",)),
    ),
    "controller-manager.conf": (
        "system:kube-controller-manager",
        Subject("system:kube-controller-manager"),
    ),
    "scheduler.conf": ("system:kube-scheduler", Subject("system:kube-scheduler")),
}


@dataclass(frozen=True)
class Authorities:
    """What the lab itself needs of them; all the rest lies in the control plane's files."""

    ca: KeyPair
    front_proxy_ca: KeyPair
    apiserver: KeyPair
    kubelet_client: KeyPair
    service_accounts: bytes
    """PEM of the private key that signs tokens."""

    @staticmethod
    def read(root: Path) -> "Authorities":
        """From the root folder of the control plane. Raises OSError where a file is missing."""
        pki = root / PKI.lstrip("/")

        def pair(name: str) -> KeyPair:
            return KeyPair((pki / f"{name}.crt").read_bytes(), (pki / f"{name}.key").read_bytes())

        return Authorities(
            ca=pair("ca"),
            front_proxy_ca=pair("front-proxy-ca"),
            apiserver=pair("apiserver"),
            kubelet_client=pair("apiserver-kubelet-client"),
            service_accounts=(pki / "sa.key").read_bytes(),
        )


def control_plane_files(
    site: Site,
    history: ClusterHistory,
    serials: Serials,
    signing: Mapping[str, KeyPair] | None = None,
) -> tuple[DiskFile, ...]:
    """Everything kubeadm leaves under /etc/kubernetes of the control plane; kubelet.conf is the node's own business.

    signing: the CAs that there are already, by their files.
    """
    master = site.hosts[0]
    named = (master.name, *_SERVICE_NAMES)
    reached = tuple(dict.fromkeys((*site.service_addresses, *master.addresses, "127.0.0.1")))
    wanted = dict(_CLIENTS)
    wanted["apiserver"] = ("ca", Subject("kube-apiserver", (), named, reached, serves=True))
    for name in ("server", "peer"):
        local = (master.name, "localhost")
        at = tuple(dict.fromkeys((*master.addresses, "127.0.0.1", "::1")))
        wanted[f"etcd/{name}"] = ("etcd/ca", Subject(master.name, (), local, at, serves=True))
    keys = _keys((*_AUTHORITIES, *wanted, *_CONFS, "sa"))
    made, renewed = history.cluster_made, history.renewed
    cas = signing or {
        name: authority(common_name, made, serials(), keys[name])
        for name, common_name in _AUTHORITIES.items()
    }
    pairs: dict[str, tuple[KeyPair, datetime]] = {name: (ca, made) for name, ca in cas.items()}
    for name, (ca, subject) in wanted.items():
        pairs[name] = leaf(cas[ca], subject, renewed, serials(), keys[name]), renewed
    files = [file for name, (pair, at) in pairs.items() for file in _files(name, pair, at)]
    for name, (user, subject) in _CONFS.items():
        pair = leaf(cas["ca"], subject, renewed, serials(), keys[name])
        conf = kubeconfigs.embedded(site.api_url, cas["ca"].chain, user, pair)
        files.append(DiskFile(f"{KUBERNETES}/{name}", conf, 0o600, renewed))
    files.append(DiskFile(f"{PKI}/sa.key", key_pem(keys["sa"]), 0o600, made))
    files.append(DiskFile(f"{PKI}/sa.pub", public_pem(keys["sa"]), 0o600, made))
    return tuple(files)


_SERVICE_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    f"kubernetes.default.svc.{CLUSTER_DOMAIN}",
)


def _files(name: str, pair: KeyPair, made: datetime) -> tuple[DiskFile, DiskFile]:
    return (
        DiskFile(f"{PKI}/{name}.crt", pair.chain, 0o644, made),
        DiskFile(f"{PKI}/{name}.key", pair.key, 0o600, made),
    )


def _keys(names: tuple[str, ...]) -> Mapping[str, AnyKey]:
    """An RSA key for each; OpenSSL looks for primes on every core at once."""
    make: Callable[[str], rsa.RSAPrivateKey] = lambda _: rsa_key()  # noqa: E731
    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(make, names), strict=True))
