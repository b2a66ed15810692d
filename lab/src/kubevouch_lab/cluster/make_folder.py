"""A lab's folder from nothing: what a year of a cluster's life would have left on the disks of its machines."""

from concurrent.futures import ThreadPoolExecutor

from kubevouch_lab.cluster import operator_files
from kubevouch_lab.cluster.authorities import KUBERNETES, Authorities, control_plane_files
from kubevouch_lab.cluster.disk_files import DiskFile, write_files
from kubevouch_lab.cluster.folder import Folder, Record
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.node_disk import KUBELET, NodePlan, configured, node_files
from kubevouch_lab.cluster.operator_files import HOST_KEY
from kubevouch_lab.cluster.site import Host
from kubevouch_lab.cluster.states import State, serving_files
from kubevouch_lab.pki import rsa_key
from kubevouch_lab.rng import Entropy, serials

_EMPTY = (
    "/etc/kubernetes/manifests",
    "/run/systemd/transient",
    "/tmp",  # noqa: S108 - of the node
    "/var/lib/kubelet/pods",
    "/var/log/journal",
)


def make(folder: Folder, record: Record, state: State, entropy: Entropy) -> None:
    """Writes everything but lab.json, which comes last and says that the rest is whole."""
    site, history, draw = record.site, ClusterHistory(record.made), serials(entropy)
    master = site.hosts[0]
    write_files(folder.node(master.name), control_plane_files(site, history, draw))
    ca = Authorities.read(folder.node(master.name)).ca
    whole = [host for host in site.hosts if not host.light]
    host_keys = {host.name: operator_files.new_key() for host in whole}
    shared = (rsa_key(), rsa_key()) if len(whole) < site.count else None
    operator_files.write(folder, site, host_keys, ca.leaf)
    authorized = operator_files.public_of(folder.ssh_key.read_bytes())

    def write_node(host: Host) -> None:
        plan = NodePlan(site, host, history, ca, record.identity)
        root = folder.node(host.name)
        if host.light:
            served = serving_files(state, plan, draw, shared)
            write_files(root, (*_configured(node_files(plan, draw), state), *served))
            return
        for path in _EMPTY:
            (root / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        write_files(
            root,
            (
                *_configured(node_files(plan, draw), state),
                *serving_files(state, plan, draw),
                DiskFile(HOST_KEY, host_keys[host.name], 0o600, history.joined(host)),
                DiskFile("/root/.ssh/authorized_keys", f"{authorized}\n".encode(), 0o600),
            ),
        )

    with ThreadPoolExecutor() as pool:
        list(pool.map(write_node, site.hosts))
    admin = folder.node(master.name) / f"{KUBERNETES}/admin.conf".lstrip("/")
    folder.kubeconfig.touch(0o600)
    folder.kubeconfig.write_bytes(admin.read_bytes())
    folder.keep(record)


def _configured(files: tuple[DiskFile, ...], state: State) -> tuple[DiskFile, ...]:
    """The same files, the kubelet's configuration as the state says."""
    return tuple(
        DiskFile(
            file.path,
            configured(file.data.decode(), bootstraps=state.bootstraps).encode(),
            file.mode,
            file.made,
        )
        if file.path == f"{KUBELET}/config.yaml"
        else file
        for file in files
    )
