"""Where the approver is measured: the bed that is up, or a lab made for it; with its CA, so that nodes get real certificates."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from real import cgroups
from real.audit import Entry, read
from real.bed import Bed
from real.errors import BedError
from real.layout import AUDIT_LOG
from tests.support.api_connection import ApiConnection

_MASTER = Path("nodes/k8s-master.internal.example.com")


@dataclass(frozen=True)
class Identity:
    """A client certificate with its key in one file, and the certificate's SHA-256 as the API server writes it."""

    user: str
    pair: Path
    fingerprint: str


class Issuer:
    """Signs client certificates with the cluster's own CA."""

    def __init__(self, certificate: bytes, key: bytes, folder: Path) -> None:
        self._ca = x509.load_pem_x509_certificate(certificate)
        self._key = load_pem_private_key(key, None)
        self._folder = folder
        self.trusted = folder / "ca.crt"
        self.trusted.write_bytes(certificate)

    def client(self, user: str, group: str) -> Identity:
        """A client certificate for a day."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        subject = [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, group),
            x509.NameAttribute(NameOID.COMMON_NAME, user),
        ]
        leaf = (
            x509.CertificateBuilder(self._ca.subject, x509.Name(subject), key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self._key, hashes.SHA256())  # type: ignore[arg-type]  # kubeadm's is RSA, the lab's too
        )
        pem = leaf.public_bytes(Encoding.PEM) + key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
        pair = self._folder / f"{user.replace(':', '_')}.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(pem)
        return Identity(user, pair, sha256(leaf.public_bytes(Encoding.DER)).hexdigest())


@dataclass(frozen=True)
class BenchedCluster:
    """An API server, its CA, and its audit log."""

    name: str
    server: str
    issuer: Issuer
    log: Callable[[], bytes]
    processes: Callable[[], Iterable[int]] = tuple
    """IDs of all its processes; none where they are not known."""

    def connection(self, identity: Identity) -> ApiConnection:
        """A client that shows this certificate."""
        context = ApiConnection.trusting(self.issuer.trusted, identity.pair)
        return ApiConnection(self.server, context)

    def kubeconfig(self, identity: Identity) -> Path:
        """A kubeconfig for a program that shows this certificate."""
        pair = str(identity.pair)
        cluster = {"server": self.server, "certificate-authority": str(self.issuer.trusted)}
        user = {"client-certificate": pair, "client-key": pair}
        whole = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": cluster}],
            "users": [{"name": identity.user, "user": user}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": identity.user}}],
        }
        path = identity.pair.with_suffix(".kubeconfig")
        path.write_text(json.dumps(whole))
        return path

    def audited(self, user: str, since: datetime) -> tuple[Entry, ...]:
        """What this user has asked for since then and what has been answered."""
        return tuple(e for e in read(self.log(), since) if e.user_name == user)


@contextlib.contextmanager
def bed(folder: Path) -> Iterator[BenchedCluster]:
    """The bed that is up; we stand in its network. Raises BedError."""
    running = Bed.running()
    name = f"the bed, Kubernetes {running.version}"
    server = _server_in(running.kubeconfig)
    issuer = Issuer(running.ca.chain, running.ca.key, folder)
    log = partial(running.master.machine.read, AUDIT_LOG)
    yield BenchedCluster(name, server, issuer, log, cgroups.processes)


@contextlib.contextmanager
def lab(folder: Path) -> Iterator[BenchedCluster]:
    """A lab of one node."""
    place = folder / "lab"

    def do(verb: str, *words: str) -> None:
        argv = [sys.executable, "-m", "kubevouch", "lab", verb, "--dir", str(place), *words]
        subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    do("up", "--nodes", "1", "--detach")
    try:
        pki = place / _MASTER / "etc/kubernetes/pki"
        issuer = Issuer((pki / "ca.crt").read_bytes(), (pki / "ca.key").read_bytes(), folder)
        log = place / _MASTER / "var/log/kubernetes/audit/audit.log"
        server = _server_in(place / "kubeconfig")
        yield BenchedCluster("a lab's API server, in Python", server, issuer, log.read_bytes)
    finally:
        do("down")


@contextlib.contextmanager
def given(server: str, files: Sequence[Path], folder: Path) -> Iterator[BenchedCluster]:
    """A kube-apiserver that somebody else runs. files: the certificate of its CA, its key, and the audit log."""
    ca, key, log = files
    issuer = Issuer(ca.read_bytes(), key.read_bytes(), folder)
    yield BenchedCluster(f"the API server {server}", server, issuer, log.read_bytes)


def is_bed_up() -> bool:
    """Whether this process stands in the network of a bed that is up."""
    try:
        Bed.running(os.environ)
    except BedError:
        return False
    return True


def _server_in(kubeconfig: Path) -> str:
    found = re.search(r"server: (\S+)", kubeconfig.read_text())
    assert found is not None, kubeconfig
    return found[1]
