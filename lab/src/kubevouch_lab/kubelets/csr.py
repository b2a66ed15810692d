"""What a kubelet asks for: from its addresses to a signed request, and the object that carries it.

pkg/kubelet/certificate/kubelet.go, client-go util/certificate/csr/csr.go.
"""

import ipaddress
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

SERVING = "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
USAGES = {
    SERVING: ("digital signature", "server auth"),
    CLIENT: ("digital signature", "client auth"),
}
PATH = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
NODES = "system:nodes"


@dataclass(frozen=True)
class Template:
    """Whom a request names. Names and addresses sorted as texts, each once."""

    common_name: str
    organisations: tuple[str, ...] = (NODES,)
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()

    def fault(self, leaf: x509.Certificate) -> str:
        """What the certificate lacks of it, in client-go's words; "" if it will do. More than is asked for will do."""
        common = _texts(leaf, NameOID.COMMON_NAME)
        if common != [self.common_name]:
            held = common[0] if common else ""
            return (
                f"Current certificate CN ({held}) does not match requested CN ({self.common_name})"
            )
        names, addresses = alternatives(leaf)
        for what, wanted, had in (
            ("DNS names", self.names, names),
            ("IP addresses", self.addresses, addresses),
            ("orgs", self.organisations, _texts(leaf, NameOID.ORGANIZATION_NAME)),
        ):
            missing = sorted(set(wanted) - set(had))
            if missing:
                return f"Current certificate is missing requested {what} [{' '.join(missing)}]"
        return ""


def serving_template(node: str, addresses: Iterable[tuple[str, str]]) -> Template | None:
    """From Node.status.addresses (type, address); None (no request) while there is no address of an IP among them."""
    names: set[str] = set()
    found: set[str] = set()
    for kind, address in addresses:
        number = _address(address)
        if kind == "Hostname":
            (found if number else names).add(number or address)
        elif kind in {"InternalIP", "ExternalIP"} and number:
            found.add(number)
        elif kind in {"InternalDNS", "ExternalDNS"} and address:
            names.add(address)
    names.discard("")
    if not found:
        return None
    wanted = (tuple(sorted(names)), tuple(sorted(found)))
    return Template(f"system:node:{node}", (NODES,), *wanted)


def signed(template: Template) -> tuple[bytes, bytes]:
    """A new ECDSA key and a request signed with it, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [
        *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, each) for each in template.organisations),
        x509.NameAttribute(NameOID.COMMON_NAME, template.common_name),
    ]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))
    named: list[x509.GeneralName] = [x509.DNSName(name) for name in template.names]
    named += [x509.IPAddress(ipaddress.ip_address(each)) for each in template.addresses]
    if named:
        builder = builder.add_extension(x509.SubjectAlternativeName(named), critical=False)
    pem = serialization.Encoding.PEM
    made = builder.sign(key, SHA256()).public_bytes(pem)
    no_password = serialization.NoEncryption()
    return made, key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, no_password)


def request_object(pem: bytes, signer: str) -> dict[str, Any]:
    """The CertificateSigningRequest as a kubelet creates it."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "csr-"},
        "spec": {
            "request": b64encode(pem).decode(),
            "signerName": signer,
            "usages": list(USAGES[signer]),
        },
    }


def alternatives(leaf: x509.Certificate) -> tuple[list[str], list[str]]:
    """DNS names and addresses of a certificate."""
    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [], []
    numbers: Sequence[Any] = found.get_values_for_type(x509.IPAddress)
    return found.get_values_for_type(x509.DNSName), [str(each) for each in numbers]


def _texts(leaf: x509.Certificate, what: x509.ObjectIdentifier) -> list[str]:
    return [str(each.value) for each in leaf.subject.get_attributes_for_oid(what)]


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""
