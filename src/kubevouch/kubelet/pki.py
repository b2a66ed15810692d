"""A kubelet's pki folder: which certificate a kubelet would serve after its next start, or why it would serve none.

Pure: it takes a listing of the folder and its certificates. Keys are never read, only their existence is known. Sources:
InitializeTLS in cmd/kubelet/app/server.go, CanReadCertAndKey in client-go's util/cert/io.go, Current in client-go's
util/certificate/certificate_store.go.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from kubevouch.kubelet.configuration import KubeletConfiguration
from kubevouch.x509 import Certificate, X509Error, read_certificates

ROTATED: Final = "kubelet-server-current.pem"
_SEED: Final = ("kubelet-server.crt", "kubelet-server.key")
_SELF_SIGNED: Final = ("kubelet.crt", "kubelet.key")


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


def next_serving(
    configuration: KubeletConfiguration, cert_dir: str, files: Mapping[str, bytes], at: datetime
) -> NextServing:
    """What a kubelet would serve with these files.

    files: by absolute path, the certificates in each file of the folder, in PEM, and of tlsCertFile and its key if they
    exist elsewhere; without links that lead nowhere. at: an aware moment, since the kubelet discards an expired rotated
    certificate.
    """
    mode = serving_mode(configuration)
    given = (configuration.tls_cert_file, configuration.tls_private_key_file)
    if mode is ServingMode.BOOTSTRAP:
        return _rotated(cert_dir, given, files, at)
    if mode is ServingMode.SELF_SIGNED:
        given = _within(cert_dir, _SELF_SIGNED)
    certificate, key = given
    if certificate in files and key in files:
        return _read(mode, certificate, files)
    if mode is ServingMode.SELF_SIGNED and certificate not in files and key not in files:
        return NextServing(mode)
    missing = key if certificate in files else certificate
    return NextServing(
        mode,
        certificate,
        fault=f"{missing or 'one of the pair'} is missing: the kubelet does not start",
        starts=False,
    )


def _within(folder: str, pair: tuple[str, str]) -> tuple[str, str]:
    return posixpath.join(folder, pair[0]), posixpath.join(folder, pair[1])


def _rotated(
    cert_dir: str, given: tuple[str, str], files: Mapping[str, bytes], at: datetime
) -> NextServing:
    """The store's order: the current link, then the configured pair, then the seed."""
    current = posixpath.join(cert_dir, ROTATED)
    pairs = ((current, current), given, _within(cert_dir, _SEED))
    path = next((pair[0] for pair in pairs if all(each in files for each in pair)), None)
    if path is None:
        return NextServing(ServingMode.BOOTSTRAP)
    read = _read(ServingMode.BOOTSTRAP, path, files)
    if read.chain and read.chain[0].not_after < at:
        # The kubelet does not try anything after this in the order.
        return replace(read, fault="expired: the kubelet discards it and has none")
    return read


def _read(mode: ServingMode, path: str, files: Mapping[str, bytes]) -> NextServing:
    try:
        return NextServing(mode, path, read_certificates(files[path], path))
    except X509Error as error:
        return NextServing(mode, path, fault=error.seen)
