"""Dates, issuer and fingerprint of a row are those that Go and openssl read, in certificates of real clusters.

`python -m real.oracle.bed_certificates` recorded them.
"""

import json
from base64 import b64decode
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.cli.common.documents import certificate_json
from kubevouch.x509 import CertificateKind, classify, read_certificate_der

RECORDED: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "cases" / "bed-certificates.jsonl")
    .read_text()
    .splitlines()
]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each["where"])
def test_go_and_openssl_read_the_same(recorded: dict[str, Any]) -> None:
    certificate = read_certificate_der(b64decode(recorded["der"]), recorded["where"])
    row: dict[str, Any] = json.loads(msgspec.json.encode(certificate_json(certificate)))
    go, openssl = recorded["go"], recorded["openssl"]
    assert {name: row[name] for name in go} == go
    for name in ("notBefore", "notAfter"):
        assert datetime.fromisoformat(row[name]) == datetime.fromisoformat(openssl[name])
    assert row["issuer"] == openssl["issuer"]
    [fingerprint] = (text for name, text in openssl.items() if "ingerprint" in name)
    assert row["sha256"] == fingerprint.replace(":", "").lower()


def test_every_kind_of_a_kubeadm_control_plane_is_among_them() -> None:
    """A corpus without one of them would say nothing of it."""
    kinds = {
        classify(read_certificate_der(b64decode(each["der"]), each["where"])) for each in RECORDED
    }
    made_by_themselves = {
        CertificateKind.COMPONENT_SELF_SIGNED,
        CertificateKind.KUBELET_SELF_SIGNED,
        CertificateKind.SELF_SIGNED_CA,
    }
    assert set(CertificateKind) - kinds <= made_by_themselves
