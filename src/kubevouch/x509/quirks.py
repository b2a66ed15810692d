"""Everything about a signing request that is not exactly as a kubelet would have sent it.

Go reads a request and the signer signs what Go read; other readers may read something else in the same bytes.
Whoever decides about a request must therefore decide on one that can only be read in one way. A quirk is one
reason why it can be read in two, or why no kubelet sends it. This file only tells; policy decides.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.x509.gotext import printable

LONGEST_MESSAGE = 200
MOST_QUIRKS = 32
"""One is enough to refuse; a hostile request could have thousands."""


class QuirkCode(StrEnum):
    """The kinds of quirk."""

    PEM_NOT_CANONICAL = "pem-not-canonical"
    """Text, blanks, headers, a second block, other line ends: the bytes are not what Go writes for this block."""
    DER_NOT_CANONICAL = "der-not-canonical"
    """A second spelling of the same value somewhere in the DER."""
    EXTRA_ELEMENTS = "extra-elements"
    """Elements after those that RFC 2986 knows; Go passes over them."""
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
    """The request is not signed by its own key."""
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
    """Names that are neither DNS names nor addresses."""
    SAN_MAPPED_ADDRESS = "san-mapped-address"
    """An IPv4 address in 16 bytes: issued as IPv4, unequal to it in Python."""
    SAN_DUPLICATE = "san-duplicate"
    """The same name twice."""
    SAN_TEXT = "san-text"
    """A DNS name that is no host name: a wildcard, an address, an empty label, a NUL."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One quirk: its kind, and what was seen. The message is fit for a terminal: printable, and of one line."""

    code: QuirkCode
    message: str

    def __str__(self) -> str:
        return self.message


def quirk(code: QuirkCode, seen: str) -> Quirk:
    """A quirk whose message quotes the request: whatever is hostile in it is escaped, whatever is long is cut."""
    cut = seen if len(seen) <= LONGEST_MESSAGE else f"{seen[:LONGEST_MESSAGE]}..."
    return Quirk(code, printable(cut))
