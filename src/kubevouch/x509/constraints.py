"""Whether the CAs of a chain may sign for the names below them.

Every name of every certificate is checked against the constraints of every CA above it, not only the name that was
dialled. Go sorts the constraints, drops those that lie within the previous one, and searches for the nearest. Which one
its message names, and a few odd answers, follow from that; so this does the same.

Source: checkChainConstraints and nameConstraintsSet in Go's crypto/x509/constraints.go (1.26); RFC 5280, 4.2.1.10.
"""

from bisect import bisect_left
from ipaddress import ip_address
from typing import Protocol, TypeVar

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.constraint_values import NameConstraints
from kubevouch.x509.gotext import Address, address_text, quote
from kubevouch.x509.sans import SubjectAltNames
from kubevouch.x509.uris import domain_is_valid, host_of, mailbox

Network = tuple[bytes, bytes]
"""An address and a mask, 4 or 16 bytes each."""
Mailbox = tuple[str, str]
"""The local part and the domain in lower case."""

_MAPPED = bytes(10) + b"\xff\xff"


class DomainSet:
    """The domains that are permitted, or those that are excluded. An empty domain covers all names."""

    def __init__(self, domains: tuple[str, ...], *, permitted: bool) -> None:
        self.stated = bool(domains)
        self._all = "" in domains
        self._sorted = [] if self._all else _pruned_domains(sorted(domains, key=_domain_key))
        self._parents: dict[str, str] = {}
        if not permitted:
            lower = (domain.lower() for domain in self._sorted)
            self._parents = {_parent(domain): domain for domain in lower if _parent(domain)}

    def find(self, name: str) -> str | None:
        """The constraint that covers a name, or None. A wildcard is excluded if any name it matches is."""
        if self._all:
            return ""
        if not self._sorted:
            return None
        at = bisect_left(self._sorted, _domain_key(name), key=_domain_key)
        if at < len(self._sorted) and _domain_key(self._sorted[at]) == _domain_key(name):
            return self._sorted[at]
        nearest = self._sorted[max(0, at - 1)]
        if _lies_under(nearest, name):
            return nearest
        return self._parents.get(_parent(name.lower())) if name.startswith("*") else None


class NetworkSet:
    """The networks that are permitted, or those that are excluded. An address is matched by networks of its length."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self.stated = bool(networks)
        self._sorted = {
            size: _pruned_networks(sorted(each for each in networks if len(each[0]) == size))
            for size in (4, 16)
        }

    def find(self, address: bytes) -> str | None:
        """The network that covers an address, as Go prints it, or None."""
        networks = self._sorted[len(address)]
        if not networks:
            return None
        at = bisect_left(networks, address, key=lambda network: network[0])
        if at < len(networks) and networks[at][0] == address:
            return _network_text(networks[at])
        nearest = networks[max(0, at - 1)]
        return _network_text(nearest) if _holds(nearest, address) else None


class MailboxSet:
    """The mailboxes and mail domains that are permitted, or those that are excluded."""

    def __init__(self, constraints: tuple[str, ...], *, permitted: bool) -> None:
        self.stated = bool(constraints)
        self._whole = {read_mailbox(each) for each in constraints if "@" in each}
        domains = tuple(each for each in constraints if "@" not in each)
        self._domains = DomainSet(domains, permitted=permitted)

    def find(self, box: Mailbox) -> str | None:
        """The constraint that covers a mailbox, or None."""
        return "@".join(box) if box in self._whole else self._domains.find(box[1])


def read_mailbox(text: str) -> Mailbox | None:
    """A mailbox with its domain in lower case; None if Go cannot parse the text as one."""
    parsed = mailbox(text)
    return None if parsed is None else (parsed[0], parsed[1].lower())


def _parent(domain: str) -> str:
    """The rest of the domain after its first label, with the leading dot."""
    _, dot, rest = domain.partition(".")
    return dot + rest


def _domain_key(domain: str) -> str:
    """The sort key of a domain: compared from its end, with the dot before all other characters."""
    return domain.lower().replace(".", "\0")[::-1]


def _lies_under(constraint: str, name: str) -> bool:
    """Whether a name equals the constraint or is a subdomain; with a leading dot only subdomains match."""
    if not name.lower().endswith(constraint.lower()):
        return False
    before = name[: len(name) - len(constraint)]
    return not before or constraint.startswith(".") or before.endswith(".")


def _pruned_domains(domains: list[str]) -> list[str]:
    kept: list[str] = []
    for domain in domains:
        if not kept or not _lies_under(kept[-1], domain):
            kept.append(domain)
    return kept


def _pruned_networks(networks: list[Network]) -> list[Network]:
    kept: list[Network] = []
    for network in networks:
        if not kept or not _holds_network(kept[-1], network):
            kept.append(network)
    return kept


def _plain(network: Network) -> Network:
    """The network as IPv4 if it is one of mapped addresses (networkNumberAndMask in net/ip.go)."""
    address, mask = network
    return (address[12:], mask[12:]) if address.startswith(_MAPPED) else network


def _holds(network: Network, address: bytes) -> bool:
    base, mask = _plain(network)
    plain = address[12:] if len(address) == 16 and address.startswith(_MAPPED) else address
    return len(plain) == len(base) and all(
        (ours & bits) == (theirs & bits)
        for ours, theirs, bits in zip(base, plain, mask, strict=True)
    )


def _holds_network(outer: Network, inner: Network) -> bool:
    address, mask = inner
    last = bytes(octet | (~bits & 0xFF) for octet, bits in zip(address, mask, strict=True))
    return _holds(outer, address) and _holds(outer, last)


def _network_text(network: Network) -> str:
    address, mask = _plain(network)
    return f"{ip_address(address)}/{int.from_bytes(mask, 'big').bit_count()}"


Sought_contra = TypeVar("Sought_contra", contravariant=True)


class ConstraintSet(Protocol[Sought_contra]):
    """The permitted or the excluded names of one kind."""

    @property
    def stated(self) -> bool: ...  # noqa: D102 - whether there are constraints of this kind

    def find(self, name: Sought_contra, /) -> str | None: ...  # noqa: D102 - the constraint that covers a name


class ConstraintViolation(Exception):
    """A name violates a constraint; the text is Go's. Raised and caught in this file only."""


