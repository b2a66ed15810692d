"""What is done to the control plane and to the network for the tests of this folder, and undone."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.told import eventually

from .installed import ApproverPod

_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
_AT_REST = ("/etc/kubernetes/manifests/etcd.yaml", _MANIFEST)
_ASIDE = "/etc/kubernetes/at-rest"
_ETCD, _BACKUP = "/var/lib/etcd/member", "/var/lib/etcd-backup"


@contextmanager
def cut_off(cluster: Cluster, pod: ApproverPod) -> Iterator[None]:
    """What the pod and the API server send to one another is lost; probes and everything else come through."""
    address = pod.address(cluster)
    there, back = f"-s {address} -p tcp --dport 6443", f"-d {address} -p tcp --sport 6443"
    rules = (f"INPUT {there}", f"FORWARD {there}", f"OUTPUT {back}", f"FORWARD {back}")
    for rule in rules:
        pod.sh(f"iptables -w -I {rule} -j DROP")
    try:
        yield
    finally:
        for rule in rules:
            pod.sh(f"iptables -w -D {rule} -j DROP")


def back_up_etcd(cluster: Cluster) -> None:
    """Its data as they are now, for `restore_etcd`."""
    with _at_rest(cluster):
        cluster.master.sh(f"rm -rf {_BACKUP} && cp -a {_ETCD} {_BACKUP}")


def restore_etcd(cluster: Cluster) -> None:
    """Everything in the cluster is as it was at the time of the backup, the latest version too."""
    with _at_rest(cluster):
        cluster.master.sh(f"rm -rf {_ETCD} && mv {_BACKUP} {_ETCD}")


@contextmanager
def _at_rest(cluster: Cluster) -> Iterator[None]:
    """Neither etcd nor the API server runs while the block lasts."""
    sh = cluster.master.sh
    sh(f"mkdir -p {_ASIDE} && mv {' '.join(_AT_REST)} {_ASIDE}/")
    running = "pgrep -x 'etcd|kube-apiserver'"
    sh(f"kill -KILL $({running})", check=False)
    try:
        eventually(lambda: not sh(running, check=False).stdout, "the end of both")
        yield
    finally:
        sh(f"mv {_ASIDE}/* {Path(_MANIFEST).parent}/ && rmdir {_ASIDE}")
        ready = ("get", "--raw", "/readyz")
        eventually(
            lambda: cluster.kubectl(*ready, check=False).stdout == "ok",
            "the API server",
            seconds=180,
        )
