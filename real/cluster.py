"""kubeadm makes the cluster on the machines; then what kubeadm leaves to others: pod network, kube-proxy, metrics-server.

Steps in their order; `boot.py` says which run at the same time.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from real import clock
from real.errors import BedError
from real.layout import HOSTS, IMAGE_REPOSITORY, METRICS_SERVER_VERSION, Folders, Host
from real.machine import Machine
from real.machine_files import KUBEADM_CONFIG, KUBELET_DROP_IN
from real.pairs import Pair
from real.placing import Placed, template
from real.processes import Done, run
from real.states import KUBELET

PKI = "/etc/kubernetes/pki"
# The kubelet's own: files that kubeadm or an administrator writes, and that tests spoil.
KUBELET_FILES = (
    f"{KUBELET}/config.yaml",
    f"{KUBELET}/instance-config.yaml",
    f"{KUBELET}/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/systemd/system/kubelet.service",
    KUBELET_DROP_IN,
)
_SKIPPED = "--skip-phases=addon/coredns,addon/kube-proxy"


def kubectl(
    folders: Folders,
    *arguments: str,
    kubeconfig: Path | None = None,
    stdin: str = "",
    check: bool = True,
    seconds: float = 60,
) -> Done:
    """Runs kubectl, as administrator unless told otherwise. The caller stands inside the bed's network.

    Raises:
        BedError: `check` and it failed, or it did not end in time.
    """
    given = (
        f"--kubeconfig={kubeconfig or folders.kubeconfig}",
        f"--cache-dir={folders.kubectl_cache}",
    )
    return run([folders.kubectl, *given, *arguments], stdin=stdin, check=check, seconds=seconds)


def forget_discovery(folders: Folders) -> None:
    """Makes kubectl ask the API server anew which groups it has, as a person would see it who asks for the first time."""
    shutil.rmtree(folders.kubectl_cache, ignore_errors=True)


def import_images(machine: Machine, archive: Path, *options: str) -> None:
    """Gives containerd the images of an archive; options are those of `ctr images import`."""
    machine.sh("until ctr version >/dev/null 2>&1; do sleep 0.1; done", seconds=30)
    words = ("ctr", "-n", "k8s.io", "images", "import", *options, "-")
    machine.exec(*words, stdin=archive.read_bytes(), seconds=300)


def init(master: Machine, ca: Pair) -> bytes:
    """`kubeadm init` around the CA given; returns the administrator's kubeconfig."""
    master.place([Placed(f"{PKI}/ca.crt", ca.chain), Placed(f"{PKI}/ca.key", ca.key, 0o600)])
    master.exec(
        "kubeadm",
        "init",
        f"--config={KUBEADM_CONFIG}",
        _SKIPPED,
        "--ignore-preflight-errors=all",
        seconds=300,
    )
    master.exec("systemctl", "enable", "--quiet", "kubelet")
    return master.read("/etc/kubernetes/admin.conf")


def join(worker: Machine) -> None:
    """`kubeadm join`, with the bootstrap token and the CA's hash."""
    worker.exec("kubeadm", "join", f"--config={KUBEADM_CONFIG}", seconds=300)
    worker.exec("systemctl", "enable", "--quiet", "kubelet")


def forget_tokens(folders: Folders) -> None:
    """Removes the bootstrap token: kubeadm's live for a day, and this cluster is a year old."""
    chosen = ("--field-selector=type=bootstrap.kubernetes.io/token", "--namespace=kube-system")
    kubectl(folders, "delete", "secrets", *chosen)


def proxy_kubeconfig(master: Machine) -> bytes:
    """A client certificate for `system:kube-proxy`, whom Kubernetes' own bindings allow what kube-proxy needs."""
    asked = (
        "kubeadm",
        "kubeconfig",
        "user",
        "--client-name=system:kube-proxy",
        f"--config={KUBEADM_CONFIG}",
    )
    return master.exec(*asked).stdout.encode()


def start_proxy(machine: Machine, kubeconfig: bytes) -> None:
    """kube-proxy as a unit of the machine."""
    machine.place([Placed("/var/lib/kube-proxy/kubeconfig", kubeconfig, 0o600)])
    machine.exec("systemctl", "enable", "--quiet", "--now", "kube-proxy")


def pod_cidrs(folders: Folders) -> Mapping[Host, str]:
    """Each Node's podCIDR, once the controller-manager has given one to all of them."""
    asked = ("get", "nodes", "-o", "json")

    def look() -> dict[Host, str] | None:
        done = kubectl(folders, *asked, check=False)
        nodes = json.loads(done.stdout)["items"] if done.returncode == 0 else []
        given = {node["metadata"]["name"]: node["spec"].get("podCIDR", "") for node in nodes}
        found = {host: given.get(host.name, "") for host in HOSTS}
        return found if all(found.values()) else None

    return clock.until("a podCIDR on every Node", look, seconds=60)


def give_pod_network(machine: Machine, pod_cidr: str) -> None:
    """The CNI configuration that makes the Node ready."""
    machine.place(
        [
            Placed(
                "/etc/cni/net.d/10-pods.conflist", template("cni.json", pod_cidr=pod_cidr).encode()
            )
        ]
    )


def apply_workloads(folders: Folders) -> None:
    """metrics-server and the burner."""
    manifests = (metrics_server(), template("burner.yaml", repository=IMAGE_REPOSITORY))
    kubectl(folders, "apply", "-f", "-", stdin="\n---\n".join(manifests))


def metrics_server() -> str:
    """The manifests of metrics-server."""
    return template(
        "metrics-server.yaml", repository=IMAGE_REPOSITORY, version=METRICS_SERVER_VERSION
    )


def kubelet_config_map(folders: Folders) -> str:
    """The ConfigMap `kubelet-config` as kubeadm made it: JSON, without what the server adds."""
    asked = ("-n", "kube-system", "get", "configmap", "kubelet-config", "-o", "json")
    made = json.loads(kubectl(folders, *asked).stdout)
    kept = {
        key: made["metadata"][key]
        for key in ("name", "namespace", "annotations")
        if key in made["metadata"]
    }
    return json.dumps(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": kept, "data": made["data"]}
    )


def node_files(machine: Machine) -> dict[str, str]:
    """What decides how a kubelet runs, as kubeadm left it: path -> content."""
    there = machine.exec("ls", *KUBELET_FILES, check=False)  # not every release has them all
    return {path: machine.read(path).decode() for path in there.stdout.split()}


def wait_nodes_ready(folders: Folders) -> None:
    """Waits until the API server says so of every Node."""
    names = [f"node/{host.name}" for host in HOSTS]
    done = kubectl(
        folders, "wait", "--for=condition=Ready", "--timeout=90s", *names, check=False, seconds=100
    )
    if done.returncode != 0:
        raise BedError("Nodes", done.stderr.strip(), "all four Ready within 90 s")


def machines_of(folders: Folders, hosts: Sequence[Host] = HOSTS) -> tuple[Machine, ...]:
    """The machines of the bed, running or not."""
    return tuple(Machine(host, folders.machines / host.short) for host in hosts)
