"""Options with the operator's word: --allow NODE=VALUE and --addresses FILE give a name or address to a node, --service-cidr a network."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from kubevouch.errors import UsageError, nearest
from kubevouch.evidence.names import Network
from kubevouch.named_files import bytes_in
from kubevouch.policy.claims import as_address

_LARGEST = 1024 * 1024
_LINE = "a line NODE ADDRESS for each node was expected"


def node_values(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The values of NODE=VALUE arguments by node. Raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for word in given:
        node, equals, value = word.partition("=")
        if not (node and equals and value):
            raise UsageError(word, "is not NODE=VALUE", "for example worker-1=192.168.88.112")
        found[node] = (*found.get(node, ()), value)
    return found


def addresses_in(path: Path) -> tuple[str, ...]:
    """NODE=ADDRESS for each line NODE ADDRESS of that file. # begins a comment. Raises UsageError."""
    found = []
    text = bytes_in(path, most=_LARGEST, expected=_LINE).decode(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and (len(words) != 2 or as_address(words[1]) is None):
            raise UsageError(f"{path}, line {number}", repr(line.strip()[:80]), _LINE)
        found += ["=".join(words)] if words else []
    return tuple(found)


def check_nodes(allowed: Iterable[str], known: Iterable[str]) -> None:
    """Checks that each is a Node of the cluster. Raises UsageError, which names the nearest Node."""
    nodes = set(known)
    for name in allowed:
        if name not in nodes:
            expected = nearest(name, nodes, otherwise="the name of a Node was expected")
            raise UsageError(f"--allow {name}=...", "there is no such Node", expected)


def network_of(text: str) -> Network:
    """The network that --service-cidr names. Raises UsageError."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise UsageError(
            f"--service-cidr {text}", "is not a network", "10.96.0.0/12, say"
        ) from None
