"""Why a certificate is not trusted, in one vocabulary for logs, metrics, findings and JSON."""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.outcome import Outcome
from kubevouch.x509.certificate import Certificate

TLS_PREFIX = "tls: failed to verify certificate: "
"""What Go's TLS client puts before the text, since Go 1.20 (crypto/tls/common.go, CertificateVerificationError)."""


class VerifyReason(StrEnum):
    """What a verification came to. Each stands for one error of Go's x509 package, or for one text of it."""

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
    """No certificate by the name of the issuer is at hand."""
    WRONG_AUTHORITY = "wrong-authority"
    """The issuer's name is at hand, but its key or its certificate does not do: a CA made anew under the same name."""
    NOT_A_CA = "not-a-ca"
    PATH_TOO_LONG = "path-too-long"
    NAME_CONSTRAINT = "name-constraint"
    WRONG_USAGE = "wrong-usage"
    NO_VALID_CHAINS = "no-valid-chains"
    """Certificate policies do not allow any chain."""
    SIGNATURE_LIMIT = "signature-limit"


@dataclass(frozen=True, slots=True)
class VerifyFailure:
    """One reason not to trust, in Go's words."""

    reason: VerifyReason
    text: str
    at_fault: Certificate
    candidate: Certificate | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` came to.

    `at_fault` is the certificate the reason is about: an expired CA, say, and not the leaf below it. `candidate`
    is the authority that bears the issuer's name and was found wanting. `chain` is the first good chain, leaf
    first. The texts hold what the certificate holds, control characters too: escape them before a terminal
    (`gotext.printable`).
    """

    outcome: Outcome
    reason: VerifyReason
    go_text: str = ""
    at_fault: Certificate | None = None
    candidate: Certificate | None = None
    chain: tuple[Certificate, ...] = ()

    @property
    def trusted(self) -> bool:
        """The certificate is good for the name, now, by these roots."""
        return self.outcome is Outcome.PASS

    @property
    def logged_text(self) -> str:
        """What metrics-server's log shows after the URL; empty if all is well."""
        return f"{TLS_PREFIX}{self.go_text}" if self.go_text else ""
