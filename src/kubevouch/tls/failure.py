"""Why a TLS handshake was not completed: one vocabulary, in our words and in Go's.

metrics-server's log and kubectl's answers hold Go's words, so an operator must be able to compare. Sources of the
texts: Go's crypto/tls/conn.go, crypto/tls/handshake_client.go, net/net.go (OpError), net/http/transport.go; seen
from Go itself in tests/tls/cases/go-dial.json.
"""

from dataclasses import dataclass
from enum import StrEnum

from kubevouch.tls.alert import Alert


class FailureKind(StrEnum):
    """How a connection attempt failed."""

    REFUSED = "refused"
    """No process listens on that port."""
    UNREACHABLE = "unreachable"
    """There is no route, or a firewall rejects the connection."""
    CONNECT_TIMEOUT = "connect-timeout"
    NAME_UNKNOWN = "name-unknown"
    """The name did not resolve to an address, or the name or port is invalid."""
    HANDSHAKE_TIMEOUT = "handshake-timeout"
    """The connection was accepted, but the handshake was not completed in time."""
    RESET = "reset"
    ENDED = "ended"
    """The peer closed the connection during the handshake."""
    ALERT = "alert"
    """The peer ended the handshake with a TLS alert, which says why."""
    PLAIN_HTTP = "plain-http"
    NOT_TLS = "not-tls"
    PROTOCOL_VERSION = "protocol-version"
    """The peer speaks TLS, but neither 1.2 nor 1.3."""
    BROKEN = "broken"
    """The peer speaks TLS, but violates the protocol or our limits."""
    UNREADABLE_CERTIFICATE = "unreadable-certificate"
    """Go cannot parse the certificate that was presented."""
    NOT_TRUSTED = "not-trusted"
    """OpenSSL does not trust the certificate."""
    WRONG_IDENTITY = "wrong-identity"
    """The certificate is trusted, but belongs to another node or name."""
    OUR_SIDE = "our-side"
    """This machine could not open a connection: no files, ports or memory left, or its own firewall forbids it."""


@dataclass(frozen=True, slots=True)
class HandshakeFailure:
    """A connect attempt that failed.

    `go_text`: what Go's client prints after the URL for the same failure; empty if that cannot be known (for an untrusted
    certificate `x509.verify` gives it). Texts may quote the peer, made printable.
    """

    kind: FailureKind
    text: str
    go_text: str = ""
    alert: Alert | None = None


def joined(host: str, port: int) -> str:
    """Host and port as Go writes them: "10.0.0.5:10250", "[fd00::5]:10250"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
