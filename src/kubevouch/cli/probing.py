"""What `probe` does: finds what is meant, dials or reads it, and judges it."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from kubevouch.cli.certificates import certificate_json
from kubevouch.cli.documents import print_document
from kubevouch.cli.terminal import Colour, Terminal
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError
from kubevouch.evidence.gather.identity import gather_trust
from kubevouch.evidence.gather.inquiry import Asking
from kubevouch.evidence.serving import ADDRESS_TYPES_OF_MANIFESTS, scraped_address
from kubevouch.evidence.snapshot import Trust, trust_of
from kubevouch.kube.errors import KubeError, NotFound
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES
from kubevouch.kubelet.dialled import KUBELET_PORT, Target
from kubevouch.kubelet.io.dial import dial_all
from kubevouch.x509 import (
    Certificate,
    Verdict,
    X509Error,
    describe,
    read_certificates,
    verify,
)

_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Wanted:
    """What was asked for on the command line."""

    target: str
    name: str | None
    timeout: float


@dataclass(frozen=True)
class Probed:
    """What came of it. verdict: None where nothing was presented, or the authorities are not known."""

    what: str
    at: datetime
    chain: tuple[Certificate, ...] = ()
    name: str = ""
    verdict: Verdict | None = None
    failure: str = ""
    tls: str = ""
    doubt: str = ""


def trust_in(path: Path) -> Trust:
    """Authorities in a file. Raises UsageError if there are none."""
    return trust_of(_certificates_in(path))


def _certificates_in(path: Path) -> tuple[Certificate, ...]:
    try:
        return read_certificates(_bytes_of(path), str(path))
    except X509Error as error:
        raise UsageError(error.where, error.seen, error.expected) from None


def _bytes_of(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise UsageError(str(path), f"is larger than {_LARGEST} bytes", "PEM or DER was expected")
    return data


async def probe(
    api: ApiClient | None,
    clock: Clock,
    wanted: Wanted,
    *,
    trust: Trust | None = None,
    doubt: str = "",
) -> Probed:
    """Dials or reads the target and judges it: by `trust`, else by the cluster's CA. doubt: why there is neither.

    Raises:
        UsageError: the target is neither a file nor anything that can be dialled.
    """
    if trust is None and api is not None:
        try:
            known = await gather_trust(api, Asking(clock))
            trust, doubt = known.value, known.doubt.text if known.doubt else ""
        except KubeError as error:
            doubt = str(error)
    if Path(wanted.target).is_file():
        probed = _of_file(Path(wanted.target), wanted, clock)
    else:
        probed = await _of_wire(await _target(api, wanted.target), wanted, clock)
    if trust is None or not probed.chain:
        return replace(probed, doubt=doubt)
    verdict = verify(
        probed.chain[0],
        intermediates=probed.chain[1:],
        roots=trust.certificates,
        name=probed.name,
        at=clock.now(),
    )
    return replace(probed, verdict=verdict)


def _of_file(path: Path, wanted: Wanted, clock: Clock) -> Probed:
    return Probed(str(path), clock.now(), _certificates_in(path), wanted.name or "")


async def _target(api: ApiClient | None, word: str) -> Target:
    """A Node of that name, else a host."""
    if api is not None and ":" not in word:
        try:
            node = await api.get(NODES, word)
        except NotFound:
            pass
        except KubeError:
            pass  # what is no node to us can still be dialled as a host
        else:
            address = scraped_address(node, ADDRESS_TYPES_OF_MANIFESTS)
            if address is None:
                raise UsageError(word, "this Node has no address", "HOST[:PORT] can be dialled")
            return Target(address, node=node.name, port=node.kubelet_port)
    return host_and_port(word)


def host_and_port(word: str) -> Target:
    """HOST, HOST:PORT, an address of either family, [ADDRESS]:PORT. Raises UsageError."""
    host, port = word, ""
    if word.startswith("["):
        host, _, rest = word[1:].partition("]")
        port = rest.removeprefix(":")
    elif word.count(":") == 1:
        host, _, port = word.partition(":")
    if "/" in word:
        seen = "is a folder" if Path(word).is_dir() else "there is no such file"
        raise UsageError(word, seen)
    if not host or (port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise UsageError(word, "is no file, Node or HOST[:PORT]", "192.168.88.112:10250, say")
    return Target(host, port=int(port) if port else KUBELET_PORT)


async def _of_wire(target: Target, wanted: Wanted, clock: Clock) -> Probed:
    [dialled] = await dial_all([target], clock=clock, timeout=wanted.timeout)
    failure = dialled.failure
    what = f"{target.node} at {target}" if target.node else str(target)
    return Probed(
        what,
        dialled.at,
        dialled.chain,
        wanted.name or target.address,
        failure=(failure.go_text or failure.text) if failure else "",
        tls=f"{dialled.tls_version} {dialled.cipher}".strip(),
    )


def print_probed(terminal: Terminal, probed: Probed, form: str) -> int:
    """The result, and the exit code: 0 trusted, 1 not, 3 where that cannot be told."""
    if form == "json":
        print_document(terminal, "kubevouch.probe/1", _as_json(probed))
    else:
        _print(terminal, probed)
    if probed.failure:
        return ExitCode.FINDINGS
    if probed.verdict is None:
        return ExitCode.COULD_NOT_TELL
    return ExitCode.OK if probed.verdict.trusted else ExitCode.FINDINGS


def _print(terminal: Terminal, probed: Probed) -> None:
    head = f"{probed.what}   {probed.at:%Y-%m-%d %H:%M:%S} UTC   {probed.tls}"
    terminal.wrapped(head.rstrip())
    for number, certificate in enumerate(probed.chain):
        terminal.out()
        terminal.out("leaf" if number == 0 else f"certificate {number + 1} of the chain")
        for line in describe(certificate, probed.at):
            terminal.out(f"  {line}")
    terminal.out()
    if probed.failure:
        terminal.out("FAILED", Colour.BAD)
        terminal.wrapped(probed.failure, _WOULD_LOG)
    elif probed.verdict is None:
        terminal.out("NO VERDICT", Colour.WARNING)
        terminal.wrapped(f"the cluster's CA is not known: {probed.doubt}", "  ")
    elif probed.verdict.trusted:
        terminal.out("TRUSTED", Colour.GOOD)
        terminal.wrapped(f"for {probed.name or 'any name (none was given with --name)'}", "  ")
    else:
        terminal.out("NOT TRUSTED", Colour.BAD)
        terminal.wrapped(probed.verdict.logged_text, _WOULD_LOG)


_WOULD_LOG = "  metrics-server would log  "


def _as_json(probed: Probed) -> dict[str, object]:
    verdict = probed.verdict
    return {
        "target": probed.what,
        "at": probed.at,
        "tls": probed.tls or None,
        "failure": probed.failure or None,
        "name": probed.name or None,
        "verdict": {
            "trusted": verdict.trusted,
            "reason": str(verdict.reason),
            "text": verdict.go_text,
            "metricsServerLogs": verdict.logged_text,
        }
        if verdict
        else None,
        "doubt": probed.doubt or None,
        "chain": [certificate_json(each) for each in probed.chain],
    }
