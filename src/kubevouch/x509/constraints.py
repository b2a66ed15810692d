"""Whether the CAs of a chain may sign for the names below them.

Every name of every certificate is checked against the constraints of every CA above it, not only the name that was
dialled. Source: checkChainConstraints in Go's crypto/x509/constraints.go (1.26); RFC 5280, 4.2.1.10.
"""

from ipaddress import ip_address
from typing import Protocol, TypeVar

from kubevouch.x509.certificate import Certificate
from kubevouch.x509.constraint_sets import DomainSet, Mailbox, MailboxSet, NetworkSet, read_mailbox
from kubevouch.x509.constraint_values import NameConstraints
from kubevouch.x509.domains import domain_is_valid
from kubevouch.x509.gotext import Address, address_text, quote
from kubevouch.x509.sans import SubjectAltNames
from kubevouch.x509.uris import host_of

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
