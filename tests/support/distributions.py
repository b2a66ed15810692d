"""Kubelets' serving certificates as k3s (RKE2 uses its code) and kops sign them, built by hand: never by the code under test.

k3s: k3s-io/k3s pkg/daemons/control/deps/deps.go (createSigningCertKey) and pkg/server/handlers/handlers.go
(ServingKubeletCert), both by rancher/dynamiclistener cert/cert.go. kops: kubernetes/kops pkg/pki/issue.go, nodeup/pkg/model/kubelet.go,
cmd/kops-controller/pkg/server/server.go.
"""

from base64 import encodebytes
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from real.oracle.asn1 import name, time
from real.oracle.certificates import (
    SAN,
    SERVER_AUTH,
    YEAR,
    Certificate,
    authority_key_id,
    basic,
    extension,
    key_id,
    key_usage,
    san_value,
    subject_key_id,
    usages,
)
from real.oracle.keys import EcKey, Key, RsaKey
from tests.support.authority import Pair

NOW = datetime.now(UTC)


@dataclass(frozen=True)
class Leaf:
    """What a certificate says, beside what its distribution always says."""

    cn: str
    dns: tuple[str, ...]
    ips: tuple[str, ...] = ("127.0.0.1",)
    organizations: tuple[str, ...] = ()
    usages: tuple[str, ...] = (SERVER_AUTH,)


@dataclass(frozen=True)
class Distribution:
    """The CA of a cluster's serving certificates, and what its kubelets get."""

    name: str
    ca: Certificate = field(repr=False)

    @property
    def pem(self) -> bytes:
        return _pem("CERTIFICATE", self.ca.der())

    def of(self, node: str) -> Leaf:
        """What this distribution signs for a kubelet."""
        return Leaf(node, (node, "localhost") if self.name == "k3s" else (node,))

    def sign(self, leaf: Leaf) -> Pair:
        """Signed, with the chain that is served: k3s sends its CA along."""
        key, pem = _key(self.name)
        subject = name(*(("O", each) for each in leaf.organizations), ("CN", leaf.cn))
        der = Certificate(
            subject,
            self.ca.subject,
            key,
            self.ca.signer,
            [
                key_usage(0, 2),
                usages(*leaf.usages),
                *([basic(ca=False)] if self.name == "kops" else []),
                authority_key_id(key_id(self.ca.signer)),
                extension(SAN, san_value(leaf.dns, leaf.ips)),
            ],
            serial=0x5EED,
            not_before=self.ca.not_before,
            not_after=time(NOW + 2 * YEAR),
        ).der()
        return Pair(_pem("CERTIFICATE", der) + (self.pem if self.name == "k3s" else b""), pem)


@cache
def distribution(name: str) -> Distribution:
    """k3s: CN k3s-server-ca@<unix>, serial number 0, ECDSA. kops: CN kubernetes-ca, RSA."""
    key, _ = _key(name)
    common_name = f"k3s-server-ca@{NOW.timestamp():.0f}" if name == "k3s" else "kubernetes-ca"
    usage = key_usage(0, 2, 5) if name == "k3s" else key_usage(5, 6)
    subject = _subject(common_name)
    made = Certificate(
        subject,
        subject,
        key,
        key,
        [usage, basic(ca=True), subject_key_id(key_id(key))],
        serial=0 if name == "k3s" else 0x5EED,
        not_before=time(NOW - 2 * YEAR),
        not_after=time(NOW + 10 * YEAR),
    )
    return Distribution(name, made)


def _subject(common_name: str) -> bytes:
    return name(("CN", common_name))


def _key(distribution: str) -> tuple[Key, bytes]:
    """A key of the kind that the distribution makes, and its PEM."""
    if distribution == "k3s":
        made = ec.generate_private_key(ec.SECP256R1())
        return EcKey(made), _private(made)
    numbers = (other := rsa.generate_private_key(65537, 2048)).private_numbers()
    return RsaKey(numbers.p, numbers.q, 65537), _private(other)


def _private(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(kind: str, der: bytes) -> bytes:
    return b"-----BEGIN %b-----\n%b-----END %b-----\n" % (
        kind.encode(),
        encodebytes(der),
        kind.encode(),
    )


# Who stands at the address of the node `bad`: by the same CA, each a change of what its distribution would sign.
IMPOSTORS = {
    "another node's": lambda leaf: replace(leaf, cn="good", dns=("good", "localhost")),
    "the address only": lambda leaf: replace(leaf, cn="127.0.0.1", dns=()),
    "its CN only": lambda leaf: replace(leaf, dns=("localhost",)),
    "a control plane component's, which has its DNS name": lambda leaf: replace(
        leaf, cn="kube-apiserver"
    ),
    "its CN, and another's DNS name": lambda leaf: replace(leaf, dns=("good",)),
    "its CN in capitals": lambda leaf: replace(leaf, cn="BAD", dns=("BAD", "bad")),
    "its name and more": lambda leaf: replace(leaf, cn="bad.svc", dns=("bad.svc", "bad")),
    "a wildcard": lambda leaf: replace(leaf, cn="*", dns=("*", "bad")),
    "system:node: without the group": lambda leaf: replace(leaf, cn="system:node:bad"),
    "the group with a plain CN of another": lambda leaf: replace(
        leaf, cn="good", organizations=("system:nodes",)
    ),
    "a client's": lambda leaf: replace(leaf, usages=("1.3.6.1.5.5.7.3.2",)),
    "for any use": lambda leaf: replace(leaf, usages=("2.5.29.37.0",)),
    "of another address": lambda leaf: replace(leaf, ips=("127.0.0.9",)),
}
