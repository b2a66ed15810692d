"""What makes a copy of the root file system one machine of the cluster: names, units, keys, kubeadm's configuration.

Pure: values in, files out.
"""

from dataclasses import dataclass

from real.layout import (
    API_PORT,
    AUDIT_FOLDER,
    AUDIT_LOG,
    AUDIT_POLICY,
    HOSTS,
    IMAGE_REPOSITORY,
    MASTER,
    OPERATOR_ADDRESS,
    POD_SUBNET,
    SERVICE_SUBNET,
    Host,
    Role,
)
from real.placing import Placed, plain, template

# kubeadm's own example token: it opens nothing but this bed, and only from inside its network.
TOKEN = "abcdef.0123456789abcdef"
KUBEADM_CONFIG = "/etc/kubernetes/kubeadm.yaml"
KUBELET_DROP_IN = "/etc/systemd/system/kubelet.service.d/10-kubeadm.conf"


@dataclass(frozen=True)
class Settings:
    """What all machines of one boot share."""

    version: str
    pause_image: str
    operator_public_key: str
    ca_hash: str


def of(host: Host, host_key: bytes, settings: Settings) -> tuple[Placed, ...]:
    """The files of one machine, before its first boot."""
    keys = settings.operator_public_key.encode()
    return (
        Placed("/etc/hostname", f"{host.name}\n".encode()),
        Placed("/etc/hosts", _hosts().encode()),
        Placed("/etc/resolv.conf", b"# The bed has no DNS.\n"),
        Placed("/etc/ssh/ssh_host_ed25519_key", host_key, 0o600),
        Placed("/root/.ssh/authorized_keys", keys, 0o600),
        Placed("/etc/ssh/authorized_keys/ops", keys, 0o644),
        Placed(
            "/etc/ssh/sshd_config.d/bed.conf",
            b"AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/authorized_keys/%u\nUseDNS no\nMaxStartups 100\n",
        ),
        Placed(
            "/etc/containerd/config.toml",
            template("containerd.toml", pause=settings.pause_image).encode(),
        ),
        Placed("/etc/systemd/system/bed-mounts.service", plain("bed-mounts.service")),
        Placed(
            "/etc/systemd/system/sysinit.target.wants/bed-mounts.service",
            link="/etc/systemd/system/bed-mounts.service",
        ),
        Placed("/etc/systemd/system/kubelet.service", plain("kubelet.service")),
        Placed(KUBELET_DROP_IN, plain("10-kubeadm.conf")),
        Placed("/etc/default/kubelet", f"KUBELET_EXTRA_ARGS=--node-ip={host.address}\n".encode()),
        Placed(
            "/etc/systemd/system/kube-proxy.service",
            template("kube-proxy.service", pod_subnet=POD_SUBNET).encode(),
        ),
        Placed(KUBEADM_CONFIG, _kubeadm(host, settings).encode(), 0o600),
        *(
            (Placed(AUDIT_POLICY, plain("audit-policy.yaml")),)
            if host.role is Role.CONTROL_PLANE
            else ()
        ),
    )


def _hosts() -> str:
    lines = ["127.0.0.1 localhost", "::1 localhost", f"{OPERATOR_ADDRESS} operator"]
    return "\n".join([*lines, *(f"{host.address} {host.name} {host.short}" for host in HOSTS), ""])


def _kubeadm(host: Host, settings: Settings) -> str:
    if host.role is Role.WORKER:
        return template(
            "kubeadm-join.yaml",
            name=host.name,
            master=MASTER.address,
            port=str(API_PORT),
            token=TOKEN,
            ca_hash=settings.ca_hash,
        )
    return template(
        "kubeadm-init.yaml",
        name=host.name,
        master=MASTER.address,
        token=TOKEN,
        version=settings.version,
        repository=IMAGE_REPOSITORY,
        pod_subnet=POD_SUBNET,
        service_subnet=SERVICE_SUBNET,
        audit_policy=AUDIT_POLICY,
        audit_log=AUDIT_LOG,
        audit_folder=AUDIT_FOLDER,
    )
