"""The real signer's certificates, made again from the same requests: the same bytes, but for the signature."""

import base64
import json
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from kubevouch.x509 import read_certificates
from kubevouch_lab.signer.csr_strategy import parsed
from kubevouch_lab.signer.issuing import SigningCa, duration, issued

# Of a real cluster (kubeadm 1.36).
RECORDED = Path(__file__).with_name("recorded")


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


REQUESTS = json.loads((RECORDED / "csr.json").read_text())["items"]


@pytest.mark.parametrize("item", REQUESTS, ids=lambda item: item["metadata"]["name"])
def test_the_same_request_gives_the_same_certificate(item: dict[str, Any]) -> None:
    (ca,) = read_certificates((RECORDED / "ca.crt").read_bytes(), "ca")
    real = x509.load_pem_x509_certificate(base64.b64decode(item["status"]["certificate"]))
    made = issued(
        parsed(item["spec"]),
        item["spec"]["usages"],
        SigningCa(ca, key()),
        now=real.not_valid_before_utc + timedelta(minutes=5),
        life=duration(item["spec"].get("expirationSeconds")),
        serial=real.serial_number,
    )
    ours = x509.load_pem_x509_certificate(made)
    assert ours.tbs_certificate_bytes == real.tbs_certificate_bytes
    key().public_key().verify(
        ours.signature,
        ours.tbs_certificate_bytes,
        ours.signature_algorithm_parameters,  # type: ignore[arg-type]
        ours.signature_hash_algorithm,  # type: ignore[arg-type]
    )
