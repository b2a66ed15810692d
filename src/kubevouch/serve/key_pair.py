"""The serving certificate and its key: from files that may change, or self-signed at the start.

The flags are those of every Kubernetes API server (apiserver's pkg/server/options/serving.go):
--tls-cert-file and --tls-private-key-file. Without them the files are `apiserver.crt` and
`apiserver.key` in --cert-dir, created if missing. Without --cert-dir the pair stays in memory.
"""

import os
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from kubevouch.errors import UsageError
from kubevouch.named_files import bytes_in
from kubevouch.serve.shared_authority import SharedAuthority
from kubevouch.tls import KeyPairError
from kubevouch.tls.io.context import KeyPair
from kubevouch.tls.io.server import server_context
from kubevouch.x509 import KeyKind, X509Error, kubelet_self_signed, read_certificates

_LARGEST: Final = 1 << 20
_LIFETIME: Final = timedelta(days=365)
_EXPECTED: Final = (
    "expected a certificate in PEM, leaf first",
    "expected the certificate's unencrypted private key in PEM",
)


@dataclass(frozen=True, slots=True)
class KeyPairSource:
    """A source of a key pair: `files` (certificate and key), or a pair that was `made` in memory.

    flags: the flags that specify these files, for error messages; "" if none do.
    """

    where: str
    files: tuple[Path, Path] | None
    made: KeyPair | None = None
    flags: tuple[str, str] = ("", "")

    def read(self) -> KeyPair:
        """The current pair. Raises UsageError."""
        if self.made is not None:
            return self.made
        assert self.files is not None
        chain, key = map(_read, self.files, self.flags, _EXPECTED)
        return KeyPair(chain, key)


ServingPairSource = KeyPairSource | SharedAuthority
"""A source of a serving certificate and its key. Its `where` names the flags and files, or the
Secret, for error messages."""


def usable_pair(source: ServingPairSource, kept: KeyPair | None = None) -> KeyPair:
    """The pair from the source.

    kept: the current pair, if any. If the source still has this pair, it is not checked again,
    which saves a millisecond.

    Raises UsageError if the source is unreadable, or a server cannot use the pair. For example,
    only one of the files may have been replaced. OpenSSL may accept a certificate that Go clients
    cannot parse. Our own reader rejects it, as servers written in Go do.
    """
    try:
        pair = source.read()
        if pair != kept:
            server_context(pair, where=source.where)
            read_certificates(pair.chain, source.where)
    except (KeyPairError, X509Error) as error:
        raise UsageError(source.where, error.seen, error.expected) from None
    return pair


@dataclass(frozen=True, slots=True)
class NamedPair:
    """A pair for clients that request one of these names by SNI. If `names` is empty, the certificate's names are used."""

    source: KeyPairSource
    names: tuple[str, ...] = ()


def pairs_by_name(found: Sequence[tuple[NamedPair, KeyPair]]) -> dict[str, KeyPair]:
    """The pair for each name. Configured names take precedence over names in certificates, and earlier pairs over later ones.

    Source: BuildNamedCertificates and getCertificateNames in apiserver's
    pkg/server/dynamiccertificates/named_certificates.go.

    Raises X509Error.
    """
    given: dict[str, KeyPair] = {}
    own: dict[str, KeyPair] = {}
    for named, pair in reversed(found):
        given |= dict.fromkeys((name.lower() for name in named.names), pair)
        if not named.names:
            leaf = read_certificates(pair.chain, named.source.where)[0]
            names = [leaf.subject.common_name, *leaf.dns_names]
            own |= dict.fromkeys((name.lower() for name in names if _NAME.fullmatch(name)), pair)
    return own | given


_NAME: Final = re.compile(r"\*|(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?", re.IGNORECASE)


def key_pair_source(
    cert_file: str,
    key_file: str,
    cert_dir: str,
    *,
    now: datetime,
    random_serial: Callable[[int], int],
) -> KeyPairSource:
    """The source that these flags specify; "" for a flag that is not given. Raises UsageError."""
    if bool(cert_file) != bool(key_file):
        expected = "expected --tls-cert-file and --tls-private-key-file together"
        raise UsageError("--tls-cert-file, --tls-private-key-file", "one is missing", expected)
    if cert_file:
        files = (Path(cert_file), Path(key_file))
        flags = ("--tls-cert-file", "--tls-private-key-file")
        where = ", ".join(map("{} {}".format, flags, files))
        return KeyPairSource(where, files, flags=flags)
    if not cert_dir:
        return KeyPairSource("self-signed, in memory", None, _self_signed(now, random_serial))
    files = (Path(cert_dir, "apiserver.crt"), Path(cert_dir, "apiserver.key"))
    if not all(path.is_file() for path in files):
        _write(files, _self_signed(now, random_serial))
    where = f"--cert-dir {files[0]}, {files[1]}"
    return KeyPairSource(where, files, flags=("--cert-dir", "--cert-dir"))


def _self_signed(now: datetime, random_serial: Callable[[int], int]) -> KeyPair:
    """A self-signed pair for localhost, like client-go's cert.GenerateSelfSignedCertKey."""
    made = kubelet_self_signed(
        "localhost",
        addresses=(IPv4Address("127.0.0.1"),),
        now=now,
        lifetime=_LIFETIME,
        serials=(random_serial(62) or 1, random_serial(62) or 2),
        key_kind=KeyKind.ECDSA_P256,
    )
    return KeyPair(made.chain_pem, made.key_pem)


def _write(files: tuple[Path, Path], pair: KeyPair) -> None:
    try:
        files[0].parent.mkdir(parents=True, exist_ok=True)
        for path, content, mode in ((files[1], pair.key, 0o600), (files[0], pair.chain, 0o644)):
            _write_file(path, content, mode)
    except OSError as error:
        where, expected = (
            str(error.filename or files[0]),
            "expected a writable folder",
        )
        raise UsageError(where, error.strerror or str(error), expected) from None


def _write_file(path: Path, content: bytes, mode: int) -> None:
    """Writes a file atomically.

    The file is new, so nobody can have opened it before or replaced it with a link.
    """
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # O_EXCL, 0600
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            os.fchmod(out.fileno(), mode)
        Path(partial).replace(path)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


def _read(path: Path, flag: str, expected: str) -> bytes:
    return bytes_in(path, most=_LARGEST, expected=expected, where=f"{flag} {path}".strip())
