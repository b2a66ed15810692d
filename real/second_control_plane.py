"""A second control plane: kubeadm makes one of a worker that has joined already, and it becomes a worker again.

What it has then is its own: API server, controller-manager, scheduler, and a second member of etcd.
"""

import json

from real import clock, cluster
from real.layout import API_PORT, AUDIT_LOG, AUDIT_POLICY, MASTER, Folders
from real.machine import Machine
from real.placing import Placed, plain

_ETC = "/etc/kubernetes"
# What control planes share, and what tells kubeadm where the cluster is.
_SHARED = (
    *(f"{cluster.PKI}/{name}" for name in ("ca.crt", "ca.key", "sa.key", "sa.pub")),
    *(f"{cluster.PKI}/front-proxy-ca.{end}" for end in ("crt", "key")),
    *(f"{cluster.PKI}/etcd/ca.{end}" for end in ("crt", "key")),
)
_DISCOVERY = f"{_ETC}/discovery.conf"
# The node has joined, and its kubelet runs.
_SKIPPED = "preflight,kubelet-start,kubelet-wait-bootstrap"
_ENDPOINT = f"controlPlaneEndpoint: {MASTER.address}:{API_PORT}\n"
_COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd")
_PROCESSES = tuple(each[:15] for each in _COMPONENTS)
"""As the kernel calls them."""

_LEAVE = f"""
kubeadm reset phase remove-etcd-member
rm -f {_ETC}/manifests/*
for each in "$@"; do pkill -TERM -x "$each" || true; done
"""
_FORGET = f"""
for each in "$@"; do pkill -KILL -x "$each" || true; done
cp {cluster.PKI}/ca.crt {_ETC}/ca.crt
rm -rf {cluster.PKI} {_DISCOVERY} {AUDIT_LOG} /var/lib/etcd/*
for each in admin super-admin controller-manager scheduler; do rm -f "{_ETC}/$each.conf"; done
mkdir {cluster.PKI}
mv {_ETC}/ca.crt {cluster.PKI}/ca.crt
"""


def join(folders: Folders, worker: Machine) -> None:
    """Makes a control plane of a worker. The caller stands inside the bed's network.

    Raises:
        BedError: a step failed.
    """
    master = cluster.machines_of(folders, (MASTER,))[0]
    _tell_the_endpoint(folders, told=True)
    worker.place(
        [
            *(Placed(path, master.read(path), 0o600) for path in _SHARED),
            Placed(_DISCOVERY, master.read(f"{_ETC}/admin.conf"), 0o600),
            Placed(AUDIT_POLICY, plain("audit-policy.yaml")),
        ]
    )
    images = master.sh("ctr -n k8s.io images list -q").stdout.split()
    wanted = [name for name in images if any(f"/{each}:" in name for each in _COMPONENTS)]
    _copy_images(master, worker, wanted)
    worker.exec(
        *("kubeadm", "join", "--control-plane", f"--discovery-file={_DISCOVERY}"),
        *(
            f"--node-name={worker.host.name}",
            f"--apiserver-advertise-address={worker.host.address}",
        ),
        *(f"--skip-phases={_SKIPPED}", "--ignore-preflight-errors=all"),
        seconds=300,
    )


def leave(folders: Folders, worker: Machine) -> None:
    """Makes a worker of it again, also where it has become a control plane by half.

    Raises:
        BedError: a step failed.
    """
    worker.sh(_LEAVE, *_PROCESSES, check=False, seconds=200)
    clock.until("one API server", lambda: _api_servers(folders) == {MASTER.address}, seconds=90)
    worker.sh(_FORGET, *_PROCESSES)
    role = "node-role.kubernetes.io/control-plane"
    cluster.kubectl(folders, "label", "node", worker.host.name, f"{role}-")
    cluster.kubectl(folders, "taint", "node", worker.host.name, f"{role}-", check=False)
    _tell_the_endpoint(folders, told=False)
    clock.until("a controller-manager that leads", lambda: _is_led(folders), seconds=90)


def _copy_images(master: Machine, worker: Machine, names: list[str]) -> None:
    folder = "/root/control-plane.tar"
    master.exec("ctr", "-n", "k8s.io", "images", "export", folder, *names, seconds=300)
    archive = master.folder / "root" / folder.lstrip("/")
    cluster.import_images(worker, archive)
    master.exec("rm", folder)


def _tell_the_endpoint(folders: Folders, *, told: bool) -> None:
    """Where the configuration names no endpoint that all of them share, kubeadm joins no control plane."""
    where = ("configmap", "kubeadm-config", "-n", "kube-system")
    found = json.loads(cluster.kubectl(folders, "get", *where, "-o", "json").stdout)
    text: str = found["data"]["ClusterConfiguration"].replace(_ENDPOINT, "")
    patch = {"data": {"ClusterConfiguration": text + _ENDPOINT if told else text}}
    words = ("patch", *where, "--type=merge", "-p", json.dumps(patch))
    cluster.kubectl(folders, *words)


def _api_servers(folders: Folders) -> set[str]:
    words = ("get", "endpointslice", "kubernetes", "-n", "default", "-o", "json")
    done = cluster.kubectl(folders, *words, check=False)
    if done.returncode != 0:
        return set()
    listed = json.loads(done.stdout)["endpoints"]
    return {address for each in listed for address in each["addresses"]}


def _is_led(folders: Folders) -> bool:
    words = ("get", "lease", "kube-controller-manager", "-n", "kube-system")
    done = cluster.kubectl(folders, *words, "-o", "jsonpath={.spec.holderIdentity}", check=False)
    return done.stdout.startswith(f"{MASTER.name}_")
