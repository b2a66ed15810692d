"""A kubelet's pki folder: which pair a kubelet would serve after its next start, and what stands in the way.

Pure: it takes a listing and the certificates in it. Keys are never read, only seen to be there. Sources:
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
    """What a name in the folder is, not following links."""

    FILE = "file"
    LINK = "link"
    FOLDER = "folder"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class PkiFile:
    """One name in the folder.

    path: absolute. mode: permission bits, None if not known. target: of a link, as written. certificates: PEM, what
    of the file (or of the link's end) is public; empty if there is none, or a link leads nowhere.
    """

    path: str
    kind: FileKind
    mode: int | None = None
    target: str = ""
    certificates: bytes = b""


class ServingMode(StrEnum):
    """Where a kubelet's serving certificate comes from."""

    BOOTSTRAP = "bootstrap"
    """serverTLSBootstrap: from the cluster's signer, kept as kubelet-server-current.pem."""
    FILES = "files"
    """tlsCertFile and tlsPrivateKeyFile."""
    SELF_SIGNED = "self-signed"
    """kubelet.crt and kubelet.key, made by the kubelet if they are not there."""


def serving_mode(configuration: KubeletConfiguration) -> ServingMode:
    """The mode that a configuration asks for."""
    if configuration.server_tls_bootstrap:
        return ServingMode.BOOTSTRAP
    if configuration.tls_cert_file or configuration.tls_private_key_file:
        return ServingMode.FILES
    return ServingMode.SELF_SIGNED


@dataclass(frozen=True, slots=True)
class NextServing:
    """What a kubelet would serve after its next start.

    path: of the certificate; empty if there is none, and then a self-signed one would be made (SELF_SIGNED), the port
    would answer "internal error" until a request is approved (BOOTSTRAP), or the kubelet would not start (FILES).
    chain: leaf first, as far as it can be read. fault: why it is not served, or the kubelet does not start.
    """

    mode: ServingMode
    path: str = ""
    chain: tuple[Certificate, ...] = ()
    fault: str = ""

    @property
    def served(self) -> bool:
        """Handshakes get this certificate."""
        return bool(self.chain) and not self.fault


def next_serving(
    configuration: KubeletConfiguration, cert_dir: str, files: Iterable[PkiFile], at: datetime
) -> NextServing:
    """What would be served, by these files.

    `files` holds the folder, and tlsCertFile and its key if they lie elsewhere and are there. `at` is an aware moment:
    an expired rotated certificate is thrown away.
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
        # Nothing further down the order is looked at.
        fault = "expired: the kubelet throws it away and has none"
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
