"""Names, addresses and ports of a lab. Pure: nothing here looks at the machine.

Host names are the story's. Every node has a loopback address of its own, in a block that belongs to the lab's folder,
so that several labs run side by side: 127.<block>.88.111 is the control plane's, and its API server listens there,
too, as on a real one.
With IPv6 it is fd00:88:<block>::6f; those addresses are nobody's, so whoever starts such a lab makes them this machine's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

from kubevouch.errors import UsageError
from kubevouch_lab.objects import bracketed

DOMAIN = "internal.example.com"
VERSION = "v1.36.3"
METRICS_SERVER_VERSION = "v0.9.0"
API_PORT = 6443
KUBELET_PORT = 10250
SSH_PORT = 2222
CLUSTER_DOMAIN = "cluster.local"
BLOCKS = range(16, 240)
"""Second bytes of labs' addresses."""
BLOCKS_VARIABLE = "KUBEVOUCH_LAB_BLOCKS"
"""Of the environment: which of them a new lab may take, where others are in use for something else."""

_SERVICE_SUBNETS = {"ipv4": "10.96.0.0/12", "ipv6": "fd00:10:96::/112"}
_SERVICE_BASES = {"ipv4": "10.96.0.", "ipv6": "fd00:10:96::"}
IPV6_NETWORK = "fd00:88::/32"
"""Where the addresses of all labs with IPv6 are."""

_FIRST = 88 * 256 + 111
_POD_NETWORKS = 128
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
    right = f"expected two numbers from {BLOCKS[0]} to {BLOCKS[-1]}, such as {BLOCKS[0]}-127"
    raise UsageError(f"${BLOCKS_VARIABLE}", f"{text!r} names no block of 127.0.0.0/8", right)


class IpFamily(StrEnum):
    """Which addresses the nodes of a lab have; of two the first is the one that is dialled."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"
    DUAL = "dual"

    @property
    def members(self) -> tuple[str, ...]:
        """The families in it."""
        return ("ipv4", "ipv6") if self is IpFamily.DUAL else (self.value,)


@dataclass(frozen=True)
class Host:
    """A node as it is planned. addresses: its InternalIPs."""

    number: int
    short: str
    addresses: tuple[str, ...]
    light: bool = False
    """A kubelet and nothing else: no shell, no ssh, no service manager."""

    @property
    def name(self) -> str:
        """The FQDN: its host name, and the name of its Node."""
        return f"{self.short}.{DOMAIN}"

    @property
    def address(self) -> str:
        """The one that is dialled."""
        return self.addresses[0]

    @property
    def control_plane(self) -> bool:
        """The first one is."""
        return self.number == 0


@dataclass(frozen=True)
class Site:
    """The nodes of a lab and where its API server listens.

    block: second byte of the lab's addresses.
    """

    block: int
    count: int = 4
    family: IpFamily = IpFamily.IPV4
    whole: bool = False
    """Whether every node has a disk, a shell and ssh, however many there are."""

    @property
    def api_address(self) -> str:
        """Where the API server listens."""
        return self.hosts[0].address

    @property
    def api_url(self) -> str:
        """As it stands in kubeconfigs."""
        return f"https://{bracketed(self.api_address)}:{API_PORT}"

    @cached_property
    def hosts(self) -> tuple[Host, ...]:
        """All of them, the control plane first."""
        return tuple(self._hosts())

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address that a kubelet of this lab has, once."""
        return tuple(dict.fromkeys(each for host in self.hosts for each in host.addresses))

    @property
    def on_loopback(self) -> bool:
        """Its API server, and so all of it that is dialled first, is at a loopback address."""
        return self.family is not IpFamily.IPV6

    @property
    def service_subnets(self) -> tuple[str, ...]:
        """The networks of Services."""
        return tuple(_SERVICE_SUBNETS[family] for family in self.family.members)

    @property
    def service_addresses(self) -> tuple[str, ...]:
        """The API server's own among Services, one of each network."""
        return tuple(f"{_SERVICE_BASES[family]}1" for family in self.family.members)

    @property
    def dns_address(self) -> str:
        """The cluster's DNS, by kubeadm's rule the tenth of the first network. Nobody answers there."""
        first = self.family.members[0]
        return f"{_SERVICE_BASES[first]}{'a' if first == 'ipv6' else '10'}"

    def host(self, name: str) -> Host | None:
        """The host of that name or short name."""
        return next((each for each in self.hosts if name in (each.name, each.short)), None)

    def pod_networks(self, host: Host) -> tuple[str, ...]:
        """The podCIDRs of a node: 32 addresses of the lab's own block, so that its pods can be dialled."""
        first = _POD_NETWORKS * 256 + 32 * (host.number % 1024)
        sizes = {"ipv4": 27, "ipv6": 123}
        return tuple(f"{self._address(f, first)}/{sizes[f]}" for f in self.family.members)

    @property
    def pod_subnets(self) -> tuple[str, ...]:
        """All pod networks together."""
        first, sizes = _POD_NETWORKS * 256, {"ipv4": 17, "ipv6": 113}
        return tuple(f"{self._address(f, first)}/{sizes[f]}" for f in self.family.members)

    def _address(self, family: str, offset: int) -> str:
        if family == "ipv6":
            # 6f for 88.111, so that people recognise a node.
            number = offset - 88 * 256 if offset < _POD_NETWORKS * 256 else offset
            return str(IPv6Address(f"fd00:88:{self.block:x}::") + number)
        return str(IPv4Address(f"127.{self.block}.0.0") + offset)

    def _hosts(self) -> Iterator[Host]:
        for number in range(self.count):
            short = f"k8s-worker-{number}" if number else "k8s-master"
            light = not self.whole and self.count > _MOST_WHOLE and number >= _WHOLE
            addresses = tuple(self._address(f, _FIRST + number) for f in self.family.members)
            yield Host(number, short, addresses, light)
