"""Why a connection did not come to a finished handshake: one vocabulary, in our words and in Go's.

metrics-server's log and kubectl's answers hold Go's words, so an operator must be able to compare. Sources of the
texts: Go's crypto/tls/conn.go, crypto/tls/handshake_client.go, net/net.go (OpError), net/http/transport.go; seen
from Go itself in tests/tls/cases/go-dial.json.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.tls.alert import Alert


class FailureKind(StrEnum):
    """How a connect attempt ended, by what a caller can make of it."""

    REFUSED = "refused"
    """Nobody listens on that port."""
    UNREACHABLE = "unreachable"
    """No route, or a firewall that says so."""
    CONNECT_TIMEOUT = "connect-timeout"
    NAME_UNKNOWN = "name-unknown"
    """The name did not resolve to an address, or is none; or the port is none."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    """Something accepted the connection, and did not finish the handshake in time."""
    RESET = "reset"
    ENDED = "ended"
    """The peer closed the connection within the handshake."""
    ALERT = "alert"
    """The peer said why, with a TLS alert."""
    PLAIN_HTTP = "plain-http"
    NOT_TLS = "not-tls"
    PROTOCOL_VERSION = "protocol-version"
    """The peer speaks TLS, but neither 1.2 nor 1.3."""
    BROKEN = "broken"
    """The peer speaks TLS, and breaks its rules or our bounds."""
    UNREADABLE_CERTIFICATE = "unreadable-certificate"
    """What was presented is no certificate to Go."""
    NOT_TRUSTED = "not-trusted"
    """OpenSSL does not trust the certificate."""
    WRONG_IDENTITY = "wrong-identity"
    """The certificate is trusted, but it is not the one expected here."""
    OUR_SIDE = "our-side"
    """This machine could not even try: out of files, ports or memory, or its own firewall. Tells nothing of the peer."""


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """A connect attempt that failed.

    `go_text` is what Go's client prints for the same after the URL; empty where that depends on what was not seen
    (for a certificate that is not trusted, ask `x509.verify`). Texts may hold what a peer sent, made printable.
    """

    kind: FailureKind
    text: str
    go_text: str = ""
    alert: Alert | None = None


def joined(host: str, port: int) -> str:
    """Host and port as Go writes them: "10.0.0.5:10250", "[fd00::5]:10250"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
