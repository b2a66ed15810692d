"""TLS contexts with explicit flags, and a check of the peer before any application data is sent.

This module describes failed handshakes: in our words, and in Go's words, as in metrics-server's
log. `io` has everything that uses OpenSSL or a socket.

Sources: RFC 8446 appendix B.2 (older names: RFC 5246 and RFC 6066); Go's
crypto/tls/{alert,conn,handshake_client}.go, net/net.go (OpError), net/http/transport.go.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from kubevouch.errors import KubevouchError


class TlsError(KubevouchError):
    """Base class of the TLS errors."""


class KeyPairError(TlsError):
    """An unusable certificate or key. The message never shows the key."""


class RootsError(TlsError):
    """A CA bundle without a usable certificate."""


# Alert number: (name in the RFC, Go's text; empty if Go does not know the alert).
_KNOWN: Final[dict[int, tuple[str, str]]] = {
    0: ("close_notify", "close notify"),
    10: ("unexpected_message", "unexpected message"),
    20: ("bad_record_mac", "bad record MAC"),
    21: ("decryption_failed", "decryption failed"),
    22: ("record_overflow", "record overflow"),
    30: ("decompression_failure", "decompression failure"),
    40: ("handshake_failure", "handshake failure"),
    41: ("no_certificate", ""),
    42: ("bad_certificate", "bad certificate"),
    43: ("unsupported_certificate", "unsupported certificate"),
    44: ("certificate_revoked", "revoked certificate"),
    45: ("certificate_expired", "expired certificate"),
    46: ("certificate_unknown", "unknown certificate"),
    47: ("illegal_parameter", "illegal parameter"),
    48: ("unknown_ca", "unknown certificate authority"),
    49: ("access_denied", "access denied"),
    50: ("decode_error", "error decoding message"),
    51: ("decrypt_error", "error decrypting message"),
    60: ("export_restriction", "export restriction"),
    70: ("protocol_version", "protocol version not supported"),
    71: ("insufficient_security", "insufficient security level"),
    80: ("internal_error", "internal error"),
    86: ("inappropriate_fallback", "inappropriate fallback"),
    90: ("user_canceled", "user canceled"),
    100: ("no_renegotiation", "no renegotiation"),
    109: ("missing_extension", "missing extension"),
    110: ("unsupported_extension", "unsupported extension"),
    111: ("certificate_unobtainable", "certificate unobtainable"),
    112: ("unrecognized_name", "unrecognized name"),
    113: ("bad_certificate_status_response", "bad certificate status response"),
    114: ("bad_certificate_hash_value", "bad certificate hash value"),
    115: ("unknown_psk_identity", "unknown PSK identity"),
    116: ("certificate_required", "certificate required"),
    120: ("no_application_protocol", "no application protocol"),
    121: ("ech_required", "encrypted client hello required"),
}


@dataclass(frozen=True, slots=True)
class Alert:
    """The TLS alert with which a peer ended the connection. It may be one that no RFC defines."""

    number: int

    @property
    def name(self) -> str:
        """The name in the RFC, such as "internal_error"; "alert" for an unknown number."""
        return _KNOWN.get(self.number, ("alert", ""))[0]

    @property
    def go_text(self) -> str:
        """The text in Go's error, such as "remote error: tls: internal error"."""
        known = _KNOWN.get(self.number, ("", ""))[1]
        return f"remote error: tls: {known or f'alert({self.number})'}"

    def __str__(self) -> str:
        return f"{self.name}({self.number})"


INTERNAL_ERROR: Final = Alert(80)
"""A kubelet without a valid serving certificate sends this alert (GetCertificate in pkg/kubelet/kubelet.go)."""

PROTOCOL_VERSION: Final = Alert(70)

_BY_NAME: Final = {name.replace("_", " "): Alert(number) for number, (name, _) in _KNOWN.items()}
# OpenSSL spells this name differently.
_BY_NAME["user cancelled"] = Alert(90)

_PREFIXES: Final = ("sslv3 alert ", "tlsv1 alert ", "tlsv13 alert ", "ssl/tls alert ", "tlsv1 ")


def alert_of(reason: str) -> Alert | None:
    """The alert in an OpenSSL reason such as "tlsv1 alert internal error"; None if it has none."""
    text = reason.lower().replace("_", " ")
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            return _BY_NAME.get(text.removeprefix(prefix))
    return None


class FailureKind(StrEnum):
    """How a connection attempt failed."""

    REFUSED = "refused"
    """No process listens on that port."""
    UNREACHABLE = "unreachable"
    """No route exists, or a firewall rejects the connection."""
    CONNECT_TIMEOUT = "connect-timeout"
    NAME_UNKNOWN = "name-unknown"
    """The name did not resolve, or the name or port is invalid."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    """The peer accepted the connection, but did not complete the handshake in time."""
    RESET = "reset"
    ENDED = "ended"
    """The peer closed the connection during the handshake."""
    ALERT = "alert"
    """The peer ended the handshake with a TLS alert."""
    PLAIN_HTTP = "plain-http"
    NOT_TLS = "not-tls"
    PROTOCOL_VERSION = "protocol-version"
    """The peer speaks TLS, but neither 1.2 nor 1.3."""
    BROKEN = "broken"
    """The peer speaks TLS, but OpenSSL rejects its messages, they exceed our limits, or it presents
    no certificate."""
    UNREADABLE_CERTIFICATE = "unreadable-certificate"
    """Go cannot parse the presented certificate."""
    NOT_TRUSTED = "not-trusted"
    """OpenSSL does not trust the certificate."""
    WRONG_IDENTITY = "wrong-identity"
    """The certificate is trusted, but belongs to another node or name."""
    OUR_SIDE = "our-side"
    """This machine could not open a connection: it lacks file descriptors, ports or memory, or its
    firewall blocks the connection."""


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """A failed connection attempt.

    go_text: the text of Go's error, without the URL; empty if unknown. For an untrusted
    certificate, the verdict of `x509.verify` has it. Text from the peer is escaped (`printable`).
    """

    kind: FailureKind
    text: str
    go_text: str = ""
    alert: Alert | None = None


def joined(host: str, port: int) -> str:
    """Joins host and port as Go does: "10.0.0.5:10250", "[fd00::5]:10250"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
