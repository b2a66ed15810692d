"""A bare TLS handshake with a kubelet: what is presented, or how it failed. No request, no verification, no credential."""

import socket
import ssl
from dataclasses import dataclass

from cryptography import x509

from real.layout import KUBELET_PORT

PATIENCE = 10.0
"""Seconds that an answer may take, as metrics-server's requests may: on a busy machine a port that answers late is no silent one."""
_PREFIXES = ("TLSV1_ALERT_", "TLSV13_ALERT_", "SSLV3_ALERT_")


@dataclass(frozen=True)
class Seen:
    """The outcome of one attempt, with the leaf (DER) if it is `ok`.

    `ok`, `refused`, `reset`, `timeout`, `unreachable`, `alert:<name>` or `tls:<reason>`.
    """

    outcome: str
    leaf: bytes = b""

    @property
    def certificate(self) -> x509.Certificate | None:
        """The presented leaf."""
        return x509.load_der_x509_certificate(self.leaf) if self.leaf else None


def context() -> ssl.SSLContext:
    """One that accepts whatever is presented. To be made once: it costs more than the handshake."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def shake(
    address: str, *, port: int = KUBELET_PORT, seconds: float = PATIENCE, tls: ssl.SSLContext
) -> Seen:
    """One connection, one handshake, closed. Dialled by address, so without SNI, as metrics-server does it."""
    try:
        with (
            socket.create_connection((address, port), timeout=seconds) as plain,
            tls.wrap_socket(plain) as wrapped,
        ):
            return Seen("ok", wrapped.getpeercert(binary_form=True) or b"")
    except ConnectionRefusedError:
        return Seen("refused")
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return Seen("reset")
    except TimeoutError:
        return Seen("timeout")
    except ssl.SSLError as failed:
        return Seen(_named(failed.reason or "unknown"))
    except OSError:
        return Seen("unreachable")


def _named(reason: str) -> str:
    for prefix in _PREFIXES:
        if reason.startswith(prefix):
            return f"alert:{reason.removeprefix(prefix).lower()}"
    return f"tls:{reason.lower()}"
