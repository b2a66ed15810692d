"""From one state to another on a running lab: kubelets stopped, their files put in place, kubelets started.

Whatever tests, operators or runs of kubevouch left on the nodes is removed first.
"""

import asyncio
import shutil
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cryptography import x509

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, CSRS, PODS
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.cluster import seed
from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.disk_files import write_files
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.kubeconfigs import CURRENT
from kubevouch_lab.cluster.node_disk import KUBELET, PKI, NodePlan, configured, node_files
from kubevouch_lab.cluster.site_approver import SERVING
from kubevouch_lab.cluster.states import State, serving_files
from kubevouch_lab.objects import name_of
from kubevouch_lab.rng import serials

if TYPE_CHECKING:
    from kubevouch_lab.cluster.lab import Lab
    from kubevouch_lab.cluster.machine import Machine


_CONFIG = f"{KUBELET}/config.yaml"
# What decides how a kubelet runs, and what people spoil; its identity stays.
_RESTORED = (
    _CONFIG,
    f"{KUBELET}/instance-config.yaml",
    f"{KUBELET}/kubeadm-flags.env",
    "/etc/default/kubelet",
    "/etc/systemd/system/kubelet.service",
    "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
)


async def to_state(lab: "Lab", state: State, machines: "Sequence[Machine]") -> None:
    """Brings these machines into the state; all of them together, also the ConfigMap and the cluster's requests."""
    whole = len(machines) == len(lab.machines)
    await asyncio.gather(*(machine.stop_kubelet() for machine in machines))
    for machine in machines:
        await machine.forget_units("kubevouch-*")
        reset(lab, machine, state)
        delete_serving_csrs(lab, machine.host.name)
    if whole:
        reset_config_map(lab, bootstraps=state.bootstraps)
    await asyncio.gather(*(machine.start_kubelet() for machine in machines))
    if whole:
        restart_metrics_servers(lab)


def plan_of(lab: "Lab", machine: "Machine") -> NodePlan:
    """What the files of a machine depend on, as of now."""
    master = lab.folder.node(lab.site.hosts[0].name)
    ca = Authorities.read(master).ca
    history = ClusterHistory(lab.clock.now().replace(microsecond=0))
    return NodePlan(lab.site, machine.host, history, ca, lab.record.identity)


def reset(lab: "Lab", machine: "Machine", state: State) -> None:
    """The files of a machine whose kubelet stands still."""
    files, plan, draw = machine.files, plan_of(lab, machine), serials(lab.entropy)
    shutil.rmtree(files.path(f"{KUBELET}/.kubevouch"), ignore_errors=True)
    for name in ("kubelet.crt", "kubelet.key"):
        files.remove(f"{PKI}/{name}")
    for left in files.path(PKI).glob("kubelet-server*"):
        left.unlink()
    made = node_files(plan, draw)
    write_files(files.root, [file for file in made if file.path in _RESTORED])
    if _client_expired(lab, machine):
        files.remove("/etc/kubernetes/bootstrap-kubelet.conf")
        for left in files.path(PKI).glob("kubelet-client*"):
            left.unlink()
        write_files(files.root, [file for file in made if "/kubelet-client-" in file.path])
    configure(machine, bootstraps=state.bootstraps)
    write_files(files.root, serving_files(state, plan, draw))


def _client_expired(lab: "Lab", machine: "Machine") -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(machine.files.read(CURRENT))
    except (OSError, ValueError):
        return True
    return certificate.not_valid_after_utc <= lab.clock.now()


def configure(machine: "Machine", *, bootstraps: bool) -> None:
    """Whether serverTLSBootstrap stands in the kubelet's configuration, for its next start."""
    config = machine.files.text(_CONFIG)
    machine.files.write(_CONFIG, configured(config, bootstraps=bootstraps).encode())


def reset_config_map(lab: "Lab", *, bootstraps: bool) -> None:
    """kube-system/kubelet-config as kubeadm made it, with or without the one line."""
    client = lab.control_plane.client
    made = seed.kubelet_config_map(lab.site, bootstraps=bootstraps)
    found = client.find(CONFIG_MAPS, "kubelet-config", "kube-system")
    if found is None:
        client.create(CONFIG_MAPS, made)
    else:
        client.update(CONFIG_MAPS, {**found, "data": made["data"]})


def delete_serving_csrs(lab: "Lab", node: str) -> None:
    """No serving request of that node is there any more."""
    client = lab.control_plane.client
    for request in client.list(CSRS, fields=f"spec.signerName={SERVING}"):
        if request["spec"].get("username") == f"system:node:{node}":
            client.delete(CSRS, name_of(request))


def restart_metrics_servers(lab: "Lab") -> None:
    """New pods are unready at once and log this state only."""
    client = lab.control_plane.client
    for pod in client.list(PODS, "kube-system", labels="k8s-app=metrics-server"):
        try:
            client.delete(PODS, name_of(pod), "kube-system")
        except StatusError as error:
            if error.code != 404:
                raise
