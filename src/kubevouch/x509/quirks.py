"""Quirks: everything in a CSR that is not exactly as a kubelet sends it.

The signer signs what Go reads in a CSR; another reader may see something else in the same bytes. So an approver must
only approve a CSR that can be read in one way. A quirk is a reason why it can be read in two ways, or why no kubelet
sends it. This module only names quirks; policy decides about them.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.x509.gotext import printable

LONGEST_MESSAGE = 200
MOST_QUIRKS = 32
"""Quirks kept of one CSR. One is enough to refuse it; a hostile CSR could have thousands."""


class QuirkCode(StrEnum):
    """The kinds of quirk."""

    PEM_NOT_CANONICAL = "pem-not-canonical"
    """The bytes are not what Go writes for this block: text, blanks, headers, a second block, other line ends."""
    DER_NOT_CANONICAL = "der-not-canonical"
    """The DER is not canonical somewhere: the value has another encoding."""
    EXTRA_ELEMENTS = "extra-elements"
    """Elements after those in RFC 2986, which Go skips."""
    VERSION = "version"
    """A version other than 0."""
    NAME_SHAPE = "name-shape"
    """The subject is not exactly one O and one CN, each in a relative name of its own."""
    NAME_TEXT = "name-text"
    """The subject holds text in an unusual string type, or anything but printable ASCII."""
    KEY = "key"
    """A key that kubelets do not make: too short, an odd exponent, DSA, an unknown kind."""
    SIGNATURE_ALGORITHM = "signature-algorithm"
    """SHA-1, MD5, PSS, or parameters that do not belong there."""
    SIGNATURE = "signature"
    """The CSR is not signed by its own key."""
    ATTRIBUTE_COUNT = "attribute-count"
    """More than one attribute: Microsoft's and PKCS#9's extension requests may ask for different names."""
    ATTRIBUTE_KIND = "attribute-kind"
    """An attribute other than PKCS#9's extension request."""
    ATTRIBUTE_VALUES = "attribute-values"
    """Not exactly one value in the extension request; Go reads the first."""
    EXTENSION = "extension"
    """An extension other than the subject alternative names, or one that is critical."""
    SAN_EMPTY = "san-empty"
    """A SAN extension without a name."""
    SAN_KIND = "san-kind"
    """SANs that are neither DNS names nor IP addresses."""
    SAN_MAPPED_ADDRESS = "san-mapped-address"
    """An IPv4 address in 16 bytes: the certificate gets the IPv4 address, but Python calls the two unequal."""
    SAN_DUPLICATE = "san-duplicate"
    """The same name twice."""
    SAN_TEXT = "san-text"
    """A DNS name that is not a host name: a wildcard, an address, an empty label, a NUL."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """A quirk: its kind, and what was seen as one printable line."""

    code: QuirkCode
    message: str

    def __str__(self) -> str:
        return self.message


def quirk(code: QuirkCode, seen: str) -> Quirk:
    """A quirk whose message quotes the CSR, with control characters escaped and long texts shortened."""
    cut = seen if len(seen) <= LONGEST_MESSAGE else f"{seen[:LONGEST_MESSAGE]}..."
    return Quirk(code, printable(cut))
