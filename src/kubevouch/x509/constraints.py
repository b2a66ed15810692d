"""Parses the name constraints in a CA's certificate, and checks names against them.

E-mail addresses and URIs are not checked, since no kubelet's certificate has such SANs. Below a CA
with name constraints, a certificate with such a SAN is always rejected. Go would trust some of
these certificates.

Source: parseNameConstraintsExtension in Go's crypto/x509/parser.go; checkChainConstraints in
constraints.go (1.26); RFC 5280, 4.2.1.10. If several constraints exclude a name, the error names
the broadest one, like Go's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from kubevouch.x509 import der
from kubevouch.x509.errors import Malformed
from kubevouch.x509.gotext import Address, address_text, parse_address, quote, unmapped
from kubevouch.x509.sans import SubjectAltNames

_INVALID = "x509: invalid NameConstraints extension"
_IP = der.context(7)
_MAPPED = IPv6Network("::ffff:0:0/96")
_DOMAINS = {der.context(1): "rfc822Name", der.context(2): "dnsName", der.context(6): "URI"}


@dataclass(frozen=True, slots=True)
class Subtrees:
    """A set of names and networks: those that a CA may sign for, or those that it may not."""

    dns: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True, slots=True)
class NameConstraints:
    """The names that a CA may and may not sign for."""

    permitted: Subtrees
    excluded: Subtrees


def read_name_constraints(value: bytes) -> tuple[NameConstraints, bool]:
    """Parses the constraints. Also returns whether Go handles every kind of name in them.

    Raises Malformed.
    """
    outer = der.Reader(value)
    reader = outer.inside(der.SEQUENCE, _INVALID)
    if not outer.empty:
        raise Malformed(_INVALID)
    permitted = reader.optional(der.explicit(0), _INVALID)
    excluded = reader.optional(der.explicit(1), _INVALID)
    if not reader.empty:
        raise Malformed(_INVALID)
    if not any(side is not None and not side.empty for side in (permitted, excluded)):
        raise Malformed("x509: empty name constraints extension")
    permitted_trees, all_permitted = _subtrees(permitted)
    excluded_trees, all_excluded = _subtrees(excluded)
    return NameConstraints(permitted_trees, excluded_trees), all_permitted and all_excluded


def _subtrees(reader: der.Reader | None) -> tuple[Subtrees, bool]:
    dns: list[str] = []
    networks: list[IPv4Network | IPv6Network] = []
    handled = True
    while reader is not None and not reader.empty:
        base = reader.inside(der.SEQUENCE, _INVALID).any(_INVALID)
        if base.tag == _IP:
            networks.append(_network(base.body))
        elif kind := _DOMAINS.get(base.tag):
            domain = _domain(base.body, kind)
            dns += [domain] if kind == "dnsName" else []
        else:
            handled = False
    return Subtrees(tuple(dns), tuple(networks)), handled


def _domain(body: bytes, kind: str) -> str:
    text = body.decode("utf-8", "surrogateescape")
    if not text.isascii():
        raise Malformed(
            f"x509: invalid constraint value: x509: {quote(text)} cannot be encoded as an IA5String"
        )
    if kind == "URI" and parse_address(text) is not None:
        raise Malformed(f"x509: failed to parse URI constraint {quote(text)}: cannot be IP address")
    if not _is_domain(text.removeprefix(".") if len(text) > 1 else text):
        raise Malformed(f"x509: failed to parse {kind} constraint {quote(text)}")
    return text


def _is_domain(text: str) -> bool:
    """Whether Go accepts a text as a domain: "", or labels of visible ASCII, none of them empty."""
    labels = text.split(".") if text else []
    return all(label and all("!" <= char <= "~" for char in label) for label in labels)


def _network(body: bytes) -> IPv4Network | IPv6Network:
    if len(body) not in {8, 32}:
        raise Malformed(f"x509: IP constraint contained value of length {len(body)}")
    half = len(body) // 2
    mask = int.from_bytes(body[half:])
    zeros = mask ^ ((1 << (8 * half)) - 1)
    if zeros & (zeros + 1):
        raise Malformed(f"x509: IP constraint contained invalid mask {body[half:].hex()}")
    network = ip_network((body[:half], mask.bit_count()), strict=False)
    # For a mapped network Go uses the mask's last four bytes, so it holds mapped addresses only.
    is_mapped = half == 16 and body.startswith(_MAPPED.network_address.packed[:12])
    return _MAPPED if is_mapped and network.prefixlen < _MAPPED.prefixlen else network


def violation(names: SubjectAltNames, constraints: NameConstraints) -> str:
    """Why a CA with these constraints may not sign for these names, in Go's words; "" if it may."""
    return next(_violations(names, constraints.permitted, constraints.excluded), "")


def _violations(names: SubjectAltNames, permitted: Subtrees, excluded: Subtrees) -> Iterator[str]:
    for address in names.ip_addresses:
        shown = f"IP address {quote(address_text(address))}"
        if permitted.networks and not any(_covers(each, address) for each in permitted.networks):
            yield f"{shown} is not permitted by any constraint"
        if covering := [each for each in excluded.networks if _covers(each, address)]:
            outermost = min(covering, key=lambda network: network.prefixlen)
            yield f"{shown} is excluded by constraint {quote(_network_text(outermost))}"
    for name in names.dns_names:
        if not _is_domain(name):
            yield f"x509: cannot parse dnsName {quote(name)}"
        if permitted.dns and not any(_lies_under(each, name) for each in permitted.dns):
            yield f"DNS name {quote(name)} is not permitted by any constraint"
        if excluding := [each for each in excluded.dns if _excludes(each, name)]:
            shortest = min(reversed(excluding), key=len)
            yield f"DNS name {quote(name)} is excluded by constraint {quote(shortest)}"
    if names.emails or names.uris:
        yield "kubevouch does not compare e-mail addresses and URIs with name constraints"


def _covers(network: IPv4Network | IPv6Network, address: Address) -> bool:
    """Whether Go considers an address part of a network.

    An IPv4-mapped address belongs only to IPv4-mapped networks.
    """
    return address in network and (address not in _MAPPED or network.prefixlen >= _MAPPED.prefixlen)


def _network_text(network: IPv4Network | IPv6Network) -> str:
    """The network as Go's net.IPNet.String writes it, with IPv4-mapped addresses as IPv4."""
    base = unmapped(network.network_address)
    return f"{base}/{network.prefixlen - network.max_prefixlen + base.max_prefixlen}"


def _lies_under(constraint: str, name: str) -> bool:
    """Whether a name equals the constraint or is a subdomain; with a leading dot only subdomains match."""
    if not name.lower().endswith(constraint.lower()):
        return False
    before = name[: len(name) - len(constraint)]
    return not before or not constraint or constraint.startswith(".") or before.endswith(".")


def _excludes(constraint: str, name: str) -> bool:
    """Whether the constraint covers a name or, for a wildcard name, any name that matches it."""
    _, dot, rest = constraint.lower().partition(".")
    return _lies_under(constraint, name) or (
        bool(rest) and name.startswith("*") and name.lower().partition(".")[1:] == (dot, rest)
    )
