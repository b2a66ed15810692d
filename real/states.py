"""The five states of kubelet certificates that a site is found in, as values: files on a node and one key of its configuration.

Pure. The cluster's history is that of the story: made a year and eight weeks ago, its fourth machine joined
seven weeks later, nobody touched a kubelet's serving certificate since.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from real.layout import HOSTS, WORKERS, Host
from real.pairs import YEAR, Pair, kubelet_self_signed, kubelet_serving
from real.placing import Placed

KUBELET = "/var/lib/kubelet"
PKI = f"{KUBELET}/pki"
CURRENT = f"{PKI}/kubelet-server-current.pem"


class State(StrEnum):
    """What `make real-state STATE=` takes."""

    EXPIRED = "expired"
    NO_IP_SANS = "no-ip-sans"
    PENDING = "pending"
    ROTATED_EXPIRED = "rotated-expired"
    HEALTHY = "healthy"

    @property
    def bootstraps(self) -> bool:
        """Whether `serverTLSBootstrap: true` stands in the kubelets' configuration."""
        return self not in {State.EXPIRED, State.NO_IP_SANS}

    @property
    def scrape_error(self) -> str:
        """What metrics-server logs for every node; nothing if all is well."""
        return {
            State.EXPIRED: "x509: certificate has expired or is not yet valid",
            State.NO_IP_SANS: "because it doesn't contain any IP SANs",
            State.PENDING: "remote error: tls: internal error",
            State.ROTATED_EXPIRED: "remote error: tls: internal error",
            State.HEALTHY: "",
        }[self]


@dataclass(frozen=True)
class History:
    """When the cluster's machines were set up, told from the moment the bed was booted."""

    booted: datetime

    def joined(self, host: Host) -> datetime:
        """When that machine became a node: all but the last one within minutes, that one 48 days later."""
        first = self.booted - YEAR - timedelta(days=55, hours=23)
        later = timedelta(days=48) if host == WORKERS[-1] else timedelta()
        return first + later + timedelta(minutes=HOSTS.index(host))

    @property
    def cluster_made(self) -> datetime:
        """When its CA was made."""
        return self.joined(HOSTS[0]) - timedelta(minutes=1)


def serving_files(state: State, host: Host, history: History, ca: Pair) -> tuple[Placed, ...]:
    """What lies in the kubelet's pki folder for its serving side when the state begins. Client files are not touched."""
    joined = history.joined(host)
    if state is State.EXPIRED:
        return self_signed_files(kubelet_self_signed(host.name, joined), joined)
    if state is State.ROTATED_EXPIRED:
        approved = joined + timedelta(hours=2)
        return rotated_files(kubelet_serving(ca, host.name, host.address, approved), approved)
    return ()  # the kubelet makes or asks for what it lacks


def self_signed_files(pair: Pair, made: datetime) -> tuple[Placed, ...]:
    """kubelet.crt and kubelet.key with the modes and times that the kubelet gives them."""
    return (
        Placed(f"{PKI}/kubelet.crt", pair.chain, 0o644, made),
        Placed(f"{PKI}/kubelet.key", pair.key, 0o600, made),
    )


def rotated_files(pair: Pair, made: datetime) -> tuple[Placed, ...]:
    """A file as the kubelet's certificate store writes it, and the link to it (client-go certificate_store.go)."""
    dated = f"{PKI}/kubelet-server-{made:%Y-%m-%d-%H-%M-%S}.pem"
    return (
        Placed(dated, pair.chain + pair.key, 0o600, made),
        Placed(CURRENT, made=made, link=dated),
    )
