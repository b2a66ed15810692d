"""Signing requests that root on a node would send to be somebody else, and their good twins."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.support.csr_template import CsrTemplate, new_csr
from tests.support.requests import request

from .cluster import Cluster

SERVER = ("digital signature", "server auth")


@dataclass(frozen=True)
class Hostile:
    """One difference from a good request, and the rule that must hold it."""

    rule: str
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = SERVER
    hidden: tuple[str, ...] = ()
    """Names that only Go sees: in PKCS#9's extension request, behind Microsoft's with the good ones (T28)."""

    def pem(self, node: str, address: str) -> bytes:
        """The request of that node."""
        if self.hidden:
            return two_requests(node, address, self.hidden)
        return request(node, self.names or (node,), self.addresses or (address,))


def client_request(node: str, key: ec.EllipticCurvePrivateKey) -> bytes:
    """PEM of a CSR for a kubelet's client certificate, as `kubeadm join` makes it for a node of that name."""
    organization = x509.NameAttribute(NameOID.ORGANIZATION_NAME, "system:nodes")
    name = x509.NameAttribute(NameOID.COMMON_NAME, f"system:node:{node}")
    builder = x509.CertificateSigningRequestBuilder(x509.Name([organization, name]))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def csr_body(name: str, pem: bytes, usages: Sequence[str], signer: str) -> dict[str, Any]:
    """The object, as the API server takes it."""
    asked = {
        "request": base64.b64encode(pem).decode(),
        "signerName": signer,
        "usages": list(usages),
    }
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": name},
        "spec": asked,
    }


def manifest(name: str, pem: bytes, usages: Sequence[str], signer: str) -> str:
    """The object, as kubectl creates it."""
    return json.dumps(csr_body(name, pem, usages, signer))


def ask(
    cluster: Cluster,
    name: str,
    pem: bytes,
    usages: Sequence[str] = SERVER,
    signer: str = "kubernetes.io/kubelet-serving",
    **how: Any,
) -> None:
    """Creates that CSR. how: as Cluster.kubectl has it."""
    asked = manifest(name, pem, usages, signer)
    cluster.kubectl("create", "-f", "-", stdin=asked, **how)


def two_requests(node: str, address: str, hidden: tuple[str, ...]) -> bytes:
    """Two extension requests in one CSR, with a valid signature: Python's `cryptography` shows the good names only."""
    asked = (ip_address(address),)
    return new_csr(
        CsrTemplate(f"system:node:{node}", names=hidden, addresses=asked, shown_names=(node,))
    )
