"""The states of kubelets' serving certificates that a site is found in: files of a node and one key of its configuration.

Pure. All else of a cluster is the same in each of them.
"""

from datetime import timedelta
from enum import StrEnum

from kubevouch_lab.cluster.disk_files import DiskFile
from kubevouch_lab.cluster.node_disk import NodePlan, rotated_server, self_signed
from kubevouch_lab.pki import AnyKey, Serials, kubelet_self_signed, kubelet_serving


class State(StrEnum):
    """What kubelets serve, and whether they ask the cluster for it."""

    EXPIRED = "expired"
    """Self-signed when the machines joined, a year and more ago: the seed's."""

    NO_IP_SANS = "no-ip-sans"
    """Self-signed today: in date, and good for a host name only."""

    PENDING = "pending"
    """serverTLSBootstrap is on, requests wait, and the port has no certificate."""

    ROTATED_EXPIRED = "rotated-expired"
    """Issued by the cluster once, long ago, and expired since: dark."""

    HEALTHY = "healthy"
    """Issued by the cluster, in date."""

    @property
    def bootstraps(self) -> bool:
        """Whether `serverTLSBootstrap: true` stands in the kubelets' configuration."""
        return self not in {State.EXPIRED, State.NO_IP_SANS}


def serving_files(
    state: State, plan: NodePlan, serials: Serials, keys: tuple[AnyKey, AnyKey] | None = None
) -> tuple[DiskFile, ...]:
    """What lies in the kubelet's pki folder for its serving side; client files are not touched.

    What is not there the kubelet makes or asks for by itself. keys: of what is self-signed, where a thousand are made.
    """
    joined, host = plan.history.joined(plan.host), plan.host
    if state is State.EXPIRED:
        return self_signed(kubelet_self_signed(host.name, joined, serials, keys), joined)
    if state is State.ROTATED_EXPIRED:
        approved = joined + timedelta(hours=2)
    elif state is State.HEALTHY:
        # Issued eight weeks ago, each some days after the other, as rotation spreads them.
        approved = plan.history.now - timedelta(days=56 - 3 * (host.number % 16))
    else:
        return ()
    pair = kubelet_serving(plan.ca, host.name, host.addresses, approved, serials())
    return rotated_server(pair, approved)
