"""Names, addresses and ports of a lab. Pure: nothing here looks at the machine.

Host names are the story's. Every node has a loopback address of its own, in a block that belongs to the lab's folder,
so that several labs run side by side: 127.<block>.88.111 is the control plane's, and its API server listens there,
too, as on a real one. Where the system answers at 127.0.0.1 only, every node has ports of its own instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address

from kubevouch.errors import UsageError

DOMAIN = "internal.example.com"
VERSION = "v1.36.3"
METRICS_SERVER_VERSION = "v0.9.0"
API_PORT = 6443
KUBELET_PORT = 10250
SSH_PORT = 2222
SERVICE_SUBNET = "10.96.0.0/12"
SERVICE_ADDRESS = "10.96.0.1"
CLUSTER_DOMAIN = "cluster.local"
BLOCKS = range(16, 240)
"""Second bytes of labs' addresses."""
BLOCKS_VARIABLE = "KUBEVOUCH_LAB_BLOCKS"
"""Of the environment: which of them a new lab may take, where others are in use for something else."""

_FIRST = 88 * 256 + 111
_POD_NETWORKS = 128
_LOCALHOST = "127.0.0.1"
_MOST_WHOLE = 16
_WHOLE = 4
"""How many machines of a lab are whole that has more than those sixteen."""


def blocks_of(text: str) -> range:
    """The blocks that are meant by "16-127" or "40"; all of them by "".

    Raises:
        UsageError: it is no such text.
    """
    if not text:
        return BLOCKS
    first, dash, last = text.partition("-")
    last = last if dash else first
    if all(each.isascii() and each.isdigit() for each in (first, last)):
        found = range(int(first), int(last) + 1)
        if found and found[0] in BLOCKS and found[-1] in BLOCKS:
            return found
    right = f"two numbers from {BLOCKS[0]} to {BLOCKS[-1]}, such as {BLOCKS[0]}-127"
    raise UsageError(f"${BLOCKS_VARIABLE}", f"{text!r} names no block of 127.0.0.0/8", right)


@dataclass(frozen=True)
class Host:
    """A node as it is planned."""

    number: int
    short: str
    address: str
    kubelet_port: int
    ssh_port: int
    light: bool = False
    """A kubelet and nothing else: no shell, no ssh, no service manager."""

    @property
    def name(self) -> str:
        """The FQDN: its host name, and the name of its Node."""
        return f"{self.short}.{DOMAIN}"

    @property
    def control_plane(self) -> bool:
        """The first one is."""
        return self.number == 0


@dataclass(frozen=True)
class Site:
    """The nodes of a lab and where its API server listens.

    block: second byte of the lab's addresses; 0 where all share 127.0.0.1, and then base_port is the API server's.
    """

    block: int
    count: int = 4
    base_port: int = 0

    @property
    def api_address(self) -> str:
        """Where the API server listens."""
        return self.hosts[0].address

    @property
    def api_port(self) -> int:
        """6443, or the first port of the lab's own range."""
        return API_PORT if self.block else self.base_port

    @property
    def api_url(self) -> str:
        """As it stands in kubeconfigs."""
        return f"https://{self.api_address}:{self.api_port}"

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """All of them, the control plane first."""
        return tuple(self._hosts())

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that a kubelet of this lab has, once."""
        return tuple(dict.fromkeys(host.address for host in self.hosts))

    @property
    def shared(self) -> bool:
        """All nodes have the one address 127.0.0.1."""
        return not self.block

    def host(self, name: str) -> Host | None:
        """The host of that name or short name."""
        return next((each for each in self.hosts if name in (each.name, each.short)), None)

    def pod_network(self, host: Host) -> str:
        """The podCIDR of a node: 32 addresses of the lab's own block, so that its pods can be dialled."""
        first = _POD_NETWORKS * 256 + 32 * (host.number % 1024)
        return f"{self._address(first)}/27"

    @property
    def pod_subnet(self) -> str:
        """All pod networks together."""
        return f"{self._address(_POD_NETWORKS * 256)}/17"

    def _address(self, offset: int) -> str:
        return str(IPv4Address(f"127.{self.block}.0.0") + offset)

    def _hosts(self) -> Iterator[Host]:
        for number in range(self.count):
            short = f"k8s-worker-{number}" if number else "k8s-master"
            light = self.count > _MOST_WHOLE and number >= _WHOLE
            if self.block:
                address = self._address(_FIRST + number)
                yield Host(number, short, address, KUBELET_PORT, SSH_PORT, light)
            else:
                port = self.base_port + 1 + 2 * number
                yield Host(number, short, _LOCALHOST, port, port + 1, light)
