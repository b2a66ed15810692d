"""Loads a certificate and its key from memory into a TLS context.

Python's `load_cert_chain` takes paths only. On Linux the path leads to memory (memfd, through /proc/self/fd), so
that no key touches a disk; elsewhere a file of mode 0600 lives for as long as OpenSSL needs to read it.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from kubevouch.tls.errors import KeyPairError

_RIGHT = "a certificate in PEM, leaf first, and its private key, not encrypted, were expected"
_REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "KEY_TYPE_MISMATCH": "the key does not belong to the certificate",
}


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A certificate chain (PEM, leaf first) and its private key (PEM). Printing it shows neither.

    The two may be the same bytes, as in the kubelet's combined files.
    """

    chain: bytes
    key: bytes

    def __repr__(self) -> str:
        return "<Pair>"


def load_key_pair(context: ssl.SSLContext, pair: KeyPair, *, where: str) -> None:
    """Loads a pair into a context. `where` names its source for the error.

    Raises:
        KeyPairError: not PEM, the key is encrypted, or the two do not belong together.
    """

    def encrypted() -> NoReturn:
        # Without this callback OpenSSL would ask for the passphrase at the terminal, and wait.
        raise KeyPairError(where, "the private key is encrypted", _RIGHT)

    with _readable(pair.chain) as chain, _readable(pair.key) as key:
        try:
            context.load_cert_chain(chain, key, password=encrypted)
        except ssl.SSLError as error:
            # OpenSSL's words, without the path, which would mean nothing to a reader.
            seen = _REASONS.get(
                error.reason or "", f"not usable ({error.reason or 'no PEM block'})"
            )
            raise KeyPairError(where, seen, _RIGHT) from None


@contextlib.contextmanager
def _readable(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL can read this content while the block lasts."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        descriptor = os.memfd_create("kubevouch")
        path = f"/proc/self/fd/{descriptor}"
        try:
            Path(path).write_bytes(content)
            yield path
        finally:
            os.close(descriptor)
    else:
        # mkstemp opens it 0600 in a folder that only this user can list.
        with (
            tempfile.TemporaryDirectory() as folder,
            tempfile.NamedTemporaryFile(dir=folder) as kept,
        ):
            kept.write(content)
            kept.flush()
            yield kept.name
