"""Names, addresses and folders of the bed. Pure: nothing here looks at the machine.

Host names and addresses are those of the story: four machines of 192.168.88.0/24 with FQDN node names.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

DOMAIN = "internal.example.com"
OPERATOR_ADDRESS = "192.168.88.1"
PREFIX = 24
POD_SUBNET = "10.244.0.0/16"
SERVICE_SUBNET = "10.96.0.0/12"
API_PORT = 6443
KUBELET_PORT = 10250

KUBERNETES_VERSIONS = ("1.37.2", "1.36.3", "1.35.4", "1.34.4")
METRICS_SERVER_VERSION = "0.9.0"
IMAGE_REPOSITORY = "local.test"
DEBIAN = "bookworm"

# One name for everything of ours that the system lists beside other people's things: cgroups, network namespaces.
OURS = "kubevouch-bed"

AUDIT_FOLDER = "/var/log/kubernetes/audit"
AUDIT_LOG = f"{AUDIT_FOLDER}/audit.log"
AUDIT_POLICY = "/etc/kubernetes/audit/policy.yaml"


class Role(StrEnum):
    """What a machine is in the cluster."""

    CONTROL_PLANE = "control-plane"
    WORKER = "worker"


@dataclass(frozen=True)
class Host:
    """A machine as it is planned: its short name, its address, its role."""

    short: str
    address: str
    role: Role

    @property
    def name(self) -> str:
        """The FQDN; also the name of its Node."""
        return f"{self.short}.{DOMAIN}"

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"{OURS}-{self.short}"

    @property
    def link(self) -> str:
        """The operator's end of its cable: an interface name, so 15 bytes at most."""
        return f"to-{self.short.removeprefix('k8s-')}"


MASTER = Host("k8s-master", "192.168.88.111", Role.CONTROL_PLANE)
WORKERS = (
    Host("k8s-worker-1", "192.168.88.112", Role.WORKER),
    Host("k8s-worker-2", "192.168.88.113", Role.WORKER),
    Host("k8s-worker-3", "192.168.88.114", Role.WORKER),
)
HOSTS = (MASTER, *WORKERS)


@dataclass(frozen=True)
class Folders:
    """Where the bed keeps things: what may be built again, and what runs now."""

    cache: Path
    state: Path

    @staticmethod
    def of(environment: Mapping[str, str]) -> "Folders":
        """The folders for an environment: the cache follows XDG, the state is one fixed place of the machine."""
        cache = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return Folders(cache=cache / OURS, state=Path("/var/lib") / OURS)

    @property
    def lock(self) -> Path:
        """Held while a verb runs."""
        return Path("/run") / f"{OURS}.lock"

    @property
    def bed(self) -> Path:
        """The facts of a bed that is up. Written last, removed first."""
        return self.state / "bed.json"

    @property
    def machines(self) -> Path:
        """One folder a machine: its overlay, containerd's and the kubelet's data, its console."""
        return self.state / "machines"

    @property
    def operator(self) -> Path:
        """What an operator has at hand: kubeconfig, ssh key and configuration, kubectl."""
        return self.state / "operator"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.operator / "kubeconfig"

    @property
    def ssh_config(self) -> Path:
        """For `ssh -F`."""
        return self.operator / "ssh_config"

    @property
    def kubectl_cache(self) -> Path:
        """What kubectl remembers of the API server's groups; forgotten when the state changes."""
        return self.operator / "kubectl-cache"

    @property
    def kubectl(self) -> Path:
        """The kubectl of the cluster's own version."""
        return self.operator / "kubectl"
