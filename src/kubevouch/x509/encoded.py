"""What a certificate and a CSR have in common as values: the DER that they were read from, and a SAN."""

from kubevouch.x509.gotext import Address
from kubevouch.x509.sans import SubjectAltNames


class Encoded:
    """A value that was read from DER. Two of the same class are equal if their DER is equal."""

    __slots__ = ()

    der: bytes
    alt_names: SubjectAltNames

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Encoded) or type(self) is not type(other):
            return NotImplemented
        return self.der == other.der

    def __hash__(self) -> int:
        return hash(self.der)

    @property
    def dns_names(self) -> tuple[str, ...]:
        """The DNS names in the SAN, in order and as written; upper case stays."""
        return self.alt_names.dns_names

    @property
    def ip_addresses(self) -> tuple[Address, ...]:
        """The IP addresses in the SAN, in order."""
        return self.alt_names.ip_addresses
