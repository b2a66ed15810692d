"""A kubelet's pki folder: which certificate a kubelet would serve after its next start, or why it would serve none.

Pure: it takes a listing of the folder and its certificates. Keys are never read, only their existence is known. Sources:
InitializeTLS in cmd/kubelet/app/server.go, CanReadCertAndKey in client-go's util/cert/io.go, Current in client-go's
util/certificate/certificate_store.go.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from kubevouch.kubelet.configuration import KubeletConfiguration
from kubevouch.x509 import Certificate, X509Error, read_certificates

ROTATED: Final = "kubelet-server-current.pem"
_SEED: Final = ("kubelet-server.crt", "kubelet-server.key")
_SELF_SIGNED: Final = ("kubelet.crt", "kubelet.key")


class FileKind(StrEnum):
    """The kind of a directory entry, without following links."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PkiFile:
    """An entry of the folder.

    path: absolute. mode: permission bits; None if not known. target: of a link, as written. certificates: the
    certificates in the file (or in a link's target), in PEM; empty if there are none.
    """

    path: str
    kind: FileKind
    mode: int | None = None
    target: str = ""
    certificates: bytes = b""


class ServingMode(StrEnum):
    """The source of a kubelet's serving certificate."""

    BOOTSTRAP = "bootstrap"
    """serverTLSBootstrap: from the cluster's signer, kept as kubelet-server-current.pem."""
    FILES = "files"
    """tlsCertFile and tlsPrivateKeyFile."""
    SELF_SIGNED = "self-signed"
    """kubelet.crt and kubelet.key, which the kubelet makes if they are missing."""


def serving_mode(configuration: KubeletConfiguration) -> ServingMode:
    """The mode that a configuration selects."""
    if configuration.server_tls_bootstrap:
        return ServingMode.BOOTSTRAP
    if configuration.tls_cert_file or configuration.tls_private_key_file:
        return ServingMode.FILES
    return ServingMode.SELF_SIGNED


@dataclass(frozen=True, slots=True)
class NextServing:
    """What a kubelet would serve after its next start.

    path: of the certificate. Empty if there is none: then a self-signed one would be made (SELF_SIGNED), the port would
    answer "internal error" until a CSR is approved (BOOTSTRAP), or the kubelet would not start (FILES). chain: leaf
    first, as far as it can be read. fault: why the certificate is not served, or why the kubelet does not start.
    starts: whether the kubelet starts with it.
    """

    mode: ServingMode
    path: str = ""
    chain: tuple[Certificate, ...] = ()
    fault: str = ""
    starts: bool = True

    @property
    def served(self) -> bool:
        """Whether handshakes would get this certificate."""
        return bool(self.chain) and not self.fault


def next_serving(
    configuration: KubeletConfiguration, cert_dir: str, files: Iterable[PkiFile], at: datetime
) -> NextServing:
    """What a kubelet would serve with these files.

    files: the entries of the folder, and of tlsCertFile and its key if they exist elsewhere. at: an aware moment, since
    the kubelet discards an expired rotated certificate.
    """
    by_path = {file.path: file for file in files}
    mode = serving_mode(configuration)
    given = (configuration.tls_cert_file, configuration.tls_private_key_file)
    if mode is ServingMode.BOOTSTRAP:
        return _rotated(cert_dir, given, by_path, at)
    if mode is ServingMode.SELF_SIGNED:
        given = (
            posixpath.join(cert_dir, _SELF_SIGNED[0]),
            posixpath.join(cert_dir, _SELF_SIGNED[1]),
        )
    certificate, key = (_there(by_path, path) for path in given)
    if certificate and key:
        return _read(mode, certificate)
    if mode is ServingMode.SELF_SIGNED and not certificate and not key:
        return NextServing(mode)
    missing = given[1] if certificate else given[0]
    return NextServing(
        mode,
        given[0],
        fault=f"{missing or 'one of the pair'} is missing: the kubelet does not start",
        starts=False,
    )


def _rotated(
    cert_dir: str, given: tuple[str, str], by_path: dict[str, PkiFile], at: datetime
) -> NextServing:
    """The store's order: the current link, then the configured pair, then the seed."""
    mode = ServingMode.BOOTSTRAP
    current = _there(by_path, posixpath.join(cert_dir, ROTATED))
    seed = (posixpath.join(cert_dir, _SEED[0]), posixpath.join(cert_dir, _SEED[1]))
    pairs = [pair[0] for pair in (given, seed) if all(_there(by_path, path) for path in pair)]
    found = current or (by_path[pairs[0]] if pairs else None)
    if found is None:
        return NextServing(mode)
    read = _read(mode, found)
    if read.chain and read.chain[0].not_after < at:
        # The kubelet does not try anything after this in the order.
        fault = "expired: the kubelet discards it and has none"
        return NextServing(mode, read.path, read.chain, fault)
    return read


def _there(by_path: dict[str, PkiFile], path: str) -> PkiFile | None:
    """The file, unless it is a link that leads nowhere (a link's end is read through it)."""
    found = by_path.get(path) if path else None
    if found is None or (found.kind is FileKind.LINK and not found.certificates):
        return None
    return found


def _read(mode: ServingMode, file: PkiFile) -> NextServing:
    try:
        return NextServing(mode, file.path, read_certificates(file.certificates, file.path))
    except X509Error as error:
        return NextServing(mode, file.path, fault=error.seen)
