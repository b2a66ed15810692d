"""The bed's own network: one namespace where the operator stands, one a machine, a cable between.

Every interface is made inside these namespaces, so the root namespace never has an address, a link or a route
of the bed. Whoever dials the bed's addresses enters the operator's namespace first (`enter`).
"""

import ctypes
import os
from ipaddress import ip_network
from pathlib import Path

from real.errors import BedError, NotRunning
from real.layout import (
    HOSTS,
    MASTER,
    OPERATOR_ADDRESS,
    OURS,
    PREFIX,
    SERVICE_SUBNET,
    Host,
)
from real.processes import run

NAMESPACES = Path("/run/netns")
OPERATOR = NAMESPACES / OURS
_CLONE_NEWNET = 0x40000000


def build() -> None:
    """The namespaces, the bridge, the cables, the addresses.

    Machines forward packets, and so does the operator's place, which has no way out: what is sent to anywhere
    else is refused at once instead of timing out.
    """
    _ip("netns", "add", OURS)
    _ip("-n", OURS, "link", "set", "lo", "up")
    _ip("-n", OURS, "link", "add", "br0", "type", "bridge")
    _ip("-n", OURS, "address", "add", f"{OPERATOR_ADDRESS}/{PREFIX}", "dev", "br0")
    _ip("-n", OURS, "link", "set", "br0", "up")
    for host in HOSTS:
        _plug(host)
    _ip("-n", OURS, "route", "add", SERVICE_SUBNET, "via", MASTER.address)
    for namespace in (OURS, *(host.namespace for host in HOSTS)):
        run([*_inside(namespace), "sysctl", "-qw", "net.ipv4.ip_forward=1"])


def route_pods(pods: dict[Host, str]) -> None:
    """Tells everyone which machine has which pods: host -> its Node's podCIDR."""
    for namespace, own in ((OURS, None), *((host.namespace, host) for host in HOSTS)):
        for host, subnet in pods.items():
            if host != own:
                _ip("-n", namespace, "route", "replace", subnet, "via", host.address)


def cut(host: Host) -> None:
    """Pulls the machine's cable."""
    _ip("-n", OURS, "link", "set", host.link, "down")


def mend(host: Host) -> None:
    """Plugs it in again."""
    _ip("-n", OURS, "link", "set", host.link, "up")


def give(host: Host, address: str) -> None:
    """The machine gets an IPv6 address besides its own; the operator has the first one of the same 64 bits."""
    first = ip_network(f"{address}/64", strict=False)[1]
    _ip("-n", OURS, "address", "replace", f"{first}/64", "dev", "br0", "nodad")
    _ip("-n", host.namespace, "address", "replace", f"{address}/64", "dev", "eth0", "nodad")


def take(host: Host, address: str) -> None:
    """The machine has it no more."""
    _ip("-n", host.namespace, "address", "delete", f"{address}/64", "dev", "eth0")


def enter() -> None:
    """Moves this thread, and all it starts from now on, into the operator's place.

    Raises:
        NotRunning: there is no such place.
    """
    if inside():
        return
    if not OPERATOR.exists():
        raise NotRunning(str(OPERATOR), "no such namespace", "boot the bed with `make real-up`")
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(OPERATOR, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(descriptor, _CLONE_NEWNET) != 0:
            raise BedError(f"setns {OPERATOR}", os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def inside() -> bool:
    """Whether this thread stands in the operator's place."""
    try:
        return Path("/proc/thread-self/ns/net").stat().st_ino == OPERATOR.stat().st_ino
    except OSError:
        return False


def sweep() -> None:
    """Removes our namespaces, with all that is in them."""
    if NAMESPACES.exists():
        for path in NAMESPACES.iterdir():
            if path.name == OURS or path.name.startswith(f"{OURS}-"):
                _ip("netns", "delete", path.name)


def _plug(host: Host) -> None:
    _ip("netns", "add", host.namespace)
    _ip(
        "-n",
        OURS,
        "link",
        "add",
        host.link,
        "type",
        "veth",
        "peer",
        "name",
        "eth0",
        "netns",
        host.namespace,
    )
    _ip("-n", OURS, "link", "set", host.link, "master", "br0", "up")
    _ip("-n", host.namespace, "link", "set", "lo", "up")
    _ip("-n", host.namespace, "address", "add", f"{host.address}/{PREFIX}", "dev", "eth0")
    _ip("-n", host.namespace, "link", "set", "eth0", "up")
    _ip("-n", host.namespace, "route", "add", "default", "via", OPERATOR_ADDRESS)


def _inside(namespace: str) -> list[str]:
    return ["nsenter", f"--net={NAMESPACES / namespace}", "--"]


def _ip(*words: str) -> None:
    run(["ip", *words])
