"""What is done to the control plane and to the network for the tests of this folder, and undone."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.told import eventually
from tests.support.api_connection import ApiConnection

from .installed import ApproverPod

_MANIFEST = "/etc/kubernetes/manifests/kube-apiserver.yaml"
_AT_REST = ("/etc/kubernetes/manifests/etcd.yaml", _MANIFEST)
_ASIDE = "/etc/kubernetes/at-rest"
_PKI = "/etc/kubernetes/pki/etcd"
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


def restart_api_server(cluster: Cluster) -> None:
    """Ends its process, and waits until another one is ready."""
    before = _processes(cluster)
    cluster.master.sh(f"kill {' '.join(before)}")
    _another(cluster, before)


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
        _another(cluster, [])


def compact_etcd(cluster: Cluster, folder: Path) -> int:
    """Forgets every revision before the newest one, which is returned. By etcd's JSON gateway."""
    ca, pair = folder / "etcd-ca.pem", folder / "etcd-client.pem"
    read = cluster.master.read
    ca.write_bytes(read(f"{_PKI}/ca.crt"))
    pair.write_bytes(
        read(f"{_PKI}/healthcheck-client.crt") + read(f"{_PKI}/healthcheck-client.key")
    )
    etcd = ApiConnection(f"https://{cluster.master.address}:2379", ApiConnection.trusting(ca, pair))
    try:
        key = base64.b64encode(b"/registry/nothing").decode()
        revision = int(etcd.post("/v3/kv/range", {"key": key})["header"]["revision"])
        etcd.post("/v3/kv/compaction", {"revision": revision, "physical": True})
    finally:
        etcd.close()
    return revision


def _processes(cluster: Cluster) -> list[str]:
    return cluster.master.sh("pgrep -x kube-apiserver", check=False).stdout.split()


def _another(cluster: Cluster, before: list[str]) -> None:
    def ready() -> bool:
        there = _processes(cluster)
        if not there or set(there) & set(before):
            return False
        return cluster.kubectl("get", "--raw", "/readyz", check=False).stdout == "ok"

    eventually(ready, "another API server", seconds=180)
