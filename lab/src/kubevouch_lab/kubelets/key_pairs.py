"""Where a kubelet keeps its pairs, and what it takes for one.

The store is client-go's util/certificate/certificate_store.go; the self-signed pair is that of cmd/kubelet/app/server.go
and client-go's util/cert/io.go.
"""

import ssl
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from kubevouch.x509 import pem
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.pki import KeyPair, Serials, kubelet_self_signed


class NoPair(Exception):
    """There is no pair; not an error at the start."""


class BadPair(Exception):
    """What lies there is no pair: the kubelet does not start with it, and keeps none such."""


def split(data: bytes, where: str) -> KeyPair:
    """The pair in PEM: all certificates, and the first key, which must be the leaf's. Raises BadPair with Go's words."""
    blocks = list(pem.blocks(data))
    certificates = [block for block in blocks if block.label == "CERTIFICATE"]
    keys = [block for block in blocks if block.label.endswith("PRIVATE KEY")]
    if not certificates:
        raise BadPair(f"{where}: tls: failed to find any PEM data in certificate input")
    if not keys:
        raise BadPair(f"{where}: tls: failed to find any PEM data in key input")
    chain = b"".join(pem.encode_block("CERTIFICATE", block.body) for block in certificates)
    key = pem.encode_block(keys[0].label, keys[0].body)
    try:
        # Whether its primes are primes takes a tenth of a second to see, and a thousand kubelets start at once.
        held = serialization.load_pem_private_key(key, None, unsafe_skip_rsa_key_validation=True)
        public = held.public_key()
        leaf = x509.load_der_x509_certificate(certificates[0].body)
        belongs = _spki(public) == _spki(leaf.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise BadPair(f"{where}: {error}") from None
    if not belongs:
        raise BadPair(f"{where}: tls: private key does not match public key")
    return KeyPair(chain, key)


def _spki(key: object) -> bytes:
    made: bytes = key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made


@dataclass(frozen=True)
class CertificateStore:
    """The files of one rotating pair. prefix: kubelet-server or kubelet-client."""

    files: NodeFiles
    folder: str
    prefix: str
    fallback: tuple[str, str] = ("", "")
    """tlsCertFile and tlsPrivateKeyFile, read where there is no current pair."""

    @property
    def current_path(self) -> str:
        """The link that names what is in force."""
        return f"{self.folder}/{self.prefix}-current.pem"

    def current(self) -> KeyPair:
        """What is in force: the link, else the configured files, else <prefix>.crt and .key.

        Raises:
            NoPair: none of them is there.
            BadPair: the one that is there cannot be used; or a file lies where the link should be.
        """
        self._recover()
        at = self.files.path(self.current_path, follow=False)
        if at.is_symlink() or at.exists():
            if not at.is_symlink():
                raise BadPair(f'expected "{self.current_path}" to be a symlink but it is a file.')
            try:
                return split(self.files.read(self.current_path), self.current_path)
            except OSError as error:
                raise BadPair(f"open {self.current_path}: {error.strerror}") from None
        seed = (f"{self.folder}/{self.prefix}.crt", f"{self.folder}/{self.prefix}.key")
        for certificate, key in (self.fallback, seed):
            if certificate and key and self.files.exists(certificate) and self.files.exists(key):
                data = self.files.read(certificate) + b"\n" + self.files.read(key)
                return split(data, certificate)
        looked = f'["{seed[0]}" "{seed[1]}"]'
        raise NoPair(f'no cert/key files read at "{self.current_path}", ["" ""] or {looked}')

    def update(self, chain: bytes, key: bytes, now: datetime) -> KeyPair:
        """Writes a new pair and lets the link name it. Raises BadPair for what is not a pair; nothing has changed then."""
        path = f"{self.folder}/{self.prefix}-{now:%Y-%m-%d-%H-%M-%S}.pem"
        data = b"".join(
            pem.encode_block("CERTIFICATE", block.body)
            for block in pem.blocks(chain)
            if block.label == "CERTIFICATE"
        )
        self.files.path(self.folder).mkdir(parents=True, exist_ok=True)
        self.files.write(path, data + key, 0o600)
        pair = split(self.files.read(path), path)
        updated = f"{self.folder}/{self.prefix}-updated.pem"
        self.files.link(updated, path)
        self._switch(updated)
        return pair

    def _recover(self) -> None:
        """A kubelet that died between the two renames finds its link under the other name."""
        updated = f"{self.folder}/{self.prefix}-updated.pem"
        current = self.files.path(self.current_path, follow=False)
        left = self.files.path(updated, follow=False)
        if left.is_symlink() and not (current.is_symlink() or current.exists()):
            self._switch(updated)

    def _switch(self, updated: str) -> None:
        current = self.files.path(self.current_path, follow=False)
        self.files.path(updated, follow=False).replace(current)


def self_signed(
    files: NodeFiles, folder: str, host: str, now: datetime, serials: Serials
) -> tuple[str, str]:
    """The paths of kubelet.crt and kubelet.key, made only if neither can be read. Takes 0.3 s to make them.

    Raises:
        BadPair: one of the two is there alone.
    """
    certificate, key = f"{folder}/kubelet.crt", f"{folder}/kubelet.key"
    found = [path for path in (certificate, key) if files.exists(path)]
    if len(found) == 1:
        [missing] = {certificate, key} - set(found)
        raise BadPair(f"error reading {missing}, certificate and key must be supplied as a pair")
    if not found:
        pair = kubelet_self_signed(host, now, serials)
        files.write(certificate, pair.chain, 0o644)
        files.write(key, pair.key, 0o600)
    return certificate, key


def file_pair(files: NodeFiles, certificate: str, key: str) -> KeyPair:
    """A configured pair of files. Raises BadPair."""
    try:
        return split(files.read(certificate) + b"\n" + files.read(key), certificate)
    except OSError as error:
        raise BadPair(f"open {error.filename}: {error.strerror}") from None


def load_into(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Gives a TLS context the pair; ssl takes paths only."""
    with tempfile.NamedTemporaryFile() as file:  # 0600
        file.write(pair.chain + pair.key)
        file.flush()
        context.load_cert_chain(file.name)


Current = Callable[[], KeyPair | None]
"""What is to be presented right now."""
