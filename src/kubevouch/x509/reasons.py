"""Why a certificate is not trusted.

The reasons have the same names in logs, metrics, findings and JSON.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.x509.certificate import Certificate

TLS_PREFIX = "tls: failed to verify certificate: "
"""The prefix of the errors of Go's TLS client since Go 1.20 (crypto/tls/common.go,
CertificateVerificationError)."""


class VerifyReason(StrEnum):
    """Whether a certificate is trusted, or why not.

    Each failure corresponds to an error type, or text, of Go's x509 package.
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
    """No known CA has the name of the certificate's issuer."""
    WRONG_AUTHORITY = "wrong-authority"
    """A known CA has the issuer's name, but the certificate's signature fails with the CA's key, or
    the CA may not sign it. For example, the CA was recreated with a new key under its old name."""
    NOT_A_CA = "not-a-ca"
    PATH_TOO_LONG = "path-too-long"
    NAME_CONSTRAINT = "name-constraint"
    WRONG_USAGE = "wrong-usage"
    NO_VALID_CHAINS = "no-valid-chains"
    """Each chain violates certificate policies or does not allow the required extended key usage."""
    SIGNATURE_LIMIT = "signature-limit"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a certificate is trusted, and why not.

    `at_fault`: the certificate that causes the failure, such as an expired CA instead of the leaf
    below it. `chain`: the first valid chain, leaf first. `go_text` and `logged_text` may have
    control characters from the certificate: escape them for a terminal (`gotext.printable`).
    """

    reason: VerifyReason
    go_text: str = ""
    at_fault: Certificate | None = None
    chain: tuple[Certificate, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether the certificate is trusted."""
        return self.reason is VerifyReason.TRUSTED

    @property
    def logged_text(self) -> str:
        """The error after the URL in metrics-server's log; empty if the certificate is trusted."""
        return f"{TLS_PREFIX}{self.go_text}" if self.go_text else ""
