"""Finds the target of a probe, dials or reads it, and verifies its certificate."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kubevouch.clock import Clock
from kubevouch.errors import UsageError
from kubevouch.evidence.certificates import verdict_on
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Inquiry
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, scraped_address
from kubevouch.evidence.snapshot import TrustedRoots
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.absent import named_node, no_such_node
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES, Node
from kubevouch.kubelet.dial_result import KUBELET_PORT, Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.named_files import bytes_in
from kubevouch.tls import FailureKind
from kubevouch.x509 import (
    Certificate,
    Verdict,
    X509Error,
    misnamed,
    read_certificates,
)

_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class ProbeOptions:
    """The options of `kubevouch probe`."""

    target: str
    name: str | None
    timeout: float


@dataclass(frozen=True)
class ProbeResult:
    """The result of a probe. verdict: None if there is no certificate, or if the CAs are unknown.

    node: the name of the dialled Node. misnamed: why our metrics server rejects the certificate
    although it is trusted.
    """

    what: str
    at: datetime
    chain: tuple[Certificate, ...] = ()
    name: str = ""
    verdict: Verdict | None = None
    failure: str = ""
    tls: str = ""
    doubt: str = ""
    node: str = ""
    misnamed: str = ""


def trust_in(path: Path) -> TrustedRoots:
    """The CAs in a file. Raises UsageError if the file is unreadable or has no certificate."""
    return TrustedRoots(_certificates_in(path))


def _certificates_in(path: Path) -> tuple[Certificate, ...]:
    data = bytes_in(path, most=_LARGEST, expected="expected PEM or DER")
    try:
        return read_certificates(data, str(path))
    except X509Error as error:
        raise UsageError(error.where, error.seen, error.expected) from None


async def examine(
    api: ApiClient | None,
    clock: Clock,
    options: ProbeOptions,
    *,
    trust: TrustedRoots | None = None,
    doubt: str = "",
) -> ProbeResult:
    """Dials or reads the target, and verifies it with `trust` or else with the cluster's CA.

    doubt: why the CAs are unknown if both `trust` and `api` are None.

    Raises:
        UsageError: the target is not a file, a Node or a host that can be dialled.
    """
    if trust is None and api is not None:
        try:
            known = await gather_trust(api, Inquiry(clock))
            trust, doubt = known.value, known.doubt.text if known.doubt else ""
        except KubeError as error:
            doubt = str(error)
    path = Path(options.target)
    if path.is_file():
        probed = ProbeResult(str(path), clock.now(), _certificates_in(path), options.name or "")
    else:
        probed = await _of_name(api, options, clock)
    if trust is None or not probed.chain:
        return replace(probed, doubt=doubt)
    verdict = verdict_on(probed.chain, trust.certificates, probed.name, clock.now())
    asked = bool(probed.node) and verdict.trusted
    wrong = misnamed(probed.chain[0], probed.node) if asked else ""
    return replace(probed, verdict=verdict, misnamed=wrong)


async def _of_name(api: ApiClient | None, options: ProbeOptions, clock: Clock) -> ProbeResult:
    """Dials the Node with that name, or else a host. Raises UsageError if neither exists."""
    name, absent = options.target, False
    target = host_and_port(name)
    if api is not None and ":" not in name:
        try:
            target = _of_node(await named_node(api, NODES, name))
        except NotFound:
            absent = True
        except KubeError:
            pass  # an unknown name may still be a host
    [dialled] = await dial_all([target], clock=clock, timeout=options.timeout)
    failure = dialled.failure
    if absent and api is not None and failure and failure.kind is FailureKind.NAME_UNKNOWN:
        seen = f"no Node has this name, and it does not resolve ({failure.text})"
        raise await no_such_node(api, name, seen)
    return ProbeResult(
        f"{target.node} at {target}" if target.node else str(target),
        dialled.at,
        dialled.chain,
        options.name or target.address,
        failure=(failure.go_text or failure.text) if failure else "",
        tls=f"{dialled.tls_version} {dialled.cipher}".strip(),
        node=target.node,
    )


def _of_node(node: Node) -> Target:
    address = scraped_address(node, ADDRESS_TYPES_OF_MANIFESTS)
    if address is None:
        raise UsageError(node.name, "the Node has no address", "expected HOST[:PORT]")
    return Target(address, node=node.name, port=node.kubelet_port)


def host_and_port(text: str) -> Target:
    """Parses HOST, HOST:PORT, an IPv4 or IPv6 address, or [ADDRESS]:PORT. Raises UsageError."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if "/" in text:
        seen = "is a folder" if Path(text).is_dir() else "no such file"
        raise UsageError(text, seen)
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise UsageError(
            text,
            "is not a file, a Node or HOST[:PORT]",
            "expected something like 192.168.88.112:10250",
        )
    return Target(host, port=int(port) if port else KUBELET_PORT)