def constraint_violation(chain: tuple[Certificate, ...]) -> str:
    """Why a CA in the chain may not sign for a name below it, in Go's words; empty if all names are allowed."""
    try:
        for index, certificate in enumerate(chain):
            above = [
                authority.name_constraints
                for authority in chain[index + 1 :]
                if authority.name_constraints
            ]
            if above and certificate.has_san_extension:
                _check(certificate.alt_names, above)
    except ConstraintViolation as fault:
        return str(fault)
    return ""


def _check(names: SubjectAltNames, constraints: list[NameConstraints]) -> None:
    uris = [(uri, _uri_domain(uri)) for uri in names.uris]
    mailboxes = [_mailbox(email) for email in names.emails]
    for constraint in constraints:
        _check_addresses(names.ip_addresses, constraint)
        _check_names(names.dns_names, constraint)
        _check_uris(uris, constraint)
        _check_mailboxes(mailboxes, constraint)


def _check_addresses(addresses: tuple[Address, ...], constraint: NameConstraints) -> None:
    permitted = NetworkSet(constraint.permitted.networks)
    excluded = NetworkSet(constraint.excluded.networks)
    for address in addresses:
        shown = f"IP address {quote(address_text(address))}"
        _judge(shown, address.packed, permitted, excluded)


def _check_names(names: tuple[str, ...], constraint: NameConstraints) -> None:
    permitted = DomainSet(constraint.permitted.dns, permitted=True)
    excluded = DomainSet(constraint.excluded.dns, permitted=False)
    for name in names:
        if not domain_is_valid(name):
            raise ConstraintViolation(f"x509: cannot parse dnsName {quote(name)}")
        _judge(f"DNS name {quote(name)}", name, permitted, excluded)


def _check_uris(uris: list[tuple[str, str]], constraint: NameConstraints) -> None:
    permitted = DomainSet(constraint.permitted.uri_domains, permitted=True)
    excluded = DomainSet(constraint.excluded.uri_domains, permitted=False)
    for uri, domain in uris:
        if not domain_is_valid(domain):
            raise ConstraintViolation(f"x509: internal error: URI SAN {quote(uri)} failed to parse")
        _judge(f"URI {quote(uri)}", domain, permitted, excluded)


def _check_mailboxes(mailboxes: list[Mailbox], constraint: NameConstraints) -> None:
    permitted = MailboxSet(constraint.permitted.emails, permitted=True)
    excluded = MailboxSet(constraint.excluded.emails, permitted=False)
    for box in mailboxes:
        _judge(f"email address {quote('@'.join(box))}", box, permitted, excluded)


def _judge(
    shown: str,
    name: Sought_contra,
    permitted: ConstraintSet[Sought_contra],
    excluded: ConstraintSet[Sought_contra],
) -> None:
    """Checks a name. Without constraints on a kind of name all names of that kind are permitted."""
    if permitted.stated and permitted.find(name) is None:
        raise ConstraintViolation(f"{shown} is not permitted by any constraint")
    covering = excluded.find(name)
    if covering is not None:
        raise ConstraintViolation(f"{shown} is excluded by constraint {quote(covering)}")


def _mailbox(email: str) -> Mailbox:
    box = read_mailbox(email)
    if box is None:
        raise ConstraintViolation(f"cannot parse rfc822Name {quote(email)}")
    return box


def _uri_domain(uri: str) -> str:
    """The domain of a URI. Raises ConstraintViolation for an address and for a URI without a host."""
    whole = host_of(uri)
    host = whole.lower()
    if not host:
        raise ConstraintViolation(
            f"URI with empty host ({quote(uri)}) cannot be matched against constraints"
        )
    if ":" in host and not host.endswith("]"):
        host, _, port = whole.rpartition(":")
        if ":" in host and not host.endswith("]"):
            raise ConstraintViolation(
                f"cannot parse URI host {quote(whole)}: "
                f"address {host}:{port}: too many colons in address"
            )
    if _is_address(host.strip("[]")):
        raise ConstraintViolation(
            f"URI with IP ({quote(uri)}) cannot be matched against constraints"
        )
    return host


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
