"""Parses --allow NODE=VALUE, --addresses FILE and --service-cidr."""

from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from kubevouch.errors import UsageError, nearest
from kubevouch.evidence.names import Network
from kubevouch.named_files import bytes_in
from kubevouch.policy.claims import as_address

_LARGEST = 1024 * 1024
_LINE = "expected NODE ADDRESS"


def node_values(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Parses NODE=VALUE arguments. Returns the values by node. Raises UsageError."""
    found: dict[str, tuple[str, ...]] = {}
    for word in given:
        node, equals, value = word.partition("=")
        if not (node and equals and value):
            seen = f"expected NODE=VALUE, such as worker-1=192.168.88.112, got {word}"
            raise UsageError("--allow", seen)
        found[node] = (*found.get(node, ()), value)
    return found


def addresses_in(path: Path) -> tuple[str, ...]:
    """Reads a file with lines `NODE ADDRESS`; # starts a comment. Returns NODE=ADDRESS pairs. Raises UsageError."""
    found = []
    text = bytes_in(path, most=_LARGEST, expected=_LINE).decode(errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if words and (len(words) != 2 or as_address(words[1]) is None):
            raise UsageError(f"{path}, line {number}", f"{_LINE}, got {line.strip()[:80]!r}")
        found += ["=".join(words)] if words else []
    return tuple(found)


def check_full_names(words: Iterable[str], known: Iterable[str]) -> None:
    """Raises UsageError if a word is not the full name of a Node. A short name could match another Node later."""
    nodes = set(known)
    for word in words:
        if word not in nodes:
            expected = nearest(word, nodes, otherwise="expected the name of a Node")
            raise UsageError(word, "no such Node", expected)


def network_of(text: str) -> Network:
    """Parses a value of --service-cidr. Raises UsageError."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        seen = f"expected a network such as 10.96.0.0/12, got {text}"
        raise UsageError("--service-cidr", seen) from None
