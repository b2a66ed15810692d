"""What lies on a node's disk: kubeadm's and the package's files, the kubelet's identity, what it served until today."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from importlib import resources

from kubevouch_lab.cluster import kubeconfigs
from kubevouch_lab.cluster.disk_files import DiskFile
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.site import DOMAIN, Host, Site
from kubevouch_lab.pki import KeyPair, Serials, kubelet_client

KUBELET = "/var/lib/kubelet"
PKI = f"{KUBELET}/pki"
_RUNTIME = "unix:///var/run/containerd/containerd.sock"

_CONFIG = resources.files(__package__).joinpath("manifests", "kubelet-config.yaml").read_text()
_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
_DROP_IN = """\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
_OS = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
VERSION="12 (bookworm)"
VERSION_CODENAME=bookworm
ID=debian
"""


# What a kubelet reads.
_LIGHT = ("/etc/hostname", "/etc/machine-id", f"{KUBELET}/config.yaml")


@dataclass(frozen=True)
class NodePlan:
    """What the files of a node depend on."""

    site: Site
    host: Host
    history: ClusterHistory
    ca: KeyPair
    folder_id: str
    """What makes this lab's machines other machines than another lab's."""

    @property
    def machine_id(self) -> str:
        """32 hexadecimal digits: always the same for this node of this lab."""
        return sha256(f"{self.folder_id} {self.host.name}".encode()).hexdigest()[:32]


def kubelet_configuration(dns: str, *, runtime: str = _RUNTIME) -> str:
    """A KubeletConfiguration as kubeadm writes it, keys sorted, without serverTLSBootstrap."""
    return _CONFIG.replace("10.96.0.10", dns).replace(_RUNTIME, runtime or '""')


def configured(config: str, *, bootstraps: bool) -> str:
    """The configuration with `serverTLSBootstrap: true` in its place among the sorted keys, or without it."""
    lines = [
        line
        for line in config.splitlines(keepends=True)
        if not line.startswith("serverTLSBootstrap:")
    ]
    if bootstraps:
        keys = [line for line in lines if line[:1].isalpha()]
        following = next((line for line in keys if line > "serverTLSBootstrap:"), None)
        at = len(lines) if following is None else lines.index(following)
        lines.insert(at, "serverTLSBootstrap: true\n")
    return "".join(lines)


def node_files(plan: NodePlan, serials: Serials) -> tuple[DiskFile, ...]:
    """All but the serving side, which is a matter of the scenario (see `self_signed`, `rotated`)."""
    host, joined = plan.host, plan.history.joined(plan.host)
    rotated = plan.history.client_rotated(host)
    client = kubelet_client(plan.ca, host.name, rotated, serials())
    conf = kubeconfigs.of_kubelet(plan.site.api_url, plan.ca.chain, host.name)
    instance = (
        "apiVersion: kubelet.config.k8s.io/v1beta1\n"
        f"containerRuntimeEndpoint: {_RUNTIME}\nkind: KubeletConfiguration\n"
    )
    texts = {
        "/etc/hostname": f"{host.name}\n",
        "/etc/machine-id": f"{plan.machine_id}\n",
        "/etc/hosts": _hosts(plan.site),
        "/etc/os-release": _OS,
        "/etc/default/kubelet": f"KUBELET_EXTRA_ARGS=--node-ip={','.join(host.addresses)}\n",
        "/etc/systemd/system/kubelet.service": _UNIT,
        "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf": _DROP_IN,
        f"{KUBELET}/config.yaml": kubelet_configuration(plan.site.dns_address),
        f"{KUBELET}/instance-config.yaml": instance,
        f"{KUBELET}/kubeadm-flags.env": 'KUBELET_KUBEADM_ARGS=""\n',
    }
    if host.light:
        texts = {path: text for path, text in texts.items() if path in _LIGHT}
    return (
        *(DiskFile(path, text.encode(), 0o644, joined) for path, text in texts.items()),
        DiskFile("/etc/kubernetes/kubelet.conf", conf, 0o600, joined),
        DiskFile("/etc/kubernetes/pki/ca.crt", plan.ca.chain, 0o644, plan.history.cluster_made),
        *_rotating("client", client, rotated),
    )


def self_signed(pair: KeyPair, made: datetime) -> tuple[DiskFile, ...]:
    """kubelet.crt and kubelet.key with the modes and times that the kubelet gives them."""
    return (
        DiskFile(f"{PKI}/kubelet.crt", pair.chain, 0o644, made),
        DiskFile(f"{PKI}/kubelet.key", pair.key, 0o600, made),
    )


def rotated_server(pair: KeyPair, made: datetime) -> tuple[DiskFile, ...]:
    """A serving pair as the kubelet's certificate store writes it, and the link to it."""
    return _rotating("server", pair, made)


def _rotating(side: str, pair: KeyPair, made: datetime) -> tuple[DiskFile, ...]:
    """client-go util/certificate/certificate_store.go: one dated file, and a link to the current one."""
    dated = f"{PKI}/kubelet-{side}-{made:%Y-%m-%d-%H-%M-%S}.pem"
    return (
        DiskFile(dated, pair.chain + pair.key, 0o600, made),
        DiskFile(f"{PKI}/kubelet-{side}-current.pem", made=made, link=dated),
    )


def _hosts(site: Site) -> str:
    known: Sequence[Host] = site.hosts[:64]
    lines = ["127.0.0.1 localhost", "::1 localhost"]
    lines += [f"{host.address} {host.short}.{DOMAIN} {host.short}" for host in known]
    return "\n".join([*lines, ""])
