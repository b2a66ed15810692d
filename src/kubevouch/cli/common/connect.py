"""Connects every verb to the cluster that --kubeconfig and --context select."""

from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from re import fullmatch
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from kubevouch.cli.common.event_loop import run_loop
from kubevouch.cli.common.progress import Progress
from kubevouch.cli.common.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.kube.access import ClusterAccess, LoopbackKubelets, cluster_access
from kubevouch.kube.io.client import ApiClient
from kubevouch.named_files import bytes_in
from kubevouch.system_clock import SystemClock
from kubevouch.x509 import X509Error, read_certificates

T = TypeVar("T")


def access_of(terminal: Terminal, kubeconfig: str | None, context: str | None) -> ClusterAccess:
    """The cluster access that kubectl would use. Raises KubeconfigError, UsageError."""
    environment = terminal.environment
    access = cluster_access(environment, kubeconfig=kubeconfig or "", context=context or "")
    return msgspec.structs.replace(access, loopback=loopback_kubelets(environment, access))


def named(access: ClusterAccess) -> str:
    """The API server and the context, for a prompt."""
    return f"{access.server} (context {access.context or 'service account'})"


def with_api(
    terminal: Terminal,
    access: ClusterAccess,
    work: Callable[[ApiClient, Clock], Awaitable[T]],
) -> T:
    """Runs `work` in a new event loop, with a connected client.

    If the API server denies a request, the error suggests the command that prints the needed roles.
    """

    async def connected() -> T:
        clock = SystemClock()
        progress = Progress(terminal, clock)
        async with (
            progress.shown(),
            ApiClient(
                access,
                clock=clock,
                environ=terminal.environment,
                interactive=terminal.stderr.isatty(),
                observe=progress.request,
            ) as api,
        ):
            return await work(api, clock)

    try:
        return run_loop(connected())
    except KubevouchError as error:
        if error.lacks_rights and not error.leads_on:
            error.leads_on = tuple(filter(None, (terminal.roles,)))
        raise


VARIABLE = "KUBEVOUCH_LOOPBACK_ADDRESSES"
"""The environment variable for a cluster that runs entirely on this machine. It names a file that
lists the loopback addresses of kubelets, one per line. `shared` after an address means that several
kubelets use it, at different ports. A line `authority sha256:HEX` contains the hash of the CA's
public key, as in `kubeadm join`. # starts a comment. CSRs for loopback addresses that the file does
not list are never approved. kubevouch must reach the API server at a loopback address and without a
proxy. A tunnel can forward 127.0.0.1 to any cluster, so the server's certificate must be from this
CA."""
_LARGEST = 1024 * 1024
_SHARED = "shared"
_AUTHORITY = "authority"
_EXPECTED = "expected one loopback address (127.0.0.0/8 or ::1) per line"
_EXPECTED_CA = "expected a line `authority sha256:HEX` with the hash of the CA's public key, as in `kubeadm join`"


def loopback_kubelets(environment: Mapping[str, str], access: ClusterAccess) -> LoopbackKubelets:
    """Reads the file that $KUBEVOUCH_LOOPBACK_ADDRESSES names. Returns no addresses if the variable is not set.

    Raises:
        UsageError: the API server is not on this machine or belongs to another cluster, or the file is invalid.
    """
    named = environment.get(VARIABLE, "")
    if not named:
        return LoopbackKubelets()
    if access.proxy or not _is_loopback(urlsplit(access.server).hostname or ""):
        through = f" through {access.proxy.rpartition('@')[2]}" if access.proxy else ""
        raise UsageError(
            f"${VARIABLE}",
            f"is set, but the API server is {access.server}{through}",
            "unset it: it is only for a cluster on this machine, without a proxy",
        )
    found, authorities = _read(Path(named))
    if not authorities:
        raise UsageError(f"${VARIABLE}, {named}", "has no hash of the cluster's CA", _EXPECTED_CA)
    if not _verifies_with(access, authorities):
        raise UsageError(
            f"${VARIABLE}, {named}",
            f"is for another cluster: for {access.server}, the kubeconfig must trust only CAs with a hash in the file",
            "unset it: a tunnel or `kubectl proxy` can forward to any cluster",
        )
    return found


def _verifies_with(access: ClusterAccess, authorities: set[str]) -> bool:
    """Whether the kubeconfig trusts only these CAs for the API server."""
    if not (access.server.startswith("https:") and access.verify and access.roots):
        return False
    try:
        roots = read_certificates(access.roots, "certificate-authority")
    except X509Error:
        return False
    return {root.spki_sha256 for root in roots} <= authorities


def _is_loopback(host: str) -> bool:
    """Whether the host is a literal loopback address. Host names do not count, since a resolver may return any address."""
    address = _plain_address(host)
    return address is not None and address.is_loopback


def _plain_address(text: str) -> IPv4Address | IPv6Address | None:
    """Parses an IP address. Returns None for other text, and for an IPv4-mapped or scoped IPv6 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    strange = isinstance(address, IPv6Address) and (address.ipv4_mapped or address.scope_id)
    return None if strange else address


def _read(path: Path) -> tuple[LoopbackKubelets, set[str]]:
    where = f"${VARIABLE}, {path}"
    try:
        text = bytes_in(path, most=_LARGEST, expected=_EXPECTED, where=where).decode()
    except UnicodeDecodeError:
        raise UsageError(where, "is not text", _EXPECTED) from None
    addresses: set[IPv4Address | IPv6Address] = set()
    shared: set[IPv4Address | IPv6Address] = set()
    authorities: set[str] = set()
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0] == _AUTHORITY:
            authorities.add(_hash(where, words[1:]))
            continue
        address = _plain_address(words[0])
        if address is None or not address.is_loopback or words[1:] not in ([], [_SHARED]):
            raise UsageError(where, f"{line.strip()!r} is not a loopback address", _EXPECTED)
        addresses.add(address)
        if words[1:]:
            shared.add(address)
    return LoopbackKubelets(frozenset(addresses), frozenset(shared)), authorities


def _hash(where: str, words: list[str]) -> str:
    found = fullmatch("sha256:([0-9a-f]{64})", " ".join(words))
    if found is None:
        raise UsageError(where, f"{' '.join(words)!r} is not the hash of a CA", _EXPECTED_CA)
    return found[1]
