"""Why a certificate is not trusted: one vocabulary for logs, metrics, findings and JSON."""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.x509.certificate import Certificate

TLS_PREFIX = "tls: failed to verify certificate: "
"""The prefix of Go's TLS client since Go 1.20 (crypto/tls/common.go, CertificateVerificationError)."""


class VerifyReason(StrEnum):
    """The result of a verification.

    Each reason stands for an error type, or text, of Go's x509 package.
    """

    TRUSTED = "trusted"
    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    UNHANDLED_EXTENSION = "unhandled-critical-extension"
    NO_ADDRESSES = "no-ip-sans"
    ADDRESS_NOT_COVERED = "address-not-covered"
    NO_NAMES = "no-dns-sans"
    NAME_NOT_COVERED = "name-not-covered"
    LEGACY_COMMON_NAME = "legacy-common-name"
    UNKNOWN_AUTHORITY = "unknown-authority"
    """No certificate has the issuer's name."""
    WRONG_AUTHORITY = "wrong-authority"
    """A certificate has the issuer's name, but another key: for example, the CA was recreated
    under its name."""
    NOT_A_CA = "not-a-ca"
    PATH_TOO_LONG = "path-too-long"
    NAME_CONSTRAINT = "name-constraint"
    WRONG_USAGE = "wrong-usage"
    NO_VALID_CHAINS = "no-valid-chains"
    """The certificate policies allow no chain."""
    SIGNATURE_LIMIT = "signature-limit"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a certificate is trusted, and why not.

    `at_fault`: the certificate behind the reason, such as an expired CA instead of the leaf below
    it. `chain`: the first valid chain, leaf first. The texts quote the certificate with its control
    characters: escape them for a terminal (`gotext.printable`).
    """

    reason: VerifyReason
    go_text: str = ""
    at_fault: Certificate | None = None
    chain: tuple[Certificate, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the certificate is valid for the name at that time, by these roots."""
        return self.reason is VerifyReason.TRUSTED

    @property
    def logged_text(self) -> str:
        """metrics-server's text after the URL in its log; empty if the certificate is trusted."""
        return f"{TLS_PREFIX}{self.go_text}" if self.go_text else ""
