"""TLS contexts for clients, with every flag set explicitly.

We do not use `ssl.create_default_context`: it changes between Python versions (3.13 turned on
VERIFY_X509_STRICT, which refuses CAs that kubectl and metrics-server accept) and reads the
environment (SSLKEYLOGFILE). Our flags make OpenSSL accept what Go's client accepts. For kubelets,
callers also verify with `x509.verify`; both checks must pass.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from kubevouch.tls import KeyPairError, RootsError
from kubevouch.x509 import read_certificates

_RIGHT = "expected a certificate chain in PEM, leaf first, and its unencrypted private key"
_REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "KEY_TYPE_MISMATCH": "the key does not belong to the certificate",
}


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A certificate chain (PEM, leaf first) and its private key (PEM). `repr` shows neither.

    Both may be the same bytes, as in the kubelet's combined files.
    """

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "<KeyPair>"


def load_key_pair(context: ssl.SSLContext, pair: KeyPair, *, where: str) -> None:
    """Loads a certificate and key from memory into a context. `where` names their source in errors.

    Raises:
        KeyPairError: the pair is not PEM, the key is encrypted, or the key does not match.
    """

    def encrypted() -> NoReturn:
        # Without this callback OpenSSL would ask for the passphrase at the terminal, and wait.
        raise KeyPairError(where, "the private key is encrypted", _RIGHT)

    with _readable(pair.chain) as chain, _readable(pair.key) as key:
        try:
            context.load_cert_chain(chain, key, password=encrypted)
        except ssl.SSLError as error:
            # OpenSSL's reason without the path, which means nothing to the operator.
            seen = _REASONS.get(error.reason or "", f"unusable ({error.reason or 'no PEM block'})")
            raise KeyPairError(where, seen, _RIGHT) from None


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """Yields a temporary path to this content, since Python's `load_cert_chain` takes only paths.

    On Linux the path refers to memory (memfd), so the key is not written to a disk.
    """
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("kubevouch")
        path = f"/proc/self/fd/{descriptor}"
        try:
            Path(path).write_bytes(content)
            yield path
        finally:
            os.close(descriptor)
    else:
        # mkstemp creates the file with mode 0600 in a folder that only this user can list.
        with (
            tempfile.TemporaryDirectory() as folder,
            tempfile.NamedTemporaryFile(dir=folder) as kept,
        ):
            kept.write(content)
            kept.flush()
            yield kept.name


# X509_V_FLAG_NO_CHECK_TIME (openssl/x509_vfy.h). Python has no name for it.
NO_CHECK_TIME: Final = ssl.VerifyFlags(0x200000)

# What Go's client offers up to TLS 1.2 by default (crypto/tls/defaults.go, 1.26): Python's own list leaves out the
# CBC suites, and would fail with a kubelet that metrics-server can read. TLS 1.3 suites are not configurable here.
_GO_SUITES: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES+SHA1"

# Level 1 matches Go: RSA of at least 1024 bits, no MD5 and no SHA-1 signatures. Distributions may set 2.
_AS_GO: Final = f"@SECLEVEL=1:{_GO_SUITES}"
AS_GO_VERIFIES: Final = (
    ssl.VerifyFlags.VERIFY_X509_TRUSTED_FIRST | ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
)
"""TRUSTED_FIRST: a chain ends at the first trusted certificate, even if the peer sent more.
PARTIAL_CHAIN: any certificate in the roots ends a chain, even an intermediate one or the leaf (Go's
CertPool). VERIFY_X509_STRICT is off: see the module's docstring."""
# Level 0 accepts any key: for inspection only.
_ANYTHING: Final = f"@SECLEVEL=0:{_GO_SUITES}"


def client_context(
    *,
    roots: bytes | None,
    pair: KeyPair | None = None,
    verify: bool = True,
    check_time: bool = True,
    where: str = "CA bundle",
) -> ssl.SSLContext:
    """A context for a client that sends data, unlike `inspection_context`.

    The caller passes the name to verify with each connection (`server_hostname`): a DNS name or an
    IP address.

    Args:
        roots: the trusted CAs (PEM, or a single one in DER). None means the system's CAs.
        pair: the client certificate to present if the server asks for one.
        verify: False accepts any peer (kubectl's --insecure-skip-tls-verify).
        check_time: False if the caller checks the validity period by its own clock. OpenSSL uses
            the machine's clock.
        where: the source of `roots`, for errors.

    Raises:
        X509Error, RootsError: `roots` has no certificate, or an invalid one.
        KeyPairError: `pair` cannot be used.
    """
    context = _bare_context(_AS_GO)
    if verify:
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
        context.verify_flags = AS_GO_VERIFIES if check_time else AS_GO_VERIFIES | NO_CHECK_TIME
        trust(context, roots, where)
    if pair is not None:
        load_key_pair(context, pair, where="client certificate")
    return context


def inspection_context() -> ssl.SSLContext:
    """A context that accepts any peer, to read its certificates. The caller must send no data."""
    return _bare_context(_ANYTHING)


def _bare_context(suites: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # As Go's client: 1.2 and 1.3, no compression (CRIME). Without renegotiation a peer cannot change its
    # certificate after the check.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options = ssl.OP_ALL | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    # Names are read from the SAN only, as Go does since 1.15.
    context.hostname_checks_common_name = False
    context.set_ciphers(suites)
    return context


def trust(context: ssl.SSLContext, roots: bytes | None, where: str) -> None:
    """Makes the context trust these CAs (PEM, or a single one in DER). None means the system's CAs.

    Raises X509Error, RootsError.
    """
    if roots is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        return
    trusted = read_certificates(roots, where)
    try:
        context.load_verify_locations(cadata=b"".join(found.der for found in trusted))
    except ssl.SSLError as error:
        raise RootsError(where, f"OpenSSL cannot load the certificates ({error.reason})") from None
