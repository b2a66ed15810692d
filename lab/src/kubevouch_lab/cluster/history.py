"""When things happened on a lab's cluster before the lab was made. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from kubevouch_lab.cluster.site import Host
from kubevouch_lab.pki import YEAR


@dataclass(frozen=True)
class ClusterHistory:
    """The story's: kubeadm made the cluster a year and eight weeks ago, its fourth node joined seven weeks later.

    An upgrade two months ago renewed what kubeadm looks after; kubelets' client certificates rotate by themselves;
    nobody has touched what kubelets serve. Somebody installed metrics-server today.
    """

    now: datetime

    @property
    def cluster_made(self) -> datetime:
        """When `kubeadm init` made the CA."""
        return self.now - YEAR - timedelta(days=56)

    def joined(self, host: Host) -> datetime:
        """When that machine became a node: within minutes, but the fourth one 48 days later."""
        late = timedelta(days=48) if host.number == 3 else timedelta()
        return self.cluster_made + late + timedelta(minutes=1 + min(host.number, 60))

    @property
    def renewed(self) -> datetime:
        """When `kubeadm upgrade` made the control plane's certificates again."""
        return self.now - timedelta(days=61, hours=3)

    def client_rotated(self, host: Host) -> datetime:
        """When that kubelet's client certificate was last issued: each at its own time."""
        return self.now - timedelta(days=47 + 3 * (host.number % 20), hours=host.number % 24)

    @property
    def metrics_server_installed(self) -> datetime:
        """Some minutes ago."""
        return self.now - timedelta(minutes=19)

    @property
    def workload_made(self) -> datetime:
        """What runs on the cluster for its owners."""
        return self.now - timedelta(days=34)
